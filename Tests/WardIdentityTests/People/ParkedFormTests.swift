import Testing
import WardAudit
import WardCore
import WardIdentity
import WardStorage
import WardTestKit

@Suite struct `A parked form` {
    private let store = MemoryStore()
    private let house: PeopleHouse

    init() throws { house = try PeopleHouse(store) }

    private func session(_ member: PeopleHouse.Member, _ house: PeopleHouse? = nil) throws -> Session {
        let house = house ?? self.house
        switch house.people.standing(of: member.token, at: house.now, isActivity: false) {
        case .active(_, let session), .locked(_, let session): return session
        case .none: throw IdentityFailure.sessionEnded
        }
    }

    @discardableResult
    private func park(
        _ member: PeopleHouse.Member, _ text: String = "canary-9d1 at noon", path: String = "/app/emergency"
    )
        async throws -> ParkedForm
    {
        let person = try #require(house.people.directory.person(member.id))
        return try await house.people.parked.park(
            path, [ParkedForm.Field(name: "text", value: PHI(text))], template: "/app/emergency",
            session: session(member), person: person, source: house.source, at: house.now)
    }

    private func take(
        _ id: String, _ member: PeopleHouse.Member, _ house: PeopleHouse? = nil
    ) async throws -> ParkedForm {
        let house = house ?? self.house
        let person = try #require(house.people.directory.person(member.id))
        return try await house.people.parked.take(
            id, in: session(member, house), by: person, sending: true, source: house.source, at: house.now)
    }

    @Test func `is taken out once, by two at the same time as well`() async throws {
        let anna = try await house.member("anna")
        let form = try await park(anna)
        let (parked, session, source, now) = (house.people.parked, try session(anna), house.source, house.now)
        let person = try #require(house.people.directory.person(anna.id))
        let taken = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    (try? await parked.take(
                        form.id, in: session, by: person, sending: true, source: source, at: now)) != nil
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(taken == 1)
        await #expect(throws: IdentityFailure.unknownRequest) { _ = try await take(form.id, anna) }
        #expect(try house.kinds().suffix(2) == [.formKept, .formEnded])
    }

    @Test func `is nobody else's, and not another session's of the same person`() async throws {
        let (anna, berta) = (try await house.member("anna"), try await house.member("berta"))
        let form = try await park(anna)
        var other = anna
        other.token = try await house.signIn("anna", code: house.code(anna.seed)).token
        for member in [berta, other] {
            #expect(try house.people.parked.forms(of: session(member), at: house.now).isEmpty)
            #expect(try house.people.parked.form(form.id, in: session(member), at: house.now) == nil)
            await #expect(throws: IdentityFailure.unknownRequest) { _ = try await take(form.id, member) }
        }
        #expect(try house.people.parked.forms(of: session(anna), at: house.now).map(\.id) == [form.id])
    }

    @Test func `outlives a restart, sealed, and tells the log nothing of what stands in it`() async throws {
        let anna = try await house.member("anna")
        let form = try await park(anna)
        let reopened = try house.reopened()
        let known = try await take(form.id, anna, reopened)
        #expect(known.path == "/app/emergency" && known.fields.map(\.name) == ["text"])
        #expect(known.fields[0].value.exposed { $0 } == "canary-9d1 at noon")
        #expect(try house.reopened().people.parked.forms(of: session(anna), at: house.now).isEmpty)
        let bytes = Array("canary-9d1".utf8)
        for (_, entries) in try store.snapshot().entries {
            for (_, sealed) in entries { #expect(sealed.firstRange(of: bytes) == nil) }
        }
        for logged in try house.log.events(with: [], limit: 100) { #expect(!"\(logged.event)".contains("canary")) }
        #expect(!"\(form)".contains("canary"))
    }

    @Test func `goes with its session, whoever ends that`() async throws {
        for officer in [true, false] {
            let anna = try await house.member("anna\(officer)")
            let form = try await park(anna)
            let number = try session(anna).number
            if officer {
                try await house.people.endSessions(of: anna.id, byOperator: PeopleHouse.admin, source: house.source)
            } else {
                try await house.people.endOwnSession(
                    sessionToken: anna.token, because: .signedOut, source: house.source, at: house.now)
            }
            var again = anna
            again.token = try await house.signIn(anna.login, code: house.code(anna.seed)).token
            #expect(try session(again).number != number)
            await #expect(throws: IdentityFailure.unknownRequest) { _ = try await take(form.id, again) }
        }
        #expect(try store.entries(.parkedForm).isEmpty)
    }

    @Test func `is one of five, of 64 KiB, for twelve hours`() async throws {
        let anna = try await house.member("anna")
        await #expect(throws: IdentityFailure.tooLarge) {
            try await park(anna, String(repeating: "x", count: ParkedForm.largest))
        }
        // Sent twice, it waits once.
        let first = try await park(anna, "0")
        #expect(try await park(anna, "0").id == first.id)
        for number in 1..<7 {
            house.pass(1)
            try await park(anna, "\(number)")
        }
        let left = try house.people.parked.forms(of: session(anna), at: house.now)
        #expect(left.map { $0.fields[0].value.exposed { $0 } } == ["6", "5", "4", "3", "2"])
        #expect(try store.entries(.parkedForm).count == 5)
        house.pass(12 * 3600)
        await house.people.sweep(at: house.now)
        #expect(try store.entries(.parkedForm).isEmpty)
    }
}

@Suite struct `What is parked without a log` {
    @Test func `is not parked, and what cannot be taken out in the log stays`() async throws {
        let store = FailingStore(MemoryStore())
        let house = try PeopleHouse(store)
        let anna = try await house.member("anna")
        let person = try #require(house.people.directory.person(anna.id))
        guard case .active(_, let session) = house.people.standing(of: anna.token, at: house.now, isActivity: false)
        else { throw IdentityFailure.sessionEnded }
        let parked = house.people.parked
        func park() async throws -> ParkedForm {
            try await parked.park(
                "/app/people", [], template: "/app/people", session: session, person: person, source: house.source,
                at: house.now)
        }
        store.expect(.commits(.full, afterEffect: false))
        await #expect(throws: IdentityFailure.auditUnavailable) { _ = try await park() }
        #expect(parked.forms(of: session, at: house.now).isEmpty)
        store.expect(.none)
        let form = try await park()
        store.expect(.commits(.full, afterEffect: false))
        await #expect(throws: IdentityFailure.auditUnavailable) {
            _ = try await parked.take(
                form.id, in: session, by: person, sending: true, source: house.source, at: house.now)
        }
        #expect(parked.forms(of: session, at: house.now).map(\.id) == [form.id])
    }
}
