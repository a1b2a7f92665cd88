import Testing
import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardIdentity
import WardPolicy
import WardTestKit

/// `prompt`, `max_age`, `auth_time`, `login_hint`, `nonce` and `state` (OpenID Connect Core §3.1.2.1).
@Suite struct `What an app asks of the person` {
    private let house: OAuthHouse

    init() throws { house = try OAuthHouse() }

    private func authTime(_ tokens: OAuthHouse.Tokens) throws -> Int64? {
        try claims(tokens)["auth_time"].flatMap { Int64($0.tape.text($0.index)) }
    }

    private func claims(_ tokens: OAuthHouse.Tokens) throws -> JSONValue {
        let part = try #require(tokens.idToken).split(separator: ".")[1]
        return try JSONTape(parsing: try #require(base64URLDecoded(part))).root
    }

    @Test func `a login that was before the question is not enough where a new one is asked for`() async throws {
        let (_, principal) = try await house.member()
        let app = try await house.app()
        for changes in [["prompt": "login"], ["prompt": "login consent"], ["max_age": "0"]] as [[String: String?]] {
            house.house.pass(1)
            let id = try house.begin(app, changes)
            #expect(throws: OAuthFailure.freshProofNeeded) {
                try house.oauth.pending(id, for: principal, at: house.now)
            }
            await #expect(throws: OAuthFailure.freshProofNeeded) {
                try await house.oauth.allow(
                    id, ticked: ["openid"], patient: nil, by: principal, issuer: OAuthHouse.origin,
                    source: OAuthHouse.source, at: house.now)
            }
        }
        #expect(try house.house.kinds().allSatisfy { $0 != .appAuthorized })
    }

    @Test func `a login is as old as it may be, and the app is told when it was`() async throws {
        let (_, principal) = try await house.member()
        let app = try await house.app()
        let signedIn = principal.authenticated.microseconds / 1_000_000
        house.house.pass(100)
        let age = "\(house.now.microseconds / 1_000_000 - signedIn)"
        let recent = try await house.exchange(try await house.code(app, principal, ["max_age": age]), app)
        #expect(try authTime(recent) == signedIn)
        #expect(try claims(recent)["nonce"]?.string == "n-1")
        house.house.pass(50)
        await #expect(throws: OAuthFailure.freshProofNeeded) {
            try await house.code(app, principal, ["max_age": age])
        }
        #expect(try await !house.code(app, principal, ["prompt": "consent"]).isEmpty)
        #expect(try await !house.code(app, principal, ["max_age": "1000000000"]).isEmpty)
    }

    @Test func `that nobody is asked gives no code, to nobody`() async throws {
        let (_, principal) = try await house.member()
        let app = try await house.app(["initiate_login_uri": #""https://app.example/launch""#])
        let asking = principal
        func answer(_ changes: [String: String?], for principal: Principal?) throws -> String? {
            let id = try house.begin(app, changes.merging(["prompt": "none"]) { $1 })
            // It is no question that could be decided on.
            #expect(throws: OAuthFailure.notThere) { try house.oauth.pending(id, for: asking, at: house.now) }
            let address = try #require(
                house.oauth.silentAnswer(id, for: principal, issuer: OAuthHouse.origin, at: house.now))
            #expect(address.hasPrefix(OAuthHouse.redirect + "?error=") && !address.contains("code="))
            #expect(OAuthHouse.parameter("state", of: address) == "st-1")
            #expect(OAuthHouse.parameter("iss", of: address) == "https%3A%2F%2Fward.lindenhof.example%3A8443")
            // Said once.
            #expect(house.oauth.silentAnswer(id, for: principal, issuer: OAuthHouse.origin, at: house.now) == nil)
            return OAuthHouse.parameter("error", of: address)
        }
        #expect(try answer([:], for: nil) == "login_required")
        #expect(try answer([:], for: principal) == "consent_required")
        #expect(try answer(["scope": "patient/Observation.rs"], for: principal) == "interaction_required")
        house.house.pass(60)
        #expect(try answer(["max_age": "30"], for: principal) == "login_required")
        #expect(try answer(["max_age": "900"], for: principal) == "consent_required")
    }

    @Test func `aloud is not answered silently`() async throws {
        let (_, principal) = try await house.member()
        let app = try await house.app()
        let id = try house.begin(app)
        #expect(house.oauth.silentAnswer(id, for: principal, issuer: OAuthHouse.origin, at: house.now) == nil)
        #expect(house.oauth.silentAnswer("made-up", for: nil, issuer: OAuthHouse.origin, at: house.now) == nil)
        #expect(try house.oauth.pending(id, for: principal, at: house.now).patient == nil)
    }

    @Test func `silently of an app that was removed meanwhile, or too late, is not answered`() async throws {
        let app = try await house.app()
        let late = try house.begin(app, ["prompt": "none"])
        house.house.pass(601)
        #expect(house.oauth.silentAnswer(late, for: nil, issuer: OAuthHouse.origin, at: house.now) == nil)
        let id = try house.begin(app, ["prompt": "none"])
        try await house.oauth.apps.remove(
            app.id, byOperator: PeopleHouse.admin, source: OAuthHouse.source, at: house.now)
        #expect(house.oauth.silentAnswer(id, for: nil, issuer: OAuthHouse.origin, at: house.now) == nil)
    }

    @Test func `by a hint at who it is changes nothing`() async throws {
        let (_, principal) = try await house.member()
        let app = try await house.app()
        let hints = ["login_hint": "root' OR 1=1 --", "id_token_hint": "x.y.z", "ui_locales": "xx", "display": "wap"]
        let code = try await house.code(app, principal, hints.mapValues { .some($0) })
        let tokens = try await house.exchange(code, app)
        #expect(try claims(tokens)["sub"]?.string == principal.id)
    }

    @Test(
        arguments: [
            "a&code=evil", "a#b", "a\r\nSet-Cookie: x=1", "\u{202E}x", "<script>", "ä", "%26", "a b", "\u{0}",
        ])
    func `comes back as sent, and as nothing else`(state: String) async throws {
        let (_, principal) = try await house.member()
        let app = try await house.app()
        let id = try house.begin(app, ["state": state])
        let address = try await house.oauth.deny(
            id, by: principal, issuer: OAuthHouse.origin, source: OAuthHouse.source, at: house.now)
        let allowed = try await house.oauth.allow(
            try house.begin(app, ["state": state]), ticked: ["openid"], patient: nil, by: principal,
            issuer: OAuthHouse.origin, source: OAuthHouse.source, at: house.now)
        for address in [address, allowed] {
            #expect(address.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x3C && $0 != 0x23 })
            let shown = try #require(OAuthHouse.parameter("state", of: address))
            let plain = shown.utf8.split(separator: UInt8(ascii: "%"), omittingEmptySubsequences: false)
            var bytes = Array(plain[0])
            for part in plain.dropFirst() {
                bytes.append(try #require(UInt8(String(decoding: part.prefix(2), as: UTF8.self), radix: 16)))
                bytes += part.dropFirst(2)
            }
            #expect(String(decoding: bytes, as: UTF8.self) == state)
        }
        #expect(address.split(separator: "&").count == 4)
    }
}
