import Crypto
import FoundationEssentials
import Synchronization
import WardCore
import WardCrypto
import WardFHIR

/// A request with the proof that it comes from who holds a key (RFC 9449).
public struct DPoPRequest: Sendable {
    /// The `DPoP` header; nil without one.
    public let proof: String?
    public let method: String
    /// What `htu` may say: the address asked, without query, under each name of the server.
    public let addresses: [String]

    public init(proof: String?, method: String, addresses: [String]) {
        self.proof = proof
        self.method = method
        self.addresses = addresses
    }
}

/// Checks proofs and remembers them for as long as they could be used again.
final class DPoPProofs: Sendable {
    /// Seconds for which a proof is good.
    static let lifetime: Int64 = 60
    /// Clocks of two machines differ.
    static let leeway: Int64 = 30
    /// Proofs remembered; beyond it none is taken until some have expired.
    static let capacity = 100_000

    private let used = Mutex<[WardCrypto.Digest: Instant]>([:])
    /// Nothing is remembered of before: proofs made then are refused.
    private let started: Instant

    init(started: Instant) {
        self.started = started
    }

    /// The thumbprint of the key that the request was signed with (RFC 7638).
    ///
    /// - Parameters:
    ///   - token: the access token that the proof must be bound to; nil at the token endpoint.
    ///   - expected: the only key that is good here; proofs of others are not even remembered.
    func thumbprint(
        _ request: DPoPRequest, token: String?, expecting expected: String? = nil, at now: Instant
    ) throws(OAuthFailure) -> String {
        guard let proof = request.proof else { throw .proofMissing }
        guard let jws = CompactJWS(proof), jws.header["typ"]?.string == "dpop+jwt", let jwk = jws.header["jwk"],
            let (key, thumbprint) = Self.key(jwk), expected ?? thumbprint == thumbprint, jws.isSigned(by: key)
        else { throw .proofInvalid }
        let claims = jws.claims
        guard
            claims["htm"]?.string == request.method, let address = claims["htu"]?.string,
            request.addresses.contains(address), let issued = claims["iat"]?.numericDate,
            let id = claims["jti"]?.string, (8...256).contains(id.utf8.count)
        else { throw .proofInvalid }
        guard issued <= now.adding(seconds: Self.leeway), issued >= now.adding(seconds: -Self.lifetime),
            issued >= started.adding(seconds: -1)
        else { throw .proofInvalid }
        if let token {
            let hash = base64URL(sha256(Array(token.utf8)).bytes)
            guard claims["ath"]?.string == hash else { throw .proofInvalid }
        }
        guard spend(sha256(Array(thumbprint.utf8), [0], Array(id.utf8)), issued, now) else { throw .proofInvalid }
        return thumbprint
    }

    /// Whether it is the first time.
    private func spend(_ proof: WardCrypto.Digest, _ issued: Instant, _ now: Instant) -> Bool {
        used.withLock { used in
            if used.count >= Self.capacity { used = used.filter { $0.value > now } }
            guard used.count < Self.capacity, used[proof] == nil else { return false }
            used[proof] = issued.adding(seconds: Self.lifetime + 1)
            return true
        }
    }

    /// A public P-256 key and its thumbprint; nil for anything else, also for a private key.
    private static func key(_ jwk: JSONValue) -> (P256.Signing.PublicKey, String)? {
        guard jwk["kty"]?.string == "EC", jwk["crv"]?.string == "P-256", jwk["d"] == nil,
            let x = jwk["x"]?.string, let y = jwk["y"]?.string, let xBytes = base64URLDecoded(x),
            let yBytes = base64URLDecoded(y), xBytes.count == 32, yBytes.count == 32,
            let key = try? P256.Signing.PublicKey(x963Representation: [4] + xBytes + yBytes)
        else { return nil }
        let canonical = #"{"crv":"P-256","kty":"EC","x":"\#(base64URL(xBytes))","y":"\#(base64URL(yBytes))"}"#
        return (key, base64URL(sha256(Array(canonical.utf8)).bytes))
    }
}
