internal import Crypto
internal import FoundationEssentials
internal import WardCore

/// A key pair whose public half seals what only the private half opens (HPKE base mode, RFC 9180).
///
/// X25519, HKDF-SHA256, AES-256-GCM. Sealing says nothing of who sealed.
public struct RecipientKey: Sendable {
    private let key: Curve25519.KeyAgreement.PrivateKey

    /// The key pair that a secret stands for: 32 uniform bytes are a private key of X25519 (RFC 7748 §5).
    public init?(_ material: KeyMaterial) {
        let made = material.withBytes { try? Curve25519.KeyAgreement.PrivateKey(rawRepresentation: $0) }
        guard let made else { return nil }
        key = made
    }

    /// 32 bytes.
    public var publicKey: [UInt8] { Array(key.publicKey.rawRepresentation) }

    /// Opens what ``seal(_:to:boundTo:)`` sealed to this key's public half.
    public func open(_ box: [UInt8], boundTo context: [UInt8]) throws(SealFailure) -> [UInt8] {
        guard box.count > 34 else { throw .notAuthentic }
        guard box[0] == Self.header[0], box[1] == Self.header[1] else { throw .unknownFormat }
        guard
            var recipient = try? HPKE.Recipient(
                privateKey: key, ciphersuite: Self.suite, info: Data(Self.header + context),
                encapsulatedKey: Data(box[2..<34])),
            let plaintext = try? recipient.open(Data(box[34...]))
        else { throw .notAuthentic }
        return Array(plaintext)
    }

    /// Format (1 byte, 1), algorithm (1 byte, 3), encapsulated key (32), ciphertext and tag.
    public static func seal(
        _ plaintext: [UInt8], to publicKey: [UInt8], boundTo context: [UInt8]
    ) throws(SealFailure) -> [UInt8] {
        guard
            let recipient = try? Curve25519.KeyAgreement.PublicKey(rawRepresentation: publicKey),
            var sender = try? HPKE.Sender(
                recipientKey: recipient, ciphersuite: suite, info: Data(header + context)),
            let box = try? sender.seal(Data(plaintext))
        else { throw .sealing }
        return header + Array(sender.encapsulatedKey) + Array(box)
    }

    private static let header: [UInt8] = [1, 3]
    private static let suite = HPKE.Ciphersuite(
        kem: .Curve25519_HKDF_SHA256, kdf: .HKDF_SHA256, aead: .AES_GCM_256)
}

extension RecipientKey: SilentKey {}

extension RecipientKey {
    /// Wraps a key so that only the holder of the private half reaches it.
    public static func wrap(
        _ material: KeyMaterial, to publicKey: [UInt8], boundTo context: [UInt8]
    ) throws(SealFailure) -> [UInt8] {
        let result: Result<[UInt8], SealFailure> = material.withBytes { bytes in
            do throws(SealFailure) { return .success(try seal(bytes, to: publicKey, boundTo: context)) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Unwraps a key that ``wrap(_:to:boundTo:)`` wrapped.
    public func unwrap(_ box: [UInt8], boundTo context: [UInt8]) throws(SealFailure) -> KeyMaterial {
        var bytes = try open(box, boundTo: context)
        defer { wipe(&bytes) }
        guard let material = KeyMaterial(bytes) else { throw .notAuthentic }
        return material
    }
}
