import Testing
import WardAudit
import WardCore
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit

extension PeopleHouse {
    static let told = "Unconscious in the waiting room"

    /// Declares one as whoever holds the token.
    @discardableResult
    func declare(
        _ member: Member, for patient: String = "p1", _ reason: Emergency.Reason = .lifeThreatening,
        _ text: String = PeopleHouse.told
    ) async throws -> Emergency {
        try await people.emergencies.declare(
            for: patient, reason: reason, text: PHI(text), by: try #require(principal(member.token)), source: source,
            at: now)
    }

    func review(
        _ id: String, _ outcome: Emergency.Outcome = .appropriate, _ note: String = "Read and asked", by member: Member
    ) async throws {
        try await people.emergencies.review(
            id, outcome: outcome, note: PHI(note), by: try #require(principal(member.token)), source: source, at: now)
    }

    func standing(_ member: Member, for patient: String = "p1") -> EmergencyStanding? {
        people.emergencies.standing(of: member.id, for: patient, at: now)
    }

    /// The member, signed in anew: sessions do not last for days.
    func signedInAgain(_ member: Member) async throws -> Member {
        var again = member
        again.token = try await signIn(member.login, code: code(member.seed)).token
        pass(30)
        return again
    }
}

@Suite struct `An emergency` {
    @Test func `opens one patient's record to who declared it, and tells of it at once`() async throws {
        let house = try PeopleHouse()
        let (anna, berta) = (
            try await house.member("anna", listed: true), try await house.member("berta", listed: true)
        )
        #expect(house.standing(anna) == nil)
        let emergency = try await house.declare(anna)
        let standing = try #require(house.standing(anna))
        #expect(standing.id == emergency.id && standing.reasons == [])
        #expect(standing.ends == house.now.adding(seconds: 3600))
        #expect(house.standing(anna, for: "p2") == nil && house.standing(berta) == nil)
        #expect(house.people.emergencies.unreviewed == 1)
        let event = try #require(house.log.events(with: [.emergency(emergency.id)], limit: 9).first?.event)
        #expect(event.kind == .emergencyOpened && event.patients == ["p1"] && event.outcome == .success)
        #expect(event.actor?.id == "person/\(anna.id)" && event.decision == "life-threatening")
        #expect(event.session == house.principal(anna.token)?.session && event.emergency == emergency.id)
    }

    @Test(arguments: Role.allCases.filter { $0 != .clinician && $0 != .nurse && $0 != .app })
    func `is refused to listed people whose roles do not include it`(_ role: Role) async throws {
        let house = try PeopleHouse()
        let member = try await house.member("anna", [role], listed: true)
        await #expect(throws: IdentityFailure.notPermitted) { try await house.declare(member) }
        #expect(house.standing(member) == nil && house.people.emergencies.list(at: house.now).isEmpty)
        let event = try #require(house.log.events(with: [], limit: 1).first?.event)
        #expect(event.kind == .requestRefused && event.outcome == .denied)
        #expect(event.decision.hasPrefix("open-emergency/"))
    }

    @Test(arguments: [Role.clinician, .nurse])
    func `is refused to people who are not listed`(_ role: Role) async throws {
        let house = try PeopleHouse()
        let member = try await house.member("anna", [role])
        await #expect(throws: IdentityFailure.notPermitted) { try await house.declare(member) }
        #expect(house.standing(member) == nil)
        let event = try #require(house.log.events(with: [.patient("p1")], limit: 1).first?.event)
        #expect(event.kind == .requestRefused && event.decision == "open-emergency/not-listed")
    }

    @Test func `is refused to clients, whatever they are called`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna", listed: true)
        let clients = try TestHouse(buildsIndex: false)
        let client = try await clients.signIn(anna.id, role: .clinician)
        await #expect(throws: IdentityFailure.unknownPerson) {
            try await house.people.emergencies.declare(
                for: "p1", reason: .urgentCare, text: PHI(PeopleHouse.told), by: client, source: house.source,
                at: house.now)
        }
    }

    @Test func `needs a proof that is less than five minutes old`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna", listed: true)
        house.pass(270)
        await #expect(throws: IdentityFailure.stepUpNeeded) { try await house.declare(anna) }
        #expect(house.standing(anna) == nil)
    }

    @Test(arguments: [
        "", " ", "too short", "         x", "x         ", "\n\n\n\n\n\n\n\n\n\n\n", String(repeating: "x", count: 2001),
        String(repeating: "🩺", count: 501),
    ])
    func `needs an explanation of some length`(_ text: String) async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna", listed: true)
        await #expect(throws: IdentityFailure.reasonNeeded) {
            try await house.declare(anna, for: "p1", .urgentCare, text)
        }
        #expect(house.standing(anna) == nil && house.people.emergencies.unreviewed == 0)
    }

    @Test(arguments: ["", "p 1", "Patient/p1", "p1\n", "pä", String(repeating: "p", count: 65), "../p1", "p1?x"])
    func `is for nothing but the id of a patient`(_ id: String) async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna", listed: true)
        await #expect(throws: IdentityFailure.badName) { try await house.declare(anna, for: id) }
    }

    @Test func `is over after sixty minutes, to the second, whatever the clock does`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna", listed: true)
        let emergency = try await house.declare(anna)
        house.pass(3599)
        #expect(house.standing(anna) != nil)
        house.pass(1)
        #expect(house.standing(anna) == nil)
        house.pass(-3601)
        #expect(house.standing(anna) == nil)
        house.pass(3700)
        await house.people.sweep(at: house.now)
        await house.people.sweep(at: house.now)
        let known = try #require(house.people.emergencies.emergency(emergency.id))
        #expect(known.ended == known.ends && known.endedBy == nil)
        let ends = try house.log.events(with: [.kind(.emergencyEnded)], limit: 9).map(\.event)
        #expect(ends.count == 1 && ends.first?.decision == "time-over" && ends.first?.actor == nil)
        #expect(ends.first?.subject == "person/\(anna.id)")
    }

    @Test func `opens substance use disorder records only for the reason of their own`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna", listed: true)
        for reason in Emergency.Reason.allCases where reason != .part2 {
            try await house.declare(anna, for: "for-\(reason.rawValue)", reason)
            #expect(house.standing(anna, for: "for-\(reason.rawValue)")?.reasons == [])
        }
        let own = try await house.declare(anna, for: "for-urgent-care", .part2)
        #expect(house.standing(anna, for: "for-urgent-care")?.reasons == [.part2])
        #expect(house.standing(anna, for: "for-urgent-care")?.id == own.id)
        #expect(house.standing(anna, for: "for-life-threatening")?.reasons == [])
        let principal = try #require(house.principal(anna.token))
        try await house.people.emergencies.end(own.id, by: principal, source: house.source, at: house.now)
        #expect(house.standing(anna, for: "for-urgent-care")?.reasons == [])
    }

    @Test func `runs for five patients at once and no more`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna", listed: true)
        for number in 0..<5 { _ = try await house.declare(anna, for: "p\(number)", .urgentCare) }
        await #expect(throws: IdentityFailure.tooManyEmergencies) {
            try await house.declare(anna, for: "p9", .urgentCare)
        }
    }

    @Test func `is not declared twice for the same, and not lengthened that way`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna", listed: true)
        let first = try await house.declare(anna)
        house.pass(60)
        await #expect(throws: IdentityFailure.alreadyOpen) { try await house.declare(anna, for: "p1", .urgentCare) }
        #expect(house.standing(anna)?.id == first.id)
        #expect(house.people.emergencies.list(at: house.now).count == 1)
    }

    @Test func `is one, of many that are asked for at the same moment`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna", listed: true)
        let principal = try #require(house.principal(anna.token))
        let (people, source, now) = (house.people, house.source, house.now)
        let opened = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<24 {
                group.addTask {
                    (try? await people.emergencies.declare(
                        for: "p\(number % 3)", reason: .urgentCare, text: PHI(PeopleHouse.told), by: principal,
                        source: source, at: now)) != nil
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(opened == 3 && house.people.emergencies.unreviewed == 3)
        #expect(try house.log.events(with: [.kind(.emergencyOpened)], limit: 99).count == 3)
        let ends = await withTaskGroup(of: Bool.self) { group in
            for emergency in people.emergencies.list(at: now) + people.emergencies.list(at: now) {
                group.addTask {
                    (try? await people.emergencies.end(emergency.id, by: principal, source: source, at: now)) != nil
                }
                group.addTask {
                    await people.emergencies.sweep(at: now.adding(seconds: 3600))
                    return false
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(ends <= 3)
        #expect(try house.log.events(with: [.kind(.emergencyEnded)], limit: 99).count == 3)
        #expect(try house.reopened().people.emergencies.list(at: now).allSatisfy { $0.ended != nil })
    }

    @Test func `is ended by who declared it or by an officer, by nobody else, and once`() async throws {
        let house = try PeopleHouse()
        let (anna, berta) = (
            try await house.member("anna", listed: true), try await house.member("berta", listed: true)
        )
        let officer = try await house.member("ruth", [.privacyOfficer])
        let (first, second) = (try await house.declare(anna), try await house.declare(anna, for: "p2"))
        func end(_ id: String, _ member: PeopleHouse.Member) async throws {
            try await house.people.emergencies.end(
                id, by: try #require(house.principal(member.token)), source: house.source, at: house.now)
        }
        await #expect(throws: IdentityFailure.notPermitted) { try await end(first.id, berta) }
        #expect(house.standing(anna) != nil)
        try await end(first.id, anna)
        #expect(house.standing(anna) == nil)
        await #expect(throws: IdentityFailure.unknownRequest) { try await end(first.id, anna) }
        await #expect(throws: IdentityFailure.unknownRequest) { try await end("0000000000000000", officer) }
        try await end(second.id, officer)
        #expect(house.standing(anna, for: "p2") == nil)
        #expect(house.people.emergencies.emergency(second.id)?.endedBy == "person/\(officer.id)")
    }

    @Test func `opens nothing any more once its person is unlisted, without access or past their end`() async throws {
        let house = try PeopleHouse()
        let (anna, berta) = (
            try await house.member("anna", listed: true), try await house.member("berta", listed: true)
        )
        for member in [anna, berta] {
            try await house.declare(member)
            #expect(house.standing(member) != nil)
        }
        try await house.people.grant(
            Rights(roles: [.clinician], mayUseEmergencyAccess: false), to: anna.id, byOperator: PeopleHouse.admin,
            source: house.source)
        #expect(house.standing(anna) == nil && house.standing(berta) != nil)
        #expect(house.people.emergencies.running(of: anna.id, at: house.now).isEmpty)
        #expect(house.people.emergencies.running(of: berta.id, at: house.now).count == 1)
        try await house.people.disable(berta.id, byOperator: PeopleHouse.admin, source: house.source)
        #expect(house.standing(berta) == nil)
        #expect(house.people.emergencies.unreviewed == 2)
    }
}

@Suite struct `An emergency on the disk` {
    @Test func `is the same after a restart`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna", listed: true)
        try await house.declare(anna, for: "p1", .part2)
        let reopened = try house.reopened()
        #expect(reopened.standing(anna) == house.standing(anna) && house.standing(anna) != nil)
        reopened.pass(3600)
        #expect(reopened.standing(anna) == nil)
    }

    @Test func `that was altered, exchanged, taken away or put back as it was is noticed`() async throws {
        let store = MemoryStore()
        let house = try PeopleHouse(store)
        let anna = try await house.member("anna", listed: true)
        let officer = try await house.member("ruth", [.privacyOfficer])
        let first = try await house.declare(anna)
        try await house.declare(anna, for: "p2")
        let before = try store.snapshot()
        try await house.people.emergencies.end(
            first.id, by: try #require(house.principal(anna.token)), source: house.source, at: house.now)
        try await house.review(first.id, by: officer)
        let sound = try store.snapshot()
        let entries = try #require(sound.entries[.emergency])
        let places = entries.keys.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
        #expect(places.count == 2)
        for place in places {
            for byte in [0, 1, 20, try #require(entries[place]).count - 1] {
                store.tamper { $0.entries[.emergency]?[place]?[byte] ^= 1 }
                #expect(throws: IdentityFailure.storage) { try house.reopened() }
                store.tamper { $0 = sound }
            }
            store.tamper { $0.entries[.emergency]?[place] = nil }
            #expect(throws: IdentityFailure.damaged) { try house.reopened() }
            store.tamper { $0 = sound }
        }
        store.tamper {
            $0.entries[.emergency] = [places[0]: entries[places[1]] ?? [], places[1]: entries[places[0]] ?? []]
        }
        #expect(throws: IdentityFailure.storage) { try house.reopened() }
        store.tamper { content in
            content = sound
            content.entries[.emergency] = before.entries[.emergency]
        }
        #expect(throws: IdentityFailure.damaged) { try house.reopened() }
        store.tamper { $0 = sound }
        #expect(try house.reopened().people.emergencies.unreviewed == 1)
    }

    @Test func `does not come about when the log cannot be written, nor does a review`() async throws {
        let store = FailingStore(MemoryStore())
        let house = try PeopleHouse(store)
        let anna = try await house.member("anna", listed: true)
        let officer = try await house.member("ruth", [.privacyOfficer])
        store.expect(.commits(.full, afterEffect: false))
        await #expect(throws: IdentityFailure.auditUnavailable) { try await house.declare(anna) }
        #expect(house.standing(anna) == nil && house.people.emergencies.unreviewed == 0)
        store.expect(.none)
        let emergency = try await house.declare(anna)
        house.pass(3600)
        let ruth = try await house.signedInAgain(officer)
        store.expect(.commits(.full, afterEffect: false))
        await #expect(throws: IdentityFailure.auditUnavailable) { try await house.review(emergency.id, by: ruth) }
        #expect(house.people.emergencies.unreviewed == 1)
        store.expect(.none)
        try await house.review(emergency.id, by: ruth)
        #expect(house.people.emergencies.unreviewed == 0)
    }

    @Test func `keeps what was told out of the log and out of what can be read of the store`() async throws {
        let store = MemoryStore()
        let house = try PeopleHouse(store)
        let anna = try await house.member("anna", listed: true)
        let canary = "canary-7f3a in the waiting room"
        let emergency = try await house.declare(anna, for: "p1", .urgentCare, canary)
        for logged in try house.log.events(with: [], limit: 100) {
            #expect(!"\(logged.event)".contains("canary"))
        }
        #expect(!"\(emergency)".contains("canary"))
        let bytes = Array("canary-7f3a".utf8)
        for (_, entries) in try store.snapshot().entries {
            for (_, sealed) in entries { #expect(sealed.firstRange(of: bytes) == nil) }
        }
        for (_, leaf) in try store.snapshot().leaves { #expect(leaf.payload.firstRange(of: bytes) == nil) }
    }
}
