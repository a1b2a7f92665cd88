import Testing
import WardAudit
import WardCore
import WardIdentity
import WardPolicy

@Suite struct `An app that acts until sign-out` {
    private let house: OAuthHouse
    private let scope = "openid user/Observation.rs online_access"

    init() throws { house = try OAuthHouse() }

    private func isLocked(_ token: String, key: ProofKey? = nil) throws -> Bool {
        let address = OAuthHouse.base + "/Observation"
        let request = try key.map {
            DPoPRequest(
                proof: try $0.proof("GET", address, at: house.now, ath: token), method: "GET", addresses: [address])
        }
        if case .locked = house.oauth.standing(token: token[...], proven: request, at: house.now) { return true }
        return false
    }

    /// Under a new token.
    @discardableResult
    private func unlock(_ member: PeopleHouse.Member) async throws -> String {
        try await house.house.people.prove(
            .password(Password(typed: PeopleHouse.password), code: house.house.code(member.seed)),
            sessionToken: member.token, context: house.house.context, at: house.now
        ).token
    }

    @Test func `stops while the session is locked, and goes on with the same token`() async throws {
        let (member, principal) = try await house.member()
        let app = try await house.app()
        house.house.pass(890 - 60)
        let tokens = try await house.exchange(try await house.code(app, principal, ["scope": scope]), app)
        #expect(try house.principal(tokens.access) != nil)
        house.house.pass(100)
        #expect(try house.principal(tokens.access) == nil && isLocked(tokens.access))
        try await unlock(member)
        #expect(try house.principal(tokens.access)?.id == member.id && !isLocked(tokens.access))
        #expect(house.oauth.allowed(by: member.id, at: house.now).count == 1)
    }

    @Test func `keeps no session open by what it asks`() async throws {
        let (member, principal) = try await house.member()
        let app = try await house.app()
        var seconds: Int64 = 0
        while seconds < 900 {
            let tokens = try await house.exchange(try await house.code(app, principal, ["scope": scope]), app)
            _ = try house.principal(tokens.access)
            house.house.pass(100)
            seconds += 100
        }
        #expect(house.house.isLocked(member.token))
    }

    @Test func `stops when its person locks by hand, and ends when they sign out`() async throws {
        let (member, principal) = try await house.member()
        let app = try await house.app()
        let tokens = try await house.exchange(try await house.code(app, principal, ["scope": scope]), app)
        house.house.people.sessions.lock(member.token)
        #expect(try isLocked(tokens.access))
        try await house.house.people.endOwnSession(
            sessionToken: member.token, because: .signedOut, source: house.house.source, at: house.now)
        #expect(try house.principal(tokens.access) == nil && !isLocked(tokens.access))
    }

    @Test func `loses no refresh token to a locked session, and is not ended by the sweep`() async throws {
        let (member, principal) = try await house.member()
        let (app, key) = (try await house.app(), ProofKey())
        let tokens = try await house.exchange(
            try await house.code(app, principal, ["scope": scope]), app, proof: key.proof(at: house.now))
        let refresh = try #require(tokens.refresh)
        house.house.people.sessions.lock(member.token)
        #expect(try isLocked(tokens.access, key: key))
        await house.house.people.sweep(at: house.now)
        for _ in 0..<3 {
            await #expect(throws: OAuthFailure.sessionLocked) {
                _ = try await house.refresh(refresh, app, proof: key.proof(at: house.now))
            }
        }
        let token = try await unlock(member)
        let renewed = try await house.refresh(refresh, app, proof: key.proof(at: house.now))
        #expect(try house.principal(renewed.access, key: key)?.id == member.id)
        // Of a stolen one that was used already, a locked session makes no good one.
        house.house.people.sessions.lock(token)
        #expect(try isLocked(renewed.access, key: key))
        await #expect(throws: OAuthFailure.refreshInvalid) {
            _ = try await house.refresh(refresh, app, proof: key.proof(at: house.now))
        }
        #expect(house.oauth.allowed(by: member.id, at: house.now).isEmpty)
    }

    @Test func `is not told from one that is unknown without its key`() async throws {
        let (member, principal) = try await house.member()
        let (app, key) = (try await house.app(), ProofKey())
        let tokens = try await house.exchange(
            try await house.code(app, principal, ["scope": scope]), app, proof: key.proof(at: house.now))
        house.house.people.sessions.lock(member.token)
        #expect(try !isLocked(tokens.access) && !isLocked(tokens.access, key: ProofKey()) && !isLocked("unknown"))
    }

    @Test func `is noted in the log once, however often it asks`() async throws {
        let (member, principal) = try await house.member()
        let app = try await house.app()
        let tokens = try await house.exchange(try await house.code(app, principal, ["scope": scope]), app)
        house.house.people.sessions.lock(member.token)
        for _ in 0..<5 {
            guard case .locked(let locked) = house.oauth.standing(token: tokens.access[...], proven: nil, at: house.now)
            else { throw OAuthFailure.notThere }
            await house.oauth.noteRefusal(of: locked, source: OAuthHouse.source, at: house.now)
        }
        let events = try house.house.log.events(with: [.kind(.requestRefused)], limit: 9).map(\.event)
        #expect(events.count == 1 && events[0].outcome == .denied && events[0].decision == "session-locked")
        #expect(events[0].actor?.id == "person/\(member.id)" && events[0].actor?.app?.contains("Growth") == true)
    }

    @Test func `goes on when it may do so after sign-out`() async throws {
        let (member, principal) = try await house.member()
        let (app, key) = (try await house.app(), ProofKey())
        let tokens = try await house.exchange(
            try await house.code(app, principal), app, proof: key.proof(at: house.now))
        house.house.people.sessions.lock(member.token)
        #expect(try house.principal(tokens.access, key: key) != nil)
    }
}
