import Testing
import WardCore
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit
import WardWeb

struct SessionPageTests {
    private static let pages = ["/app", "/app/account", "/app/account/password", "/app/sessions", "/app/people"]

    @Test func `shows a locked session nothing but the lock page`() async throws {
        let house = try WebHouse()
        let boss = try await house.member("chief", [.administrator])
        let form = try await boss.formToken("/app")
        house.pass(900)
        for page in Self.pages {
            let answer = try await boss.get(page)
            #expect(answer.status == 303 && answer.location == "/app/locked?back=\(page)" && answer.body.isEmpty)
        }
        for action in ["/app/people", "/app/sessions/end-others", "/app/account/codes", "/app/step-up"] {
            #expect(try await boss.post(action, [("form", form)]).location?.hasPrefix("/app/locked") == true)
        }
        #expect(try await boss.post("/app/account/passkeys/options", [("form", form)]).status == 401)
        let locked = try await boss.get("/app/locked?back=/app/sessions")
        #expect(locked.status == 200 && locked.text.contains("Dr chief"))
        #expect(!locked.text.contains("/app/people") && !locked.text.contains("Administrator"))
        let wrong = try await boss.submit(
            "/app/unlock", on: "/app/locked", [("password", "x"), ("code", boss.code), ("back", "/app/sessions")])
        #expect(wrong.status == 403)
        let old = boss.cookies["__Host-ward-session"]
        let right = try await boss.submit(
            "/app/unlock", on: "/app/locked",
            [("password", WebHouse.password), ("code", boss.code), ("back", "/app/sessions")])
        #expect(right.location == "/app/sessions" && boss.cookies["__Host-ward-session"] != old)
        #expect(try await boss.get("/app/sessions").status == 200)
    }

    @Test func `locks at once, and comes back to the page`() async throws {
        let house = try WebHouse()
        let doctor = try await house.member("weber")
        let locked = try await doctor.submit("/app/lock", on: "/app", [("back", "/app/account")])
        #expect(locked.location == "/app/locked?back=/app/account")
        #expect(try await doctor.get("/app").location == "/app/locked?back=/app")
    }

    @Test(arguments: [
        "https://evil.example", "//evil.example", "/\\evil.example", "/app/../sign-out", "/app//evil", "/apple",
        "/sign-out", "app", "", "javascript:alert(1)", "/app/x\r\nSet-Cookie: a=b", "/app?x=1", "/app/%2e%2e",
        "/app/locked", "/app/unlock", "/app/#a",
    ])
    func `goes back to no other place`(_ back: String) async throws {
        let house = try WebHouse()
        let doctor = try await house.member("weber")
        let answer = try await doctor.submit("/app/lock", on: "/app", [("back", back)])
        #expect(answer.location == "/app/locked?back=/app")
        let right = try await doctor.submit(
            "/app/unlock", on: "/app/locked",
            [("password", WebHouse.password), ("code", doctor.code), ("back", back)])
        #expect(right.location == "/app")
    }

    @Test func `tells the script the time without keeping the session awake`() async throws {
        let house = try WebHouse()
        let doctor = try await house.member("weber")
        _ = try await doctor.get("/app")
        house.pass(800)
        #expect(try await doctor.get("/app/ping").text == #"{"state":"active","seconds":100}"#)
        house.pass(50)
        #expect(try await doctor.get("/app/ping").text == #"{"state":"active","seconds":50}"#)
        let form = house.people.formToken(for: doctor.cookies["__Host-ward-session"] ?? "")
        #expect(try await doctor.post("/app/ping", [("form", form)]).text == #"{"state":"active","seconds":900}"#)
        house.pass(900)
        #expect(try await doctor.get("/app/ping").text == #"{"state":"locked","seconds":0}"#)
        #expect(try await Browser(house).get("/app/ping").text == #"{"state":"none","seconds":0}"#)
    }

    @Test func `ends one session and all others, never somebody else's`() async throws {
        let house = try WebHouse()
        let doctor = try await house.member("weber")
        let nurse = try await house.member("lang")
        let id = try #require(doctor.person?.id)
        for _ in 0..<2 {
            house.pass(30)
            let other = Browser(house)
            (other.person, other.seed) = (doctor.person, doctor.seed)
            let answer = try await other.submit(
                "/sign-in", on: "/sign-in",
                [("login", "weber"), ("password", WebHouse.password), ("code", other.code)])
            #expect(answer.status == 303)
        }
        let numbers = house.people.sessions.list(person: id, at: house.now).map(\.number)
        #expect(numbers.count == 3)
        let theft = try await nurse.submit("/app/sessions/end", on: "/app/sessions", [("session", numbers[0])])
        #expect(theft.status == 404)
        #expect(house.people.sessions.list(person: id, at: house.now).count == 3)
        _ = try await doctor.submit("/app/sessions/end", on: "/app/sessions", [("session", numbers[0])])
        #expect(house.people.sessions.list(person: id, at: house.now).count == 2)
        _ = try await doctor.submit("/app/sessions/end-others", on: "/app/sessions")
        #expect(house.people.sessions.list(person: id, at: house.now).count == 1)
        #expect(try await doctor.get("/app").status == 200)
    }

    @Test func `changes factors only with a fresh proof`() async throws {
        let house = try WebHouse()
        let doctor = try await house.member("weber")
        house.pass(300)
        let page = try await doctor.get("/app/account")
        #expect(page.text.contains("Confirm that it is you") && !page.text.contains("/app/account/codes"))
        #expect(try await doctor.get("/app/account/password").location == "/app/step-up?back=/app/account/password")
        let codes = try await doctor.submit("/app/account/codes", on: "/app/account")
        #expect(codes.location?.hasPrefix("/app/step-up?back=/app/continue/") == true)
        let proof = [("password", WebHouse.password), ("code", doctor.code), ("back", "/app/account")]
        #expect(try await doctor.submit("/app/step-up", on: "/app/account", proof).location == "/app/account")
        let shown = try await doctor.submit("/app/account/codes", on: "/app/account")
        #expect(shown.status == 200 && shown.text.contains("class=\"codes\""))
        // A code is good once.
        #expect(try await doctor.submit("/app/step-up", on: "/app/account", proof).status == 403)
    }

    @Test func `replaces password and app together`() async throws {
        let house = try WebHouse()
        let doctor = try await house.member("weber")
        let page = try await doctor.get("/app/account/password").text
        let again = try await doctor.get("/app/account/password").text
        #expect(page == again)
        let wrong = try await doctor.submit(
            "/app/account/password", on: "/app/account/password",
            [
                ("password", "granite umbrella northern fiddle"), ("again", "granite umbrella northern fiddle"),
                ("code", doctor.code),
            ])
        #expect(wrong.status == 403 && wrong.text.contains(#"id="code-error""#))
        let start = try #require(page.firstRange(of: "secret=")?.upperBound)
        #expect(page[start...].prefix { $0 != "&" }.count == 32)
    }

    @Test func `goes one step on this site when a link comes from elsewhere`() async throws {
        let house = try WebHouse()
        let browser = Browser(house)
        browser.site = "cross-site"
        let answer = try await browser.get("/app/sessions")
        #expect(answer.status == 200 && answer.text.contains("0; url=/app/sessions"))
        browser.site = "same-origin"
        #expect(try await browser.get("/app/sessions").location == "/sign-in")
    }

    @Test func `promises nothing while the log cannot be written, and still signs out`() async throws {
        let store = FailingStore(MemoryStore())
        let house = try WebHouse(store: store)
        let boss = try await house.member("chief", [.administrator])
        let (proof, page) = (boss.code, "/app/account")
        store.expect(.everything(.full))
        let stranger = Browser(house)
        let signIn = try await stranger.submit(
            "/sign-in", on: "/sign-in", [("login", "chief"), ("password", WebHouse.password), ("code", proof)])
        #expect(signIn.status == 503 && signIn.header("Retry-After") == "5")
        #expect(stranger.cookies["__Host-ward-session"] == nil)
        let codes = try await boss.submit("/app/account/codes", on: page)
        #expect(codes.status == 503 && !codes.text.contains("class=\"codes\""))
        let added = try await boss.submit("/app/people", on: "/app/people", [("login", "kern"), ("shown", "Kern")])
        #expect(added.status == 503 && house.people.directory.people.count == 1)
        let out = try await boss.submit("/sign-out", on: "/app")
        #expect(out.location == "/sign-in" && boss.cookies["__Host-ward-session"] == nil)
    }

    @Test func `lets no other session's form token pass`() async throws {
        let house = try WebHouse()
        let doctor = try await house.member("weber")
        let nurse = try await house.member("lang")
        let foreign = try await nurse.formToken("/app")
        for action in [
            "/app/lock", "/sign-out", "/app/sessions/end-others", "/app/account/codes", "/app/step-up", "/app/ping",
            "/app/account/password/remove",
        ] {
            #expect(try await doctor.post(action, [("form", foreign)]).status == 403)
            #expect(try await doctor.post(action, []).status == 403)
        }
        #expect(try await doctor.get("/app").status == 200)
    }
}
