public import WardCrypto

/// A signed statement of the log's size and root (C2SP tlog-checkpoint over signed-note, Ed25519).
public struct Checkpoint: Hashable, Sendable {
    /// Name of the log, unique and without spaces.
    public let origin: String
    public let size: Int64
    public let root: Digest

    public init(origin: String, size: Int64, root: Digest) {
        self.origin = origin
        self.size = size
        self.root = root
    }

    /// Reads the text of a checkpoint, which says nothing of who signed it; nil if it is none.
    public init?(text: String) {
        let lines = text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false).map { String($0) }
        // Origin, size, root, extension lines, and nothing after the last newline.
        guard lines.count >= 4, lines.last == "", lines.dropLast().allSatisfy({ $0 != nil && $0 != "" }),
            let origin = lines[0], let number = lines[1], let size = Int64(number), size >= 0, String(size) == number,
            let hash = lines[2].flatMap(base64Decoded), let root = Digest(bytes: hash)
        else { return nil }
        self.init(origin: origin, size: size, root: root)
    }

    /// What is signed.
    public var text: String { "\(origin)\n\(size)\n\(base64(root.bytes))\n" }

    /// The note with this log's signature line.
    public func signed(with key: SigningKey) -> String? {
        guard let verifier = VerifierKey(name: origin, algorithm: .ed25519, publicKey: key.publicKey),
            let signature = key.sign(Array(text.utf8))
        else { return nil }
        return text + "\n"
            + SignedNote.Signature(name: origin, keyID: verifier.keyID, bytes: signature).line
    }

    /// Reads a note and checks the log's signature; nil if it is malformed or not signed by that key.
    public init?(note: String, publicKey: [UInt8]) {
        guard let signed = SignedNote(note), let checkpoint = Checkpoint(text: signed.text),
            let key = VerifierKey(name: checkpoint.origin, algorithm: .ed25519, publicKey: publicKey),
            case .valid = signed.standing(of: key)
        else { return nil }
        self = checkpoint
    }
}
