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

    private var body: String { "\(origin)\n\(size)\n\(base64(root.bytes))\n" }

    /// The note with this log's signature line.
    public func signed(with key: SigningKey) -> String? {
        guard let signature = key.sign(Array(body.utf8)) else { return nil }
        let line = Self.keyHash(origin, key.publicKey) + signature
        return body + "\n\u{2014} \(origin) \(base64(line))\n"
    }

    /// Reads a note and checks the log's signature; nil if it is malformed or not signed by that key.
    public init?(note: String, publicKey: [UInt8]) {
        guard note.hasSuffix("\n"), let separator = note.range(of: "\n\n") else { return nil }
        let body = note[..<separator.lowerBound] + "\n"
        let lines = body.split(separator: "\n", omittingEmptySubsequences: false)
        guard
            lines.count >= 4, let size = Int64(lines[1]), size >= 0, String(size) == lines[1],
            let hash = base64Decoded(String(lines[2])), let root = Digest(bytes: hash)
        else { return nil }
        let origin = String(lines[0])
        let prefix = "\u{2014} \(origin) "
        let isSigned = note[separator.upperBound...].split(separator: "\n").contains { line in
            guard line.hasPrefix(prefix), let signature = base64Decoded(String(line.dropFirst(prefix.count))) else {
                return false
            }
            return signature.count == 68 && Array(signature[..<4]) == Self.keyHash(origin, publicKey)
                && SigningKey.isValid(Array(signature[4...]), of: Array(body.utf8), publicKey: publicKey)
        }
        guard isSigned else { return nil }
        self.init(origin: origin, size: size, root: root)
    }

    /// The verifier's key as signed-note writes it: `origin+hash+base64(0x01 || key)`.
    public static func verifierKey(origin: String, publicKey: [UInt8]) -> String {
        "\(origin)+\(hex(keyHash(origin, publicKey)))+\(base64([1] + publicKey))"
    }

    private static func keyHash(_ origin: String, _ publicKey: [UInt8]) -> [UInt8] {
        Array(sha256(Array(origin.utf8) + [0x0A, 0x01] + publicKey).bytes.prefix(4))
    }
}

extension String {
    /// The first occurrence of `pattern`, without Foundation.
    fileprivate func range(of pattern: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(pattern) { return start..<index(start, offsetBy: pattern.count) }
            start = index(after: start)
        }
        return nil
    }
}
