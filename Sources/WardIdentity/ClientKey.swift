import Crypto
import FoundationEssentials
import WardCore
public import WardCrypto
import WardFHIR

/// A client's public key as a JWK (RFC 7517): P-384 for ES384, or RSA for RS384.
///
/// SMART App Launch 2.2 asks every server to know both. Each key has one algorithm; what an assertion's header says
/// must be that one.
public struct ClientKey: Hashable, Sendable {
    private enum Material: Hashable {
        case elliptic(x: String, y: String)
        case rsa(modulus: String, signatureLength: Int)
    }

    public let keyID: String
    private let material: Material

    /// Signature algorithm pinned to the key.
    var algorithm: String {
        switch material {
        case .elliptic: "ES384"
        case .rsa: "RS384"
        }
    }

    /// Bytes of a signature.
    var signatureLength: Int {
        switch material {
        case .elliptic: 96
        case .rsa(_, let length): length
        }
    }

    /// The key as a JWK.
    public var json: String { publicJWK }

    var publicJWK: String {
        switch material {
        case .elliptic(let x, let y):
            #"{"kty":"EC","crv":"P-384","alg":"ES384","use":"sig","kid":"\#(keyID)","x":"\#(x)","y":"\#(y)"}"#
        case .rsa(let modulus, _):
            #"{"kty":"RSA","alg":"RS384","use":"sig","kid":"\#(keyID)","n":"\#(modulus)","e":"\#(Self.exponent)"}"#
        }
    }

    /// 65537, as every key of today has it: small exponents invite forgeries, and large ones are slow to check.
    private static let exponent = "AQAB"

    /// Reads a JWK; a private part is ignored.
    ///
    /// Nil unless it is a valid P-384 point or an RSA modulus of 2048 to 4096 bits, with a plain key id, and is for
    /// signing by that key's algorithm.
    public init?(jwk bytes: [UInt8]) {
        guard
            let root = (try? JSONTape(parsing: bytes))?.root, let keyID = root["kid"]?.string, keyID.isPlain,
            keyID.utf8.count <= 128, root["use"] == nil || root["use"]?.string == "sig"
        else { return nil }
        let material =
            switch root["kty"]?.string {
            case "EC": Self.elliptic(root)
            case "RSA": Self.rsa(root)
            default: Material?.none
            }
        guard let material else { return nil }
        self.keyID = keyID
        self.material = material
    }

    // The parts go back into JSON text as they are.

    private static func elliptic(_ root: JSONValue) -> Material? {
        guard root["crv"]?.string == "P-384", isPinned(root, to: "ES384"), let x = root["x"]?.string,
            let y = root["y"]?.string, x.isPlain, y.isPlain, let xBytes = base64URLDecoded(x),
            let yBytes = base64URLDecoded(y), xBytes.count == 48,
            (try? P384.Signing.PublicKey(x963Representation: [4] + xBytes + yBytes)) != nil
        else { return nil }
        return .elliptic(x: x, y: y)
    }

    private static func rsa(_ root: JSONValue) -> Material? {
        guard isPinned(root, to: "RS384"), root["e"]?.string == exponent, let text = root["n"]?.string, text.isPlain,
            let modulus = base64URLDecoded(text), (256...512).contains(modulus.count), let first = modulus.first,
            let last = modulus.last
        else { return nil }
        // No byte more than needed (RFC 7518 §6.3.1.1), and no fewer bits than 2048; an even number is no modulus.
        guard first != 0, modulus.count > 256 || first >= 0x80, last & 1 == 1 else { return nil }
        return .rsa(modulus: text, signatureLength: modulus.count)
    }

    private static func isPinned(_ root: JSONValue, to algorithm: String) -> Bool {
        root["alg"] == nil || root["alg"]?.string == algorithm
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
