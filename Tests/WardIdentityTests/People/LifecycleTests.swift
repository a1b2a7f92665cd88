import Testing
import WardAudit
import WardCore
import WardCrypto
import WardIdentity
import WardPolicy
import WardTestKit

@Suite struct `An account's end` {
    private static let none = Rights(roles: [], mayUseEmergencyAccess: false)

    @Test func `is not that of the last one who may manage people`() async throws {
        let house = try PeopleHouse()
        let chief = try await house.member("chief", [.administrator])
        _ = try await house.invited("invited", [.administrator])
        let past = try await house.member("past", [.administrator])
        try await house.people.disable(past.id, byOperator: PeopleHouse.admin, source: house.source)
        await #expect(throws: IdentityFailure.lastAdministrator) {
            try await house.people.disable(chief.id, byOperator: PeopleHouse.admin, source: house.source)
        }
        for rights in [Self.none, Rights(roles: [.clinician], mayUseEmergencyAccess: false)] {
            await #expect(throws: IdentityFailure.lastAdministrator) {
                try await house.people.grant(
                    rights, to: chief.id, byOperator: PeopleHouse.admin, source: house.source)
            }
        }
        #expect(house.principal(chief.token) != nil)
        let deputy = try await house.member("deputy", [.administrator, .auditor])
        try await house.people.disable(chief.id, byOperator: PeopleHouse.admin, source: house.source)
        #expect(house.principal(chief.token) == nil && house.principal(deputy.token) != nil)
        // Losing another role leaves the one that counts.
        try await house.people.grant(
            Rights(roles: [.administrator], mayUseEmergencyAccess: false), to: deputy.id,
            byOperator: PeopleHouse.admin, source: house.source)
    }

    @Test func `is refused to the last administrator by a second person's approval as well`() async throws {
        let house = try PeopleHouse()
        let chief = try await house.member("chief", [.administrator])
        let deputy = try await house.member("deputy", [.administrator])
        let (asking, approving) = (
            try #require(house.principal(chief.token)), try #require(house.principal(deputy.token))
        )
        let target = try await house.member("third", [.administrator])
        let request = try await house.people.directory.request(
            Self.none, for: target.id, reason: "left", by: asking, source: house.source, at: house.now)
        try await house.people.decide(request.id, approve: true, by: approving, source: house.source, at: house.now)
        #expect(house.principal(target.token) == nil)
        let own = try await house.people.directory.request(
            Self.none, for: chief.id, reason: "left", by: asking, source: house.source, at: house.now)
        try await house.people.decide(own.id, approve: true, by: approving, source: house.source, at: house.now)
        #expect(house.people.directory.person(chief.id)?.roles == [])
        await #expect(throws: IdentityFailure.lastAdministrator) {
            try await house.people.disable(deputy.id, byOperator: PeopleHouse.admin, source: house.source)
        }
        await #expect(throws: IdentityFailure.secondPersonNeeded) {
            try await house.people.disable(
                deputy.id, by: try #require(house.principal(deputy.token)), source: house.source, at: house.now)
        }
    }

    @Test func `comes to one of two administrators at most, when both go at the same moment`() async throws {
        for _ in 0..<5 {
            let house = try PeopleHouse()
            let ids = [
                try await house.member("chief", [.administrator]).id,
                try await house.member("deputy", [.administrator]).id,
            ]
            let (people, source) = (house.people, house.source)
            await withTaskGroup(of: Void.self) { group in
                for id in ids {
                    group.addTask {
                        try? await people.disable(id, byOperator: PeopleHouse.admin, source: source)
                    }
                }
            }
            let left = people.directory.people.filter { $0.state == .active && $0.roles == [.administrator] }
            #expect(left.count >= 1)
        }
    }

    @Test func `at a day that was set holds for sessions, sign-in and everything that waits`() async throws {
        let house = try PeopleHouse()
        let person = try await house.people.directory.add(
            login: "locum", displayName: "Dr locum", ends: house.now.adding(seconds: 3600),
            byOperator: PeopleHouse.admin, source: house.source, at: house.now)
        try await house.people.grant(
            Rights(roles: [.clinician], mayUseEmergencyAccess: true), to: person.id, byOperator: PeopleHouse.admin,
            source: house.source)
        let link = try await house.people.invite(
            person.id, byOperator: PeopleHouse.admin, source: house.source, at: house.now)
        let token = try house.people.beginEnrolment(link, at: house.now).token
        let seed = try await house.people.enrol(token, password: Password(typed: PeopleHouse.password), at: house.now)
        let enrolled = try await house.people.enrol(
            token, code: house.code(seed), context: house.context, at: house.now)
        house.pass(30)
        let locum = PeopleHouse.Member(
            id: person.id, login: "locum", seed: seed, token: enrolled.signedIn.token,
            mark: enrolled.signedIn.deviceMark, codes: enrolled.recoveryCodes)
        try await house.declare(locum)
        house.pass(3569 - 900)
        #expect(house.principal(locum.token, isActivity: true) == nil || house.standing(locum) != nil)
        house.pass(900)
        #expect(house.standing(locum) != nil)
        house.pass(1)
        #expect(house.principal(locum.token) == nil && !house.isLocked(locum.token) && house.standing(locum) == nil)
        await #expect(throws: IdentityFailure.notRecognised) {
            try await house.signIn("locum", code: house.code(seed))
        }
        await #expect(throws: IdentityFailure.sessionEnded) {
            _ = try await house.people.prove(
                .password(Password(typed: PeopleHouse.password), code: house.code(seed)), sessionToken: locum.token,
                context: house.context, at: house.now)
        }
        try await house.people.askRecovery(
            login: "locum", code: locum.codes.first, context: house.context, at: house.now)
        #expect(house.people.recoveriesWaiting.isEmpty)
    }

    @Test func `takes links, requests and factors along, and gives the name to nobody`() async throws {
        let house = try PeopleHouse()
        let (chief, deputy) = (
            try await house.member("chief", [.administrator]), try await house.member("deputy", [.administrator])
        )
        let principal = try #require(house.principal(chief.token))
        let (person, link) = try await house.invited("anna")
        let token = try house.people.beginEnrolment(link, at: house.now).token
        let request = try await house.people.directory.request(
            Rights(roles: [.nurse], mayUseEmergencyAccess: false), for: person.id, reason: "x",
            clearance: "seen", by: principal, source: house.source, at: house.now)
        try await house.people.disable(person.id, by: principal, source: house.source, at: house.now)
        #expect(throws: IdentityFailure.unknownLink) { try house.people.beginEnrolment(link, at: house.now) }
        #expect(throws: IdentityFailure.unknownLink) { try house.people.enrolling(token, at: house.now) }
        let other = try #require(house.principal(deputy.token))
        await #expect(throws: IdentityFailure.unknownRequest) {
            try await house.people.decide(request.id, approve: true, by: other, source: house.source, at: house.now)
        }
        await #expect(throws: IdentityFailure.unknownPerson) {
            _ = try await house.people.invite(person.id, by: principal, source: house.source, at: house.now)
        }
        await #expect(throws: IdentityFailure.unknownPerson) {
            try await house.people.grant(
                Rights(roles: [.nurse], mayUseEmergencyAccess: false), to: person.id,
                byOperator: PeopleHouse.admin, source: house.source)
        }
        let reopened = try house.reopened()
        for name in ["anna", "ANNA", "Anna"] {
            await #expect(throws: IdentityFailure.nameTaken) {
                _ = try await reopened.people.directory.add(
                    login: name, displayName: "Other", byOperator: PeopleHouse.admin, source: reopened.source)
            }
        }
    }

    @Test func `leaves ids that nobody gets again`() async throws {
        let house = try PeopleHouse()
        var seen: Set<String> = []
        for number in 0..<200 {
            let person = try await house.people.directory.add(
                login: "user\(number)", displayName: "User", byOperator: PeopleHouse.admin, source: house.source)
            #expect(seen.insert(person.id).inserted && person.id.utf8.count == 16)
        }
    }

    @Test func `of a session by an officer holds from the next request on, also for those that are locked`()
        async throws
    {
        let house = try PeopleHouse()
        let anna = try await house.member("anna")
        let second = try await house.signIn("anna", code: house.code(anna.seed)).token
        let officer = try await house.member("sec", [.securityOfficer])
        let principal = try #require(house.principal(officer.token))
        let all = try await house.people.allSessions(by: principal, source: house.source, at: house.now)
        #expect(all.count == 3)
        let number = try #require(house.principal(anna.token)?.session)
        house.people.sessions.lock(anna.token)
        try await house.people.endSessions(
            of: anna.id, number: number, by: principal, source: house.source, at: house.now)
        #expect(!house.isLocked(anna.token) && house.principal(second) != nil)
        await #expect(throws: IdentityFailure.sessionEnded) {
            try await house.people.endSessions(
                of: anna.id, number: number, by: principal, source: house.source, at: house.now)
        }
        await #expect(throws: IdentityFailure.sessionEnded) {
            // A number of somebody else's session.
            try await house.people.endSessions(
                of: anna.id, number: principal.session, by: principal, source: house.source, at: house.now)
        }
        try await house.people.endSessions(of: anna.id, by: principal, source: house.source, at: house.now)
        #expect(house.principal(second) == nil && house.principal(officer.token) != nil)
        #expect(try !house.reopened().isLocked(second))
        let event = try #require(house.log.events(with: [.kind(.sessionEnded)], limit: 1).first?.event)
        #expect(event.actor?.id == "person/\(officer.id)" && event.decision == "by-officer")
        let nurse = try await house.member("nurse", [.nurse])
        await #expect(throws: IdentityFailure.notPermitted) {
            _ = try await house.people.allSessions(
                by: try #require(house.principal(nurse.token)), source: house.source, at: house.now)
        }
    }
}

@Suite struct `A role that a clinic added` {
    /// The built-in document with one more role and what it may do.
    static let document: [UInt8] = {
        let text = String(decoding: Policy.standardDocument, as: UTF8.self)
        let role = ##""roles": {"night-watch": {"says": "Ends sessions at night.", "purposes": ["HSYSADMIN"]},"##
        let rule = ##"""
            "rules": [{"id": "night", "says": "Ends sessions.", "effect": "permit", "roles": ["night-watch"],
            "actions": ["manage-sessions"]},
            """##
        guard let roles = text.firstRange(of: ##""roles": {"##), let rules = text.firstRange(of: ##""rules": ["##)
        else { return [] }
        return Array(
            (String(text[..<roles.lowerBound]) + role + text[roles.upperBound..<rules.lowerBound] + rule
                + text[rules.upperBound...]).utf8)
    }()

    static func policy() throws -> Policy {
        let key = SigningKey()
        return try Policy(
            document: document, signature: Policy.signature(of: document, with: key), publicKey: key.publicKey)
    }

    @Test func `is given by name, and gives what the policy says`() async throws {
        #expect(Policy.check(Self.document) == [])
        let house = try PeopleHouse(policy: try Self.policy())
        let role = try #require(try Self.policy().role(named: "night-watch"))
        let watch = try await house.member("watch", [role])
        let principal = try #require(house.principal(watch.token))
        #expect(principal.roles == [role] && principal.actor.role == "night-watch")
        #expect(house.people.directory.permits(.manageSessions, principal, at: house.now))
        #expect(!house.people.directory.permits(.managePeople, principal, at: house.now))
        let anna = try await house.member("anna", [role])
        try await house.people.endSessions(of: anna.id, by: principal, source: house.source, at: house.now)
        #expect(house.principal(anna.token) == nil)
    }

    @Test func `gives nothing under a policy that does not know it, and is not forgotten`() async throws {
        let house = try PeopleHouse(policy: try Self.policy())
        let role = try #require(try Self.policy().role(named: "night-watch"))
        let watch = try await house.member("watch", [role])
        let chief = try await house.member("chief", [.administrator])
        let asking = try #require(house.principal(chief.token))
        let request = try await house.people.directory.request(
            Rights(roles: [role], mayUseEmergencyAccess: false), for: chief.id, reason: "x",
            clearance: "seen", by: asking, source: house.source, at: house.now)
        // The built-in policy has never heard of it: no session, no right; what waits is kept as it is.
        let other = try house.reopened()
        #expect(other.principal(watch.token) == nil && other.people.directory.person(watch.id)?.roles == [])
        #expect(other.people.directory.person(watch.id)?.roleNames == ["night-watch"])
        let signedIn = try await other.signIn("watch", code: other.code(watch.seed))
        #expect(other.principal(signedIn.token) == nil)
        #expect(other.people.directory.requests.map(\.rights.roleNames) == [["night-watch"]])
        #expect(other.people.directory.requests.map(\.id) == [request.id])
        let again = try house.reopened(policy: try Self.policy())
        #expect(again.people.directory.person(watch.id)?.roles == [role])
        other.pass(60)
        again.pass(60)
        let third = try await again.signIn("watch", code: again.code(watch.seed))
        #expect(again.principal(third.token)?.roles == [role])
    }
}
