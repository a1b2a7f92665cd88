import Testing
import WardAudit
import WardCore
import WardIdentity
import WardPolicy
import WardTestKit
import WardWatch
import WardWeb

/// The weekly review on pages.
struct ActivityPageTests {
    /// What is logged now is of this week; the house's clock is an hour past its end.
    private let week = ActivityWeek(containing: .now())

    private func opened() throws -> WebHouse {
        let house = try WebHouse()
        house.now = week.end.adding(seconds: 3600)
        return house
    }

    private func put(_ house: WebHouse, _ kind: AuditEventKind, by actor: AuditActor? = nil) async throws {
        _ = try await house.log.append(
            AuditEvent(
                kind: kind, time: .now(), outcome: .success, actor: actor, purpose: .operations,
                source: .system, decision: "test"))
    }

    private func path(_ end: String = "") -> String { "/app/activity/\(week.text)\(end)" }

    private func hash(_ page: WebAnswer) throws -> String {
        let text = page.text
        let start = try #require(text.firstRange(of: #"name="hash" value=""#)?.upperBound)
        return String(text[start...].prefix { $0 != "\"" })
    }

    @Test(arguments: Role.allCases.filter { ![.app, .privacyOfficer].contains($0) })
    func `are the privacy officer's alone`(_ role: Role) async throws {
        let house = try opened()
        try await put(house, .start)
        let browser = try await house.member("somebody", [role])
        #expect(try await !browser.get("/app").text.contains("/app/activity"))
        for page in ["/app/activity", path(), "/app/activity/x"] {
            #expect(try await browser.get(page).status == 403, "\(page)")
        }
        #expect(try await browser.submit(path("/sign"), on: "/app", [("hash", "x")]).status == 403)
        #expect(try house.log.events(with: [.kind(.activityReviewed)], limit: 5).isEmpty)
    }

    @Test func `an officer signs what was shown, once`() async throws {
        let house = try opened()
        try await put(house, .start)
        let officer = try await house.member("otto", [.privacyOfficer])
        let list = try await officer.get("/app/activity").text
        #expect(list.contains(#"href="\#(path())""#) && list.contains("The log is unwitnessed"))
        #expect(list.contains("Not everything stored was held against the log yet"))
        let shown = try await officer.get(path())
        #expect(shown.status == 200 && shown.text.contains("start"))
        let hash = try hash(shown)
        for wrong in ["", "x", String(hash.dropLast())] {
            let answer = try await officer.submit(path("/sign"), on: path(), [("hash", wrong)])
            #expect(answer.status == 409 && answer.text.contains("Look again"))
        }
        #expect(try await officer.post(path("/sign"), [("hash", hash)]).status == 403)
        let long = try await officer.submit(
            path("/sign"), on: path(), [("hash", hash), ("note", String(repeating: "x", count: 2001))])
        #expect(long.status == 422)
        #expect(try house.log.events(with: [.kind(.activityReviewed)], limit: 5).isEmpty)
        let note = "<b>quiet</b> week\u{202E}"
        let signed = try await officer.submit(path("/sign"), on: path(), [("hash", hash), ("note", note)])
        #expect(signed.location == "/app/activity")
        let event = try #require(try house.log.events(with: [.kind(.activityReviewed)], limit: 5).first?.event)
        #expect(event.actor?.id == officer.person?.actor.id && event.decision.contains(hash))
        let after = try await officer.get(path()).text
        #expect(after.contains("&lt;b&gt;quiet") && !after.unicodeScalars.contains("\u{202E}"))
        #expect(!after.contains("I have looked at this week"))
        #expect(try await officer.submit(path("/sign"), on: "/app", [("hash", hash)]).status == 409)
        for text in ["2026-11-17", "x", "2101-01-03"] {
            #expect(try await officer.get("/app/activity/\(text)").status == 404, "\(text)")
        }
    }

    @Test func `whom the week is about needs a second officer, if there is one`() async throws {
        let house = try opened()
        let otto = try await house.member("otto", [.privacyOfficer])
        try await put(house, .accountingMade, by: try #require(otto.person).actor)
        let pia = try await house.member("pia", [.privacyOfficer])
        let first = try await otto.submit(path("/sign"), on: path(), [("hash", try hash(try await otto.get(path())))])
        #expect(first.location == "/app/activity")
        let waiting = try await otto.get(path()).text
        #expect(waiting.contains("somebody else signs as well") && !waiting.contains("I have looked"))
        let hash = try hash(try await pia.get(path()))
        #expect(try await otto.submit(path("/sign"), on: "/app", [("hash", hash)]).status == 403)
        #expect(try await pia.submit(path("/sign"), on: path(), [("hash", hash)]).location == "/app/activity")
        #expect(try await otto.get("/app/activity").text.contains("Signed"))
    }

    @Test func `where there is one officer only, the list says so`() async throws {
        let house = try opened()
        let otto = try await house.member("otto", [.privacyOfficer])
        try await put(house, .accountingMade, by: try #require(otto.person).actor)
        _ = try await otto.submit(path("/sign"), on: path(), [("hash", try hash(try await otto.get(path())))])
        #expect(try await otto.get("/app/activity").text.contains("there was nobody else"))
    }

    @Test func `signs only with a fresh proof, and says what is overdue on every page`() async throws {
        let house = try opened()
        try await put(house, .start)
        let officer = try await house.member("otto", [.privacyOfficer])
        #expect(try await officer.get("/app").text.contains("Weekly review<"))
        let hash = try hash(try await officer.get(path()))
        house.pass(300)
        let late = try await officer.submit(path("/sign"), on: path(), [("hash", hash)])
        #expect(late.location?.hasPrefix("/app/step-up") == true)
        #expect(try house.log.events(with: [.kind(.activityReviewed)], limit: 5).isEmpty)
        house.pass(8 * 86_400)
        let again = try await house.member("pia", [.privacyOfficer])
        #expect(try await again.get("/app").text.contains("Weekly review (1 overdue)"))
        #expect(try await again.get("/app/activity").text.contains("1 week is overdue"))
    }
}
