import Testing
import WardAudit
import WardCore
import WardIdentity
import WardPolicy
import WardWeb

struct SignInPageTests {
    private func fields(_ browser: Browser, password: String = WebHouse.password) -> [(String, String)] {
        [("login", browser.person?.loginName ?? ""), ("password", password), ("code", browser.code)]
    }

    @Test func `signs in with password and code, and out again`() async throws {
        let house = try WebHouse()
        let doctor = try await house.member("weber")
        doctor.cookies["__Host-ward-session"] = nil
        let answer = try await doctor.submit("/sign-in", on: "/sign-in", fields(doctor))
        #expect(answer.status == 303 && answer.location == "/app")
        let home = try await doctor.get("/app")
        #expect(home.status == 200 && home.text.contains("Dr weber") && home.text.contains("treats patients"))
        let token = doctor.cookies["__Host-ward-session"]
        let out = try await doctor.submit("/sign-out", on: "/app")
        #expect(out.status == 303 && out.header("Clear-Site-Data") == #""cache", "storage""#)
        #expect(doctor.cookies["__Host-ward-session"] == nil)
        doctor.cookies["__Host-ward-session"] = token
        #expect(try await doctor.get("/app").location == "/sign-in")
    }

    @Test func `enrols with a passkey, signs in, adds and removes one`() async throws {
        let house = try WebHouse()
        let (person, link) = try await house.invited("lang")
        let browser = Browser(house)
        let key = SoftKey()
        browser.site = "cross-site"
        let opened = try await browser.get("/enrol/\(link)")
        #expect(opened.status == 200 && opened.text.contains("0; url=/enrol") && !opened.text.contains(link))
        #expect(opened.header("Referrer-Policy") == "no-referrer" && "\(opened.template)" == "/enrol/{token}")
        browser.site = "same-origin"
        let options = try await browser.submit("/enrol/passkey/options", on: "/enrol")
        #expect(options.header("Content-Type") == "application/json")
        let done = try await browser.submit(
            "/enrol/passkey", on: "/enrol", [("credential", try key.registration(options.text)), ("name", "Laptop")])
        #expect(done.status == 200 && done.text.contains("recovery codes"))
        #expect(try await browser.get("/app").text.contains(person.displayName))
        // Used up.
        #expect(try await Browser(house).get("/enrol/\(link)").status == 410)

        let other = Browser(house)
        let request = try await other.submit("/sign-in/passkey/options", on: "/sign-in")
        let signedIn = try await other.submit(
            "/sign-in/passkey", on: "/sign-in", [("credential", try key.assertion(request.text, person: person.id))])
        #expect(signedIn.location == "/app")
        let second = SoftKey()
        let more = try await other.submit("/app/account/passkeys/options", on: "/app/account")
        let added = try await other.submit(
            "/app/account/passkeys", on: "/app/account", [("credential", try second.registration(more.text))])
        #expect(added.location == "/app/account")
        let page = try await other.get("/app/account").text
        #expect(page.contains("Laptop") && page.contains("Firefox, Linux"))
        // It unlocks, too; a key of somebody else does not.
        house.pass(900)
        let stale = try await other.submit("/app/passkey/options", on: "/app/locked?back=/app/account")
        let alien = try await other.submit(
            "/app/unlock", on: "/app/locked",
            [("credential", try SoftKey().assertion(stale.text, person: person.id)), ("back", "/app/account")])
        #expect(alien.status == 403)
        let fresh = try await other.submit("/app/passkey/options", on: "/app/locked")
        let unlocked = try await other.submit(
            "/app/unlock", on: "/app/locked",
            [("credential", try second.assertion(fresh.text, person: person.id)), ("back", "/app/account")])
        #expect(unlocked.location == "/app/account")
        // One may go, the last not.
        let ids = page.ranges(of: #"name="passkey" value=""#).map { page[$0.upperBound...].prefix { $0 != "\"" } }
        #expect(ids.count == 2)
        let removed = try await other.submit(
            "/app/account/passkeys/remove", on: "/app/account", [("passkey", String(ids[0]))])
        #expect(removed.location == "/app/account")
        let last = try await other.submit(
            "/app/account/passkeys/remove", on: "/app/account", [("passkey", String(ids[1]))])
        #expect(last.status == 409)
    }

    @Test func `enrols with password and app`() async throws {
        let house = try WebHouse(passkeys: false)
        let (_, link) = try await house.invited("kern")
        let browser = Browser(house)
        _ = try await browser.get("/enrol/\(link)")
        let begun = try #require(browser.cookies["__Host-ward-enrol"])
        let short = try await browser.submit("/enrol/password", on: "/enrol", [("password", "a"), ("again", "a")])
        #expect(short.status == 422 && short.text.contains(##"href="#password""##))
        let differ = try await browser.submit(
            "/enrol/password", on: "/enrol", [("password", WebHouse.password), ("again", "x")])
        #expect(differ.status == 422 && differ.text.contains(#"aria-describedby="again-error""#))
        let next = try await browser.submit(
            "/enrol/password", on: "/enrol", [("password", WebHouse.password), ("again", WebHouse.password)])
        #expect(next.location == "/enrol/code")
        browser.seed = try house.people.enrollingSeed(begun, at: house.now)
        let wrong = try await browser.submit("/enrol/code", on: "/enrol/code", [("code", "12345")])
        #expect(wrong.status == 422)
        let done = try await browser.submit("/enrol/code", on: "/enrol/code", [("code", browser.code)])
        #expect(done.status == 200 && done.text.ranges(of: "<li>").count >= 10)
        #expect(try await browser.get("/app").status == 200)
        #expect(browser.cookies["__Host-ward-enrol"] == nil)
    }

    @Test func `answers alike for unknown names, wrong passwords and wrong codes`() async throws {
        let house = try WebHouse()
        let doctor = try await house.member("weber")
        let stranger = Browser(house)
        let wrongCode = doctor.code == "000000" ? "000001" : "000000"
        var answers: [String] = []
        for (login, password, code) in [
            ("nobody", WebHouse.password, doctor.code), ("weber", "another long pass phrase", doctor.code),
            ("weber", WebHouse.password, wrongCode), ("not a name", WebHouse.password, doctor.code),
        ] {
            let answer = try await stranger.submit(
                "/sign-in", on: "/sign-in", [("login", login), ("password", password), ("code", code)])
            #expect(answer.status == 403 && stranger.cookies["__Host-ward-session"] == nil)
            #expect(!answer.text.contains(password))
            answers.append(answer.text.split(separator: "value=\"\(login)\"").joined(separator: ""))
        }
        let unlike = Set(answers.map { $0.filter { $0 != " " } })
        #expect(unlike.count == 1)
    }

    @Test func `slows guessing down with 429 and says when`() async throws {
        let house = try WebHouse()
        let browser = Browser(house)
        let form = try await browser.formToken("/sign-in")
        let fields = [("form", form), ("login", "weber"), ("password", "x"), ("code", "000000")]
        for _ in 0..<6 { #expect(try await browser.post("/sign-in", fields).status == 403) }
        let answer = try await browser.post("/sign-in", fields)
        #expect(answer.status == 429 && answer.header("Retry-After") == "1")
    }

    @Test func `refuses forms without token, with a foreign one, or from elsewhere`() async throws {
        let house = try WebHouse()
        let doctor = try await house.member("weber")
        doctor.cookies["__Host-ward-session"] = nil
        let own = try await doctor.formToken("/sign-in")
        let foreign = try await Browser(house).formToken("/sign-in")
        let fields = fields(doctor)
        for form in ["", foreign, String(own.dropLast())] {
            #expect(try await doctor.post("/sign-in", [("form", form)] + fields).status == 403)
        }
        #expect(try await doctor.post("/sign-in", fields).status == 403)
        #expect(try await doctor.post("/sign-in", [("form", own), ("form", own)] + fields).status == 403)
        for origin in ["null", "https://evil.example", "http://ward.lindenhof.example", WebHouse.origin + ":8443"] {
            doctor.origin = origin
            #expect(try await doctor.post("/sign-in", [("form", own)] + fields).status == 403)
        }
        doctor.origin = WebHouse.origin
        for site in ["cross-site", "same-site", "other"] {
            doctor.site = site
            #expect(try await doctor.post("/sign-in", [("form", own)] + fields).status == 403)
        }
        doctor.site = "same-origin"
        let body = Array("form=\(own)".utf8)
        for type in ["application/json", "text/plain", nil] {
            #expect(try await doctor.send(.post, "/sign-in", body, type: type).status == 415)
        }
        for broken in ["a=%", "a=%G0", "a=%ff", String(repeating: "a=1&", count: 200)] {
            let answer = try await doctor.send(
                .post, "/sign-in", Array(broken.utf8), type: "application/x-www-form-urlencoded")
            #expect(answer.status == 415)
        }
        // Without the ticket's cookie the right token is worth nothing.
        doctor.cookies["__Host-ward-ticket"] = nil
        #expect(try await doctor.post("/sign-in", [("form", own)] + fields).status == 403)
        #expect(doctor.cookies["__Host-ward-session"] == nil)
    }

    @Test func `refuses a passkey's answer from another origin, twice, or to another page's challenge`() async throws {
        let house = try WebHouse()
        let (person, link) = try await house.invited("lang")
        let browser = Browser(house)
        let key = SoftKey()
        _ = try await browser.get("/enrol/\(link)")
        let options = try await browser.submit("/enrol/passkey/options", on: "/enrol").text
        let bad = try await browser.submit(
            "/enrol/passkey", on: "/enrol",
            [("credential", try key.registration(options, origin: "https://evil.example"))])
        #expect(bad.status == 422 && browser.cookies["__Host-ward-session"] == nil)
        let again = try await browser.submit("/enrol/passkey/options", on: "/enrol").text
        _ = try await browser.submit("/enrol/passkey", on: "/enrol", [("credential", try key.registration(again))])

        let (first, second) = (Browser(house), Browser(house))
        let request = try await first.submit("/sign-in/passkey/options", on: "/sign-in").text
        let credential = try key.assertion(request, person: person.id)
        let stolen = try await second.submit("/sign-in/passkey", on: "/sign-in", [("credential", credential)])
        #expect(stolen.status == 403)
        let form = try await first.formToken("/sign-in")
        let mine = try await first.post("/sign-in/passkey", [("form", form), ("credential", credential)])
        #expect(mine.status == 303)
        for junk in ["", "{}", "[", credential] {
            let answer = try await second.submit("/sign-in/passkey", on: "/sign-in", [("credential", junk)])
            #expect(answer.status == 403 && second.cookies["__Host-ward-session"] == nil)
        }
    }

    @Test func `gives nobody without a role a session`() async throws {
        let house = try WebHouse()
        let doctor = try await house.member("weber")
        let id = try #require(doctor.person?.id)
        try await house.people.grant(
            Rights(roles: [], mayUseEmergencyAccess: false), to: id, byOperator: WebHouse.operatorActor,
            source: .system)
        let answer = try await doctor.submit("/sign-in", on: "/sign-in", fields(doctor))
        #expect(answer.status == 403 && answer.text.contains("no role yet"))
        #expect(house.people.sessions.list(person: id, at: house.now).isEmpty)
    }

    @Test func `asks for recovery with the same answer for right and wrong codes`() async throws {
        let house = try WebHouse()
        let doctor = try await house.member("weber")
        let stranger = Browser(house)
        var texts: Set<String> = []
        for (login, code) in [
            ("weber", doctor.codes[0].exposedText()), ("weber", "AAAA"), ("nobody", doctor.codes[1].exposedText()),
        ] {
            let answer = try await stranger.submit(
                "/recover", on: "/recover", [("login", login), ("recovery", code)])
            #expect(answer.status == 200)
            texts.insert(answer.text)
        }
        #expect(texts.count == 1)
        #expect(house.people.recoveriesWaiting.count == 1)
    }

    @Test func `knows no link that was never made`() async throws {
        let house = try WebHouse()
        let browser = Browser(house)
        #expect(try await browser.get("/enrol/AAAA").status == 410)
        #expect(try await browser.get("/enrol").status == 410)
        #expect(try await browser.post("/enrol/code", [("code", "123456")]).status == 403)
    }
}
