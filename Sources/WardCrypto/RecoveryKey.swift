internal import Crypto
internal import FoundationEssentials
internal import WardCore

/// The public part of a recovery kit: whoever has it can seal, and nobody but the kit can open.
///
/// HPKE (RFC 9180) in base mode with X-Wing (X25519 and ML-KEM-768, draft-connolly-cfrg-xwing-kem-06), HKDF-SHA256 and
/// AES-256-GCM: a backup that is copied today stays closed to a quantum computer of later.
public struct RecoveryRecipient: Hashable, Sendable {
    /// 1216 bytes.
    public let bytes: [UInt8]

    /// Takes the bytes of a public key; nil for anything else.
    public init?(bytes: [UInt8]) {
        guard (try? XWingMLKEM768X25519.PublicKey(rawRepresentation: bytes)) != nil else { return nil }
        self.bytes = bytes
    }

    /// The first eight bytes of its hash, by which kits are told apart.
    public var fingerprint: [UInt8] { Array(sha256(Array("ward/recovery-kit/1".utf8), bytes).bytes.prefix(8)) }

    /// Seals for the kit; it opens only with the same `context`.
    public func seal(_ plaintext: [UInt8], boundTo context: [UInt8]) throws(SealFailure) -> [UInt8] {
        guard let key = try? XWingMLKEM768X25519.PublicKey(rawRepresentation: bytes),
            var sender = try? HPKE.Sender(
                recipientKey: key, ciphersuite: RecoveryPrivateKey.suite, info: RecoveryPrivateKey.info),
            let sealed = try? sender.seal(plaintext, authenticating: RecoveryPrivateKey.header + context)
        else { throw .sealing }
        return RecoveryPrivateKey.header + Array(sender.encapsulatedKey) + Array(sealed)
    }

    /// Seals a key for the kit.
    public func wrap(_ material: KeyMaterial, boundTo context: [UInt8]) throws(SealFailure) -> [UInt8] {
        let recipient = self
        let result: Result<[UInt8], SealFailure> = material.withBytes { bytes in
            do throws(SealFailure) { return .success(try recipient.seal(bytes, boundTo: context)) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}

/// The private part, which exists on paper, and in memory while a kit is printed or used.
public struct RecoveryPrivateKey: Sendable {
    private let key: XWingMLKEM768X25519.PrivateKey
    public let recipient: RecoveryRecipient

    /// A fresh key; nil where the system has no randomness.
    public init?() {
        guard let key = try? XWingMLKEM768X25519.PrivateKey() else { return nil }
        self.init(key)
    }

    /// Restores a key from its 32-byte seed.
    public init?(seed: [UInt8]) {
        guard seed.count == 32,
            let key = try? XWingMLKEM768X25519.PrivateKey(seedRepresentation: seed, publicKey: nil)
        else { return nil }
        self.init(key)
    }

    private init?(_ key: XWingMLKEM768X25519.PrivateKey) {
        guard let recipient = RecoveryRecipient(bytes: Array(key.publicKey.rawRepresentation)) else { return nil }
        self.key = key
        self.recipient = recipient
    }

    /// The 32-byte seed, for the kit.
    package var seed: [UInt8] { Array(key.seedRepresentation) }

    /// Opens what ``RecoveryRecipient/seal(_:boundTo:)`` sealed.
    public func open(_ envelope: [UInt8], boundTo context: [UInt8]) throws(SealFailure) -> [UInt8] {
        let start = Self.header.count
        guard envelope.count > start + Self.encapsulatedCount else { throw .notAuthentic }
        guard Array(envelope.prefix(start)) == Self.header else { throw .unknownFormat }
        let end = start + Self.encapsulatedCount
        guard
            var receiver = try? HPKE.Recipient(
                privateKey: key, ciphersuite: Self.suite, info: Self.info, encapsulatedKey: Data(envelope[start..<end])),
            let opened = try? receiver.open(Array(envelope[end...]), authenticating: Self.header + context)
        else { throw .notAuthentic }
        return Array(opened)
    }

    /// Opens a key.
    public func unwrap(_ envelope: [UInt8], boundTo context: [UInt8]) throws(SealFailure) -> KeyMaterial {
        var bytes = try open(envelope, boundTo: context)
        defer { wipe(&bytes) }
        guard let material = KeyMaterial(bytes) else { throw .notAuthentic }
        return material
    }

    /// Format 1, algorithm 2.
    fileprivate static let header: [UInt8] = [1, 2]
    fileprivate static let encapsulatedCount = 1120
    fileprivate static let info = Data("ward/recovery/1".utf8)
    fileprivate static let suite = HPKE.Ciphersuite.XWingMLKEM768X25519_SHA256_AES_GCM_256
}

extension RecoveryPrivateKey: SilentKey {}
