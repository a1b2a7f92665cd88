import CWardToken
public import WardCore
public import WardCrypto

/// Where a root key lies in a security module: an HSM, a smart card or SoftHSM, by PKCS#11 v2.40.
public struct TokenPlace: Codable, Hashable, Sendable {
    /// Path of the module's library.
    public var library: String
    /// Label of the token, at most 32 bytes.
    public var token: String
    /// Label of the key in it.
    public var key: String

    /// Nil for an empty or overlong label, or a path that is not absolute.
    public init?(library: String, token: String, key: String) {
        guard library.hasPrefix("/"), (1...32).contains(token.utf8.count), (1...64).contains(key.utf8.count) else {
            return nil
        }
        (self.library, self.token, self.key) = (library, token, key)
    }
}

/// A root key that never enters the process.
///
/// Every use is a session of its own, so that none works after the module is gone.
public struct SecurityModule: Sendable {
    public let place: TokenPlace
    private let pin: HeldSecret

    public init(_ place: TokenPlace, pin: consuming SecretBytes) {
        self.place = place
        self.pin = HeldSecret(pin)
    }

    /// Makes the key in the module; never takes over one that is there.
    public func makeKey() throws(KeyFailure) {
        try check(unsafe withPlace { unsafe ward_token_make_key($0) })
    }

    /// Destroys the key in the module, with everything that it alone opens.
    public func destroyKey() throws(KeyFailure) {
        try check(unsafe withPlace { unsafe ward_token_destroy_key($0) })
    }

    /// Wraps a key: format (1 byte, 1), algorithm (1 byte, 3 = AES-256-GCM in a module), nonce (12), ciphertext, tag.
    func wrap(_ material: KeyMaterial, boundTo context: [UInt8]) throws(KeyFailure) -> [UInt8] {
        let (nonce, bound) = (randomBytes(12), Self.header + context)
        var sealed = [UInt8](repeating: 0, count: 48)
        let status = material.withBytes { bytes in
            unsafe withPlace { place in
                unsafe ward_token_seal(place, nonce, bound, bound.count, bytes, bytes.count, &sealed)
            }
        }
        try check(status)
        return Self.header + nonce + sealed
    }

    /// Unwraps a key that ``wrap(_:boundTo:)`` wrapped.
    func unwrap(_ envelope: [UInt8], boundTo context: [UInt8]) throws(KeyFailure) -> KeyMaterial {
        guard envelope.count == 62, Array(envelope[..<2]) == Self.header else { throw .malformedKeyring }
        let (nonce, sealed, bound) = (Array(envelope[2..<14]), Array(envelope[14...]), Self.header + context)
        var bytes = [UInt8](repeating: 0, count: 32)
        defer { wipe(&bytes) }
        try check(
            unsafe withPlace { place in
                unsafe ward_token_open(place, nonce, bound, bound.count, sealed, sealed.count, &bytes)
            })
        guard let material = KeyMaterial(bytes) else { throw .malformedKeyring }
        return material
    }

    private func withPlace(_ body: (UnsafePointer<ward_token_place>) -> ward_token_status) -> ward_token_status {
        unsafe place.library.withCString { library in
            unsafe place.token.withCString { token in
                unsafe place.key.withCString { key in
                    pin.secret.withBytes { pin in
                        unsafe pin.withUnsafeBytes { bytes in
                            var asked = unsafe ward_token_place(
                                library: library, token: token, key: key,
                                pin: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), pin_length: bytes.count)
                            return unsafe body(&asked)
                        }
                    }
                }
            }
        }
    }

    private func check(_ status: ward_token_status) throws(KeyFailure) {
        switch status {
        case WARD_TOKEN_OK: return
        case WARD_TOKEN_NO_MODULE: throw .moduleMissing
        case WARD_TOKEN_MISSING: throw .tokenMissing
        case WARD_TOKEN_WRONG_PIN: throw .wrongPIN
        case WARD_TOKEN_LOCKED_PIN: throw .lockedPIN
        case WARD_TOKEN_NO_KEY: throw .tokenKeyMissing
        case WARD_TOKEN_KEY_EXISTS: throw .tokenKeyExists
        case WARD_TOKEN_SOFT_KEY: throw .softKey
        default: throw .refused
        }
    }

    private static let header: [UInt8] = [1, 3]
}

extension SecurityModule: SilentKey {}

/// Lets copies share one secret, which is wiped with the last of them.
public final class HeldSecret: Sendable {
    let secret: SecretBytes

    public init(_ secret: consuming SecretBytes) {
        self.secret = secret
    }
}
