import Testing
import WardAudit
import WardIdentity
import WardPolicy
import WardWeb

struct PeoplePageTests {
    @Test(arguments: Role.allCases.filter { $0 != .administrator })
    func `shows accounts to administrators only`(_ role: Role) async throws {
        let house = try WebHouse()
        let somebody = try await house.member("weber", [role])
        let id = try #require(somebody.person?.id)
        for page in ["/app/people", "/app/people/\(id)"] {
            let answer = try await somebody.get(page)
            #expect(answer.status == 403 && !answer.text.contains("End access"))
        }
        let form = try await somebody.formToken("/app")
        for action in [
            "/app/people", "/app/people/\(id)/invite", "/app/people/\(id)/roles", "/app/people/\(id)/disable",
            "/app/people/\(id)/recovery", "/app/role-requests", "/app/recoveries",
        ] {
            #expect(try await somebody.post(action, [("form", form), ("login", "x1"), ("shown", "X")]).status == 403)
        }
        #expect(house.people.directory.people.count == 1 && house.people.directory.requests.isEmpty)
        let home = try await somebody.get("/app").text
        #expect(!home.contains("/app/people"))
    }

    @Test func `adds somebody, grants by two people, invites and disables`() async throws {
        let house = try WebHouse()
        let first = try await house.member("chief", [.administrator])
        let second = try await house.member("deputy", [.administrator])
        let added = try await first.submit(
            "/app/people", on: "/app/people", [("login", "Kern"), ("shown", "Ada Kern")])
        let page = try #require(added.location)
        let link = try await first.submit("\(page)/invite", on: page)
        #expect(link.status == 200 && link.text.contains("\(WebHouse.origin)/enrol/"))
        let later = try await first.get(page).text
        #expect(!later.contains("/enrol/"))
        let roles = [("role", "clinician"), ("role", "front-desk"), ("reason", "new colleague")]
        let uncleared = try await first.submit("\(page)/roles", on: page, roles)
        #expect(uncleared.status == 422 && uncleared.text.contains(##"href="#clearance""##))
        let both = try await first.submit(
            "\(page)/roles", on: page, roles + [("role", "administrator"), ("clearance", "licence seen")])
        #expect(both.status == 409 && both.text.contains("another account"))
        #expect(house.people.directory.requests.isEmpty)
        let asked = try await first.submit(
            "\(page)/roles", on: page, roles + [("clearance", "licence seen by Berg on 2 May")])
        #expect(asked.location == "/app/people")
        let request = try #require(house.people.directory.requests.first?.id)
        let alone = try await first.submit(
            "/app/role-requests", on: "/app/people", [("request", request), ("decision", "approve")])
        #expect(alone.status == 403 && house.people.directory.person(named: "kern")?.roles.isEmpty == true)
        let unclear = try await second.submit("/app/role-requests", on: "/app/people", [("request", request)])
        #expect(unclear.status == 404)
        let approved = try await second.submit(
            "/app/role-requests", on: "/app/people", [("request", request), ("decision", "approve")])
        #expect(approved.location == "/app/people")
        #expect(Set(house.people.directory.person(named: "kern")?.roles ?? []) == [.clinician, .frontDesk])
        #expect(try await first.get(page).text.contains("licence seen by Berg on 2 May"))
        let gone = try await first.submit("\(page)/disable", on: page)
        #expect(gone.location == "/app/people")
        #expect(house.people.directory.person(named: "kern")?.state == .disabled)
    }

    @Test func `refuses taken and bad names, unknown roles and empty reasons`() async throws {
        let house = try WebHouse()
        let boss = try await house.member("chief", [.administrator])
        let id = try #require(boss.person?.id)
        let taken = try await boss.submit("/app/people", on: "/app/people", [("login", "CHIEF"), ("shown", "X")])
        #expect(taken.status == 409 && taken.text.contains(##"href="#login""##))
        for login in ["", "a", "ada kern", "<b>", "ädä"] {
            let bad = try await boss.submit("/app/people", on: "/app/people", [("login", login), ("shown", "X")])
            #expect(bad.status == 422)
        }
        let path = "/app/people/\(id)"
        for role in ["root", "integration", "Administrator"] {
            let answer = try await boss.submit("\(path)/roles", on: path, [("role", role), ("reason", "because")])
            #expect(answer.status == 422)
        }
        #expect(try await boss.submit("\(path)/roles", on: path, [("role", "clinician")]).status == 422)
        #expect(try await boss.submit("\(path)/disable", on: path).status == 403)
        #expect(try await boss.get("/app/people/0000000000000000").status == 404)
        #expect(house.people.directory.requests.isEmpty)
    }

    @Test func `changes a name, and only to one that can be seen`() async throws {
        let house = try WebHouse()
        let boss = try await house.member("chief", [.administrator])
        let nurse = try await house.member("kern", [.nurse])
        let id = try #require(nurse.person?.id)
        let path = "/app/people/\(id)"
        for name in ["", "   ", String(repeating: "x", count: 81), "Ada\u{202E}Kern", "Ada\u{0}"] {
            let bad = try await boss.submit("\(path)/name", on: path, [("shown", name)])
            #expect(bad.status == 422 && bad.text.contains(##"href="#shown""##))
        }
        #expect(try await nurse.submit("\(path)/name", on: "/app", [("shown", "Boss")]).status == 403)
        #expect(try await boss.submit("/app/people/none/name", on: path, [("shown", "Boss")]).status == 404)
        #expect(try house.log.events(with: [.kind(.personChanged)], limit: 5).isEmpty)
        #expect(try await boss.submit("\(path)/name", on: path, [("shown", " Ada  Kern ")]).location == path)
        let event = try #require(try house.log.events(with: [.kind(.personChanged)], limit: 5).first?.event)
        #expect(event.subject == "person/\(id)" && event.actor?.id == boss.person?.actor.id)
        #expect(event.entries.count == 1 && event.decision == "name")
        #expect(house.people.directory.person(id)?.displayName == "Ada Kern")
        #expect(try await nurse.get("/app").text.contains("Ada Kern"))
        house.pass(300)
        let late = try await boss.submit("\(path)/name", on: path, [("shown", "Eve")])
        #expect(late.location?.hasPrefix("/app/step-up") == true)
        _ = try await boss.post("/app/step-up", [])
        #expect(house.people.directory.person(id)?.displayName == "Ada Kern")
    }

    @Test func `changes accounts only with a fresh proof`() async throws {
        let house = try WebHouse()
        let boss = try await house.member("chief", [.administrator])
        house.pass(300)
        let answer = try await boss.submit("/app/people", on: "/app/people", [("login", "kern"), ("shown", "Kern")])
        #expect(answer.location?.hasPrefix("/app/step-up?back=/app/continue/") == true)
        let id = try #require(boss.person?.id)
        for action in [
            "/app/role-requests", "/app/recoveries", "/app/people/\(id)/roles", "/app/people/\(id)/disable",
        ] {
            let place = try await boss.submit(action, on: "/app").location
            #expect(place?.hasPrefix("/app/step-up?back=/app/continue/") == true)
        }
        #expect(house.people.directory.people.count == 1)
    }

    @Test func `approves a recovery by a second person and shows the link once`() async throws {
        let house = try WebHouse()
        let doctor = try await house.member("weber")
        let boss = try await house.member("chief", [.administrator])
        _ = try await doctor.submit(
            "/recover", on: "/recover", [("login", "weber"), ("recovery", doctor.codes[0].exposedText())])
        let id = try #require(house.people.recoveriesWaiting.first?.id)
        let link = try await boss.submit("/app/recoveries", on: "/app/people", [("recovery", id)])
        #expect(link.status == 200 && link.text.contains("/enrol/"))
        #expect(try await boss.submit("/app/recoveries", on: "/app/people", [("recovery", id)]).status == 404)
        // Asked by an officer: the same officer cannot approve.
        let person = "/app/people/\(try #require(doctor.person?.id))"
        _ = try await boss.submit("\(person)/recovery", on: person, [("reason", "lost the phone")])
        let own = try #require(house.people.recoveriesWaiting.first?.id)
        #expect(try await boss.submit("/app/recoveries", on: "/app/people", [("recovery", own)]).status == 403)
    }
}
