import WardCore
public import WardCrypto

/// What is kept of a password: a salt, and the argon2id hash (RFC 9106) of password and salt.
///
/// ``PasswordHasher`` makes and compares them. It never prints.
public struct PasswordVerifier: Sendable, SilentKey {
    public let parameters: Argon2id.Parameters
    let salt: [UInt8]
    private let hash: [UInt8]

    private static let saltLength = 16
    private static let hashLength = 32

    /// Takes its time and memory; only for a thread that may be kept busy.
    init(hashing password: Password, parameters: Argon2id.Parameters) throws(Argon2Failure) {
        let salt = randomBytes(Self.saltLength)
        let secret = try password.withBytes { bytes throws(Argon2Failure) in
            try Argon2id.hash(bytes, salt: salt, parameters: parameters)
        }
        self.init(parameters: parameters, salt: salt, hash: secret.withBytes { $0.array })
    }

    private init(parameters: Argon2id.Parameters, salt: [UInt8], hash: [UInt8]) {
        self.parameters = parameters
        self.salt = salt
        self.hash = hash
    }

    /// Compares without telling by time where the difference is.
    func matches(_ password: Password) throws(Argon2Failure) -> Bool {
        let secret = try password.withBytes { bytes throws(Argon2Failure) in
            try Argon2id.hash(bytes, salt: salt, parameters: parameters)
        }
        return constantTimeEquals(secret, SecretBytes(copying: hash))
    }

    /// A verifier that nothing matches, at the usual cost.
    static func unmatched(_ parameters: Argon2id.Parameters) -> PasswordVerifier {
        PasswordVerifier(parameters: parameters, salt: randomBytes(saltLength), hash: randomBytes(hashLength))
    }

    /// Whether today's cost is another one: hash again at the next sign-in.
    public var needsRehash: Bool { parameters != .standard }

    // MARK: Storage

    /// The PHC string format: `$argon2id$v=19$m=65536,t=3,p=1$SALT$HASH`; to be sealed.
    package func encoded() -> [UInt8] {
        let cost = "m=\(parameters.memoryKiB),t=\(parameters.passes),p=\(parameters.lanes)"
        return Array("$argon2id$v=19$\(cost)$\(Self.unpadded(salt))$\(Self.unpadded(hash))".utf8)
    }

    /// Reads what ``encoded()`` wrote.
    ///
    /// Nil for other hashes, for a cost below the floor of OWASP ASVS 5.0 (19 MiB and 2 passes), and for one that would
    /// stop the server (1 GiB, 16 passes, 16 lanes).
    package init?(decoding bytes: [UInt8]) {
        let fields = String(decoding: bytes, as: UTF8.self).split(separator: "$", omittingEmptySubsequences: false)
        guard fields.count == 6, fields[0].isEmpty, fields[1] == "argon2id", fields[2] == "v=19" else { return nil }
        let cost = fields[3].split(separator: ",", omittingEmptySubsequences: false)
        guard
            cost.count == 3, let memory = Self.number(cost[0], after: "m="),
            let passes = Self.number(cost[1], after: "t="), let lanes = Self.number(cost[2], after: "p="),
            let salt = Self.bytes(fields[4]), let hash = Self.bytes(fields[5])
        else { return nil }
        guard
            (19_456...1_048_576).contains(memory), (2...16).contains(passes), (1...16).contains(lanes),
            salt.count == Self.saltLength, hash.count == Self.hashLength
        else { return nil }
        self.init(
            parameters: Argon2id.Parameters(memoryKiB: memory, passes: passes, lanes: lanes), salt: salt, hash: hash)
    }

    private static func number(_ field: Substring, after name: String) -> UInt32? {
        guard field.hasPrefix(name), let value = UInt32(field.dropFirst(2)), "\(name)\(value)" == field else {
            return nil
        }
        return value
    }

    private static func unpadded(_ bytes: [UInt8]) -> String { String(base64(bytes).prefix { $0 != "=" }) }

    private static func bytes(_ text: Substring) -> [UInt8]? {
        text.utf8.last == 0x3D
            ? nil : base64Decoded(text + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4))
    }
}

extension RawSpan {
    /// A copy of bytes that are not secret any more, or about to be sealed.
    var array: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(byteCount)
        for index in 0..<byteCount { unsafe bytes.append(unsafeLoad(fromByteOffset: index, as: UInt8.self)) }
        return bytes
    }
}
