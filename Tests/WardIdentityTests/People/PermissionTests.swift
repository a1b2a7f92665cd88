import Testing
import WardAudit
import WardCore
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit

/// Everything that is done to people by people, as one list: nothing on it may be done without the right and a fresh
/// proof.
private enum Act: String, CaseIterable {
    case add, approve, askRecovery, approveRecovery, disable, endSessions, invite, refuse, request, reviewAccess

    func perform(_ house: PeopleHouse, on id: String, by principal: Principal) async throws {
        let (people, source, now) = (house.people, house.source, house.now)
        switch self {
        case .add:
            _ = try await people.directory.add(
                login: "new", displayName: "New", by: principal, source: source, at: now)
        case .approve, .refuse:
            let request = people.directory.requests.first?.id ?? ""
            try await people.decide(request, approve: self == .approve, by: principal, source: source, at: now)
        case .askRecovery:
            try await people.askRecovery(for: id, reason: "lost", by: principal, source: source, at: now)
        case .approveRecovery:
            _ = try await people.approveRecovery("none", by: principal, source: source, at: now)
        case .disable: try await people.disable(id, by: principal, source: source, at: now)
        case .endSessions: try await people.endSessions(of: id, by: principal, source: source, at: now)
        case .invite: _ = try await people.invite(id, by: principal, source: source, at: now)
        case .request:
            _ = try await people.directory.request(
                Rights(roles: [.administrator], mayUseEmergencyAccess: true), for: id, reason: "because",
                clearance: "seen", by: principal, source: source, at: now)
        case .reviewAccess: try await people.accessReviews.review(id, by: principal, source: source, at: now)
        }
    }

    /// The only built-in role that may.
    var role: Role {
        switch self {
        case .endSessions: .securityOfficer
        case .reviewAccess: .privacyOfficer
        default: .administrator
        }
    }
}

@Suite struct `What is done to people` {
    /// A target with a session and a request that waits, and what the directory says of everybody.
    private func target(_ house: PeopleHouse) async throws -> PeopleHouse.Member {
        let desk = try await house.member("desk", [.frontDesk])
        let chief = try await house.member("chief", [.administrator])
        _ = try await house.people.directory.request(
            Rights(roles: [.nurse], mayUseEmergencyAccess: false), for: desk.id, reason: "exam",
            clearance: "references checked", by: try #require(house.principal(chief.token)), source: house.source,
            at: house.now)
        return desk
    }

    @Test(arguments: Act.allCases)
    fileprivate func `is refused to every role that policy does not name for it`(_ act: Act) async throws {
        let house = try PeopleHouse()
        let desk = try await target(house)
        for role in Role.allCases where role != act.role {
            let member = try await house.member("x-\(role.rawValue)", [role])
            let before = house.people.directory.people
            let principal = try #require(house.principal(member.token))
            await #expect(throws: IdentityFailure.notPermitted, "\(act) \(role)") {
                try await act.perform(house, on: desk.id, by: principal)
            }
            #expect(house.people.directory.people == before)
            let event = try #require(house.log.events(with: [], limit: 1).first?.event)
            #expect(event.kind == .requestRefused && event.outcome == .denied)
            #expect(event.actor?.id == "person/\(member.id)")
        }
        #expect(house.people.directory.requests.count == 1)
        #expect(!house.people.sessions.list(person: desk.id, at: house.now).isEmpty)
    }

    @Test(arguments: Act.allCases)
    fileprivate func `needs a proof of the last five minutes`(_ act: Act) async throws {
        let house = try PeopleHouse()
        let desk = try await target(house)
        let member = try await house.member("officer", [act.role])
        house.pass(270)
        let principal = try #require(house.principal(member.token))
        let before = house.people.directory.people
        await #expect(throws: IdentityFailure.stepUpNeeded) {
            try await act.perform(house, on: desk.id, by: principal)
        }
        #expect(house.people.directory.people == before && house.people.directory.requests.count == 1)
        #expect(!house.people.sessions.list(person: desk.id, at: house.now).isEmpty)
    }

    @Test(arguments: Act.allCases)
    fileprivate func `is refused to somebody who lost role, account or time after they were recognised`(
        _ act: Act
    ) async throws {
        let house = try PeopleHouse()
        let desk = try await target(house)
        let demoted = try await house.member("demoted", [act.role])
        let left = try await house.member("left", [act.role])
        let principals = (
            try #require(house.principal(demoted.token)), try #require(house.principal(left.token))
        )
        try await house.people.grant(
            Rights(roles: [.clinician], mayUseEmergencyAccess: false), to: demoted.id,
            byOperator: PeopleHouse.admin, source: house.source)
        try await house.people.disable(left.id, byOperator: PeopleHouse.admin, source: house.source)
        await #expect(throws: IdentityFailure.notPermitted) {
            try await act.perform(house, on: desk.id, by: principals.0)
        }
        await #expect(throws: IdentityFailure.unknownPerson) {
            try await act.perform(house, on: desk.id, by: principals.1)
        }
        let client = try await TestHouse(buildsIndex: false).signIn(
            "a-client", role: .administrator, purpose: .systemAdministration)
        await #expect(throws: IdentityFailure.unknownPerson) {
            try await act.perform(house, on: desk.id, by: client)
        }
    }

    @Test func `is not done when its refusal cannot be logged, nor told apart from it`() async throws {
        let store = FailingStore(MemoryStore())
        let house = try PeopleHouse(store)
        let nurse = try await house.member("nurse", [.nurse])
        let principal = try #require(house.principal(nurse.token))
        store.expect(.commits(.full, afterEffect: false))
        await #expect(throws: IdentityFailure.auditUnavailable) {
            _ = try await house.people.directory.add(
                login: "new", displayName: "New", by: principal, source: house.source, at: house.now)
        }
    }

    @Test func `is asked with each role's own purpose, whichever role comes first`() async throws {
        let house = try PeopleHouse()
        let both = try await house.member("both", [.clinician, .securityOfficer])
        let principal = try #require(house.principal(both.token))
        let directory = house.people.directory
        for action in [Action.manageSessions, .openEmergency] {
            #expect(directory.permits(action, principal, at: house.now), "\(action)")
        }
        for action in [Action.managePeople, .administer, .reviewEmergency, .reviewAccess, .read, .create] {
            #expect(!directory.permits(action, principal, at: house.now), "\(action)")
        }
    }
}
