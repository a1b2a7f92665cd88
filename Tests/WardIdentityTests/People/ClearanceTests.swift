import Testing
import WardAudit
import WardCore
import WardIdentity
import WardPolicy
import WardTestKit

@Suite struct `Clearance and roles that stay apart` {
    private static func rights(_ roles: Role...) -> Rights { Rights(roles: roles, mayUseEmergencyAccess: false) }

    @Test func `asks how somebody was cleared the first time they are to work here, and keeps it`() async throws {
        let house = try PeopleHouse()
        let asker = try #require(house.principal(try await house.member("chief", [.administrator]).token))
        let approver = try #require(house.principal(try await house.member("deputy", [.administrator]).token))
        let directory = house.people.directory
        let person = try await directory.add(
            login: "kern", displayName: "Ada Kern", byOperator: PeopleHouse.admin, source: house.source, at: house.now)
        for clearance in [nil, "", "  \n\t ", String(repeating: "x", count: 501)] {
            await #expect(throws: IdentityFailure.clearanceNeeded) {
                try await directory.request(
                    Self.rights(.nurse), for: person.id, reason: "hired", clearance: clearance, by: asker,
                    source: house.source, at: house.now)
            }
        }
        #expect(directory.requests.isEmpty && directory.person(person.id)?.clearance == nil)
        let request = try await directory.request(
            Self.rights(.nurse), for: person.id, reason: "hired", clearance: " licence  seen\nby Berg ", by: asker,
            source: house.source, at: house.now)
        // Asked for is not given.
        #expect(directory.person(person.id)?.clearance == nil)
        try await house.people.decide(request.id, approve: true, by: approver, source: house.source, at: house.now)
        #expect(directory.person(person.id)?.clearance == "licence seen by Berg")
        #expect(try house.reopened().people.directory.person(person.id)?.clearance == "licence seen by Berg")
        let later = try await directory.request(
            Self.rights(.nurse, .frontDesk), for: person.id, reason: "helps out", by: asker, source: house.source,
            at: house.now)
        #expect(later.clearance == nil)
    }

    @Test func `patients and their proxies need none, and less is given without one`() async throws {
        let house = try PeopleHouse()
        let asker = try #require(house.principal(try await house.member("chief", [.administrator]).token))
        for (number, rights) in [Self.rights(.patient), Self.rights(.proxy), Self.rights()].enumerated() {
            let person = try await house.people.directory.add(
                login: "person\(number)", displayName: "P", byOperator: PeopleHouse.admin, source: house.source,
                at: house.now)
            _ = try await house.people.directory.request(
                rights, for: person.id, reason: "portal", by: asker, source: house.source, at: house.now)
        }
        let listed = try await house.people.directory.add(
            login: "listed", displayName: "P", byOperator: PeopleHouse.admin, source: house.source, at: house.now)
        await #expect(throws: IdentityFailure.clearanceNeeded) {
            try await house.people.directory.request(
                Rights(roles: [.patient], mayUseEmergencyAccess: true), for: listed.id, reason: "x", by: asker,
                source: house.source, at: house.now)
        }
    }

    @Test(arguments: [Role.frontDesk, .nurse, .clinician, .biller, .patient, .proxy])
    func `nobody administers accounts and sees patients with one account`(role: Role) async throws {
        let house = try PeopleHouse()
        let asker = try #require(house.principal(try await house.member("chief", [.administrator]).token))
        let directory = house.people.directory
        let person = try await directory.add(
            login: "kern", displayName: "Ada Kern", byOperator: PeopleHouse.admin, source: house.source, at: house.now)
        await #expect(throws: IdentityFailure.rolesApart) {
            try await directory.request(
                Self.rights(.administrator, role), for: person.id, reason: "x", clearance: "seen", by: asker,
                source: house.source, at: house.now)
        }
        await #expect(throws: IdentityFailure.rolesApart) {
            try await house.people.grant(
                Self.rights(role, .administrator), to: person.id, byOperator: PeopleHouse.admin, source: house.source,
                at: house.now)
        }
        #expect(directory.requests.isEmpty && directory.person(person.id)?.roleNames == [])
    }

    @Test func `officers may be administrators too`() async throws {
        let house = try PeopleHouse()
        let person = try await house.people.directory.add(
            login: "kern", displayName: "Ada Kern", byOperator: PeopleHouse.admin, source: house.source, at: house.now)
        try await house.people.grant(
            Self.rights(.administrator, .privacyOfficer, .securityOfficer, .auditor), to: person.id,
            byOperator: PeopleHouse.admin, source: house.source, at: house.now)
        #expect(house.people.directory.person(person.id)?.roles.count == 4)
    }

    @Test func `tells somebody of the sign-in before this one, and of failures since`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna", [.nurse])
        let first = try #require(house.people.sessions.list(person: anna.id, at: house.now).first)
        #expect(house.people.signInHistory(of: anna.id, but: first).other == nil)
        for _ in 0..<3 {
            house.pass(3600)
            await #expect(throws: IdentityFailure.notRecognised) {
                try await house.signIn("anna", "not the password of anna", code: try house.code(anna.seed))
            }
        }
        await #expect(throws: IdentityFailure.notRecognised) {
            try await house.signIn("nobody", code: try house.code(anna.seed))
        }
        let ever = Instant(microseconds: 0)
        #expect(house.people.signInFailures(of: anna.id, since: ever) == 3)
        await house.people.flushFailures()
        #expect(house.people.signInFailures(of: anna.id, since: ever) == 3)
        #expect(house.people.signInFailures(of: anna.id, since: .now().adding(seconds: 60)) == 0)
        func session(from address: String) async throws -> Session {
            house.address = address
            house.pass(3600)
            try await house.signIn("anna", code: try house.code(anna.seed))
            let sessions = house.people.sessions.list(person: anna.id, at: house.now)
            return try #require(sessions.first { $0.address == address })
        }
        let own = try await session(from: "198.51.100.7")
        var history = house.people.signInHistory(of: anna.id, but: own)
        #expect(history.other?.address == "192.0.2.1")
        // Whoever comes in after them is shown, whose sign-in is the newest.
        let stranger = try await session(from: "203.0.113.66")
        history = house.people.signInHistory(of: anna.id, but: own)
        #expect(history.other?.address == "203.0.113.66" && history.other?.time == house.now)
        #expect(house.people.signInHistory(of: anna.id, but: stranger).other?.address == "198.51.100.7")
    }
}
