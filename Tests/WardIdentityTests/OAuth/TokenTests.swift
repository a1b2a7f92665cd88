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

@Suite struct `A token of an app` {
    private let house: OAuthHouse
    private let key = ProofKey()

    init() throws { house = try OAuthHouse() }

    @Test func `bound to a key is good with a proof of it, five minutes long`() async throws {
        let (_, _, tokens) = try await house.bound(key)
        #expect(tokens.type == "DPoP" && tokens.refresh != nil)
        #expect(try house.principal(tokens.access, key: key) != nil)
        #expect(try house.principal(tokens.access) == nil)
        #expect(try house.principal(tokens.access, key: ProofKey()) == nil)
        house.house.pass(299)
        #expect(try house.principal(tokens.access, key: key) != nil)
        house.house.pass(1)
        #expect(try house.principal(tokens.access, key: key) == nil)
    }

    @Test func `without a key is no better with a proof`() async throws {
        let (_, principal) = try await house.member()
        let app = try await house.app()
        let tokens = try await house.exchange(try await house.code(app, principal), app)
        #expect(try house.principal(tokens.access) != nil && tokens.refresh == nil)
        #expect(tokens.scope == "openid user/Observation.rs")
        #expect(try house.principal(tokens.access, key: key) == nil)
        #expect(try house.principal("made-up") == nil && house.principal("") == nil)
    }

    @Test(
        arguments: [
            ["htm": #""POST""#], ["htm": #""get""#], ["htm": nil],
            ["htu": #""https://ward.lindenhof.example:8443/fhir""#],
            ["htu": #""https://evil.example/fhir/Observation""#], ["htu": nil],
            ["htu": #""https://ward.lindenhof.example:8443/fhir/Observation?a=b""#],
            ["htu": #""http://ward.lindenhof.example:8443/fhir/Observation""#], ["ath": nil], ["ath": #""x""#],
            ["ath": #""47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU""#], ["iat": nil], ["iat": "1799999900"],
            ["iat": "1800000200"], ["iat": #""now""#], ["iat": "1e99"], ["jti": nil], ["jti": #""""#],
            ["jti": #""short""#],
        ] as [[String: String?]])
    func `is not taken with a proof of something else`(changes: [String: String?]) async throws {
        let (_, _, tokens) = try await house.bound(key)
        let address = OAuthHouse.base + "/Observation"
        let proof = try key.proof("GET", address, at: house.now, ath: tokens.access, changes)
        let request = DPoPRequest(proof: proof, method: "GET", addresses: [address])
        #expect(house.oauth.principal(token: tokens.access[...], proven: request, at: house.now) == nil)
    }

    @Test func `is not taken with a proof that is signed wrongly`() async throws {
        let (_, _, tokens) = try await house.bound(key)
        let address = OAuthHouse.base + "/Observation"
        let other = ProofKey()
        let seconds = house.now.microseconds / 1_000_000
        let ath = base64URL(sha256(Array(tokens.access.utf8)).bytes)
        func claims() -> String {
            #"{"htm":"GET","htu":"\#(address)","iat":\#(seconds),"jti":"\#(randomUUID())","ath":"\#(ath)"}"#
        }
        func isTaken(_ proof: String) -> Bool {
            let request = DPoPRequest(proof: proof, method: "GET", addresses: [address])
            return house.oauth.principal(token: tokens.access[...], proven: request, at: house.now) != nil
        }
        let right = #"{"typ":"dpop+jwt","alg":"ES256","jwk":\#(key.jwk)}"#
        #expect(isTaken(try key.signed(right, claims())))
        for header in [
            #"{"typ":"dpop+jwt","alg":"none","jwk":\#(key.jwk)}"#,
            #"{"typ":"dpop+jwt","alg":"HS256","jwk":\#(key.jwk)}"#,
            #"{"typ":"dpop+jwt","alg":"RS256","jwk":\#(key.jwk)}"#,
            #"{"typ":"dpop+jwt","alg":"es256","jwk":\#(key.jwk)}"#,
            #"{"typ":"JWT","alg":"ES256","jwk":\#(key.jwk)}"#, #"{"alg":"ES256","jwk":\#(key.jwk)}"#,
            #"{"typ":"dpop+jwt","alg":"ES256"}"#, #"{"typ":"dpop+jwt","alg":"ES256","jwk":\#(other.jwk)}"#,
            #"{"typ":"dpop+jwt","alg":"ES256","crit":["x"],"x":1,"jwk":\#(key.jwk)}"#,
            #"{"typ":"dpop+jwt","alg":"ES256","jwk":\#(ProofKey.jwk(key.key.publicKey, more: #","d":"x""#))}"#,
            #"{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"oct","k":"AA"}}"#,
            #"{"typ":"dpop+jwt","alg":"ES256","alg":"none","jwk":\#(key.jwk)}"#,
        ] {
            #expect(!isTaken(try key.signed(header, claims())), "\(header)")
        }
        // Another's key under one's own header, and the other way round.
        #expect(!isTaken(try other.signed(right, claims())))
        #expect(!isTaken(try other.signed(#"{"typ":"dpop+jwt","alg":"ES256","jwk":\#(other.jwk)}"#, claims())))
        let proof = try key.signed(right, claims())
        let parts = proof.split(separator: ".").map(String.init)
        for text in [
            "\(parts[0]).\(parts[1]).", "\(parts[0]).\(parts[1])", proof + "=", proof + ".x", "", " \(proof)",
            "\(parts[0]).\(parts[1]).\(base64URL([UInt8](repeating: 0, count: 64)))",
        ] {
            #expect(!isTaken(text))
        }
        #expect(isTaken(proof) && !isTaken(proof))
    }

    @Test func `is not taken with a proof made before this process started`() async throws {
        let (_, _, tokens) = try await house.bound(key)
        let again = try OAuthHouse(try house.house.reopened())
        let proof = try key.proof(at: again.now.adding(seconds: -50))
        let refresh = try #require(tokens.refresh)
        let app = try #require(again.oauth.apps.apps.first)
        await #expect(throws: OAuthFailure.proofInvalid) { try await again.refresh(refresh, app, proof: proof) }
    }

    // MARK: Refreshing

    @Test func `is renewed by a refresh token that changes each time`() async throws {
        let (_, app, tokens) = try await house.bound(key)
        let first = try #require(tokens.refresh)
        let renewed = try await house.refresh(first, app, proof: try key.proof(at: house.now))
        let second = try #require(renewed.refresh)
        #expect(second != first && renewed.scope == "openid user/Observation.rs offline_access")
        #expect(try house.principal(renewed.access, key: key) != nil)
        let narrow = try await house.refresh(
            second, app, proof: try key.proof(at: house.now), ["scope": "openid"])
        #expect(narrow.scope == "openid")
        // The old one, again: somebody else has it.
        await #expect(throws: OAuthFailure.refreshInvalid) {
            try await house.refresh(first, app, proof: try key.proof(at: house.now))
        }
        for token in [tokens.access, renewed.access, narrow.access] {
            #expect(try house.principal(token, key: key) == nil)
        }
        await #expect(throws: OAuthFailure.refreshInvalid) {
            try await house.refresh(try #require(narrow.refresh), app, proof: try key.proof(at: house.now))
        }
    }

    @Test func `is not renewed without the key, by another app, or for more`() async throws {
        let (_, app, tokens) = try await house.bound(key)
        let foreign = try await house.app(["client_name": #""Other""#])
        let refresh = try #require(tokens.refresh)
        await #expect(throws: OAuthFailure.proofMissing) { try await house.refresh(refresh, app) }
        await #expect(throws: OAuthFailure.proofInvalid) {
            try await house.refresh(refresh, app, proof: try ProofKey().proof(at: house.now))
        }
        await #expect(throws: OAuthFailure.refreshInvalid) {
            try await house.refresh(refresh, foreign, proof: try key.proof(at: house.now))
        }
        await #expect(throws: OAuthFailure.scopeInvalid) {
            try await house.refresh(refresh, app, proof: try key.proof(at: house.now), ["scope": "user/*.cruds"])
        }
        await #expect(throws: OAuthFailure.refreshInvalid) {
            try await house.refresh("made.up", app, proof: try key.proof(at: house.now))
        }
        let proof = try key.proof(at: house.now)
        let renewed = try await house.refresh(refresh, app, proof: proof)
        await #expect(throws: OAuthFailure.proofInvalid) {
            try await house.refresh(try #require(renewed.refresh), app, proof: proof)
        }
    }

    @Test func `shown by two at once ends for both`() async throws {
        let (_, app, tokens) = try await house.bound(key)
        let refresh = try #require(tokens.refresh)
        let (oauth, now) = (house.oauth, house.now)
        let requests = try (0..<6).map { _ in
            try house.request(
                ["grant_type": "refresh_token", "refresh_token": refresh, "client_id": app.id],
                proof: try key.proof(at: now))
        }
        let answers = await withTaskGroup(of: [UInt8]?.self) { group in
            for request in requests { group.addTask { try? await oauth.token(request, at: now) } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        for answer in answers.compactMap({ $0 }) {
            #expect(try house.principal(OAuthHouse.Tokens(answer).access, key: key) == nil)
        }
    }

    @Test func `code asked for with a key is good for no other`() async throws {
        let (_, principal) = try await house.member()
        let app = try await house.app()
        let code = try await house.code(app, principal, ["dpop_jkt": key.thumbprint])
        await #expect(throws: OAuthFailure.proofMissing) { try await house.exchange(code, app) }
        let other = try await house.code(app, principal, ["dpop_jkt": key.thumbprint])
        await #expect(throws: OAuthFailure.proofInvalid) {
            try await house.exchange(other, app, proof: try ProofKey().proof(at: house.now))
        }
        let third = try await house.code(app, principal, ["dpop_jkt": key.thumbprint])
        #expect(try await house.exchange(third, app, proof: try key.proof(at: house.now)).type == "DPoP")
    }

    // MARK: Ends

    @Test func `for longer than a session outlives it and a restart, sealed`() async throws {
        let (member, app, tokens) = try await house.bound(key)
        let person = try #require(house.house.people.directory.person(member.id))
        for session in house.house.people.sessions.list(person: person.id, at: house.now) {
            try await house.house.people.endSessions(
                of: person.id, number: session.number, byOperator: person.actor, source: OAuthHouse.source)
        }
        #expect(try house.principal(tokens.access, key: key) != nil)
        let again = try OAuthHouse(try house.house.reopened())
        #expect(try again.principal(tokens.access, key: key) == nil)
        let refresh = try #require(tokens.refresh)
        let renewed = try await again.refresh(refresh, app, proof: try key.proof(at: again.now))
        #expect(renewed.refresh != nil)
        let sealed = try house.house.store.entries(.appGrant)
        #expect(sealed.count == 1)
        #expect(!sealed.contains { String(decoding: $0.sealed, as: UTF8.self).contains(app.id) })
    }

    @Test func `for longer than a session ends with all sessions of the person`() async throws {
        let (member, app, tokens) = try await house.bound(key)
        try await house.house.people.endSessions(
            of: member.id, byOperator: PeopleHouse.admin, source: OAuthHouse.source)
        #expect(try house.principal(tokens.access, key: key) == nil)
        let refresh = try #require(tokens.refresh)
        await #expect(throws: OAuthFailure.refreshInvalid) {
            try await house.refresh(refresh, app, proof: try key.proof(at: house.now))
        }
        #expect(try house.house.store.entries(.appGrant).isEmpty)
    }

    @Test func `for a session ends with it`() async throws {
        let (member, app, tokens) = try await house.bound(key, "openid user/Observation.rs online_access")
        #expect(try tokens.refresh != nil && house.principal(tokens.access, key: key) != nil)
        let person = try #require(house.house.people.directory.person(member.id))
        try await house.house.people.endSessions(of: person.id, byOperator: person.actor, source: OAuthHouse.source)
        #expect(try house.principal(tokens.access, key: key) == nil)
        await #expect(throws: OAuthFailure.refreshInvalid) {
            try await house.refresh(try #require(tokens.refresh), app, proof: try key.proof(at: house.now))
        }
        #expect(try house.house.store.entries(.appGrant).isEmpty)
    }

    @Test(arguments: ["disabled", "demoted", "ended", "app removed"])
    func `ends at once with the person and the app`(how: String) async throws {
        let (member, app, tokens) = try await house.bound(key)
        #expect(try house.principal(tokens.access, key: key) != nil)
        let people = house.house.people
        switch how {
        case "disabled": try await people.disable(member.id, byOperator: PeopleHouse.admin, source: OAuthHouse.source)
        case "demoted":
            try await people.grant(
                Rights(roles: [.frontDesk], mayUseEmergencyAccess: false), to: member.id,
                byOperator: PeopleHouse.admin, source: OAuthHouse.source)
        case "ended": house.house.pass(91 * 86_400)
        default: try await house.oauth.apps.remove(app.id, byOperator: PeopleHouse.admin, source: OAuthHouse.source)
        }
        #expect(try house.principal(tokens.access, key: key) == nil)
        await #expect(throws: OAuthFailure.self) {
            try await house.refresh(try #require(tokens.refresh), app, proof: try key.proof(at: house.now))
        }
        await people.sweep(at: house.now)
        #expect(try house.house.store.entries(.appGrant).isEmpty)
    }

    @Test func `is not given out where the log cannot be written`() async throws {
        let store = FailingStore(MemoryStore())
        let failing = try OAuthHouse(try PeopleHouse(store))
        let (_, principal) = try await failing.member()
        let app = try await failing.app()
        let code = try await failing.code(app, principal)
        store.expect(.commits(.full, afterEffect: false))
        await #expect(throws: OAuthFailure.auditUnavailable) { try await failing.exchange(code, app) }
        await #expect(throws: OAuthFailure.auditUnavailable) { try await failing.register() }
    }

    // MARK: Revocation and identity

    @Test func `is revoked by its own app alone, at once and with all that came with it`() async throws {
        let (_, app, tokens) = try await house.bound(key)
        let foreign = try await house.app(["client_name": #""Other""#])
        try await house.oauth.revoke(house.request(["token": tokens.access, "client_id": foreign.id]), at: house.now)
        try await house.oauth.revoke(house.request(["token": "made-up", "client_id": app.id]), at: house.now)
        #expect(try house.principal(tokens.access, key: key) != nil)
        let refresh = try #require(tokens.refresh)
        try await house.oauth.revoke(house.request(["token": refresh, "client_id": app.id]), at: house.now)
        #expect(try house.principal(tokens.access, key: key) == nil)
        #expect(try house.house.store.entries(.appGrant).isEmpty)
    }

    @Test func `is taken back by whoever allowed it, and by nobody else`() async throws {
        let (member, _, tokens) = try await house.bound(key)
        let (_, other) = try await house.member("berta")
        let allowed = try #require(house.oauth.allowed(by: member.id, at: house.now).first)
        #expect(allowed.name == "Growth chart" && allowed.isOffline)
        #expect(house.oauth.allowed(by: other.id, at: house.now).isEmpty)
        await #expect(throws: OAuthFailure.notThere) {
            try await house.oauth.end(allowed.id, by: other, source: OAuthHouse.source, at: house.now)
        }
        #expect(try house.principal(tokens.access, key: key) != nil)
        let principal = try #require(house.house.principal(member.token))
        try await house.oauth.end(allowed.id, by: principal, source: OAuthHouse.source, at: house.now)
        #expect(try house.principal(tokens.access, key: key) == nil)
        #expect(house.oauth.allowed(by: member.id, at: house.now).isEmpty)
    }

    @Test func `names the person in an ID token that the published key checks`() async throws {
        let (member, app, tokens) = try await house.bound(key, "openid fhirUser profile user/Patient.rs")
        let parts = try #require(tokens.idToken).split(separator: ".").map(String.init)
        let header = try JSONTape(parsing: try #require(base64URLDecoded(parts[0]))).root
        let claims = try JSONTape(parsing: try #require(base64URLDecoded(parts[1]))).root
        let jwk = try #require(try JSONTape(parsing: house.oauth.keySet).root["keys"]?.elements.first)
        #expect(header["alg"]?.string == "ES256" && header["kid"]?.string == jwk["kid"]?.string)
        #expect(jwk["d"] == nil)
        let x = try #require(base64URLDecoded(jwk["x"]?.string ?? ""))
        let y = try #require(base64URLDecoded(jwk["y"]?.string ?? ""))
        let published = try P256.Signing.PublicKey(x963Representation: [4] + x + y)
        let signature = try P256.Signing.ECDSASignature(rawRepresentation: #require(base64URLDecoded(parts[2])))
        #expect(published.isValidSignature(signature, for: Array("\(parts[0]).\(parts[1])".utf8)))
        #expect(claims["iss"]?.string == OAuthHouse.origin && claims["aud"]?.string == app.id)
        #expect(claims["sub"]?.string == member.id && claims["nonce"]?.string == "n-1" && claims["jti"] != nil)
        #expect(claims["name"]?.string == "Dr anna" && claims["fhirUser"] == nil)
        // The same key after a restart: it follows from the tenant's.
        #expect(try house.house.reopened().people.oauth.keySet == house.oauth.keySet)
        let (_, plain) = try await house.member("berta")
        let code = try await house.code(app, plain, ["scope": "user/Patient.rs"])
        #expect(try await house.exchange(code, app).idToken == nil)
    }
}
