import Testing
import WardAudit
import WardCore
import WardFHIR
import WardIdentity
import WardPolicy
import WardTestKit

@Suite struct `A review of an emergency` {
    @Test func `is by somebody else who may, with a fresh proof, a note, and when it is over`() async throws {
        let house = try PeopleHouse()
        // A small clinic: the privacy officer also treats patients.
        let ruth = try await house.member("ruth", [.privacyOfficer, .clinician], listed: true)
        let officer = try await house.member("otto", [.privacyOfficer])
        let emergency = try await house.declare(ruth)
        await #expect(throws: IdentityFailure.secondPersonNeeded) { try await house.review(emergency.id, by: ruth) }
        await #expect(throws: IdentityFailure.stillRunning) { try await house.review(emergency.id, by: officer) }
        house.pass(3600)
        let again = try await house.signedInAgain(ruth)
        await #expect(throws: IdentityFailure.secondPersonNeeded) { try await house.review(emergency.id, by: again) }
        let fresh = try await house.signedInAgain(officer)
        for note in ["", "   ", String(repeating: "x", count: 2001)] {
            await #expect(throws: IdentityFailure.reasonNeeded) {
                try await house.review(emergency.id, .appropriate, note, by: fresh)
            }
        }
        #expect(house.people.emergencies.unreviewed == 1)
        try await house.review(emergency.id, by: fresh)
        #expect(house.people.emergencies.unreviewed == 0)
        await #expect(throws: IdentityFailure.unknownRequest) {
            try await house.review(emergency.id, .notAppropriate, by: fresh)
        }
        house.pass(300)
        await #expect(throws: IdentityFailure.stepUpNeeded) { try await house.review(emergency.id, by: fresh) }
        let event = try #require(house.log.events(with: [.kind(.emergencyReviewed)], limit: 9).first?.event)
        #expect(event.actor?.id == "person/\(officer.id)" && event.subject == "person/\(ruth.id)")
        #expect(event.decision == "appropriate" && event.emergency == emergency.id)
        let own = try house.log.events(with: [.kind(.requestRefused), .emergency(emergency.id)], limit: 9)
        #expect(own.count == 2)
    }

    @Test(arguments: Role.allCases.filter { $0 != .privacyOfficer })
    func `is refused to everybody whose role does not include it`(_ role: Role) async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna", listed: true)
        let emergency = try await house.declare(anna)
        let other = try await house.member("other", [role])
        let principal = try #require(house.principal(other.token))
        house.pass(10)
        await #expect(throws: IdentityFailure.notPermitted) { try await house.review(emergency.id, by: other) }
        await #expect(throws: IdentityFailure.notPermitted) {
            try await house.people.emergencies.end(emergency.id, by: principal, source: house.source, at: house.now)
        }
        await #expect(throws: IdentityFailure.notPermitted) {
            _ = try await house.people.emergencies.activity(
                in: emergency.id, by: principal, source: house.source, at: house.now)
        }
        #expect(house.standing(anna) != nil && house.people.emergencies.unreviewed == 1)
    }

    @Test func `that leaves something open is done again, by whoever may`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna", listed: true)
        let emergency = try await house.declare(anna)
        house.pass(3600)
        let officer = try await house.member("otto", [.privacyOfficer])
        try await house.review(emergency.id, .needsFollowUp, "Ask the patient", by: officer)
        #expect(house.people.emergencies.unreviewed == 1)
        try await house.review(emergency.id, .notAppropriate, "The patient says no", by: officer)
        #expect(house.people.emergencies.unreviewed == 0)
        let known = try #require(try house.reopened().people.emergencies.emergency(emergency.id))
        #expect(known.reviews.map(\.outcome) == [.needsFollowUp, .notAppropriate] && known.isReviewed)
    }

    /// 2027-01-15 is a Friday.
    @Test(
        arguments: [
            (0, 4), (86_400, 3 + 16.0 / 24), (2 * 86_400, 2 + 16.0 / 24), (3 * 86_400, 2), (5 * 86_400, 2),
            (6 * 86_400, 4), (4 * 86_400, 2), (16 * 3600 - 60, 4), (16 * 3600, 4),
        ] as [(Int64, Double)])
    func `is due after forty-eight hours of working days`(_ start: Int64, _ days: Double) async throws {
        let house = try PeopleHouse(now: PeopleHouse.start.adding(seconds: start - 30))
        let anna = try await house.member("anna", listed: true)
        let emergency = try await house.declare(anna)
        let seconds = (emergency.due.microseconds - emergency.begun.microseconds) / 1_000_000
        // From Saturday and Sunday on it counts from Monday's beginning.
        #expect(seconds == Int64((days * 86_400).rounded()), "\(emergency.begun.text) \(emergency.due.text)")
    }

    @Test func `that is late stays on top, through restarts and endings, until it is done`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna", listed: true)
        let late = try await house.declare(anna)
        house.pass(4 * 86_400 - 1)
        #expect(!(house.people.emergencies.emergency(late.id)?.isOverdue(at: house.now) ?? true))
        house.pass(1)
        let (again, berta) = (
            try await house.signedInAgain(anna), try await house.member("berta", listed: true)
        )
        // Whoever has one that is late goes on working.
        try await house.declare(again, for: "p2")
        house.pass(1)
        try await house.declare(berta, for: "p3")
        await house.people.sweep(at: house.now)
        try await house.people.disable(anna.id, byOperator: PeopleHouse.admin, source: house.source)
        let reopened = try house.reopened()
        let list = reopened.people.emergencies.list(at: reopened.now)
        #expect(list.map(\.patient) == ["p1", "p3", "p2"] && list[0].isOverdue(at: reopened.now))
        #expect(list.count { $0.isOverdue(at: reopened.now) } == 1)
        let officer = try await reopened.member("otto", [.privacyOfficer])
        try await reopened.review(late.id, by: officer)
        let after = reopened.people.emergencies.list(at: reopened.now)
        #expect(after.map(\.patient) == ["p3", "p2", "p1"] && !after.contains { $0.isOverdue(at: reopened.now) })
    }

    @Test func `at the machine is logged as that`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna", listed: true)
        let emergency = try await house.declare(anna)
        func review(_ note: String) async throws {
            try await house.people.emergencies.review(
                emergency.id, outcome: .appropriate, note: PHI(note), byOperator: PeopleHouse.admin,
                source: house.source, at: house.now)
        }
        await #expect(throws: IdentityFailure.stillRunning) { try await review("looked at") }
        house.pass(3600)
        await #expect(throws: IdentityFailure.reasonNeeded) { try await review("") }
        try await review("looked at")
        #expect(house.people.emergencies.emergency(emergency.id)?.reviews.first?.reviewer == "operator")
    }

    @Test func `shows what was opened of that patient by that person while it ran, and is logged`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna", listed: true)
        let officer = try await house.member("otto", [.privacyOfficer])
        let emergency = try await house.declare(anna)
        let actor = try #require(house.people.directory.person(anna.id)).actor
        func read(_ seconds: Int64, _ patient: String, _ who: AuditActor) async throws {
            _ = try await house.log.append(
                AuditEvent(
                    kind: .read, time: emergency.begun.adding(seconds: seconds), outcome: .success, actor: who,
                    purpose: .treatment, source: house.source, decision: "care-emergency", type: nil,
                    patients: [patient]))
        }
        try await read(-10, "p1", actor)
        for second in 1...450 { try await read(Int64(second), "p1", actor) }
        try await read(5, "p2", actor)
        try await read(5, "p1", PeopleHouse.admin)
        try await read(3601, "p1", actor)
        // Taken from a spool of days before, and newer in the log than all of it.
        try await house.log.take(
            spooled: (0..<250).map { number in
                var event = AuditEvent(
                    kind: .read, time: emergency.begun.adding(seconds: -4 * 86_400), outcome: .success, actor: actor,
                    purpose: .treatment, source: house.source, decision: "test", patients: ["p1"])
                event.spooled = SpoolPlace(spool: "s", index: Int64(number))
                return event
            }, entries: [])
        let principal = try #require(house.principal(officer.token))
        let found = try await house.people.emergencies.activity(
            in: emergency.id, by: principal, source: house.source, at: house.now)
        #expect(found.events.count { $0.event.kind == .read } == 450 && !found.isCutOff)
        #expect(found.events.allSatisfy { $0.event.patients == ["p1"] && $0.event.actor?.id == actor.id })
        let last = try #require(house.log.events(with: [], limit: 1).first?.event)
        #expect(last.kind == .auditRead && last.emergency == emergency.id && last.patients == ["p1"])
        await #expect(throws: IdentityFailure.unknownRequest) {
            _ = try await house.people.emergencies.activity(
                in: "none", by: principal, source: house.source, at: house.now)
        }
    }
}
