import Crypto
import FoundationEssentials
import JWTKit
import WardCore
import WardCrypto
import WardFHIR

// The only file that imports JWTKit. An unknown `kid` makes that library fall back to another key, and its claim types
// check what each payload remembers to check; so everything is pinned here before and after it is asked.

/// What a client assertion said, after its signature and every claim were checked (RFC 7523 §3).
struct VerifiedAssertion: Sendable {
    let identifier: String
    let expires: Instant
    let issued: Instant?
}

/// Checks `private_key_jwt` client assertions (SMART Backend Services; RFC 7521, RFC 7523).
enum ClientAssertion {
    /// Longest life of an assertion, by SMART Backend Services.
    static let maximumLifetime: Int64 = 300
    /// Clocks of two machines differ.
    static let leeway: Int64 = 30

    /// The client id that an assertion claims, before anything is checked; only to find its key.
    static func claimedIssuer(_ text: String) -> String? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard text.utf8.count < 8192, parts.count == 3, let payload = object(parts[1]) else { return nil }
        return payload["iss"]?.string
    }

    /// Checks signature, algorithm, key id, issuer, subject, audience and times.
    static func verify(
        _ text: String, client: String, key: ClientKey, audiences: [String], now: Instant
    ) async throws(IdentityFailure) -> VerifiedAssertion {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        // One assertion has one spelling: no padding, no white space (RFC 7515 §2).
        guard parts.count == 3, parts.allSatisfy({ $0.utf8.allSatisfy(\.isBase64URL) }), let header = object(parts[0])
        else { throw .malformedAssertion }
        guard header["alg"]?.string == key.algorithm, header["kid"]?.string == key.keyID else { throw .unknownKey }
        // Understand it or reject it: no critical extension is known here (RFC 7515 §4.1.11).
        guard header["crit"] == nil else { throw .malformedAssertion }
        // The library takes padding and other spellings of the same bytes; a signature has one form (RFC 7515 §2).
        guard base64URLDecoded(parts[2])?.count == key.signatureLength else { throw .badSignature }
        let claims: Claims
        do {
            let keys = JWTKeyCollection()
            try await keys.add(jwk: JWK(json: key.publicJWK))
            claims = try await keys.verify(text, as: Claims.self)
        } catch {
            throw .badSignature
        }
        guard claims.iss == client, claims.sub == client else { throw .wrongIssuer }
        guard claims.aud.values.contains(where: audiences.contains) else { throw .wrongAudience }
        let seconds = Double(now.microseconds) / 1_000_000
        guard claims.exp.isFinite, claims.exp > seconds - Double(leeway) else { throw .expired }
        guard claims.exp <= seconds + Double(maximumLifetime + leeway) else { throw .livesTooLong }
        if let notBefore = claims.nbf, notBefore > seconds + Double(leeway) { throw .expired }
        if let issued = claims.iat, issued > seconds + Double(leeway) { throw .expired }
        guard !claims.jti.isEmpty, claims.jti.utf8.count <= 256 else { throw .malformedAssertion }
        return VerifiedAssertion(
            identifier: claims.jti, expires: Instant(microseconds: Int64(claims.exp * 1_000_000)),
            issued: claims.iat.map { Instant(microseconds: Int64(($0 * 1_000_000).clamped)) })
    }

    /// Makes an assertion with a private key, for the command line.
    static func make(
        client: String, privateJWK: String, keyID: String, audience: String, now: Instant
    ) async throws(IdentityFailure) -> String {
        let seconds = Double(now.microseconds / 1_000_000)
        let claims = Claims(
            iss: client, sub: client, aud: OneOrMany(values: [audience]), exp: seconds + Double(maximumLifetime),
            jti: randomUUID(), iat: seconds, nbf: nil)
        do {
            let keys = JWTKeyCollection()
            try await keys.add(jwk: JWK(json: privateJWK))
            return try await keys.sign(claims, kid: JWKIdentifier(string: keyID), header: ["typ": "JWT"])
        } catch {
            throw .badKey
        }
    }

    private static func object(_ part: Substring) -> JSONValue? {
        guard let bytes = base64URLDecoded(part), let tape = try? JSONTape(parsing: bytes) else { return nil }
        return tape.root.kind == .object ? tape.root : nil
    }

    private struct Claims: JWTPayload {
        let iss: String
        let sub: String
        let aud: OneOrMany
        let exp: Double
        let jti: String
        let iat: Double?
        let nbf: Double?

        // All checks stand in `verify(_:client:key:audiences:now:)`, where the expected values are known.
        func verify(using algorithm: some JWTAlgorithm) async throws {}
    }

    /// JWTKit's own audience type stops the process on an empty list.
    private struct OneOrMany: Codable, Sendable {
        let values: [String]

        init(values: [String]) {
            self.values = values
        }

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let one = try? container.decode(String.self) {
                values = [one]
            } else {
                values = try container.decode([String].self)
            }
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            if values.count == 1 { try container.encode(values[0]) } else { try container.encode(values) }
        }
    }
}

extension Double {
    /// Within what an `Int64` holds.
    fileprivate var clamped: Double { isNaN ? 0 : Swift.min(Swift.max(self, -9e18), 9e18) }
}

extension UInt8 {
    fileprivate var isBase64URL: Bool {
        switch self {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: true
        default: false
        }
    }
}
