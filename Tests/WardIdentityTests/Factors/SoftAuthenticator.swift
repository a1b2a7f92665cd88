import Crypto
import CryptoExtras
import FoundationEssentials
import WardCore
import WardCrypto
import WardIdentity

/// An authenticator and a browser in one, built byte by byte, so that each byte can be wrong.
struct SoftAuthenticator {
    enum Kind: CaseIterable { case p256, ed25519, rsa }

    enum Key {
        case p256(P256.Signing.PrivateKey)
        case ed25519(Curve25519.Signing.PrivateKey)
        case rsa(_RSA.Signing.PrivateKey)
    }

    static let rpID = "ward.lindenhof.example"
    static let origin = "https://ward.lindenhof.example"

    let key: Key
    var id = randomBytes(32)
    var model = [UInt8](repeating: 0xAA, count: 16)

    init(_ kind: Kind) {
        key =
            switch kind {
            case .p256: .p256(P256.Signing.PrivateKey())
            case .ed25519: .ed25519(Curve25519.Signing.PrivateKey())
            case .rsa: .rsa(Self.rsaKey)
            }
    }

    // Made once: it takes its time.
    private static let rsaKey: _RSA.Signing.PrivateKey = {
        do { return try _RSA.Signing.PrivateKey(keySize: .bits2048) } catch { fatalError("no RSA key: \(error)") }
    }()

    var coseKey: [UInt8] {
        switch key {
        case .p256(let key):
            let point = Array(key.publicKey.x963Representation)
            return Self.ec2(x: Array(point[1..<33]), y: Array(point[33...]))
        case .ed25519(let key): return Self.okp(x: Array(key.publicKey.rawRepresentation))
        case .rsa(let key):
            guard let numbers = try? key.publicKey.getKeyPrimitives() else { return [] }
            return Self.rsa(modulus: Array(numbers.modulus), exponent: Array(numbers.publicExponent))
        }
    }

    static func ec2(x: [UInt8], y: [UInt8]) -> [UInt8] {
        // {1: 2, 3: -7, -1: 1, -2: x, -3: y}
        [0xA5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21] + byteString(x) + [0x22] + byteString(y)
    }

    static func okp(x: [UInt8]) -> [UInt8] {
        // {1: 1, 3: -8, -1: 6, -2: x}
        [0xA4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21] + byteString(x)
    }

    static func rsa(modulus: [UInt8], exponent: [UInt8]) -> [UInt8] {
        // {1: 3, 3: -257, -1: n, -2: e}
        [0xA4, 0x01, 0x03, 0x03, 0x39, 0x01, 0x00, 0x20] + byteString(modulus) + [0x21] + byteString(exponent)
    }

    static func byteString(_ bytes: [UInt8]) -> [UInt8] { cborHead(2, UInt64(bytes.count)) + bytes }

    /// WebAuthn §6.1.
    static func data(rpID: String, flags: UInt8, count: UInt32, rest: [UInt8] = []) -> [UInt8] {
        let counter = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: count >> $0) }
        return sha256(Array(rpID.utf8)).bytes + [flags] + counter + rest
    }

    /// The data of a registration that keeps every rule.
    func registrationData() -> [UInt8] {
        Self.data(rpID: Self.rpID, flags: 0x45, count: 0, rest: attestedCredential(coseKey))
    }

    func attestedCredential(_ coseKey: [UInt8], length: Int? = nil) -> [UInt8] {
        let length = length ?? id.count
        return model + [UInt8(length >> 8), UInt8(length & 255)] + id + coseKey
    }

    func attestationObject(of data: [UInt8], format: String = "none", statement: [UInt8] = [0xA0]) -> [UInt8] {
        [0xA3, 0x63] + Array("fmt".utf8) + cborHead(3, UInt64(format.utf8.count)) + Array(format.utf8)
            + [0x67] + Array("attStmt".utf8) + statement + [0x68] + Array("authData".utf8) + Self.byteString(data)
    }

    func sign(_ message: [UInt8]) throws -> [UInt8] {
        switch key {
        case .p256(let key): return Array(try key.signature(for: message).derRepresentation)
        case .ed25519(let key): return Array(try key.signature(for: message))
        case .rsa(let key):
            let digest = SHA256.hash(data: message)
            return Array(try key.signature(for: digest, padding: .insecurePKCS1v1_5).rawRepresentation)
        }
    }
}

/// What a test changes in a ceremony; as it is, it keeps every rule.
struct Ceremony: Sendable {
    var type: String
    /// Nil: the challenge that was issued.
    var challenge: String?
    var origin = SoftAuthenticator.origin
    var more = #","crossOrigin":false"#
    var clientData: [UInt8]?

    var rpID = SoftAuthenticator.rpID
    var flags: UInt8
    var count: UInt32 = 0
    /// Behind the counter, or behind the key.
    var trailing: [UInt8] = []

    // Registration.
    var coseKey: [UInt8]?
    var idLength: Int?
    var format = "none"
    var statement: [UInt8] = [0xA0]
    var attestation: @Sendable ([UInt8]) -> [UInt8] = { $0 }

    // Assertion.
    var authenticatorData: @Sendable ([UInt8]) -> [UInt8] = { $0 }
    /// What is sent of it, after it was signed.
    var sentData: @Sendable ([UInt8]) -> [UInt8] = { $0 }
    var signature: @Sendable ([UInt8]) -> [UInt8] = { $0 }
    var userHandle: String?

    // The message itself.
    var rawID: [UInt8]?
    var json: @Sendable (String) -> String = { $0 }

    static let registration = Ceremony(type: "webauthn.create", flags: 0x45)
    static let assertion = Ceremony(type: "webauthn.get", flags: 0x05)

    func clientDataBytes(_ issued: [UInt8]) -> [UInt8] {
        clientData
            ?? Array(
                #"{"type":"\#(type)","challenge":"\#(challenge ?? base64URL(issued))","origin":"\#(origin)"\#(more)}"#
                    .utf8)
    }
}
