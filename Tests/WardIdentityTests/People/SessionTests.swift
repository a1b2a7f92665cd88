import Testing
import WardAudit
import WardCore
import WardCrypto
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit

@Suite struct `A session` {
    @Test func `is locked after fifteen minutes without a person doing something`() async throws {
        let house = try PeopleHouse()
        let member = try await house.member("anna")
        house.pass(-30)
        house.pass(14 * 60 + 50)
        #expect(house.principal(member.token) != nil)
        // A page that polls keeps nothing alive.
        for _ in 0..<15 {
            house.pass(60)
            if house.principal(member.token, isActivity: false) == nil { break }
        }
        #expect(house.principal(member.token) == nil)
        #expect(house.isLocked(member.token))
        // Being looked at does not unlock it.
        #expect(house.isLocked(member.token))
    }

    @Test func `goes on for as long as somebody works, and ends after twelve hours`() async throws {
        let house = try PeopleHouse()
        let member = try await house.member("anna")
        for _ in 0..<(12 * 6 - 1) {
            house.pass(600)
            #expect(house.principal(member.token) != nil)
        }
        house.pass(600)
        #expect(house.principal(member.token) == nil)
        #expect(!house.isLocked(member.token))
        await #expect(throws: IdentityFailure.sessionEnded) {
            _ = try await house.people.prove(
                .password(Password(typed: PeopleHouse.password), code: house.code(member.seed)),
                sessionToken: member.token, context: house.context, at: house.now)
        }
    }

    @Test func `is forgotten when its entry is gone, and no other`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna")
        let ids = Set(try house.store.entries(.session).map(\.id))
        let berta = try await house.member("berta")
        house.people.forgetSessions(ids)
        #expect(house.principal(anna.token) == nil && !house.isLocked(anna.token))
        #expect(house.principal(berta.token) != nil)
    }

    @Test func `is unlocked by its person with two factors, under a new token`() async throws {
        let house = try PeopleHouse()
        let (anna, berta) = (try await house.member("anna"), try await house.member("berta"))
        house.pass(1000)
        #expect(house.isLocked(anna.token))
        let password = try Password(typed: PeopleHouse.password)
        func prove(_ code: OneTimeCode, _ password: Password) async throws -> SignedIn {
            try await house.people.prove(
                .password(password, code: code), sessionToken: anna.token, context: house.context, at: house.now)
        }
        // Another member's code, a wrong password: no.
        await #expect(throws: IdentityFailure.notRecognised) {
            try await prove(house.code(berta.seed), password)
        }
        await #expect(throws: IdentityFailure.notRecognised) {
            try await prove(house.code(anna.seed), Password(typed: "something else entirely here"))
        }
        let again = try await prove(house.code(anna.seed), password)
        #expect(again.token != anna.token)
        #expect(house.principal(again.token)?.id == anna.id)
        #expect(house.principal(anna.token) == nil && !house.isLocked(anna.token))
        #expect(try house.kinds().last == .sessionUnlocked)
    }

    @Test func `counts as fresh for five minutes after two factors, and again after a step-up`() async throws {
        let house = try PeopleHouse()
        var anna = try await house.member("anna")
        #expect(house.principal(anna.token)?.isFresh(at: house.now) == true)
        house.pass(300)
        #expect(house.principal(anna.token)?.isFresh(at: house.now) == false)
        let principal = try #require(house.principal(anna.token))
        await #expect(throws: IdentityFailure.stepUpNeeded) {
            try await house.people.renewRecoveryCodes(principal, source: house.source, at: house.now)
        }
        anna.token = try await house.people.prove(
            .password(Password(typed: PeopleHouse.password), code: house.code(anna.seed)), sessionToken: anna.token,
            context: house.context, at: house.now
        ).token
        #expect(house.principal(anna.token)?.isFresh(at: house.now) == true)
        #expect(try house.kinds().last == .steppedUp)
    }

    @Test func `comes back locked after a restart, and not at all from another store`() async throws {
        let house = try PeopleHouse()
        let member = try await house.member("anna")
        let reopened = try house.reopened()
        #expect(reopened.principal(member.token) == nil)
        #expect(reopened.isLocked(member.token))
        let elsewhere = try PeopleHouse()
        #expect(elsewhere.principal(member.token) == nil && !elsewhere.isLocked(member.token))
    }

    @Test(arguments: ["", " ", "x", String(repeating: "A", count: 43), String(repeating: "🗝", count: 9000)])
    func `is nobody's for tokens that were never given out`(token: String) async throws {
        let house = try PeopleHouse()
        _ = try await house.member("anna")
        #expect(house.principal(token) == nil && !house.isLocked(token))
    }

    @Test func `does not live longer when the clock goes back`() async throws {
        let house = try PeopleHouse()
        let member = try await house.member("anna")
        house.pass(-86_400)
        #expect(house.principal(member.token) == nil)
        #expect(house.isLocked(member.token))
    }

    @Test func `can be listed and ended, one or all, by its person`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna")
        let second = try await house.signIn("anna", code: house.code(anna.seed))
        let berta = try await house.member("berta")
        let mine = house.people.sessions.list(person: anna.id, at: house.now)
        #expect(mine.count == 2 && mine.allSatisfy { $0.device == "Firefox, Linux" && $0.person == anna.id })
        let number = try #require(house.principal(anna.token)?.session)
        // Nobody ends the session of another by naming it as their own.
        await #expect(throws: IdentityFailure.sessionEnded) {
            try await house.people.endOwnSession(
                number, sessionToken: berta.token, because: .byPerson, source: house.source, at: house.now)
        }
        try await house.people.endOwnSession(
            number, sessionToken: second.token, because: .byPerson, source: house.source, at: house.now)
        #expect(house.principal(anna.token) == nil)
        #expect(house.principal(second.token) != nil)
        try await house.people.endSessions(of: anna.id, byOperator: PeopleHouse.admin, source: house.source)
        #expect(house.principal(second.token) == nil)
        #expect(house.principal(berta.token) != nil)
        let ended = try house.log.events(
            with: [.kind(.sessionEnded), .subject("person/\(anna.id)")], limit: 9
        ).map(\.event)
        #expect(ended.count == 2 && ended.allSatisfy { $0.subject == "person/\(anna.id)" })
    }

    @Test func `that was renewed twice at the same time ends as one`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna")
        let (people, context, now, token) = (house.people, house.context, house.now, anna.token)
        let proofs = try [Int64(0), 1].map { offset in
            Proof.password(try Password(typed: PeopleHouse.password), code: try house.code(anna.seed, offset))
        }
        let tokens: [String] = await withTaskGroup(of: String?.self) { group in
            for proof in proofs {
                group.addTask {
                    try? await people.prove(proof, sessionToken: token, context: context, at: now).token
                }
            }
            var tokens: [String] = []
            for await token in group { tokens += token.map { [$0] } ?? [] }
            return tokens
        }
        let sessions = tokens.compactMap { house.principal($0) }.compactMap(\.session)
        let number = try #require(sessions.first)
        try await house.people.endSessions(
            of: anna.id, number: number, byOperator: PeopleHouse.admin, source: house.source)
        for token in tokens + [anna.token] { #expect(house.principal(token) == nil && !house.isLocked(token)) }
    }

    @Test func `ends with the person's access, or with what the person may do`() async throws {
        let house = try PeopleHouse()
        let (anna, berta) = (try await house.member("anna"), try await house.member("berta"))
        #expect(house.principal(anna.token) != nil && house.principal(berta.token) != nil)
        try await house.people.disable(anna.id, byOperator: PeopleHouse.admin, source: house.source)
        #expect(house.principal(anna.token) == nil && !house.isLocked(anna.token))
        try await house.people.grant(
            Rights(roles: [.frontDesk], mayUseEmergencyAccess: false), to: berta.id, byOperator: PeopleHouse.admin,
            source: house.source)
        #expect(house.principal(berta.token) == nil)
        let reopened = try house.reopened()
        #expect(reopened.principal(anna.token) == nil && !reopened.isLocked(anna.token))
    }

    @Test func `has a form token that no other session shares`() async throws {
        let house = try PeopleHouse()
        let (anna, berta) = (try await house.member("anna"), try await house.member("berta"))
        let mine = house.people.formToken(for: anna.token)
        #expect(house.people.isFormToken(mine, for: anna.token))
        #expect(!house.people.isFormToken(mine, for: berta.token))
        #expect(!house.people.isFormToken("", for: anna.token))
        #expect(!mine.contains(anna.token))
    }
}
