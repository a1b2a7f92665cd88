import Crypto
import FoundationEssentials
import WardCore
import WardCrypto
import WardFHIR

/// Signs who somebody is (OpenID Connect Core §2), with a key that follows from the tenant's: nothing is stored.
struct IDTokenKey: Sendable {
    /// Seconds.
    static let lifetime: Int64 = 300

    private let key: P256.Signing.PrivateKey
    let keyID: String
    let jwk: String

    init(_ material: KeyMaterial) {
        var key = P256.Signing.PrivateKey()
        // One in 2^32 derived values is no key; the next is taken.
        for attempt in UInt8(0)...255 {
            let derived = material.derived("ward/id-token/1", context: [[attempt]])
            if let found = derived.withBytes({ try? P256.Signing.PrivateKey(rawRepresentation: $0) }) {
                key = found
                break
            }
        }
        self.key = key
        let point = Array(key.publicKey.x963Representation)
        keyID = base64URL(Array(sha256(point).bytes.prefix(12)))
        jwk =
            #"{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":"\#(keyID)","#
            + #""x":"\#(base64URL(Array(point[1..<33])))","y":"\#(base64URL(Array(point[33...])))"}"#
    }

    struct Claims {
        let issuer: String
        let subject: String
        let audience: String
        let nonce: String?
        let fhirUser: String?
        let name: String?
        let authenticated: Instant
    }

    func token(_ claims: Claims, at now: Instant) -> String? {
        var header = JSONWriter()
        header.beginObject()
        header.member("alg", "ES256")
        header.member("kid", keyID)
        header.member("typ", "JWT")
        header.endObject()
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("iss", claims.issuer)
        writer.member("sub", claims.subject)
        writer.member("aud", claims.audience)
        writer.member("iat", now.microseconds / 1_000_000)
        writer.member("exp", now.microseconds / 1_000_000 + Self.lifetime)
        writer.member("auth_time", claims.authenticated.microseconds / 1_000_000)
        writer.member("jti", randomUUID())
        if let nonce = claims.nonce { writer.member("nonce", nonce) }
        if let fhirUser = claims.fhirUser { writer.member("fhirUser", fhirUser) }
        if let name = claims.name { writer.member("name", name) }
        writer.endObject()
        return CompactJWS.sign(header: header.bytes, claims: writer.bytes, with: key)
    }
}

extension IDTokenKey: SilentKey {}
