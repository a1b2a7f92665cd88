import Testing
import WardAudit
import WardCore
import WardIdentity
import WardPolicy

@Suite struct `Events of a session` {
    private func newest(_ house: PeopleHouse, _ kind: AuditEventKind) throws -> AuditEvent {
        try #require(try house.log.events(with: [.kind(kind)], limit: 1).first?.event)
    }

    @Test func `name the browser, and whether the account was never used from it`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna")
        let first = try newest(house, .signedIn)
        #expect(first.isNewDevice && first.device != nil && first.decision == "enrolment")
        // The mark itself is worth something; its id in the log is not.
        #expect(first.device.map { anna.mark.hasPrefix("\($0).") && $0 != anna.mark } == true)
        house.deviceMark = anna.mark
        _ = try await house.signIn("anna", code: try house.code(anna.seed))
        let known = try newest(house, .signedIn)
        #expect(!known.isNewDevice && known.device == first.device && known.session != first.session)
        house.pass(30)
        house.deviceMark = nil
        _ = try await house.signIn("anna", code: try house.code(anna.seed))
        let other = try newest(house, .signedIn)
        #expect(other.isNewDevice && other.device != first.device)
    }

    @Test func `do not take the mark of another account, or a made one, for a known browser`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna")
        let berta = try await house.member("berta")
        for mark in [berta.mark, "x.1.y", "", "\(anna.mark)x"] {
            house.deviceMark = mark
            _ = try await house.signIn("anna", code: try house.code(anna.seed))
            #expect(try newest(house, .signedIn).isNewDevice)
            house.pass(30)
        }
    }

    @Test func `carry session and browser along, also after a restart and an unlocking`() async throws {
        let house = try PeopleHouse()
        let admin = try await house.member("otto", [.administrator])
        let principal = try #require(house.principal(admin.token))
        let signedIn = try newest(house, .signedIn)
        #expect(principal.session == signedIn.session && principal.device == signedIn.device)
        try await house.people.directory.require(
            .managePeople, of: principal, source: house.source.within(principal), at: house.now)
        let clinician = try await house.member("anna")
        let other = try #require(house.principal(clinician.token))
        await #expect(throws: IdentityFailure.notPermitted) {
            try await house.people.directory.require(
                .managePeople, of: other, source: house.source.within(other), at: house.now)
        }
        let refused = try newest(house, .requestRefused)
        #expect(refused.session == other.session && refused.device == other.device && refused.device != nil)
        let again = try house.reopened()
        again.now = house.now
        again.pass(30)
        let code = try again.code(admin.seed)
        let proof = try Proof.password(Password(typed: PeopleHouse.password), code: code)
        let unlocked = try await again.people.prove(
            proof, sessionToken: admin.token, context: again.context, at: again.now)
        let event = try newest(again, .sessionUnlocked)
        #expect(event.session == signedIn.session && event.device == signedIn.device && !event.isNewDevice)
        #expect(again.principal(unlocked.token)?.device == signedIn.device)
    }
}
