import Testing
import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit

@Suite struct `An authorization` {
    private let house: OAuthHouse

    init() throws { house = try OAuthHouse() }

    @Test func `ends in a code that is exchanged once, for what was ticked`() async throws {
        let (member, principal) = try await house.member()
        let app = try await house.app()
        let id = try house.begin(app, ["scope": "openid user/Observation.rs user/Patient.r offline_access"])
        let address = try await house.oauth.allow(
            id, ticked: ["openid", "user/Observation.rs", "user/*.cruds"], patient: nil, by: principal,
            issuer: OAuthHouse.origin, source: OAuthHouse.source, at: house.now)
        #expect(address.hasPrefix(OAuthHouse.redirect + "?code="))
        #expect(OAuthHouse.parameter("state", of: address) == "st-1")
        #expect(OAuthHouse.parameter("iss", of: address) == "https%3A%2F%2Fward.lindenhof.example%3A8443")
        let tokens = try await house.exchange(try #require(OAuthHouse.parameter("code", of: address)), app)
        // What was not asked for is not granted, ticked or not.
        #expect(tokens.scope == "openid user/Observation.rs" && tokens.refresh == nil && tokens.type == "Bearer")
        let acting = try #require(try house.principal(tokens.access))
        #expect(acting.id == member.id && acting.roles == [.clinician, .app])
        #expect(acting.scopes?.map(\.text) == ["user/Observation.rs"] && acting.patientInContext == nil)
        #expect(acting.actor.app?.hasPrefix("Growth chart (app/") == true && !acting.isFresh(at: house.now))
        #expect(try house.house.kinds().suffix(2) == [.appAuthorized, .tokenIssued])
        await #expect(throws: OAuthFailure.notThere) {
            try await house.oauth.allow(
                id, ticked: ["openid"], patient: nil, by: principal, issuer: OAuthHouse.origin,
                source: OAuthHouse.source, at: house.now)
        }
    }

    @Test(
        arguments: [
            "https://app.example/callback/", "https://app.example/callbac", "https://app.example/callback2",
            "https://app.example/callback?x=1", "https://app.example/callback#x", "https://app.example/Callback",
            "https://APP.example/callback", "HTTPS://app.example/callback", "http://app.example/callback",
            "https://app.example:443/callback", "https://app.example:8443/callback",
            "https://app.example@evil.example/callback", "https://evil.example@app.example/callback",
            "https://app.example.evil.example/callback", "https://evilapp.example/callback",
            "https://app.example/x/../callback", "https://app.example//callback", "https://app.example/%63allback",
            " https://app.example/callback", "https://app.example/callback ", "https:\\\\app.example/callback", "",
        ])
    func `is never answered at a redirect that is not letter for letter registered`(redirect: String) async throws {
        let app = try await house.app()
        #expect(try refusal(app, ["redirect_uri": redirect]) == .page(.redirectUnknown))
    }

    @Test(
        arguments: [
            (["response_type": "token"], "unsupported_response_type"),
            (["response_type": nil], "unsupported_response_type"),
            (["response_type": "code id_token"], "unsupported_response_type"), (["state": nil], "invalid_request"),
            (["state": ""], "invalid_request"), (["code_challenge": nil], "invalid_request"),
            (["code_challenge": "short"], "invalid_request"), (["code_challenge_method": "plain"], "invalid_request"),
            (["code_challenge_method": nil], "invalid_request"), (["code_challenge_method": "s256"], "invalid_request"),
            (["aud": nil], "invalid_request"), (["aud": "https://evil.example/fhir"], "invalid_request"),
            (["aud": OAuthHouse.origin], "invalid_request"), (["scope": nil], "invalid_scope"),
            (["scope": "system/*.cruds unknown user/Nothing.rs"], "invalid_scope"),
            (["scope": "launch openid"], "invalid_request"), (["launch": "made-up"], "invalid_request"),
            (["scope": "launch openid", "launch": "made-up"], "invalid_request"),
            (["request_uri": "https://evil.example/r"], "invalid_request"), (["request": "e30"], "invalid_request"),
            (["response_mode": "fragment"], "invalid_request"), (["prompt": "none login"], "invalid_request"),
            (["prompt": "select_account"], "invalid_request"), (["prompt": "LOGIN"], "invalid_request"),
            (["max_age": "-1"], "invalid_request"), (["max_age": "1.5"], "invalid_request"),
            (["max_age": "010"], "invalid_request"), (["max_age": ""], "invalid_request"),
            (["max_age": "99999999999999999999"], "invalid_request"),
            (["dpop_jkt": "x"], "invalid_request"),
        ] as [([String: String?], String)])
    func `with a fault is refused at the app's redirect`(changes: [String: String?], error: String) async throws {
        let app = try await house.app()
        guard case .redirect(let address) = try refusal(app, changes) else {
            Issue.record("not refused at the redirect")
            return
        }
        #expect(address.hasPrefix(OAuthHouse.redirect + "?"))
        #expect(OAuthHouse.parameter("error", of: address) == error)
        #expect(OAuthHouse.parameter("iss", of: address) != nil && OAuthHouse.parameter("code", of: address) == nil)
    }

    @Test func `of an app that is unknown, waits, was removed or sees nothing goes nowhere`() async throws {
        let waiting = try await house.register()
        #expect(try refusal(waiting) == .page(.appNotApproved))
        let app = try await house.app()
        #expect(try refusal(app, ["client_id": "nobody"]) == .page(.appUnknown))
        try await house.oauth.apps.remove(
            app.id, byOperator: PeopleHouse.admin, source: OAuthHouse.source, at: house.now)
        #expect(try refusal(app) == .page(.appUnknown))
        let pair = try #require(ClientKeyPair(client: "x"))
        let resource = try await house.app([
            "redirect_uris": "[]", "grant_types": "[]", "token_endpoint_auth_method": #""private_key_jwt""#,
            "jwks": #"{"keys":[\#(pair.publicKey.json)]}"#,
        ])
        #expect(try refusal(resource) == .page(.appUnknown))
    }

    @Test func `with a parameter twice is refused`() async throws {
        let app = try await house.app()
        let pairs = ["client_id", "client_id"].map { SearchPair(name: $0, value: app.id) }
        #expect(throws: AuthorizationRefusal.self) {
            try house.oauth.begin(
                pairs, base: OAuthHouse.base, issuer: OAuthHouse.origin, source: OAuthHouse.source,
                at: house.now)
        }
    }

    @Test func `waits ten minutes, and for the app to stay approved`() async throws {
        let (_, principal) = try await house.member()
        let app = try await house.app()
        let late = try house.begin(app)
        house.house.pass(601)
        #expect(throws: OAuthFailure.notThere) { try house.oauth.pending(late, for: principal, at: house.now) }
        let id = try house.begin(app)
        try await house.oauth.apps.remove(
            app.id, byOperator: PeopleHouse.admin, source: OAuthHouse.source, at: house.now)
        #expect(throws: OAuthFailure.notThere) { try house.oauth.pending(id, for: principal, at: house.now) }
    }

    @Test func `that is refused says so to the app and to the log`() async throws {
        let (_, principal) = try await house.member()
        let id = try house.begin(try await house.app())
        let address = try await house.oauth.deny(
            id, by: principal, issuer: OAuthHouse.origin, source: OAuthHouse.source, at: house.now)
        #expect(OAuthHouse.parameter("error", of: address) == "access_denied")
        let event = try #require(try house.house.log.events(with: [], limit: 1).first?.event)
        #expect(event.kind == .appAuthorized && event.outcome == .denied)
    }

    @Test func `about a patient needs one, and somebody's own if they are no member`() async throws {
        let (_, principal) = try await house.member()
        let app = try await house.app()
        let id = try house.begin(app, ["scope": "patient/Observation.rs"])
        await #expect(throws: OAuthFailure.patientMissing) {
            try await house.oauth.allow(
                id, ticked: ["patient/Observation.rs"], patient: nil, by: principal, issuer: OAuthHouse.origin,
                source: OAuthHouse.source, at: house.now)
        }
        let code = try await house.code(app, principal, patient: "p1", ["scope": "launch/patient patient/*.rs"])
        let tokens = try await house.exchange(code, app)
        #expect(try tokens.patient == "p1" && house.principal(tokens.access)?.patientInContext == "p1")
        let (_, outside) = try await house.member("paula", [.patient])
        let other = try house.begin(app, ["scope": "patient/Observation.rs"])
        await #expect(throws: OAuthFailure.patientMissing) {
            try await house.oauth.allow(
                other, ticked: ["patient/Observation.rs"], patient: "p1", by: outside, issuer: OAuthHouse.origin,
                source: OAuthHouse.source, at: house.now)
        }
    }

    @Test func `launched here is for one app, person, session and use, within five minutes`() async throws {
        let (_, principal) = try await house.member()
        let (_, other) = try await house.member("berta")
        let app = try await house.app(["initiate_login_uri": #""https://app.example/launch""#])
        let foreign = try await house.app(["client_name": #""Other""#])
        func launch() async throws -> String {
            let address = try await house.oauth.launch(
                app.id, patient: "p1", by: principal, base: OAuthHouse.base, source: OAuthHouse.source, at: house.now)
            #expect(address.hasPrefix("https://app.example/launch?iss="))
            return try #require(OAuthHouse.parameter("launch", of: address))
        }
        let scope = "launch user/Observation.rs"
        let first = try await launch()
        #expect(throws: AuthorizationRefusal.self) { try house.begin(foreign, ["scope": scope, "launch": first]) }
        let id = try house.begin(app, ["scope": scope, "launch": first])
        #expect(throws: OAuthFailure.launchInvalid) { try house.oauth.pending(id, for: other, at: house.now) }
        #expect(try house.oauth.pending(id, for: principal, at: house.now).patient == "p1")
        // The patient of the launch, whatever the form says.
        let code = try await house.code(app, principal, patient: "p2", ["scope": scope, "launch": first])
        #expect(try await house.exchange(code, app).patient == "p1")
        #expect(throws: AuthorizationRefusal.self) { try house.begin(app, ["scope": scope, "launch": first]) }
        let second = try await launch()
        house.house.pass(301)
        #expect(throws: AuthorizationRefusal.self) { try house.begin(app, ["scope": scope, "launch": second]) }
    }

    // MARK: Codes

    @Test(
        arguments: [
            ["code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"], ["code_verifier": OAuthHouse.challenge],
            ["code_verifier": "short"], ["code_verifier": ""], ["redirect_uri": OAuthHouse.redirect + "/"],
            ["redirect_uri": "https://evil.example/callback"], ["redirect_uri": nil], ["code": "made-up"],
        ] as [[String: String?]])
    func `whose code is shown wrongly gives nothing, then or later`(changes: [String: String?]) async throws {
        let (_, principal) = try await house.member()
        let app = try await house.app()
        let code = try await house.code(app, principal)
        await #expect(throws: OAuthFailure.codeInvalid) { try await house.exchange(code, app, changes) }
        guard changes["code"] == nil else { return }
        await #expect(throws: OAuthFailure.codeInvalid) { try await house.exchange(code, app) }
    }

    @Test func `whose code is shown twice ends what came of the first`() async throws {
        let (_, principal) = try await house.member()
        let app = try await house.app()
        let code = try await house.code(app, principal)
        let tokens = try await house.exchange(code, app)
        #expect(try house.principal(tokens.access) != nil)
        await #expect(throws: OAuthFailure.codeInvalid) { try await house.exchange(code, app) }
        #expect(try house.principal(tokens.access) == nil)
        #expect(try house.house.kinds().last == .tokenRevoked)
    }

    @Test func `whose code is shown by two at once leaves nobody with a token`() async throws {
        let (_, principal) = try await house.member()
        let app = try await house.app()
        let code = try await house.code(app, principal)
        let (oauth, now) = (house.oauth, house.now)
        let request = try house.request([
            "grant_type": "authorization_code", "code": code, "redirect_uri": OAuthHouse.redirect,
            "code_verifier": OAuthHouse.verifier, "client_id": app.id,
        ])
        let answers = await withTaskGroup(of: [UInt8]?.self) { group in
            for _ in 0..<8 { group.addTask { try? await oauth.token(request, at: now) } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        for answer in answers.compactMap({ $0 }) {
            #expect(try house.principal(OAuthHouse.Tokens(answer).access) == nil)
        }
    }

    @Test func `that goes on after sign-out is allowed only by who has just shown who they are`() async throws {
        let (_, principal) = try await house.member()
        let app = try await house.app()
        house.house.pass(301)
        await #expect(throws: OAuthFailure.freshProofNeeded) { try await house.code(app, principal) }
        let asked = "openid user/Observation.rs online_access"
        #expect(try await !house.code(app, principal, ["scope": asked]).isEmpty)
    }

    @Test func `whose code is late, foreign, or of a session that ended gives nothing`() async throws {
        let (member, principal) = try await house.member()
        let app = try await house.app()
        let foreign = try await house.app(["client_name": #""Other""#])
        let late = try await house.code(app, principal)
        house.house.pass(60)
        await #expect(throws: OAuthFailure.codeInvalid) { try await house.exchange(late, app) }
        let code = try await house.code(app, principal)
        await #expect(throws: OAuthFailure.codeInvalid) { try await house.exchange(code, foreign) }
        let ended = try await house.code(app, principal)
        let person = try #require(house.house.people.directory.person(member.id))
        try await house.house.people.endSessions(of: person.id, byOperator: person.actor, source: OAuthHouse.source)
        await #expect(throws: OAuthFailure.codeInvalid) { try await house.exchange(ended, app) }
    }

    private func refusal(_ app: App, _ changes: [String: String?] = [:]) throws -> Refusal? {
        do {
            _ = try house.begin(app, changes)
            return nil
        } catch let error as AuthorizationRefusal {
            switch error {
            case .page(let failure): return .page(failure)
            case .redirect(let address): return .redirect(address)
            }
        }
    }

    private enum Refusal: Equatable {
        case page(OAuthFailure)
        case redirect(String)
    }
}
