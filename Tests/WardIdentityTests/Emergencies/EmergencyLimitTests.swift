import Testing
import WardAudit
import WardCore
import WardIdentity
import WardPolicy

@Suite struct `Emergencies whose review is late` {
    @Test func `keep their person from declaring another one, until somebody reviews`() async throws {
        let house = try PeopleHouse()
        var anna = try await house.member("anna", listed: true)
        let berta = try await house.member("berta", listed: true)
        let first = try await house.declare(anna, for: "p1")
        try await house.declare(anna, for: "p2")
        house.pass(3 * 86_400)
        anna = try await house.signedInAgain(anna)
        // 2027-01-15 was a Friday: due on Tuesday.
        try await house.declare(anna, for: "p3")
        house.pass(3 * 86_400)
        anna = try await house.signedInAgain(anna)
        #expect(house.people.emergencies.overdue(of: anna.id, at: house.now) >= Emergencies.mostOverdue)
        await #expect(throws: IdentityFailure.reviewsOverdue) { try await house.declare(anna, for: "p4") }
        let refused = try #require(house.log.events(with: [.kind(.requestRefused)], limit: 1).first?.event)
        #expect(refused.decision == "open-emergency/reviews-overdue" && refused.patients == ["p4"])
        // Nobody else is held up by it.
        try await house.declare(try await house.signedInAgain(berta), for: "p4")
        let officer = try await house.member("otto", [.privacyOfficer])
        for emergency in house.people.emergencies.list(at: house.now) where emergency.isOverdue(at: house.now) {
            if emergency.id != first.id { try await house.review(emergency.id, by: officer) }
        }
        #expect(house.people.emergencies.overdue(of: anna.id, at: house.now) == 1)
        try await house.declare(try await house.signedInAgain(anna), for: "p4")
    }
}

@Suite struct `Two accounts of one human` {
    @Test func `do not review each other's emergencies`() async throws {
        let house = try PeopleHouse()
        let anna = try await house.member("anna", listed: true, practitioner: "pr-1")
        let same = try await house.member("anna.officer", [.privacyOfficer], practitioner: "Practitioner/pr-1")
        let other = try await house.member("otto", [.privacyOfficer], practitioner: "pr-2")
        let emergency = try await house.declare(anna)
        house.pass(3600)
        let again = try await house.signedInAgain(same)
        await #expect(throws: IdentityFailure.secondPersonNeeded) { try await house.review(emergency.id, by: again) }
        try await house.review(emergency.id, by: try await house.signedInAgain(other))
    }

    @Test func `share the limit of emergencies whose review is late`() async throws {
        let house = try PeopleHouse()
        let one = try await house.member("one", listed: true, practitioner: "pr-1")
        let two = try await house.member("two", listed: true, practitioner: "Practitioner/pr-1")
        try await house.declare(one, for: "p1")
        try await house.declare(two, for: "p2")
        house.pass(7 * 86_400)
        #expect(house.people.emergencies.overdue(of: one.id, at: house.now) == 2)
        for member in [one, two] {
            let again = try await house.signedInAgain(member)
            await #expect(throws: IdentityFailure.reviewsOverdue) { try await house.declare(again, for: "p3") }
        }
    }

    @Test func `are one by what the log calls them, and only people are`() async throws {
        let house = try PeopleHouse()
        let one = try await house.member("one", practitioner: "pr-1")
        let two = try await house.member("two", practitioner: "pr-1")
        let directory = house.people.directory
        #expect(directory.areOneHuman(actor: "person/\(one.id)", "person/\(two.id)"))
        #expect(!directory.areOneHuman(actor: "client/\(one.id)", "person/\(one.id)"))
        #expect(!directory.areOneHuman(actor: "client/\(one.id)", "client/\(two.id)"))
        #expect(directory.areOneHuman(actor: "client/x", "client/x"))
    }

    @Test func `do not approve what the other one asked for, nor what is for the other one`() async throws {
        let house = try PeopleHouse()
        let one = try await house.member("one", [.administrator], practitioner: "pr-1")
        let two = try await house.member("two", [.administrator], practitioner: "pr-1")
        let third = try await house.member("third", [.administrator])
        let tom = try await house.member("tom", [.frontDesk])
        let rights = Rights(roles: [.nurse], mayUseEmergencyAccess: false)
        func ask(_ asker: PeopleHouse.Member, for id: String) async throws -> String {
            try await house.people.directory.request(
                rights, for: id, reason: "new tasks", clearance: "seen", by: try #require(house.principal(asker.token)),
                source: house.source, at: house.now
            ).id
        }
        func approve(_ request: String, by member: PeopleHouse.Member) async throws {
            try await house.people.decide(
                request, approve: true, by: try #require(house.principal(member.token)), source: house.source,
                at: house.now)
        }
        let asked = try await ask(one, for: tom.id)
        await #expect(throws: IdentityFailure.secondPersonNeeded) { try await approve(asked, by: two) }
        let own = try await ask(third, for: one.id)
        await #expect(throws: IdentityFailure.secondPersonNeeded) { try await approve(own, by: two) }
        try await approve(asked, by: third)
    }

    @Test func `are told apart where neither has a practitioner`() async throws {
        let house = try PeopleHouse()
        let (one, two) = (try await house.member("one"), try await house.member("two"))
        #expect(!house.people.directory.areOneHuman(one.id, two.id))
        #expect(house.people.directory.areOneHuman(one.id, one.id))
    }
}

@Suite struct `A shown name` {
    @Test(arguments: [
        "Anna\u{202E}gnol", "Anna\u{2066}x\u{2069}", "Anna\u{0}", "An\u{7F}na", "Anna\u{200F}", "\u{FEFF}Anna",
        "Anna\u{E0041}", "Anna\u{1B}[31m", "An\u{200B}na",
    ])
    func `holds nothing that hides or turns the rest`(_ name: String) async throws {
        let house = try PeopleHouse()
        await #expect(throws: IdentityFailure.badName) {
            _ = try await house.people.directory.add(
                login: "anna", displayName: name, byOperator: PeopleHouse.admin, source: house.source, at: house.now)
        }
    }

    @Test(arguments: ["Anna  Berg", "Zoë Łukasz", "李小龙", "محمد علي", "O’Brien-Müller", "म\u{94D}\u{200D}य"])
    func `may be written in any language`(_ name: String) async throws {
        let house = try PeopleHouse()
        _ = try await house.people.directory.add(
            login: "anna", displayName: name, byOperator: PeopleHouse.admin, source: house.source, at: house.now)
    }
}
