import Testing
import WardAudit
import WardCore
import WardIdentity
import WardPolicy
import WardWeb

struct PageTests {
    private static let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        + "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

    private func pages(_ browser: Browser) async throws -> [WebAnswer] {
        let id = try #require(browser.person?.id)
        var answers: [WebAnswer] = []
        for path in [
            "/sign-in", "/recover", "/enrol", "/enrol/none", "/app", "/app/account", "/app/account/password",
            "/app/sessions", "/app/locked", "/app/step-up", "/app/people", "/app/people/\(id)", "/app/people/none",
            "/app/ping",
        ] { answers.append(try await browser.get(path)) }
        answers.append(try await browser.post("/app/people", []))
        answers.append(try await browser.send(.other, "/app"))
        return answers
    }

    @Test func `protects every page by its headers, and puts no secret in any`() async throws {
        let house = try WebHouse()
        let boss = try await house.member("chief", [.administrator])
        boss.secrets.formUnion(boss.cookies.values)
        for answer in try await pages(boss) {
            #expect(answer.header("Content-Security-Policy") == Self.policy)
            #expect(answer.header("Cache-Control") == "no-store")
            #expect(answer.header("X-Content-Type-Options") == "nosniff")
            for secret in boss.secrets { #expect(!answer.text.contains(secret)) }
        }
    }

    @Test func `is one labelled document with nothing inline`() async throws {
        let house = try WebHouse()
        let boss = try await house.member("chief", [.administrator])
        for answer in try await pages(boss) where answer.header("Content-Type")?.hasPrefix("text/html") == true {
            let text = answer.text
            #expect(text.hasPrefix(#"<!DOCTYPE html><html lang="en">"#))
            #expect(text.ranges(of: "<h1>").count == 1 && text.ranges(of: "<main").count == 1)
            #expect(text.contains(##"class="skip" href="#main""##))
            #expect(!text.contains(" style=") && !text.contains(" onclick"))
            #expect(text.ranges(of: "<script").count == 1 && !text.contains("<style"))
            // Every visible field has a label.
            let labels = text.ranges(of: "<label").count
            let fields = text.ranges(of: "<input").count - text.ranges(of: #"type="hidden""#).count
            #expect(labels >= fields)
        }
        let form = try await Browser(house).get("/sign-in").text
        for value in ["username", "current-password", "one-time-code"] {
            #expect(form.contains(#"autocomplete="\#(value)""#))
        }
    }

    @Test(arguments: [
        #""><script>alert(1)</script>"#, "\"\u{0301}><script>alert(1)</script>", "<\u{0338}img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)", "&lt;b&gt;",
    ])
    func `escapes hostile names`(_ name: String) async throws {
        let house = try WebHouse()
        let boss = try await house.member("chief", [.administrator])
        let target = try await house.member("target", [.clinician], name: name)
        let id = try #require(target.person?.id)
        let escaped = name.utf8.reduce(into: "") { text, byte in
            switch byte {
            case 0x22: text += "&quot;"
            case 0x26: text += "&amp;"
            case 0x27: text += "&#39;"
            case 0x3C: text += "&lt;"
            case 0x3E: text += "&gt;"
            default: break
            }
        }
        var answers = [
            try await boss.get("/app/people"), try await boss.get("/app/people/\(id)"), try await target.get("/app"),
        ]
        house.pass(900)
        answers.append(try await target.get("/app/locked"))
        for answer in answers {
            #expect(answer.status == 200)
            #expect(answer.body.firstRange(of: Array("<script>alert".utf8)) == nil)
            #expect(answer.body.firstRange(of: Array("onerror=alert(1)>".utf8)) == nil)
            if name.utf8.contains(0x3C) { #expect(answer.body.firstRange(of: Array("&lt;".utf8)) != nil) }
            #expect(escaped.isEmpty || answer.text.contains("&"))
        }
    }

    @Test func `sets cookies that only this host's pages get`() async throws {
        let house = try WebHouse()
        let doctor = try await house.member("weber")
        let answer = try await doctor.submit(
            "/app/step-up", on: "/app/step-up", [("password", WebHouse.password), ("code", doctor.code)])
        #expect(answer.setCookies.count == 2)
        let ticket = try await Browser(house).get("/sign-in").setCookies
        for cookie in answer.setCookies + ticket {
            #expect(cookie.hasPrefix("__Host-ward-"))
            #expect(cookie.hasSuffix("; Path=/; Secure; HttpOnly; SameSite=Strict"))
            #expect(!cookie.contains("Domain"))
        }
        #expect(answer.setCookies.contains { $0.hasPrefix("__Host-ward-device=") && $0.contains("Max-Age=15552000;") })
    }

    @Test func `serves its two files for ever and knows no others`() async throws {
        let house = try WebHouse()
        let browser = Browser(house)
        let page = try await browser.get("/sign-in").text
        let names = page.ranges(of: "/assets/").map { page[$0.lowerBound...].prefix { $0 != "\"" } }
        #expect(names.count == 2)
        for name in names {
            let answer = try await browser.get(String(name))
            #expect(answer.status == 200 && answer.header("Cache-Control")?.contains("immutable") == true)
            #expect(answer.body.count < 20_000)
            #expect(!answer.text.contains("Storage") && !answer.text.contains("https://"))
        }
        for path in [["assets", "ward.css"], ["assets", ".."], ["assets"], ["app", "patients"], ["fhir"], []] {
            let request = WebRequest(method: .get, path: path, source: .system)
            #expect(await house.site.answer(request, at: house.now) == nil)
        }
    }

    @Test func `says on every page that a demo is one`() async throws {
        let demo = try await Browser(WebHouse(isDemo: true)).get("/sign-in").text
        #expect(demo.contains("Demo – not for real patients"))
        let real = try await Browser(WebHouse()).get("/sign-in").text
        #expect(!real.contains("Demo"))
    }

    @Test func `refuses methods that a page has not`() async throws {
        let house = try WebHouse()
        let doctor = try await house.member("weber")
        for (path, allow) in [("/app/lock", "POST"), ("/sign-out", "POST"), ("/app/account/codes", "POST")] {
            let answer = try await doctor.get(path)
            #expect(answer.status == 405 && answer.header("Allow") == allow)
        }
        #expect(try await doctor.post("/app/sessions", []).header("Allow") == "GET")
        #expect(try await doctor.send(.other, "/sign-in").header("Allow") == "GET, POST")
        #expect(try await doctor.get("/app").status == 200)
    }
}
