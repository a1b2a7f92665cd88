import Testing
import WardAudit
import WardCore
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit

@Suite struct `An end that the log cannot take` {
    private let store = FailingStore(MemoryStore())
    private let house: PeopleHouse

    init() throws { house = try PeopleHouse(store) }

    /// While nothing can be written.
    private func inTrouble(_ body: () async throws -> Void) async throws {
        store.expect(.commits(.full, afterEffect: false))
        await #expect(throws: (any Error).self) { try await body() }
    }

    @Test func `of a session holds at once, is written when it can be, and survives a restart`() async throws {
        let anna = try await house.member("anna")
        try await inTrouble {
            try await house.people.endOwnSession(
                sessionToken: anna.token, because: .signedOut, source: house.source, at: house.now)
        }
        #expect(house.principal(anna.token) == nil && !house.isLocked(anna.token))
        // Still in trouble: it waits.
        await house.people.sweep(at: house.now)
        #expect(house.principal(anna.token) == nil)
        #expect(try house.log.events(with: [.kind(.sessionEnded)], limit: 9).isEmpty)
        store.expect(.none)
        await house.people.sweep(at: house.now)
        let events = try house.log.events(with: [.kind(.sessionEnded)], limit: 9)
        #expect(events.map(\.event.decision) == ["signed-out"])
        await house.people.sweep(at: house.now)
        #expect(try house.log.events(with: [.kind(.sessionEnded)], limit: 9).count == 1)
        #expect(try !house.reopened().isLocked(anna.token))
    }

    @Test func `is lost with the process that could not write it: the session is back, locked`() async throws {
        let anna = try await house.member("anna")
        try await inTrouble {
            try await house.people.endOwnSession(
                sessionToken: anna.token, because: .signedOut, source: house.source, at: house.now)
        }
        store.expect(.none)
        let reopened = try house.reopened()
        #expect(reopened.isLocked(anna.token) && reopened.principal(anna.token) == nil)
    }

    @Test func `is written before an orderly end`() async throws {
        let anna = try await house.member("anna")
        try await inTrouble {
            try await house.people.endSessions(of: anna.id, byOperator: PeopleHouse.admin, source: house.source)
        }
        store.expect(.none)
        await house.people.finishEnds()
        #expect(try !house.reopened().isLocked(anna.token))
    }

    @Test func `of an emergency closes the record at once, and is told with the time it was ended`() async throws {
        let anna = try await house.member("anna", listed: true)
        let emergency = try await house.declare(anna)
        let principal = try #require(house.principal(anna.token))
        house.pass(60)
        let ended = house.now
        try await inTrouble {
            try await house.people.emergencies.end(emergency.id, by: principal, source: house.source, at: house.now)
        }
        #expect(house.standing(anna) == nil && house.people.emergencies.running(of: anna.id, at: house.now).isEmpty)
        house.pass(30)
        await house.people.sweep(at: house.now)
        #expect(house.people.emergencies.emergency(emergency.id)?.ended == nil)
        store.expect(.none)
        await house.people.sweep(at: house.now)
        let known = try #require(house.people.emergencies.emergency(emergency.id))
        #expect(known.ended == ended && known.endedBy == "person/\(anna.id)")
        #expect(try house.log.events(with: [.kind(.emergencyEnded)], limit: 9).map(\.event.decision) == ["by-person"])
        let reopened = try house.reopened()
        #expect(reopened.people.emergencies.emergency(emergency.id)?.ended == ended)
        #expect(reopened.standing(anna) == nil)
    }

    @Test func `of what an app was allowed ends its tokens at once and for good`() async throws {
        let apps = try OAuthHouse(house)
        let (_, principal) = try await apps.member()
        let (app, key) = (try await apps.app(), ProofKey())
        let tokens = try await apps.exchange(
            try await apps.code(app, principal), app, proof: key.proof(at: apps.now))
        let refresh = try #require(tokens.refresh)
        let grant = try #require(apps.oauth.allowed(by: principal.id, at: apps.now).first)
        try await inTrouble {
            try await apps.oauth.end(grant.id, by: principal, source: house.source, at: apps.now)
        }
        #expect(try apps.principal(tokens.access, key: key) == nil)
        store.expect(.none)
        await house.people.sweep(at: house.now)
        #expect(try house.log.events(with: [.kind(.tokenRevoked)], limit: 9).count == 1)
        let reopened = try OAuthHouse(house.reopened())
        #expect(reopened.oauth.allowed(by: principal.id, at: apps.now).isEmpty)
        reopened.house.pass(90)
        await #expect(throws: OAuthFailure.refreshInvalid) {
            _ = try await reopened.refresh(refresh, app, proof: key.proof(at: reopened.now))
        }
    }

    @Test func `of everything somebody has ends sessions and apps at once, however many`() async throws {
        let apps = try OAuthHouse(house)
        let (member, principal) = try await apps.member()
        var tokens: [String] = []
        for _ in 0..<3 {
            let app = try await apps.app()
            tokens.append(
                try await apps.exchange(
                    try await apps.code(app, principal, ["scope": "openid user/Observation.rs"]), app
                ).access)
        }
        let key = ProofKey()
        for _ in 0..<2 {
            let app = try await apps.app()
            let offline = try await apps.exchange(
                try await apps.code(app, principal), app, proof: key.proof(at: apps.now))
            #expect(try apps.principal(offline.access, key: key) != nil)
        }
        try await inTrouble {
            try await house.people.endSessions(of: member.id, byOperator: PeopleHouse.admin, source: house.source)
        }
        #expect(house.principal(member.token) == nil)
        #expect(apps.oauth.allowed(by: member.id, at: apps.now).isEmpty)
        for token in tokens { #expect(try apps.principal(token) == nil) }
        store.expect(.none)
        await house.people.sweep(at: house.now)
        #expect(try house.log.events(with: [.kind(.tokenRevoked)], limit: 9).count == 5)
        #expect(try OAuthHouse(house.reopened()).oauth.allowed(by: member.id, at: apps.now).isEmpty)
    }

    @Test func `of an app takes it away at once and for good`() async throws {
        let apps = try OAuthHouse(house)
        let (_, principal) = try await apps.member()
        let app = try await apps.app()
        let tokens = try await apps.exchange(try await apps.code(app, principal), app)
        #expect(try apps.principal(tokens.access) != nil)
        try await inTrouble {
            try await apps.oauth.apps.remove(app.id, byOperator: PeopleHouse.admin, source: house.source)
        }
        #expect(try apps.principal(tokens.access) == nil)
        #expect(apps.oauth.apps.approved(app.id) == nil && apps.oauth.apps.apps.isEmpty)
        store.expect(.none)
        // Nobody approves it again meanwhile.
        await #expect(throws: IdentityFailure.self) {
            try await apps.oauth.apps.approve(app.id, byOperator: PeopleHouse.admin, source: house.source)
        }
        await house.people.sweep(at: house.now)
        #expect(try house.log.events(with: [.kind(.appRemoved)], limit: 9).count == 1)
        #expect(try house.reopened().people.oauth.apps.apps.isEmpty)
    }
}
