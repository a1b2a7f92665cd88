import Crypto
import FoundationEssentials
import Testing
import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit

/// A key that signs DPoP proofs, or whatever it is told to.
struct ProofKey {
    let key = P256.Signing.PrivateKey()

    var jwk: String { Self.jwk(key.publicKey) }

    static func jwk(_ key: P256.Signing.PublicKey, more: String = "") -> String {
        let point = Array(key.x963Representation)
        return #"{"kty":"EC","crv":"P-256","x":"\#(base64URL(Array(point[1..<33])))","#
            + #""y":"\#(base64URL(Array(point[33...])))"\#(more)}"#
    }

    /// The thumbprint, computed by itself.
    var thumbprint: String {
        let point = Array(key.publicKey.x963Representation)
        let (x, y) = (base64URL(Array(point[1..<33])), base64URL(Array(point[33...])))
        return base64URL(sha256(Array(#"{"crv":"P-256","kty":"EC","x":"\#(x)","y":"\#(y)"}"#.utf8)).bytes)
    }

    /// A proof, right unless told otherwise; claims are JSON texts, nil leaves one out.
    func proof(
        _ method: String = "POST", _ address: String = OAuthHouse.token, at now: Instant, ath: String? = nil,
        header: String? = nil, _ changes: [String: String?] = [:]
    ) throws -> String {
        var claims: [String: String?] = [
            "htm": "\"\(method)\"", "htu": "\"\(address)\"", "iat": "\(now.microseconds / 1_000_000)",
            "jti": "\"\(randomUUID())\"",
        ]
        if let ath { claims["ath"] = "\"\(base64URL(sha256(Array(ath.utf8)).bytes))\"" }
        for (name, value) in changes { claims[name] = .some(value) }
        let members = claims.compactMap { name, value in value.map { "\"\(name)\":\($0)" } }
        return try signed(
            header ?? #"{"typ":"dpop+jwt","alg":"ES256","jwk":\#(jwk)}"#, "{\(members.joined(separator: ","))}")
    }

    func signed(_ header: String, _ claims: String) throws -> String {
        let content = "\(base64URL(Array(header.utf8))).\(base64URL(Array(claims.utf8)))"
        return "\(content).\(base64URL(Array(try key.signature(for: Array(content.utf8)).rawRepresentation)))"
    }
}

/// People, apps and a clock: everything that an app does, without a network.
final class OAuthHouse {
    static let origin = "https://ward.lindenhof.example:8443"
    static let base = origin + "/fhir"
    static let token = origin + "/oauth/token"
    static let redirect = "https://app.example/callback"
    static let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    static let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    static let source = RequestSource(address: "192.0.2.9", request: "r9")

    let house: PeopleHouse
    var oauth: OAuth { house.people.oauth }
    var now: Instant { house.now }

    init(_ house: PeopleHouse? = nil) throws { self.house = try house ?? PeopleHouse() }

    // MARK: Apps

    static func metadata(_ changes: [String: String?] = [:]) -> [UInt8] {
        var members: [String: String?] = [
            "client_name": #""Growth chart""#, "redirect_uris": #"["\#(redirect)"]"#,
            "token_endpoint_auth_method": #""none""#,
        ]
        for (name, value) in changes { members[name] = .some(value) }
        let texts = members.compactMap { name, value in value.map { "\"\(name)\":\($0)" } }
        return Array("{\(texts.joined(separator: ","))}".utf8)
    }

    func register(_ changes: [String: String?] = [:], from address: String = OAuthHouse.source.address) async throws
        -> App
    {
        try await oauth.apps.register(
            Self.metadata(changes), source: RequestSource(address: address, request: "r9"), at: now)
    }

    func app(_ changes: [String: String?] = [:]) async throws -> App {
        let app = try await register(changes)
        try await oauth.apps.approve(app.id, byOperator: PeopleHouse.admin, source: Self.source, at: now)
        return app
    }

    func member(_ login: String = "anna", _ roles: [Role] = [.clinician]) async throws -> (
        PeopleHouse.Member, Principal
    ) {
        let member = try await house.member(login, roles)
        return (member, try #require(house.principal(member.token)))
    }

    // MARK: Asking

    func begin(_ app: App, _ changes: [String: String?] = [:], from: RequestSource? = nil) throws -> String {
        var values: [String: String?] = [
            "response_type": "code", "client_id": app.id, "redirect_uri": Self.redirect, "state": "st-1",
            "scope": "openid user/Observation.rs offline_access", "aud": Self.base,
            "code_challenge": Self.challenge, "code_challenge_method": "S256", "nonce": "n-1",
        ]
        for (name, value) in changes { values[name] = .some(value) }
        let pairs = values.compactMap { name, value in value.map { SearchPair(name: name, value: $0) } }
        return try oauth.begin(pairs, base: Self.base, issuer: Self.origin, source: from ?? Self.source, at: now)
    }

    /// A code, by somebody who ticks everything.
    func code(
        _ app: App, _ principal: Principal, patient: String? = nil, _ changes: [String: String?] = [:]
    ) async throws -> String {
        let id = try begin(app, changes)
        let asked = try oauth.pending(id, for: principal, at: now).pending.asked.texts
        let address = try await oauth.allow(
            id, ticked: asked, patient: patient, by: principal, issuer: Self.origin, source: Self.source, at: now)
        return try #require(Self.parameter("code", of: address))
    }

    static func parameter(_ name: String, of address: String) -> String? {
        let query = address.split(separator: "?").last ?? ""
        return query.split(separator: "&").first { $0.hasPrefix("\(name)=") }.map {
            String($0.dropFirst(name.count + 1))
        }
    }

    // MARK: Tokens

    /// An app in a browser with a key, and its first tokens.
    func bound(
        _ key: ProofKey, _ scope: String = "openid user/Observation.rs offline_access"
    ) async throws -> (member: PeopleHouse.Member, app: App, tokens: Tokens) {
        let (member, principal) = try await member()
        let app = try await app()
        let code = try await code(app, principal, ["scope": scope])
        return (member, app, try await exchange(code, app, proof: try key.proof(at: now)))
    }

    func request(_ fields: [String: String], proof: String? = nil, at endpoint: String = OAuthHouse.token) throws
        -> TokenRequest
    {
        try TokenRequest(
            form: fields.map { SearchPair(name: $0.key, value: $0.value) }, hasBasic: false,
            proof: DPoPRequest(proof: proof, method: "POST", addresses: [endpoint]), source: Self.source,
            audiences: [Self.token, endpoint], issuer: Self.origin, base: Self.base)
    }

    func exchange(
        _ code: String, _ app: App, proof: String? = nil, _ changes: [String: String?] = [:]
    ) async throws -> Tokens {
        var fields: [String: String?] = [
            "grant_type": "authorization_code", "code": code, "redirect_uri": Self.redirect,
            "code_verifier": Self.verifier, "client_id": app.id,
        ]
        for (name, value) in changes { fields[name] = .some(value) }
        return try Tokens(await oauth.token(request(fields.compactMapValues { $0 }, proof: proof), at: now))
    }

    func refresh(
        _ token: String, _ app: App, proof: String? = nil, _ changes: [String: String] = [:]
    ) async throws -> Tokens {
        let fields = ["grant_type": "refresh_token", "refresh_token": token, "client_id": app.id]
        let all = fields.merging(changes) { $1 }
        return try Tokens(await oauth.token(request(all, proof: proof), at: now))
    }

    /// Who a request with this token is from.
    func principal(_ token: String, key: ProofKey? = nil) throws -> Principal? {
        let address = Self.base + "/Observation"
        let request = try key.map {
            DPoPRequest(
                proof: try $0.proof("GET", address, at: now, ath: token), method: "GET", addresses: [address])
        }
        return oauth.principal(token: token[...], proven: request, at: now)
    }

    struct Tokens {
        let root: JSONValue

        init(_ bytes: [UInt8]) throws { root = try JSONTape(parsing: bytes).root }

        var access: String { root["access_token"]?.string ?? "" }
        var refresh: String? { root["refresh_token"]?.string }
        var type: String? { root["token_type"]?.string }
        var scope: String? { root["scope"]?.string }
        var patient: String? { root["patient"]?.string }
        var idToken: String? { root["id_token"]?.string }
    }
}
