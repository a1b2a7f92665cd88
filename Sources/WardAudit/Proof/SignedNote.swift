public import WardCrypto

/// A text with the signatures under it (C2SP signed-note).
///
/// Read byte by byte: what is not exactly of the format is no note.
public struct SignedNote: Hashable, Sendable {
    /// One signature line.
    public struct Signature: Hashable, Sendable {
        public let name: String
        /// Four bytes that tell keys of one name apart.
        public let keyID: [UInt8]
        public let bytes: [UInt8]

        public init(name: String, keyID: [UInt8], bytes: [UInt8]) {
            self.name = name
            self.keyID = keyID
            self.bytes = bytes
        }

        /// As it stands in the note, with its newline.
        public var line: String { "\u{2014} \(name) \(base64(keyID + bytes))\n" }
    }

    /// What a key has to do with a note.
    public enum Standing: Hashable, Sendable {
        case absent
        /// A line of this key's name and id that is not its signature: the note is to be refused as a whole.
        case invalid
        /// Signed; the time in seconds since 1970 is that of a cosignature.
        case valid(time: Int64?)
    }

    /// Bytes and lines that a note may have; the specification asks for room for 16 signatures.
    public static let largestSize = 65_536
    public static let mostSignatures = 64

    /// What is signed, with its last newline.
    public let text: String
    public let signatures: [Signature]

    public init(text: String, signatures: [Signature]) {
        self.text = text
        self.signatures = signatures
    }

    /// Reads a note; nil for anything that is not exactly one.
    public init?(_ note: String) {
        let bytes = Array(note.utf8)
        guard bytes.count <= Self.largestSize, bytes.last == 0x0A, bytes.allSatisfy({ $0 >= 0x20 || $0 == 0x0A }) else {
            return nil
        }
        // The last empty line parts the text from its signatures.
        guard let separator = bytes.indices.dropLast(2).last(where: { bytes[$0] == 0x0A && bytes[$0 + 1] == 0x0A })
        else {
            return nil
        }
        let lines = bytes[(separator + 2)...].dropLast().split(separator: 0x0A, omittingEmptySubsequences: false)
        guard (1...Self.mostSignatures).contains(lines.count) else { return nil }
        var signatures: [Signature] = []
        for line in lines {
            guard let signature = Self.signature(line) else { return nil }
            signatures.append(signature)
        }
        self.init(text: String(decoding: bytes[...separator], as: UTF8.self), signatures: signatures)
    }

    private static func signature(_ line: ArraySlice<UInt8>) -> Signature? {
        guard line.starts(with: Array("\u{2014} ".utf8)) else { return nil }
        let parts = line.dropFirst(4).split(separator: 0x20, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        let name = String(decoding: parts[0], as: UTF8.self)
        guard VerifierKey.isName(name), let bytes = base64Decoded(String(decoding: parts[1], as: UTF8.self)),
            bytes.count > 4
        else { return nil }
        return Signature(name: name, keyID: Array(bytes[..<4]), bytes: Array(bytes[4...]))
    }

    /// The whole note.
    public var note: String { text + "\n" + signatures.map(\.line).joined() }

    /// Whether this key signed, and when if it says so.
    public func standing(of key: VerifierKey) -> Standing {
        var found = Standing.absent
        for signature in signatures where signature.name == key.name && signature.keyID == key.keyID {
            guard let time = key.time(of: signature, on: text) else { return .invalid }
            if case .valid(let known) = found, (known ?? 0) >= (time ?? 0) { continue }
            found = .valid(time: time)
        }
        return found
    }
}

/// A public key as signed notes name it: `name+hash+base64(type || key)` (C2SP signed-note, verifier keys).
public struct VerifierKey: Hashable, Sendable {
    public enum Algorithm: UInt8, Sendable {
        /// Ed25519 over the text: logs.
        case ed25519 = 1
        /// Ed25519 over time and text: witnesses (C2SP tlog-cosignature).
        case cosignature = 4
    }

    public let name: String
    public let algorithm: Algorithm
    /// 32 bytes.
    public let publicKey: [UInt8]

    /// - Returns: nil for a name with spaces or plus signs, or a key of another length.
    public init?(name: String, algorithm: Algorithm, publicKey: [UInt8]) {
        guard Self.isName(name), publicKey.count == 32 else { return nil }
        self.name = name
        self.algorithm = algorithm
        self.publicKey = publicKey
    }

    /// Reads the one encoding of a key; nil for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let bytes = base64Decoded(String(parts[2])), let first = bytes.first,
            let algorithm = Algorithm(rawValue: first)
        else { return nil }
        self.init(name: String(parts[0]), algorithm: algorithm, publicKey: Array(bytes.dropFirst()))
        guard self.text.utf8.elementsEqual(text.utf8) else { return nil }
    }

    public var text: String { "\(name)+\(hex(keyID))+\(base64([algorithm.rawValue] + publicKey))" }

    public var keyID: [UInt8] {
        Array(sha256(Array(name.utf8) + [0x0A, algorithm.rawValue] + publicKey).bytes.prefix(4))
    }

    static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 256
            && name.unicodeScalars.allSatisfy { $0.value > 0x20 && $0 != "+" && !$0.properties.isWhitespace }
    }

    /// Outer nil if it is not this key's signature; inner nil for a signature without time.
    fileprivate func time(of signature: SignedNote.Signature, on text: String) -> Int64?? {
        switch algorithm {
        case .ed25519:
            guard signature.bytes.count == 64,
                SigningKey.isValid(signature.bytes, of: Array(text.utf8), publicKey: publicKey)
            else { return .none }
            return .some(nil)
        case .cosignature:
            guard signature.bytes.count == 72 else { return .none }
            let time = signature.bytes[..<8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            guard let seconds = Int64(exactly: time),
                SigningKey.isValid(
                    Array(signature.bytes[8...]), of: Cosigner.message(text, seconds: seconds), publicKey: publicKey)
            else { return .none }
            return .some(seconds)
        }
    }
}

/// A witness's own key: it states that a log has only grown, as of a time (C2SP tlog-cosignature, Ed25519).
public struct Cosigner: Sendable {
    private let key: SigningKey
    public let verifierKey: VerifierKey

    /// - Returns: nil for a name that notes cannot carry.
    public init?(name: String, key: SigningKey) {
        guard let verifier = VerifierKey(name: name, algorithm: .cosignature, publicKey: key.publicKey) else {
            return nil
        }
        self.key = key
        verifierKey = verifier
    }

    /// The cosignature of a checkpoint's text.
    public func cosign(_ text: String, at seconds: Int64) -> SignedNote.Signature? {
        guard seconds >= 0, let signature = key.sign(Self.message(text, seconds: seconds)) else { return nil }
        let time = (0..<8).map { UInt8(truncatingIfNeeded: seconds >> (56 - 8 * $0)) }
        return SignedNote.Signature(
            name: verifierKey.name, keyID: verifierKey.keyID, bytes: time + signature)
    }

    static func message(_ text: String, seconds: Int64) -> [UInt8] {
        Array("cosignature/v1\ntime \(seconds)\n\(text)".utf8)
    }
}
