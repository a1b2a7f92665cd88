import Crypto
import CryptoExtras
import FoundationEssentials
import WardCrypto

/// Signature algorithms of passkeys, by their COSE numbers (RFC 9053 §2, RFC 8812 §2), in the order they are asked for.
public enum PasskeyAlgorithm: Int, CaseIterable, Sendable {
    case es256 = -7
    case edDSA = -8
    /// Older Windows machines have nothing else.
    case rs256 = -257
}

/// The public key of a passkey: a COSE key (RFC 9052 §7) in the one shape that its algorithm has in WebAuthn §5.8.5.
public struct PasskeyKey: Hashable, Sendable {
    public let algorithm: PasskeyAlgorithm
    /// As the authenticator sent it.
    let encoded: [UInt8]
    private let form: Form

    private enum Form: Hashable, Sendable {
        /// The uncompressed point: 4, x, y.
        case p256([UInt8])
        case ed25519([UInt8])
        case rsa(modulus: [UInt8], exponent: [UInt8])
    }

    /// Takes a COSE key with exactly the parameters of its algorithm; no optional ones (WebAuthn §6.5.1).
    package init(_ bytes: [UInt8]) throws(PasskeyFailure) {
        let key: CBOR
        do throws(CBORFailure) { key = try CBOR(bytes) } catch { throw .cbor(error) }
        guard case .map(let members) = key else { throw .malformedKey }
        guard let number = key[.integer(3)] else { throw .malformedKey }
        guard let algorithm = PasskeyAlgorithm.allCases.first(where: { number == .integer($0.rawValue) }) else {
            throw .unsupportedAlgorithm
        }
        self.algorithm = algorithm
        encoded = bytes
        switch algorithm {
        case .es256: form = .p256(try Self.point(key, members.count))
        case .edDSA: form = .ed25519(try Self.edwardsPoint(key, members.count))
        case .rs256: form = try Self.modulus(key, members.count)
        }
    }

    /// kty EC2, crv P-256, both coordinates in full, on the curve (RFC 9053 §7.1.1).
    private static func point(_ key: CBOR, _ count: Int) throws(PasskeyFailure) -> [UInt8] {
        guard
            count == 5, key[.integer(1)] == .unsigned(2), key[.integer(-1)] == .unsigned(1),
            case .bytes(let x)? = key[.integer(-2)], case .bytes(let y)? = key[.integer(-3)], x.count == 32,
            y.count == 32, (try? P256.Signing.PublicKey(x963Representation: [4] + x + y)) != nil
        else { throw .malformedKey }
        return [4] + x + y
    }

    /// kty OKP, crv Ed25519 (RFC 9053 §7.2).
    private static func edwardsPoint(_ key: CBOR, _ count: Int) throws(PasskeyFailure) -> [UInt8] {
        guard
            count == 4, key[.integer(1)] == .unsigned(1), key[.integer(-1)] == .unsigned(6),
            case .bytes(let x)? = key[.integer(-2)], x.count == 32, !isSmallOrder(x),
            (try? Curve25519.Signing.PublicKey(rawRepresentation: x)) != nil
        else { throw .malformedKey }
        return x
    }

    /// kty RSA, 2048 to 4096 bits, exponent 65537 (RFC 8230 §4).
    private static func modulus(_ key: CBOR, _ count: Int) throws(PasskeyFailure) -> Form {
        guard
            count == 4, key[.integer(1)] == .unsigned(3), case .bytes(let modulus)? = key[.integer(-1)],
            case .bytes(let exponent)? = key[.integer(-2)], exponent == [1, 0, 1],
            (256...512).contains(modulus.count), modulus[0] >= 0x80 || modulus.count > 256 && modulus[0] != 0,
            modulus[modulus.count - 1] & 1 == 1,
            (try? _RSA.Signing.PublicKey(n: modulus, e: exponent)) != nil
        else { throw .malformedKey }
        return .rsa(modulus: modulus, exponent: exponent)
    }

    /// Whether the signature is one of the message, in the format of WebAuthn §6.5.5.
    package func isValid(_ signature: [UInt8], of message: [UInt8]) -> Bool {
        switch form {
        case .p256(let point):
            guard
                let key = try? P256.Signing.PublicKey(x963Representation: point),
                let signature = try? P256.Signing.ECDSASignature(derRepresentation: signature)
            else { return false }
            return key.isValidSignature(signature, for: message)
        case .ed25519(let point):
            guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: point) else { return false }
            return key.isValidSignature(signature, for: message)
        case .rsa(let modulus, let exponent):
            guard let key = try? _RSA.Signing.PublicKey(n: modulus, e: exponent) else { return false }
            let signature = _RSA.Signing.RSASignature(rawRepresentation: signature)
            return key.isValidSignature(signature, for: SHA256.hash(data: message), padding: .insecurePKCS1v1_5)
        }
    }

    /// Points whose multiples are few: a signature of one fits many messages. The sign bit does not matter.
    private static func isSmallOrder(_ point: [UInt8]) -> Bool {
        var plain = point
        plain[31] &= 0x7F
        let middle = plain[1..<31]
        // 0 and 1; p - 1, p and p + 1 for p = 2^255 - 19.
        if plain[0] <= 1, plain[31] == 0, middle.allSatisfy({ $0 == 0 }) { return true }
        if (0xEC...0xEE).contains(plain[0]), plain[31] == 0x7F, middle.allSatisfy({ $0 == 0xFF }) { return true }
        // The two of order eight.
        let text = hex(plain)
        return text == "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"
            || text == "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
    }
}
