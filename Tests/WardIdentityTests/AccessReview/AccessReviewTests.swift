import Testing
import WardAudit
import WardCore
import WardFHIR
import WardIdentity
import WardPolicy
import WardTestKit

@Suite struct `A review of access` {
    private func review(
        _ house: PeopleHouse, _ id: String, removing: Set<String> = [], unlisting: Bool = false, reason: String = "",
        by member: PeopleHouse.Member
    ) async throws {
        try await house.people.accessReviews.review(
            id, removing: removing, unlisting: unlisting, reason: reason,
            by: try #require(house.principal(member.token)), source: house.source, at: house.now)
    }

    @Test func `tells what was used within ninety days, and what was not`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna")
        let officer = try await house.member("otto", [.privacyOfficer])
        let actor = try #require(house.people.directory.person(anna.id)).actor
        let (observation, patient) = (
            try #require(ResourceType("Observation")), try #require(ResourceType("Patient"))
        )
        func log(_ kind: AuditEventKind, _ type: ResourceType, days: Int64, _ outcome: AuditOutcome = .success)
            async throws
        {
            _ = try await house.log.append(
                AuditEvent(
                    kind: kind, time: house.now.adding(seconds: -days * 86_400), outcome: outcome, actor: actor,
                    purpose: .treatment, source: house.source, decision: "test", type: type))
        }
        try await log(.update, patient, days: 91)
        try await log(.read, observation, days: 80)
        try await log(.search, observation, days: 3)
        try await log(.create, observation, days: 2, .denied)
        let use = try await house.people.accessReviews.use(
            of: anna.id, by: try #require(house.principal(officer.token)), source: house.source, at: house.now)
        let found = Dictionary(uniqueKeysWithValues: use.rights.map { ($0.right.code, $0.use) })
        #expect(found["see-clinical"] == .last(house.now.adding(seconds: -3 * 86_400)))
        #expect(found["change-clinical"] == .never && found["change-demographics"] == .never)
        #expect(found["open-emergency"] == .never)
        #expect(found["manage-people"] == nil && found["see-billing"] != nil)
        let last = try #require(house.log.events(with: [], limit: 1).first?.event)
        #expect(last.kind == .auditRead && last.subject == "person/\(anna.id)")
        #expect(house.people.accessReviews.lastSignIn(of: officer.id) != nil)
        #expect(house.people.accessReviews.lastSignIn(of: "nobody") == nil)
    }

    @Test func `looks past what was taken from a spool with earlier times`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna")
        let officer = try await house.member("otto", [.privacyOfficer])
        let actor = try #require(house.people.directory.person(anna.id)).actor
        func event(days: Int64, _ kind: AuditEventKind) throws -> AuditEvent {
            AuditEvent(
                kind: kind, time: house.now.adding(seconds: -days * 86_400), outcome: .success, actor: actor,
                purpose: .treatment, source: house.source, decision: "test",
                type: try .named("Observation"))
        }
        _ = try await house.log.append(try event(days: 80, .update))
        try await house.log.take(
            spooled: try (0..<520).map { number in
                var event = try event(days: 91, .read)
                event.spooled = SpoolPlace(spool: "s", index: Int64(number))
                return event
            }, entries: [])
        let use = try await house.people.accessReviews.use(
            of: anna.id, by: try #require(house.principal(officer.token)), source: house.source, at: house.now)
        let found = Dictionary(uniqueKeysWithValues: use.rights.map { ($0.right.code, $0.use) })
        #expect(found["change-clinical"] == .last(house.now.adding(seconds: -80 * 86_400)))
        #expect(found["see-clinical"] == .never)
    }

    @Test func `counts what officers do as use, and says where the log does not tell`() async throws {
        let house = try PeopleHouse()
        let officer = try await house.member("otto", [.privacyOfficer, .securityOfficer])
        let anna = try await house.member("anna")
        let principal = try #require(house.principal(officer.token))
        try await house.people.endSessions(of: anna.id, by: principal, source: house.source, at: house.now)
        try await review(house, anna.id, by: officer)
        let use = try await house.people.accessReviews.use(
            of: officer.id, by: principal, source: house.source, at: house.now)
        let found = Dictionary(uniqueKeysWithValues: use.rights.map { ($0.right.code, $0.use) })
        #expect(found["review-emergency"] == .never)
        #expect(found["manage-keys"] == .unknown && found["read-alerts"] == .unknown)
        for code in ["manage-sessions", "review-access", "read-audit"] {
            guard case .last = found[code] else {
                Issue.record("\(code)")
                continue
            }
        }
    }

    @Test func `is due every ninety-two days, and is somebody else's to do`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna")
        let first = try await house.member("otto", [.privacyOfficer])
        #expect(house.people.accessReviews.overdue(at: house.now) == 0)
        house.pass(92 * 86_400)
        #expect(house.people.accessReviews.overdue(at: house.now) == 2)
        let officer = try await house.signedInAgain(first)
        await #expect(throws: IdentityFailure.secondPersonNeeded) {
            try await review(house, officer.id, by: officer)
        }
        try await review(house, anna.id, by: officer)
        #expect(house.people.accessReviews.people(at: house.now).map(\.loginName) == ["otto", "anna"])
        #expect(house.people.accessReviews.overdue(at: house.now) == 1)
        let reopened = try house.reopened()
        #expect(reopened.people.accessReviews.newest(of: anna.id)?.outcome == .confirmed)
        #expect(reopened.people.accessReviews.overdue(at: house.now) == 1)
        let event = try #require(house.log.events(with: [.kind(.accessReviewed)], limit: 2).first?.event)
        #expect(event.subject == "person/\(anna.id)" && event.decision == "confirmed")
        try await house.people.disable(anna.id, byOperator: PeopleHouse.admin, source: house.source)
        await #expect(throws: IdentityFailure.unknownPerson) { try await review(house, anna.id, by: officer) }
        #expect(!house.people.accessReviews.people(at: house.now).contains { $0.id == anna.id })
    }

    @Test func `takes nothing away by itself: a second person decides`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna", [.clinician, .biller], listed: true)
        let officer = try await house.member("otto", [.privacyOfficer, .administrator])
        let chief = try await house.member("chief", [.administrator])
        for (removing, unlisting, reason, failure) in [
            (["nurse"], false, "not needed", IdentityFailure.unknownRequest), (["biller"], false, "", .reasonNeeded),
            (["biller", "root"], false, "x", .unknownRequest), ([], true, "", .reasonNeeded),
            (["biller"], false, String(repeating: "x", count: 501), .reasonNeeded),
        ] as [(Set<String>, Bool, String, IdentityFailure)] {
            await #expect(throws: failure) {
                try await review(
                    house, anna.id, removing: removing, unlisting: unlisting, reason: reason, by: officer)
            }
        }
        #expect(house.people.accessReviews.newest(of: anna.id) == nil && house.people.directory.requests.isEmpty)
        try await review(house, anna.id, removing: ["biller"], unlisting: true, reason: "moved", by: officer)
        #expect(house.people.directory.person(anna.id)?.roles == [.clinician, .biller])
        let request = try #require(house.people.directory.requests.first)
        #expect(request.rights == Rights(roles: [.clinician], mayUseEmergencyAccess: false))
        func decide(_ member: PeopleHouse.Member) async throws {
            try await house.people.decide(
                request.id, approve: true, by: try #require(house.principal(member.token)), source: house.source,
                at: house.now)
        }
        await #expect(throws: IdentityFailure.secondPersonNeeded) { try await decide(officer) }
        try await decide(chief)
        let person = try #require(house.people.directory.person(anna.id))
        #expect(person.roles == [.clinician] && !person.mayUseEmergencyAccess)
        #expect(house.principal(anna.token) == nil)
        await #expect(throws: IdentityFailure.unknownRequest) {
            try await review(house, anna.id, unlisting: true, reason: "again", by: officer)
        }
    }
}
