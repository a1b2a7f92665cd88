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

@Suite struct `A token of an app with a key of its own` {
    private let house: OAuthHouse
    private let key = ProofKey()

    init() throws { house = try OAuthHouse() }

    private func confidential(_ name: String, _ kind: [String: String?] = [:]) async throws -> (
        App, P384.Signing.PrivateKey
    ) {
        let key = P384.Signing.PrivateKey()
        let point = Array(key.publicKey.x963Representation)
        let jwk =
            #"{"kty":"EC","crv":"P-384","kid":"k1","x":"\#(base64URL(Array(point[1..<49])))","#
            + #""y":"\#(base64URL(Array(point[49...])))"}"#
        let app = try await house.app(
            [
                "client_name": "\"\(name)\"", "token_endpoint_auth_method": #""private_key_jwt""#,
                "jwks": #"{"keys":[\#(jwk)]}"#,
            ].merging(kind) { $1 })
        return (app, key)
    }

    private func assertion(
        _ app: App, _ key: P384.Signing.PrivateKey, _ changes: [String: String?] = [:],
        header: String = #"{"alg":"ES384","kid":"k1","typ":"JWT"}"#
    ) throws -> String {
        let now = house.now.microseconds / 1_000_000
        var claims: [String: String?] = [
            "iss": "\"\(app.id)\"", "sub": "\"\(app.id)\"", "aud": "\"\(OAuthHouse.token)\"", "exp": "\(now + 200)",
            "iat": "\(now)", "jti": "\"\(randomUUID())\"",
        ]
        for (name, value) in changes { claims[name] = .some(value) }
        let members = claims.compactMap { name, value in value.map { "\"\(name)\":\($0)" } }
        let content =
            "\(base64URL(Array(header.utf8))).\(base64URL(Array("{\(members.joined(separator: ","))}".utf8)))"
        return "\(content).\(base64URL(Array(try key.signature(for: Array(content.utf8)).rawRepresentation)))"
    }

    private func signed(_ assertion: String, _ more: [String: String] = [:]) -> [String: String] {
        [
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
        ].merging(more) { $1 }
    }

    @Test func `of a client with a key of its own is renewed by its signature`() async throws {
        let (_, principal) = try await house.member()
        let (app, key) = try await confidential("Server")
        let code = try await house.code(app, principal)
        await #expect(throws: OAuthFailure.clientNotRecognised) { try await house.exchange(code, app) }
        let tokens = try await house.exchange(
            code, app, signed(try assertion(app, key)).mapValues { .some($0) })
        #expect(try tokens.type == "Bearer" && house.principal(tokens.access) != nil)
        let refresh = try #require(tokens.refresh)
        await #expect(throws: OAuthFailure.clientNotRecognised) { try await house.refresh(refresh, app) }
        let renewed = try await house.refresh(refresh, app, signed(try assertion(app, key)))
        #expect(renewed.refresh != nil)
    }

    @Test func `of a client is not given out for an assertion with a fault`() async throws {
        let (app, key) = try await confidential("Server")
        let (other, otherKey) = try await confidential("Other")
        let (_, principal) = try await house.member()
        let now = house.now.microseconds / 1_000_000
        let used = try assertion(app, key)
        let code = try await house.code(app, principal)
        _ = try await house.exchange(code, app, signed(used).mapValues { .some($0) })
        for text in [
            used, try assertion(app, otherKey), try assertion(other, otherKey),
            try assertion(app, key, ["exp": "\(now - 60)"]), try assertion(app, key, ["exp": "\(now + 4000)"]),
            try assertion(app, key, ["aud": #""https://evil.example/token""#]),
            try assertion(app, key, ["sub": "\"\(other.id)\""]), try assertion(app, key, ["jti": nil]),
            try assertion(app, key, header: #"{"alg":"none","kid":"k1"}"#),
            try assertion(app, key, header: #"{"alg":"HS256","kid":"k1"}"#),
            try assertion(app, key, header: #"{"alg":"RS256","kid":"k1"}"#),
            try assertion(app, key, header: #"{"alg":"ES384","kid":"k2"}"#),
            try assertion(app, key, header: #"{"alg":"ES384"}"#), "", "x.y.z",
        ] {
            let fresh = try await house.code(app, principal)
            await #expect(throws: OAuthFailure.clientNotRecognised, "\(text)") {
                try await house.exchange(fresh, app, signed(text).mapValues { .some($0) })
            }
        }
        #expect(throws: OAuthFailure.secretShown) { try house.request(["client_secret": "s"]) }
    }

    @Test func `is looked at by resource servers only`() async throws {
        let (member, app, tokens) = try await house.bound(key)
        let (resource, key) = try await confidential("Imaging", ["redirect_uris": "[]", "grant_types": "[]"])
        let (server, serverKey) = try await confidential("Server")
        func ask(_ token: String, _ fields: [String: String]) async throws -> JSONValue {
            let request = try house.request(fields.merging(["token": token]) { $1 })
            return try JSONTape(parsing: await house.oauth.introspect(request, at: house.now)).root
        }
        let known = try await ask(tokens.access, signed(try assertion(resource, key)))
        #expect(known["active"]?.kind == .true && known["sub"]?.string == member.id)
        #expect(known["cnf"]?["jkt"]?.string == self.key.thumbprint && known["client_id"]?.string == app.id)
        #expect(known["scope"]?.string == "openid user/Observation.rs offline_access")
        for token in ["made-up", try #require(tokens.refresh)] {
            let answer = try await ask(token, signed(try assertion(resource, key)))
            #expect(answer["active"]?.kind == .false && answer.members.count == 1)
        }
        await #expect(throws: OAuthFailure.clientNotRecognised) { try await ask(tokens.access, ["client_id": app.id]) }
        await #expect(throws: OAuthFailure.clientNotRecognised) {
            try await ask(tokens.access, signed(try assertion(server, serverKey)))
        }
        await #expect(throws: OAuthFailure.clientNotRecognised) { try await ask(tokens.access, [:]) }
    }
}
