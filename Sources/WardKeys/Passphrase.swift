public import WardCore
public import WardCrypto

/// A passphrase stretched by argon2id (RFC 9106) into the key that wraps the root key.
public struct Passphrase: Sendable {
    /// Shortest passphrase in characters (NIST SP 800-63B-4 §3.1.1.2).
    public static let minimumLength = 15

    /// Whether a passphrase has as many characters as it must.
    ///
    /// Characters as people count them, which no way of encoding an accent can add to; text that is not UTF-8 has none.
    public static func isLongEnough(_ passphrase: borrowing SecretBytes) -> Bool {
        passphrase.withBytes { bytes in
            // Read in place: a String would leave a copy of the secret behind.
            unsafe bytes.withUnsafeBytes { buffer in
                let units = unsafe Span(_unsafeElements: buffer.assumingMemoryBound(to: UInt8.self))
                guard let text = try? UTF8Span(validating: units) else { return false }
                var characters = text.makeCharacterIterator()
                return characters.skipForward(by: minimumLength) == minimumLength
            }
        }
    }

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
