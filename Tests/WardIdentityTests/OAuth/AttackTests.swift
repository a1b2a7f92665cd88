import Testing
import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardIdentity
import WardPolicy
import WardTestKit

/// Attacks of RFC 9700 and of SMART deployments that are no matter of one endpoint alone.
@Suite struct `An attacker` {
    private let house: OAuthHouse
    private let key = ProofKey()

    init() throws { house = try OAuthHouse() }

    @Test func `cannot leave PKCE out, at the beginning or at the end`() async throws {
        let (_, principal) = try await house.member()
        let app = try await house.app()
        #expect(throws: AuthorizationRefusal.self) {
            try house.begin(app, ["code_challenge": nil, "code_challenge_method": nil])
        }
        let code = try await house.code(app, principal)
        await #expect(throws: OAuthFailure.requestMalformed) {
            try await house.exchange(code, app, ["code_verifier": nil])
        }
        await #expect(throws: OAuthFailure.codeInvalid) {
            try await house.exchange(code, app, ["code_verifier": ""])
        }
    }

    @Test func `cannot put a stolen code into a session of their own`() async throws {
        let (_, victim) = try await house.member()
        let app = try await house.app()
        let stolen = try await house.code(app, victim)
        // The attacker began with the same app and has a verifier of their own.
        let own = "attackerattackerattackerattackerattackerattacker"
        await #expect(throws: OAuthFailure.codeInvalid) {
            try await house.exchange(stolen, app, ["code_verifier": own])
        }
        // It was shown once: the victim's app notices, nobody has a token.
        await #expect(throws: OAuthFailure.codeInvalid) { try await house.exchange(stolen, app) }
        let refused = try await house.code(app, victim, ["dpop_jkt": key.thumbprint])
        await #expect(throws: OAuthFailure.proofInvalid) {
            try await house.exchange(refused, app, proof: try ProofKey().proof(at: house.now))
        }
    }

    @Test func `cannot be taken for another server: every answer says where it is from`() async throws {
        let (_, principal) = try await house.member()
        let app = try await house.app()
        let denied = try await house.oauth.deny(
            try house.begin(app), by: principal, issuer: OAuthHouse.origin, source: OAuthHouse.source, at: house.now)
        let silent = house.oauth.silentAnswer(
            try house.begin(app, ["prompt": "none"]), for: nil, issuer: OAuthHouse.origin, at: house.now)
        var addresses = [denied, try #require(silent)]
        do {
            _ = try house.begin(app, ["scope": "nothing"])
        } catch let AuthorizationRefusal.redirect(address) {
            addresses.append(address)
        }
        #expect(addresses.count == 3)
        for address in addresses {
            #expect(OAuthHouse.parameter("iss", of: address) == "https%3A%2F%2Fward.lindenhof.example%3A8443")
            #expect(address.hasPrefix(OAuthHouse.redirect + "?"))
        }
    }

    @Test func `cannot use one kind of secret as another`() async throws {
        let (_, app, tokens) = try await house.bound(key)
        let (_, plain) = try await house.member("berta")
        let code = try await house.code(app, plain)
        let refresh = try #require(tokens.refresh)
        let idToken = try #require(tokens.idToken)
        let proof = try key.proof(at: house.now)
        for token in [refresh, idToken, code, proof, app.id, String(refresh.split(separator: ".")[1])] {
            #expect(try house.principal(token) == nil && house.principal(token, key: key) == nil)
        }
        for token in [tokens.access, idToken, code, String(refresh.split(separator: ".")[1])] {
            await #expect(throws: OAuthFailure.refreshInvalid) {
                try await house.refresh(token, app, proof: try key.proof(at: house.now))
            }
            await #expect(throws: OAuthFailure.codeInvalid, "\(token)") {
                try await house.exchange(token == code ? refresh : token, app)
            }
        }
        for assertion in [idToken, proof, tokens.access] {
            await #expect(throws: OAuthFailure.clientNotRecognised) {
                try await house.refresh(
                    refresh, app, proof: try key.proof(at: house.now),
                    [
                        "client_assertion": assertion,
                        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                    ])
            }
        }
        // None of it harmed what is good.
        #expect(try house.principal(tokens.access, key: key) != nil)
    }

    @Test func `cannot use a proof for another place, method or token, or twice`() async throws {
        let (_, app, tokens) = try await house.bound(key)
        let refresh = try #require(tokens.refresh)
        let address = OAuthHouse.base + "/Observation"
        func isTaken(_ proof: String, _ addresses: [String] = [address], method: String = "GET") -> Bool {
            let request = DPoPRequest(proof: proof, method: method, addresses: addresses)
            return house.oauth.principal(token: tokens.access[...], proven: request, at: house.now) != nil
        }
        // Made for the token endpoint, even with the right hash.
        #expect(!isTaken(try key.proof(at: house.now, ath: tokens.access)))
        for other in [
            address + "/", address + "?x=1", address + "#x", address.replacing("https", with: "http"),
            address.replacing(":8443", with: ""), address.replacing("ward.", with: "WARD."),
            address.replacing("Observation", with: "%4Fbservation"), address.replacing("/fhir", with: "/./fhir"),
            address.replacing("ward.lindenhof.example", with: "evil.example"), "",
        ] {
            #expect(!isTaken(try key.proof("GET", other, at: house.now, ath: tokens.access)), "\(other)")
        }
        let once = try key.proof("GET", address, at: house.now, ath: tokens.access)
        // Shown to another server first, with the same name in its mouth, it says where it is for.
        #expect(!isTaken(once, ["https://evil.example/fhir/Observation"]))
        #expect(isTaken(once))
        #expect(!isTaken(once))
        // Nor at the other endpoint: a proof is remembered whatever it was for.
        let both = try key.proof(at: house.now)
        _ = try await house.refresh(refresh, app, proof: both)
        await #expect(throws: OAuthFailure.self) { try await house.refresh(refresh, app, proof: both) }
    }

    @Test func `with a stolen refresh token and no key neither gets in nor throws its owner out`() async throws {
        let (_, app, tokens) = try await house.bound(key)
        let refresh = try #require(tokens.refresh)
        for _ in 0..<3 {
            await #expect(throws: OAuthFailure.proofInvalid) {
                try await house.refresh(refresh, app, proof: try ProofKey().proof(at: house.now))
            }
            await #expect(throws: OAuthFailure.proofMissing) { try await house.refresh(refresh, app) }
        }
        #expect(try await house.refresh(refresh, app, proof: try key.proof(at: house.now)).refresh != nil)
    }

    @Test func `cannot widen scopes by refreshing`() async throws {
        let (_, app, tokens) = try await house.bound(key, "openid user/Observation.rs offline_access")
        var refresh = try #require(tokens.refresh)
        for scope in [
            "user/Observation.cruds", "user/Observation.r", "user/*.rs", "user/Patient.rs", "fhirUser",
            "openid user/Observation.rs offline_access user/Patient.rs", "system/*.cruds", " ", "launch/patient",
        ] {
            await #expect(throws: OAuthFailure.scopeInvalid, "\(scope)") {
                try await house.refresh(refresh, app, proof: try key.proof(at: house.now), ["scope": scope])
            }
        }
        let narrow = try await house.refresh(
            refresh, app, proof: try key.proof(at: house.now), ["scope": "openid openid"])
        #expect(try narrow.scope == "openid" && house.principal(narrow.access, key: key)?.scopes?.isEmpty == true)
        refresh = try #require(narrow.refresh)
        // What was allowed once may be asked for again (RFC 6749 §6), and no more than that.
        let whole = try await house.refresh(refresh, app, proof: try key.proof(at: house.now))
        #expect(whole.scope == "openid user/Observation.rs offline_access")
    }

    @Test func `cannot decide in another's name, or on what another was asked`() async throws {
        let (_, mine) = try await house.member()
        let (_, other) = try await house.member("berta")
        let app = try await house.app()
        let id = try house.begin(app)
        _ = try house.oauth.pending(id, for: mine, at: house.now)
        let address = try await house.oauth.allow(
            id, ticked: ["openid"], patient: nil, by: other, issuer: OAuthHouse.origin, source: OAuthHouse.source,
            at: house.now)
        // Whoever decides is whom the code is for.
        let tokens = try await house.exchange(try #require(OAuthHouse.parameter("code", of: address)), app)
        #expect(try house.principal(tokens.access)?.id == other.id)
        // An app that acts for somebody allows nothing.
        let acting = try #require(try house.principal(tokens.access))
        await #expect(throws: OAuthFailure.self) {
            try await house.oauth.allow(
                try house.begin(app), ticked: ["openid"], patient: nil, by: acting, issuer: OAuthHouse.origin,
                source: OAuthHouse.source, at: house.now)
        }
    }
}
