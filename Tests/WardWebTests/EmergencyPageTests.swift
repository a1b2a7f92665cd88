import Testing
import WardAudit
import WardCore
import WardIdentity
import WardPolicy
import WardWeb

struct EmergencyPageTests {
    private static let form = [
        ("patient", "p1"), ("reason", "urgent-care"), ("text", "Chest pain, unknown medication"),
    ]

    private func declared(_ browser: Browser, _ house: WebHouse) async throws -> String {
        let answer = try await browser.submit("/app/emergency", on: "/app/emergency", Self.form)
        #expect(answer.status == 303 && answer.location == "/app/emergency")
        return try #require(house.people.emergencies.list(at: house.now).first?.id)
    }

    @Test(arguments: Role.allCases)
    func `are there for listed people who treat, and for nobody else`(_ role: Role) async throws {
        let house = try WebHouse()
        for listed in [true, false] {
            let browser = try await house.member("weber\(listed ? 1 : 2)", [role], listed: listed)
            let may = listed && [.clinician, .nurse].contains(role)
            let page = try await browser.get("/app/emergency")
            #expect(page.status == (may ? 200 : 403))
            #expect(page.text.contains("Why it cannot wait") == may)
            let home = try await browser.get("/app").text
            #expect(home.contains(#"href="/app/emergency""#) == may)
            let form = try await browser.formToken("/app")
            let answer = try await browser.post("/app/emergency", [("form", form)] + Self.form)
            #expect(answer.status == (may ? 303 : 403))
        }
        let count = [.clinician, .nurse].contains(role) ? 1 : 0
        #expect(house.people.emergencies.list(at: house.now).count == count)
    }

    @Test(arguments: Role.allCases.filter { $0 != .privacyOfficer })
    func `show what was declared to privacy officers only`(_ role: Role) async throws {
        let house = try WebHouse()
        let id = try await declared(try await house.member("lang", listed: true), house)
        let browser = try await house.member("other", [role])
        #expect(try await browser.get("/app").text.contains("/app/emergencies") == false)
        let form = try await browser.formToken("/app")
        for path in ["/app/emergencies", "/app/emergencies/\(id)"] {
            let answer = try await browser.get(path)
            #expect(answer.status == 403 && !answer.text.contains("Dr lang") && !answer.text.contains("Chest pain"))
        }
        for path in ["/app/emergencies/\(id)/review", "/app/emergencies/\(id)/end"] {
            let answer = try await browser.post(path, [("form", form), ("outcome", "appropriate"), ("note", "x")])
            #expect(answer.status == 403)
        }
        let end = try await browser.post("/app/emergency/end", [("form", form), ("emergency", id)])
        #expect(end.status == 403 && house.people.emergencies.unreviewed == 1)
        #expect(house.people.emergencies.emergency(id)?.isRunning(at: house.now) == true)
    }

    @Test func `ask for a fresh proof before anything is typed, and refuse without one`() async throws {
        let house = try WebHouse()
        let browser = try await house.member("lang", listed: true)
        house.pass(300)
        let page = try await browser.get("/app/emergency").text
        #expect(page.contains("Confirm") && !page.contains("Why it cannot wait"))
        let answer = try await browser.submit("/app/emergency", on: "/app/emergency", Self.form)
        #expect(answer.location?.hasPrefix("/app/step-up?back=/app/continue/") == true)
        #expect(house.people.emergencies.list(at: house.now).isEmpty)
    }

    @Test func `say what is missing, keep what was typed, and put nothing of it into the address`() async throws {
        let house = try WebHouse()
        let browser = try await house.member("lang", listed: true)
        for (change, field) in [
            (("text", "short"), "text"), (("text", ""), "text"), (("reason", ""), "reason"),
            (("reason", "LIFE-THREATENING"), "reason"), (("patient", "p/1"), "patient"),
            (("patient", "<b>"), "patient"), (("patient", ""), "patient"),
        ] {
            let form = Self.form.map { $0.0 == change.0 ? change : $0 }
            let answer = try await browser.submit("/app/emergency", on: "/app/emergency", form)
            #expect(answer.status == 422 && answer.location == nil)
            #expect(answer.text.contains(##"href="#\##(field)""##), "\(change)")
            #expect(!answer.text.contains("<b>") && answer.text.contains("Error: "))
            for (name, value) in form where name == "text" && value.count > 9 { #expect(answer.text.contains(value)) }
        }
        #expect(house.people.emergencies.list(at: house.now).isEmpty)
    }

    @Test func `tell on every page that one runs, without saying whose record it is`() async throws {
        let house = try WebHouse()
        let browser = try await house.member("lang", listed: true)
        let secret = [("patient", "patient-77"), Self.form[1], Self.form[2]]
        _ = try await browser.submit("/app/emergency", on: "/app/emergency", secret)
        for path in ["/app", "/app/account", "/app/sessions"] {
            let text = try await browser.get(path).text
            #expect(text.contains("1 record is open to you, 60 minutes left") && !text.contains("patient-77"))
        }
        let own = try await browser.get("/app/emergency").text
        #expect(own.contains("patient-77") && !own.contains("Chest pain"))
        // A locked session shows nothing of it.
        let locked = try await browser.submit("/app/lock", on: "/app", [("back", "/app/emergency")])
        let page = try await browser.get(try #require(locked.location)).text
        #expect(!page.contains("patient-77") && !page.contains("open to you"))
    }

    @Test func `lead an officer from the count to the review, which somebody else has to do`() async throws {
        let house = try WebHouse()
        let ruth = try await house.member("ruth", [.privacyOfficer, .nurse], listed: true)
        let otto = try await house.member("otto", [.privacyOfficer])
        let id = try await declared(ruth, house)
        #expect(try await otto.get("/app").text.contains("Emergencies (1)"))
        let path = "/app/emergencies/\(id)"
        let page = try await otto.get(path).text
        #expect(page.contains("Chest pain") && page.contains("End it now") && !page.contains("Record the review"))
        #expect(try await ruth.get(path).text.contains("somebody else has to review"))
        let early = try await otto.submit("\(path)/review", on: path, [("outcome", "appropriate"), ("note", "x")])
        #expect(early.status == 409)
        #expect(try await otto.submit("\(path)/end", on: path).location == path)
        let own = try await ruth.submit("\(path)/review", on: path, [("outcome", "appropriate"), ("note", "x")])
        #expect(own.status == 403)
        for fields in [
            [("note", "x")], [("outcome", "appropriate")], [("outcome", "fine"), ("note", "x")],
            [("outcome", "appropriate"), ("note", " ")],
        ] {
            #expect(try await otto.submit("\(path)/review", on: path, fields).status == 422)
        }
        let done = try await otto.submit(
            "\(path)/review", on: path, [("outcome", "not-appropriate"), ("note", "<script>alert(1)</script>")])
        #expect(done.location == "/app/emergencies")
        let after = try await otto.get(path).text
        #expect(after.contains("Not appropriate") && after.contains("&lt;script&gt;"))
        #expect(!after.contains("Record the review") && !after.contains("<script>alert"))
        #expect(try await otto.get("/app").text.contains("Emergencies (") == false)
        #expect(try await otto.get("/app/emergencies/0000000000000000").status == 404)
    }

    @Test func `show late reviews first, with nothing to put them away with`() async throws {
        let house = try WebHouse()
        let lang = try await house.member("lang", listed: true)
        _ = try await declared(lang, house)
        house.pass(5 * 86_400)
        let otto = try await house.member("otto", [.privacyOfficer])
        let page = try await otto.get("/app/emergencies").text
        #expect(page.contains("1 review is overdue") && page.contains("overdue since"))
        let main = try #require(page.firstRange(of: "<main")?.lowerBound)
        let end = try #require(page.firstRange(of: "</main>")?.lowerBound)
        #expect(!page[main..<end].contains("<form") && !page[main..<end].contains("<button"))
    }
}

struct OfficePageTests {
    @Test(arguments: Role.allCases.filter { $0 != .securityOfficer })
    func `keep sessions of others to those who may manage them`(_ role: Role) async throws {
        let house = try WebHouse()
        let doctor = try await house.member("weber")
        let browser = try await house.member("other", [role])
        let id = try #require(doctor.person?.id)
        let number = try #require(house.people.sessions.list(person: id, at: house.now).first?.number)
        #expect(try await browser.get("/app/all-sessions").status == 403)
        let form = try await browser.formToken("/app")
        let answer = try await browser.post(
            "/app/all-sessions/end", [("form", form), ("person", id), ("session", number)])
        #expect(answer.status == 403)
        #expect(house.people.sessions.list(person: id, at: house.now).count == 1)
    }

    @Test func `end a session of somebody else, with a fresh proof`() async throws {
        let house = try WebHouse()
        let doctor = try await house.member("weber")
        let sara = try await house.member("sara", [.securityOfficer])
        let id = try #require(doctor.person?.id)
        let number = try #require(house.people.sessions.list(person: id, at: house.now).first?.number)
        let page = try await sara.get("/app/all-sessions").text
        #expect(page.contains("Dr weber") && page.contains("this one"))
        for fields in [[("person", id)], [("session", number)], [("person", id), ("session", "0")]] {
            #expect(try await sara.submit("/app/all-sessions/end", on: "/app/all-sessions", fields).status == 404)
        }
        let fields = [("person", id), ("session", number)]
        let ended = try await sara.submit("/app/all-sessions/end", on: "/app/all-sessions", fields)
        #expect(ended.location == "/app/all-sessions")
        #expect(try await doctor.get("/app").location == "/sign-in")
        house.pass(300)
        let stale = try await sara.submit("/app/all-sessions/end", on: "/app/all-sessions", fields)
        #expect(stale.location?.hasPrefix("/app/step-up?back=/app/continue/") == true)
    }

    @Test(arguments: Role.allCases.filter { $0 != .privacyOfficer })
    func `keep the review of access to privacy officers`(_ role: Role) async throws {
        let house = try WebHouse()
        let doctor = try await house.member("weber")
        let browser = try await house.member("other", [role])
        let id = try #require(doctor.person?.id)
        for path in ["/app/access-review", "/app/access-review/\(id)"] {
            #expect(try await browser.get(path).status == 403)
        }
        let form = try await browser.formToken("/app")
        let answer = try await browser.post(
            "/app/access-review/\(id)", [("form", form), ("decision", "confirm")])
        #expect(answer.status == 403 && house.people.accessReviews.newest(of: id) == nil)
    }

    @Test func `confirm access, or ask for less, and refuse what is unclear`() async throws {
        let house = try WebHouse()
        let doctor = try await house.member("weber", [.clinician, .biller], listed: true)
        let otto = try await house.member("otto", [.privacyOfficer])
        let (id, own) = (try #require(doctor.person?.id), try #require(otto.person?.id))
        let path = "/app/access-review/\(id)"
        #expect(try await otto.get("/app/access-review").text.contains("Dr weber"))
        #expect(try await otto.get(path).text.contains("not within 90 days"))
        for (fields, status) in [
            ([], 404), ([("decision", "remove")], 422), ([("decision", "confirm"), ("remove", "biller")], 422),
            ([("decision", "remove"), ("remove", "biller")], 422), ([("decision", "other")], 404),
            ([("decision", "remove"), ("remove", "root"), ("reason", "x")], 404),
            ([("decision", "confirm"), ("decision", "remove")], 404),
        ] as [([(String, String)], Int)] {
            #expect(try await otto.submit(path, on: path, fields).status == status, "\(fields)")
        }
        #expect(house.people.accessReviews.newest(of: id) == nil)
        let mine = try await otto.submit("/app/access-review/\(own)", on: path, [("decision", "confirm")])
        #expect(mine.status == 403)
        #expect(try await otto.submit(path, on: path, [("decision", "confirm")]).location == "/app/access-review")
        #expect(house.people.accessReviews.newest(of: id)?.outcome == .confirmed)
        let asked = try await otto.submit(
            path, on: path, [("decision", "remove"), ("remove", "biller"), ("unlist", "unlist"), ("reason", "moved")])
        #expect(asked.location == "/app/access-review")
        let request = try #require(house.people.directory.requests.first)
        #expect(request.rights == Rights(roles: [.clinician], mayUseEmergencyAccess: false))
        #expect(house.people.directory.person(id)?.roles == [.clinician, .biller])
        #expect(try await otto.get("/app/access-review/0000000000000000").status == 404)
    }
}
