public import WardCore
public import WardCrypto

/// A passphrase stretched by argon2id (RFC 9106) into the key that wraps the root key.
public struct Passphrase: Sendable {
    /// Shortest passphrase in characters (NIST SP 800-63B-4 §3.1.1.2).
    public static let minimumLength = 15

    /// argon2id parameters, stored with the salt so that they can grow.
    public typealias Parameters = Argon2id.Parameters

    /// - Throws: ``KeyFailure/argon2`` if there is not enough memory.
    public static func key(
        _ passphrase: borrowing SecretBytes, salt: [UInt8], parameters: Parameters
    ) throws(KeyFailure) -> KeyMaterial {
        guard
            let hash = try? Argon2id.hash(passphrase, salt: salt, parameters: parameters),
            let material = KeyMaterial(hash)
        else { throw .argon2 }
        return material
    }
}
