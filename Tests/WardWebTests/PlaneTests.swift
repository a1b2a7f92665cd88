import Testing
import WardIdentity
import WardPolicy
import WardWeb

@Suite struct `The pages of the office` {
    private static let office = [
        "/app/people", "/app/clients", "/app/emergencies", "/app/alerts", "/app/activity", "/app/all-sessions",
        "/app/access-review", "/app/log", "/app/log/csv", "/app/log/ndjson", "/app/log/event/0", "/app/log/patient/p1",
    ]
    private static let records = ["/app/apps", "/app/emergency", "/app/my-record", "/oauth/authorize"]
    private static let everywhere = ["/sign-in", "/recover", "/enrol", "/app", "/app/account", "/app/sessions"]

    private func answer(_ browser: Browser, _ path: String, _ method: WebRequest.Method) async -> WebAnswer? {
        await browser.house.site.answer(
            browser.request(method, path, type: "application/x-www-form-urlencoded"), at: browser.house.now)
    }

    @Test(arguments: office) func `are nowhere on the records' listener, whoever asks and however`(_ path: String)
        async throws
    {
        let house = try WebHouse()
        let boss = try await house.member("chief", [.administrator, .securityOfficer, .privacyOfficer])
        house.plane = .records
        for method in [WebRequest.Method.get, .post, .other] {
            #expect(await answer(boss, path, method) == nil)
            #expect(await answer(Browser(house), path, method) == nil)
        }
        house.plane = .office
        #expect(await answer(boss, path, .get) != nil)
        house.plane = .whole
        #expect(await answer(boss, path, .get) != nil)
    }

    @Test(arguments: records) func `have none of the records' beside them`(_ path: String) async throws {
        let house = try WebHouse()
        let boss = try await house.member("chief")
        house.plane = .office
        for method in [WebRequest.Method.get, .post, .other] { #expect(await answer(boss, path, method) == nil) }
        house.plane = .records
        #expect(await answer(boss, path, .get) != nil)
    }

    @Test(arguments: Plane.allCases) func `leave signing in and one's own account everywhere`(_ plane: Plane)
        async throws
    {
        let house = try WebHouse()
        let boss = try await house.member("chief", [.administrator])
        house.plane = plane
        for path in Self.everywhere { #expect(await answer(boss, path, .get) != nil, "\(path)") }
    }

    @Test func `are linked from nowhere that they are not, and their address is told to whoever has any`() async throws
    {
        let house = try WebHouse()
        let boss = try await house.member("chief", [.administrator, .securityOfficer])
        let anna = try await house.member("anna")
        house.plane = .records
        let home = try await boss.get("/app").text
        for path in Self.office { #expect(!home.contains("href=\"\(path)\""), "\(path)") }
        #expect(home.contains("https://ward.lindenhof.example:9443/sign-in"))
        #expect(try await anna.get("/app").text.contains("9443") == false)
        house.plane = .office
        #expect(try await boss.get("/app").text.contains("href=\"/app/people\""))
    }

    @Test func `take no form that was kept there and is sent from elsewhere`() async throws {
        let house = try WebHouse()
        let boss = try await house.member("chief", [.administrator])
        house.plane = .office
        let form = try await boss.formToken("/app/people")
        house.pass(300)
        let late = try await boss.post("/app/people", [("form", form), ("login", "kern"), ("shown", "Kern")])
        let place = try #require(late.location?.split(separator: "=").last.map(String.init))
        #expect(place.hasPrefix("/app/continue/"))
        house.plane = .records
        _ = try await boss.submit(
            "/app/step-up", on: "/app/step-up",
            [("password", WebHouse.password), ("code", boss.code), ("back", "/app")])
        #expect(try await boss.get(place).status == 404)
        #expect(try await boss.get("/app").text.contains(place) == false)
        let token = house.people.formToken(for: boss.cookies["__Host-ward-session"] ?? "")
        #expect(try await boss.post(place, [("form", token)]).status == 404)
        #expect(house.people.directory.people.count == 1)
        // It still waits where it belongs.
        house.plane = .office
        #expect(try await boss.submit(place, on: place).location?.hasPrefix("/app/people/") == true)
        #expect(house.people.directory.people.count == 2)
    }

    @Test func `take no form from a page of the records' listener, which is another origin`() async throws {
        let house = try WebHouse()
        let boss = try await house.member("chief", [.administrator])
        house.plane = .office
        let form = try await boss.formToken("/app/people")
        boss.origin = "https://ward.lindenhof.example:8443"
        let answer = try await boss.post("/app/people", [("form", form), ("login", "kern"), ("shown", "Kern")])
        #expect(answer.status == 403 && house.people.directory.people.count == 1)
    }
}
