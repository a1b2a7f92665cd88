import Crypto
import FoundationEssentials
import WardCore
public import WardCrypto
import WardFHIR

/// A client's public key as a JWK (RFC 7517): P-384, ES384, which SMART Backend Services asks every server to know.
public struct ClientKey: Hashable, Sendable {
    public let keyID: String
    let x: String
    let y: String

    /// Signature algorithm pinned to the key.
    var algorithm: String { "ES384" }

    /// The key as a JWK.
    public var json: String { publicJWK }

    var publicJWK: String {
        #"{"kty":"EC","crv":"P-384","alg":"ES384","use":"sig","kid":"\#(keyID)","x":"\#(x)","y":"\#(y)"}"#
    }

    /// Reads a JWK; a private part is ignored.
    ///
    /// Nil unless it is a valid P-384 point with a plain key id.
    public init?(jwk bytes: [UInt8]) {
        guard
            let root = (try? JSONTape(parsing: bytes))?.root, root["kty"]?.string == "EC",
            root["crv"]?.string == "P-384", let keyID = root["kid"]?.string, let x = root["x"]?.string,
            let y = root["y"]?.string, root["alg"]?.string ?? "ES384" == "ES384"
        else { return nil }
        // The parts go back into JSON text as they are.
        guard keyID.isPlain, x.isPlain, y.isPlain, keyID.utf8.count <= 128 else { return nil }
        guard
            let xBytes = base64URLDecoded(x), let yBytes = base64URLDecoded(y), xBytes.count == 48,
            (try? P384.Signing.PublicKey(x963Representation: [4] + xBytes + yBytes)) != nil
        else { return nil }
        self.keyID = keyID
        self.x = x
        self.y = y
    }
}

/// A client's whole key pair; it lives in the client's file, never in the store.
public struct ClientKeyPair: Sendable {
    /// The private JWK as JSON text, with the client's name.
    public let file: [UInt8]
    public let publicKey: ClientKey
    let client: String

    /// Makes a fresh pair for `client`.
    public init?(client: String) {
        let key = P384.Signing.PrivateKey()
        let point = Array(key.publicKey.x963Representation)
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("client", client)
        writer.member("kty", "EC")
        writer.member("crv", "P-384")
        writer.member("alg", "ES384")
        writer.member("use", "sig")
        writer.member("kid", base64URL(Array(sha256(point).bytes.prefix(12))))
        writer.member("x", base64URL(Array(point[1..<49])))
        writer.member("y", base64URL(Array(point[49...])))
        writer.member("d", base64URL(Array(key.rawRepresentation)))
        writer.endObject()
        self.init(file: writer.bytes)
    }

    /// Reads a key file.
    public init?(file: [UInt8]) {
        guard
            let publicKey = ClientKey(jwk: file), let root = (try? JSONTape(parsing: file))?.root,
            root["d"]?.string != nil, let client = root["client"]?.string
        else { return nil }
        self.file = file
        self.publicKey = publicKey
        self.client = client
    }

    /// A signed assertion for `audience`, good for five minutes and one use.
    public func assertion(audience: String) async throws(IdentityFailure) -> String {
        try await ClientAssertion.make(
            client: client, privateJWK: String(decoding: file, as: UTF8.self), keyID: publicKey.keyID,
            audience: audience, now: .now())
    }
}

extension ClientKeyPair: SilentKey {}

extension String {
    /// Letters of base64url and a few more: nothing that JSON would escape.
    fileprivate var isPlain: Bool {
        !isEmpty
            && utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
                default: false
                }
            }
    }
}
