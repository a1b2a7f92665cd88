import Testing
import WardAudit
import WardCore
import WardCrypto
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit

@Suite struct `Enrolment` {
    @Test func `is by a link that works once, for 72 hours, and ends with the next one`() async throws {
        let house = try PeopleHouse()
        let (person, first) = try await house.invited("anna")
        let second = try await house.people.invite(
            person.id, byOperator: PeopleHouse.admin, source: house.source, at: house.now)
        #expect(throws: IdentityFailure.unknownLink) { try house.people.beginEnrolment(first, at: house.now) }
        house.pass(72 * 3600)
        #expect(throws: IdentityFailure.unknownLink) { try house.people.beginEnrolment(second, at: house.now) }
        let third = try await house.people.invite(
            person.id, byOperator: PeopleHouse.admin, source: house.source, at: house.now)
        let reopened = try house.reopened()
        let token = try reopened.people.beginEnrolment(third, at: reopened.now).token
        // Opening it twice is no use: only who finishes has used it.
        let again = try reopened.people.beginEnrolment(third, at: reopened.now).token
        #expect(throws: IdentityFailure.unknownLink) { try reopened.people.enrolling(token, at: reopened.now) }
        let seed = try await reopened.people.enrol(
            again, password: Password(typed: PeopleHouse.password), at: reopened.now)
        _ = try await reopened.people.enrol(
            again, code: reopened.code(seed), context: reopened.context, at: reopened.now)
        #expect(throws: IdentityFailure.unknownLink) { try reopened.people.beginEnrolment(third, at: reopened.now) }
        #expect(throws: IdentityFailure.unknownLink) { try reopened.people.enrolling(again, at: reopened.now) }
        await #expect(throws: IdentityFailure.unknownPerson) {
            try await reopened.people.invite(
                person.id, byOperator: PeopleHouse.admin, source: reopened.source, at: reopened.now)
        }
    }

    @Test func `needs a good password and a right code`() async throws {
        let house = try PeopleHouse()
        let (_, link) = try await house.invited("anna")
        let token = try house.people.beginEnrolment(link, at: house.now).token
        for bad in ["short", "passwordpassword1", "aaaaaaaaaaaaaaaaaaaa", "anna lindenhof ward"] {
            await #expect(throws: (any Error).self, "\(bad)") {
                try await house.people.enrol(token, password: Password(typed: bad), at: house.now)
            }
        }
        await #expect(throws: IdentityFailure.unknownLink) {
            try await house.people.enrol(
                token, code: try #require(OneTimeCode(typed: "123456")), context: house.context, at: house.now)
        }
        let seed = try await house.people.enrol(token, password: Password(typed: PeopleHouse.password), at: house.now)
        await #expect(throws: IdentityFailure.notRecognised) {
            try await house.people.enrol(token, code: house.code(seed, 5), context: house.context, at: house.now)
        }
        let enrolled = try await house.people.enrol(
            token, code: house.code(seed), context: house.context, at: house.now)
        #expect(enrolled.recoveryCodes.count == 10)
        #expect(house.principal(enrolled.signedIn.token) != nil)
    }

    @Test func `leaves somebody without a role without a door`() async throws {
        let house = try PeopleHouse()
        let member = try await house.member("anna", [])
        #expect(house.principal(member.token) == nil)
    }

    @Test func `changes nothing when the log cannot be written`() async throws {
        let store = FailingStore(MemoryStore())
        let house = try PeopleHouse(store)
        let (person, link) = try await house.invited("anna")
        let token = try house.people.beginEnrolment(link, at: house.now).token
        let seed = try await house.people.enrol(token, password: Password(typed: PeopleHouse.password), at: house.now)
        store.expect(.commits(.full, afterEffect: false))
        await #expect(throws: IdentityFailure.auditUnavailable) {
            try await house.people.enrol(token, code: house.code(seed), context: house.context, at: house.now)
        }
        #expect(house.people.directory.person(person.id)?.state == .invited)
        store.expect(.none)
        _ = try await house.people.enrol(token, code: house.code(seed), context: house.context, at: house.now)
        #expect(house.people.directory.person(person.id)?.state == .active)
    }
}

@Suite struct `A change of rights` {
    @Test func `asked for by one person take effect when another approves`() async throws {
        let house = try PeopleHouse()
        let (admin, officer) = (
            try await house.member("admin", [.administrator]), try await house.member("officer", [.administrator])
        )
        let desk = try await house.member("desk", [.frontDesk])
        let directory = house.people.directory
        let asker = try #require(house.principal(admin.token))
        let rights = Rights(roles: [.clinician], mayUseEmergencyAccess: true)
        await #expect(throws: IdentityFailure.reasonNeeded) {
            try await directory.request(
                rights, for: desk.id, reason: "", by: asker, source: house.source, at: house.now)
        }
        let request = try await directory.request(
            rights, for: desk.id, reason: "passed the exam", clearance: "references checked", by: asker,
            source: house.source, at: house.now)
        #expect(directory.person(desk.id)?.roles == [.frontDesk])
        let (asking, approving) = (
            try #require(house.principal(admin.token)), try #require(house.principal(officer.token))
        )
        let oneself = try #require(house.principal(desk.token))
        for (own, failure) in [(asking, IdentityFailure.secondPersonNeeded), (oneself, .notPermitted)] {
            await #expect(throws: failure) {
                try await house.people.decide(
                    request.id, approve: true, by: own, source: house.source, at: house.now)
            }
        }
        try await house.people.decide(request.id, approve: true, by: approving, source: house.source, at: house.now)
        #expect(directory.person(desk.id)?.roles == [.clinician])
        #expect(directory.person(desk.id)?.mayUseEmergencyAccess == true)
        #expect(house.principal(desk.token) == nil)
        await #expect(throws: IdentityFailure.unknownRequest) {
            try await house.people.decide(request.id, approve: true, by: approving, source: house.source, at: house.now)
        }
        let reopened = try house.reopened()
        #expect(reopened.people.directory.people == directory.people)
        #expect(reopened.people.directory.requests.isEmpty)
    }

    @Test func `refused stay what they were`() async throws {
        let house = try PeopleHouse()
        let (admin, officer) = (
            try await house.member("admin", [.administrator]), try await house.member("officer", [.administrator])
        )
        let directory = house.people.directory
        let asker = try #require(house.principal(admin.token))
        let request = try await directory.request(
            Rights(roles: [.clinician], mayUseEmergencyAccess: false), for: admin.id, reason: "curious",
            clearance: "seen", by: asker, source: house.source, at: house.now)
        let officerPrincipal = try #require(house.principal(officer.token))
        try await house.people.decide(
            request.id, approve: false, by: officerPrincipal, source: house.source, at: house.now)
        #expect(directory.person(admin.id)?.roles == [.administrator])
        #expect(house.principal(admin.token) != nil)
        #expect(try house.kinds().last == .rolesRefused)
    }
}

@Suite struct `A lost factor` {
    @Test func `is replaced with a saved code and a second person`() async throws {
        let house = try PeopleHouse()
        let (anna, officer) = (try await house.member("anna"), try await house.member("officer", [.administrator]))
        let code = try #require(anna.codes.first)
        // Wrong names and codes answer alike and leave nothing.
        try await house.people.askRecovery(login: "nobody", code: code, context: house.context, at: house.now)
        try await house.people.askRecovery(
            login: "anna", code: SavedRecoveryCode(typed: "0000"), context: house.context, at: house.now)
        try await house.people.askRecovery(
            login: "officer", code: code, context: house.context, at: house.now)
        #expect(house.people.recoveriesWaiting.isEmpty)
        try await house.people.askRecovery(login: "anna", code: code, context: house.context, at: house.now)
        let recovery = try #require(house.people.recoveriesWaiting.first)
        #expect(recovery.person == anna.id && recovery.isBySavedCode)
        // The code is used up.
        try await house.people.askRecovery(login: "anna", code: code, context: house.context, at: house.now)
        #expect(house.people.recoveriesWaiting.count == 1)
        let oneself = try #require(house.principal(anna.token))
        await #expect(throws: IdentityFailure.notPermitted) {
            try await house.people.approveRecovery(recovery.id, by: oneself, source: house.source, at: house.now)
        }
        let approver = try #require(house.principal(officer.token))
        let link = try await house.people.approveRecovery(
            recovery.id, by: approver, source: house.source, at: house.now)
        let token = try house.people.beginEnrolment(link, at: house.now).token
        let seed = try await house.people.enrol(
            token, password: Password(typed: "copper meadow lantern riddle"), at: house.now)
        _ = try await house.people.enrol(token, code: house.code(seed), context: house.context, at: house.now)
        // What there was before is gone: factors and sessions.
        #expect(house.principal(anna.token) == nil)
        house.pass(60)
        await #expect(throws: IdentityFailure.notRecognised) {
            try await house.signIn("anna", code: house.code(anna.seed))
        }
        try await house.signIn("anna", "copper meadow lantern riddle", code: house.code(seed))
    }

    @Test func `asked for by an officer needs another one, both with fresh proofs`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna")
        let (first, second) = (
            try await house.member("first", [.administrator]), try await house.member("second", [.administrator])
        )
        let asking = try #require(house.principal(first.token))
        try await house.people.askRecovery(
            for: anna.id, reason: "phone stolen", by: asking, source: house.source, at: house.now)
        let recovery = try #require(house.people.recoveriesWaiting.first)
        await #expect(throws: IdentityFailure.secondPersonNeeded) {
            try await house.people.approveRecovery(recovery.id, by: asking, source: house.source, at: house.now)
        }
        house.pass(300)
        let stale = try #require(house.principal(second.token))
        await #expect(throws: IdentityFailure.stepUpNeeded) {
            try await house.people.approveRecovery(recovery.id, by: stale, source: house.source, at: house.now)
        }
        #expect(house.people.recoveriesWaiting.count == 1)
    }

    @Test func `is not the last one that somebody can remove`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna")
        let principal = try #require(house.principal(anna.token))
        await #expect(throws: IdentityFailure.lastFactor) {
            try await house.people.removePassword(principal, source: house.source, at: house.now)
        }
        let authenticator = SoftAuthenticator(.ed25519)
        let options = try house.people.passkeyCreation(
            principal, sessionToken: anna.token, party: house.party, at: house.now)
        try await house.people.addPasskey(
            house.registration(authenticator, options: options), name: "key", principal, sessionToken: anna.token,
            party: house.party, source: house.source, at: house.now)
        try await house.people.removePassword(principal, source: house.source, at: house.now)
        await #expect(throws: IdentityFailure.lastFactor) {
            try await house.people.removePasskey(
                authenticator.id, principal, source: house.source, at: house.now)
        }
        let factors = house.people.factors(of: principal)
        #expect(!factors.hasPassword && factors.passkeys.count == 1 && factors.recoveryCodesLeft == 10)
    }
}
