import Testing
import WardAudit
import WardCore
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit

@Suite struct `A command at the machine` {
    private func confirm(
        _ house: PeopleHouse, _ login: String, _ code: ConfirmationCode?, _ action: Action = .managePeople
    ) async throws -> Person {
        try await house.people.confirm(
            action, login: login, code: code, command: "userAdd", source: house.source, at: house.now)
    }

    @Test func `needs nobody before there is somebody who may do the same on the pages`() async throws {
        let house = try PeopleHouse()
        #expect(!house.people.hasConfirmer(of: .managePeople, at: house.now))
        _ = try await house.member("tom", [.clinician])
        _ = try await house.invited("ines", [.administrator])
        #expect(!house.people.hasConfirmer(of: .managePeople, at: house.now))
        let chief = try await house.member("chief", [.administrator])
        for action in [Action.managePeople, .administer] {
            #expect(house.people.hasConfirmer(of: action, at: house.now))
        }
        #expect(!house.people.hasConfirmer(of: .reviewEmergency, at: house.now))
        _ = try await house.member("deputy", [.administrator])
        try await house.people.disable(chief.id, byOperator: PeopleHouse.admin, source: house.source)
        #expect(house.people.hasConfirmer(of: .managePeople, at: house.now))
    }

    @Test func `is confirmed by a code that is good once, and names the person`() async throws {
        let house = try PeopleHouse()
        let chief = try await house.member("chief", [.administrator])
        let code = try house.code(chief.seed)
        #expect(try await confirm(house, "CHIEF", .oneTime(code)).id == chief.id)
        let event = try #require(house.log.events(with: [.kind(.steppedUp)], limit: 1).first?.event)
        #expect(event.actor?.id == "person/\(chief.id)" && event.decision == "authenticator-code; userAdd")
        await #expect(throws: IdentityFailure.notRecognised) { _ = try await confirm(house, "chief", .oneTime(code)) }
        // Nor is it good for signing in any more.
        await #expect(throws: IdentityFailure.notRecognised) { try await house.signIn("chief", code: code) }
        // A saved code is used up as well.
        let saved = chief.codes[0]
        #expect(try await confirm(house, "chief", .saved(saved)).id == chief.id)
        await #expect(throws: IdentityFailure.notRecognised) { _ = try await confirm(house, "chief", .saved(saved)) }
        #expect(try house.reopened().people.hasConfirmer(of: .managePeople, at: house.now))
        await #expect(throws: IdentityFailure.notRecognised) {
            _ = try await confirm(house.reopened(), "chief", .saved(saved))
        }
    }

    @Test func `is not confirmed by others' codes, by nothing, or by whoever has left`() async throws {
        let house = try PeopleHouse()
        let chief = try await house.member("chief", [.administrator])
        let tom = try await house.member("tom", [.administrator])
        house.pass(60)
        for (login, code) in [
            ("chief", .oneTime(try house.code(tom.seed))), ("chief", .saved(tom.codes[0])),
            ("nobody", .oneTime(try house.code(chief.seed))), ("", .oneTime(try house.code(chief.seed))),
            ("chief", .oneTime(try house.code(chief.seed, 9))),
        ] as [(String, ConfirmationCode)] {
            await #expect(throws: IdentityFailure.notRecognised) { _ = try await confirm(house, login, code) }
        }
        await #expect(throws: IdentityFailure.notRecognised) { _ = try await confirm(house, "chief", nil) }
        house.address = "192.0.2.77"
        try await house.people.disable(tom.id, byOperator: PeopleHouse.admin, source: house.source)
        await #expect(throws: IdentityFailure.notRecognised) {
            _ = try await confirm(house, "tom", .saved(tom.codes[1]))
        }
        for text in ["", "12345", "1234567", "abcdef", "x y z"] { #expect(ConfirmationCode(typed: text) == nil) }
    }

    @Test(arguments: Role.allCases.filter { $0 != .administrator })
    func `is refused to somebody without the right, whose code is used up, and the log says so`(_ role: Role)
        async throws
    {
        let house = try PeopleHouse()
        let tom = try await house.member("tom", [role])
        let code = try house.code(tom.seed)
        await #expect(throws: IdentityFailure.notPermitted) { _ = try await confirm(house, "tom", .oneTime(code)) }
        let event = try #require(house.log.events(with: [.kind(.requestRefused)], limit: 1).first?.event)
        #expect(event.outcome == .denied && event.actor?.id == "person/\(tom.id)")
        await #expect(throws: IdentityFailure.notRecognised) { _ = try await confirm(house, "tom", .oneTime(code)) }
    }

    @Test func `waits after failures as sign-in does, and tells them to the log`() async throws {
        let house = try PeopleHouse()
        let chief = try await house.member("chief", [.administrator])
        var waits = 0
        for _ in 0..<12 {
            do {
                _ = try await confirm(house, "chief", .oneTime(house.code(chief.seed, 9)))
            } catch IdentityFailure.throttled(let seconds) {
                waits += 1
                #expect(seconds > 0)
            } catch IdentityFailure.notRecognised {}
        }
        #expect(waits >= 5)
        let right = try house.code(chief.seed)
        await #expect(throws: IdentityFailure.self) { _ = try await confirm(house, "chief", .oneTime(right)) }
        await house.people.flushFailures()
        let failed = try house.log.events(with: [.kind(.signInFailed)], limit: 9)
        #expect(failed.contains { $0.event.subject == "person/\(chief.id)" && $0.event.count >= 5 })
    }

    @Test func `is not confirmed when the log cannot be written, and the code stays good`() async throws {
        let store = FailingStore(MemoryStore())
        let house = try PeopleHouse(store)
        let chief = try await house.member("chief", [.administrator])
        let code = try house.code(chief.seed)
        store.expect(.commits(.full, afterEffect: false))
        await #expect(throws: IdentityFailure.auditUnavailable) {
            _ = try await confirm(house, "chief", .oneTime(code))
        }
        store.expect(.none)
        #expect(try await confirm(house, "chief", .oneTime(code)).id == chief.id)
    }
}
