import Testing
import WardAudit
import WardCore
import WardCrypto
import WardIdentity
import WardPolicy
import WardWeb

@Suite struct `The pages of apps` {
    private let house: WebHouse
    private static let redirect = "https://app.example/callback"

    init() throws { house = try WebHouse() }

    private func app(name: String = "Growth <chart>") async throws -> App {
        let json = """
            {"client_name":"\(name)","redirect_uris":["\(Self.redirect)"],"token_endpoint_auth_method":"none",\
            "initiate_login_uri":"https://app.example/launch"}
            """
        return try await house.people.oauth.apps.register(Array(json.utf8), source: .system, at: house.now)
    }

    private func approved() async throws -> App {
        let app = try await app()
        try await house.people.oauth.apps.approve(
            app.id, byOperator: WebHouse.operatorActor, source: .system, at: house.now)
        return app
    }

    private func query(_ app: App, scope: String = "openid+user%2FObservation.rs+user%2FPatient.rs") -> String {
        "/oauth/authorize?response_type=code&client_id=\(app.id)&redirect_uri=https%3A%2F%2Fapp.example%2Fcallback"
            + "&state=s1&scope=\(scope)&aud=https%3A%2F%2Fward.lindenhof.example%2Ffhir"
            + "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
    }

    /// Where a page goes on by itself.
    private func next(_ answer: WebAnswer) throws -> String {
        let start = try #require(answer.text.firstRange(of: #"content="0; url="#)?.upperBound, "\(answer.text)")
        return answer.text[start...].prefix { $0 != "\"" }.split(separator: "&amp;").joined(separator: "&")
    }

    @Test func `name app and person and say each scope in words`() async throws {
        let app = try await approved()
        let browser = try await house.member("anna")
        let path = try next(try await browser.get(query(app)))
        let page = try await browser.get(path)
        #expect(page.status == 200 && page.text.contains("Growth &lt;chart&gt;") && page.text.contains("Dr anna"))
        #expect(page.text.contains("See and search results and measurements of everybody"))
        #expect(page.text.contains(#"value="user/Patient.rs" checked"#))
        #expect(page.header("Content-Security-Policy")?.contains("form-action 'self';") == true)
    }

    @Test func `grant what is left ticked and nothing that was not asked`() async throws {
        let app = try await approved()
        let browser = try await house.member("anna")
        let path = try next(try await browser.get(query(app)))
        let answer = try await browser.submit(
            path, on: path, [("decision", "allow"), ("scope", "user/Patient.rs"), ("scope", "user/*.cruds")])
        #expect(try next(answer).hasPrefix(Self.redirect + "?code="))
        let event = try #require(try house.log.events(with: [], limit: 1).first?.event)
        #expect(event.kind == .appAuthorized && event.decision == "user/Patient.rs")
        #expect(try await browser.get(path).status == 404)
    }

    @Test func `kept by the page itself wait for a decision, and are not used up without one`() async throws {
        let app = try await approved()
        let browser = try await house.member("anna")
        let path = try next(try await browser.get(query(app)))
        let form = try await browser.formToken(path)
        let kept = try await browser.post(path, [("form", form), ("keep", "1"), ("scope", "user/Patient.rs")])
        let place = try #require(kept.location)
        let page = try await browser.get(place).text
        #expect(page.contains("Growth &lt;chart&gt;") && page.contains("Do not allow") && !page.contains("Send it now"))
        for decision in [[], [("decision", "maybe")]] {
            #expect(try await browser.submit(place, on: place, decision).location == place)
        }
        let answer = try await browser.submit(place, on: place, [("decision", "allow")])
        #expect(try next(answer).hasPrefix(Self.redirect + "?code="))
        let event = try #require(try house.log.events(with: [.kind(.appAuthorized)], limit: 1).first?.event)
        #expect(event.decision == "user/Patient.rs")
    }

    @Test func `take nothing without a tick, a choice, or from elsewhere`() async throws {
        let app = try await approved()
        let browser = try await house.member("anna")
        let path = try next(try await browser.get(query(app)))
        let none = try await browser.submit(path, on: path, [("decision", "allow")])
        #expect(none.status == 422 && none.text.contains("Leave at least one thing ticked"))
        #expect(try await browser.submit(path, on: path, [("scope", "openid")]).status == 200)
        #expect(try await browser.post(path, [("decision", "allow"), ("scope", "openid")]).status == 403)
        let form = try await browser.formToken(path)
        browser.origin = "https://app.example"
        let foreign = try await browser.post(path, [("form", form), ("decision", "allow"), ("scope", "openid")])
        #expect(foreign.status == 403)
    }

    @Test func `say where the answer goes, and load nothing from there`() async throws {
        let json = """
            {"client_name":"App","redirect_uris":["\(Self.redirect)"],"token_endpoint_auth_method":"none",\
            "logo_uri":"https://evil.example/l","policy_uri":"https://evil.example/p","tos_uri":"https://evil.example/t"}
            """
        let app = try await house.people.oauth.apps.register(Array(json.utf8), source: .system, at: house.now)
        let administrator = try await house.member("ines", [.administrator])
        let listed = try await administrator.get("/app/clients").text
        #expect(listed.contains("<strong>app.example</strong>") && !listed.contains("evil.example"))
        try await house.people.oauth.apps.approve(
            app.id, byOperator: WebHouse.operatorActor, source: .system, at: house.now)
        let browser = try await house.member("anna")
        let page = try await browser.get(try next(try await browser.get(query(app)))).text
        #expect(page.contains("It gets its answer at <strong>") && page.contains("app.example"))
        #expect(!page.contains("evil.example") && !page.contains("<img") && !page.contains("<iframe"))
    }

    @Test func `are asked for by a form of another site, too, which decides nothing`() async throws {
        let app = try await approved()
        let browser = try await house.member("anna")
        browser.origin = "https://app.example"
        let fields = try #require(FormPairs(query(app)))
        let path = try next(try await browser.post("/oauth/authorize", fields.pairs))
        #expect(path.hasPrefix("/app/authorize/"))
        #expect(try await browser.post(path, [("decision", "allow"), ("scope", "openid")]).status == 403)
        #expect(try await browser.post("/oauth/authorize", fields.pairs + [("state", "x")]).status == 400)
        #expect(try await browser.post("/oauth/authorize", []).status == 400)
    }

    @Test func `ask for a new proof where the app wants one, and come back`() async throws {
        let app = try await approved()
        let browser = try await house.member("anna")
        let path = try next(try await browser.get(query(app) + "&prompt=login"))
        #expect(try await browser.get(path).location == "/app/step-up?back=\(path)")
        let proof = [("password", WebHouse.password), ("code", browser.code), ("back", path)]
        #expect(try await browser.submit("/app/step-up", on: "/app/step-up", proof).location == path)
        #expect(try await browser.get(path).status == 200)
    }

    @Test func `are not shown where the app wants none: it hears why, whoever is there`() async throws {
        let app = try await approved()
        func target(_ browser: Browser) async throws -> String {
            let path = try next(try await browser.get(query(app) + "&prompt=none"))
            let target = try next(try await browser.get(path))
            #expect(target.hasPrefix(Self.redirect + "?error=") && !target.contains("code="))
            return target
        }
        #expect(try await target(Browser(house)).contains("login_required"))
        let browser = try await house.member("anna")
        #expect(try await target(browser).contains("consent_required"))
        house.pass(16 * 60)
        #expect(try await target(browser).contains("login_required"))
    }

    @Test func `need a patient where the scopes do`() async throws {
        let app = try await approved()
        let browser = try await house.member("anna")
        let path = try next(try await browser.get(query(app, scope: "patient%2FObservation.rs")))
        let answer = try await browser.submit(
            path, on: path, [("decision", "allow"), ("scope", "patient/Observation.rs"), ("patient", "p1")])
        // Nobody is found here: an id that was typed into the form is not a patient that was found.
        #expect(answer.status == 422 && answer.text.contains("Choose the patient first"))
    }

    @Test func `send strangers to the sign-in page and back, nowhere else`() async throws {
        let app = try await approved()
        let browser = Browser(house)
        let path = try next(try await browser.get(query(app)))
        #expect(try await browser.get(path).location == "/sign-in?back=\(path)")
        #expect(try await browser.get("/sign-in?back=\(path)").text.contains(#"name="back" value="\#(path)""#))
        for evil in ["https://evil.example/", "//evil.example", "/app/../x", "/oauth/authorize", "javascript:x"] {
            let page = try await browser.get("/sign-in?back=\(evil)").text
            #expect(!page.contains(#"name="back""#), "\(evil)")
        }
    }

    @Test func `say what is wrong with an app and send nobody to it`() async throws {
        let browser = Browser(house)
        let waiting = try await app(name: "Waits")
        let answer = try await browser.get(query(waiting))
        #expect(answer.status == 403 && answer.location == nil && answer.text.contains("approval"))
        for path in ["/oauth/authorize", "/oauth/authorize?client_id=x", "/oauth/authorize?%ff=%"] {
            let answer = try await browser.get(path)
            #expect(answer.status == 400 && answer.location == nil)
        }
        // A form and an address at once could be read in two ways.
        #expect(try await browser.post(query(waiting), []).status == 400)
    }

    @Test func `let administrators alone approve, with a fresh proof`() async throws {
        let app = try await app()
        let clinician = try await house.member("anna")
        #expect(try await clinician.get("/app/clients").status == 403)
        let browser = try await house.member("ines", [.administrator])
        #expect(try await browser.get("/app/clients").text.contains("Growth &lt;chart&gt;"))
        house.pass(301)
        let stale = try await browser.submit(
            "/app/clients", on: "/app/clients", [("app", app.id), ("decision", "approve")])
        #expect(stale.location?.hasPrefix("/app/step-up?back=/app/continue/") == true)
        #expect(house.people.oauth.apps.approved(app.id) == nil)
        let proof = [("password", WebHouse.password), ("code", browser.code), ("back", "/app/clients")]
        #expect(try await browser.submit("/app/step-up", on: "/app/step-up", proof).status == 303)
        let fields = [("app", app.id), ("decision", "approve")]
        #expect(try await browser.submit("/app/clients", on: "/app/clients", fields).location == "/app/clients")
        #expect(house.people.oauth.apps.approved(app.id) != nil)
        let removal = [("app", app.id), ("decision", "remove")]
        #expect(try await browser.submit("/app/clients", on: "/app/clients", removal).location == "/app/clients")
        #expect(house.people.oauth.apps.apps.isEmpty)
        #expect(try await browser.submit("/app/clients", on: "/app/clients", fields).status == 404)
    }
}

/// The parameters of an address, as fields of a form.
private struct FormPairs {
    let pairs: [(String, String)]

    init?(_ address: String) {
        guard let query = address.split(separator: "?").last else { return nil }
        pairs = query.split(separator: "&").map { pair in
            let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
            let value = parts.count == 2 ? parts[1] : ""
            return (
                parts[0],
                value.replacing("%2F", with: "/").replacing("%3A", with: ":").replacing("+", with: " ")
            )
        }
    }
}
