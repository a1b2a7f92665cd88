import Testing
import WardAudit
import WardCore
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit
import WardWeb

@Suite struct `A form that comes too late` {
    private static let emergency = [
        ("patient", "p1"), ("reason", "urgent-care"), ("text", "Chest pain, unknown medication"),
    ]

    private func proof(_ browser: Browser, back: String) -> [(String, String)] {
        [("password", WebHouse.password), ("code", browser.code), ("back", back)]
    }

    /// Where a redirect to a page that asks for a proof goes back to.
    private func back(_ answer: WebAnswer, from page: String) throws -> String {
        let location = try #require(answer.location)
        #expect(answer.status == 303 && location.hasPrefix("\(page)?back=/app/continue/"), "\(location)")
        return String(location.dropFirst("\(page)?back=".count))
    }

    @Test func `for a locked session is shown again after unlocking, and done by one button, once`() async throws {
        let house = try WebHouse()
        let anna = try await house.member("anna", listed: true)
        let form = try await anna.formToken("/app/emergency")
        house.pass(900)
        let locked = try await anna.post("/app/emergency", [("form", form)] + Self.emergency)
        let place = try back(locked, from: "/app/locked")
        let page = try await anna.get(try #require(locked.location)).text
        #expect(page.contains("What you sent was not done yet") && !page.contains("Chest pain"))
        // Not to be seen before the person is back.
        #expect(try await anna.get(place).location == "/app/locked?back=\(place)")
        let unlocked = try await anna.submit("/app/unlock", on: "/app/locked", proof(anna, back: place))
        #expect(unlocked.location == place)
        let kept = try await anna.get(place)
        #expect(kept.status == 200 && kept.text.contains("Open a record in an emergency"))
        #expect(kept.text.contains("Chest pain") && kept.text.contains("Send it now"))
        #expect(try await anna.get("/app").text.contains(place))
        // Nothing happened by looking at it.
        #expect(house.people.emergencies.list(at: house.now).isEmpty)
        let sent = try await anna.submit(place, on: place)
        #expect(sent.status == 303 && sent.location == "/app/emergency")
        #expect(house.people.emergencies.list(at: house.now).map(\.patient) == ["p1"])
        let token = house.people.formToken(for: anna.cookies["__Host-ward-session"] ?? "")
        #expect(try await anna.post(place, [("form", token)]).status == 404)
        #expect(try await anna.get(place).status == 404)
        #expect(house.people.emergencies.list(at: house.now).count == 1)
        #expect(try await anna.get("/app").text.contains("Not sent yet") == false)
    }

    @Test func `with an old proof is shown again after the step-up`() async throws {
        let house = try WebHouse()
        let boss = try await house.member("chief", [.administrator])
        let form = try await boss.formToken("/app/people")
        house.pass(300)
        let late = try await boss.post("/app/people", [("form", form), ("login", "kern"), ("shown", "<b>Kern")])
        let place = try back(late, from: "/app/step-up")
        #expect(house.people.directory.people.count == 1)
        _ = try await boss.submit("/app/step-up", on: try #require(late.location), proof(boss, back: place))
        let page = try await boss.get(place).text
        #expect(page.contains("Add a person") && page.contains("kern") && page.contains("&lt;b&gt;Kern"))
        let sent = try await boss.submit(place, on: place)
        #expect(sent.location?.hasPrefix("/app/people/") == true && house.people.directory.people.count == 2)
    }

    @Test func `is parked again if the proof is old once more`() async throws {
        let house = try WebHouse()
        let boss = try await house.member("chief", [.administrator])
        let form = try await boss.formToken("/app/people")
        house.pass(300)
        let first = try back(
            try await boss.post("/app/people", [("form", form), ("login", "kern"), ("shown", "Kern")]),
            from: "/app/step-up")
        let again = try back(try await boss.submit(first, on: first), from: "/app/step-up")
        #expect(again != first && house.people.directory.people.count == 1)
        #expect(try await boss.get(first).status == 404)
    }

    @Test func `from a page of before the session was unlocked is shown, and not done`() async throws {
        let house = try WebHouse()
        let boss = try await house.member("chief", [.administrator])
        let form = try await boss.formToken("/app/people")
        house.pass(900)
        _ = try await boss.submit("/app/unlock", on: "/app/locked", proof(boss, back: "/app"))
        let fields = [("form", form), ("login", "kern"), ("shown", "Kern")]
        let answer = try await boss.post("/app/people", fields)
        let place = try #require(answer.location)
        #expect(place.hasPrefix("/app/continue/") && house.people.directory.people.count == 1)
        _ = try await boss.submit(place, on: place)
        #expect(house.people.directory.people.count == 2)
        // What is not kept is refused as ever.
        #expect(try await boss.post("/app/step-up", [("form", form), ("password", "x")]).status == 403)
        boss.origin = "https://evil.example"
        #expect(try await boss.post("/app/people", fields).status == 403)
    }

    @Test(arguments: [
        ("/app/account/password", [("password", "secret-canary"), ("again", "secret-canary"), ("code", "123456")]),
        ("/app/account/passkeys", [("name", "x"), ("credential", "secret-canary")]),
        ("/app/step-up", [("password", "secret-canary"), ("code", "123456")]),
    ])
    func `is not kept if it holds secrets`(_ path: String, _ fields: [(String, String)]) async throws {
        let store = MemoryStore()
        let house = try WebHouse(store: store)
        let anna = try await house.member("anna")
        let form = try await anna.formToken("/app")
        house.pass(900)
        let answer = try await anna.post(path, [("form", form)] + fields)
        #expect(answer.location?.hasPrefix("/app/locked?back=") == true)
        #expect(answer.location?.contains("continue") == false)
        #expect(try store.entries(.parkedForm).isEmpty)
    }

    @Test func `is kept without fields that its page does not have`() async throws {
        let house = try WebHouse()
        let boss = try await house.member("chief", [.administrator])
        let form = try await boss.formToken("/app/people")
        house.pass(900)
        let answer = try await boss.post(
            "/app/people",
            [("form", form), ("login", "kern"), ("shown", "Kern"), ("password", "canary"), ("code", "123456")])
        _ = try back(answer, from: "/app/locked")
        guard
            case .locked(_, let session) = house.people.standing(
                of: boss.cookies["__Host-ward-session"] ?? "", at: house.now, isActivity: false)
        else { throw IdentityFailure.sessionEnded }
        let kept = try #require(house.people.parked.forms(of: session, at: house.now).first)
        #expect(kept.fields.map(\.name) == ["login", "shown"])
    }

    /// The forms of a page that post to the application: where to, and the names of their fields.
    private func forms(_ page: String) -> [String: Set<String>] {
        var found: [String: Set<String>] = [:]
        for part in page.split(separator: "<form").dropFirst() {
            let form = String(part.prefix(upTo: part.firstRange(of: "</form>")?.lowerBound ?? part.endIndex))
            guard form.contains(#"method="post""#), let action = values("action", form).first else { continue }
            found[action, default: []].formUnion(values("name", form).filter { $0 != "form" })
        }
        return found
    }

    private func values(_ attribute: String, _ text: String) -> [String] {
        text.ranges(of: " \(attribute)=\"").map { String(text[$0.upperBound...].prefix { $0 != "\"" }) }
    }

    @Test func `is kept with exactly the fields that its page has`() async throws {
        let house = try WebHouse()
        let anna = try await house.member("anna", listed: true)
        let chief = try await house.member("chief", [.administrator])
        let officer = try await house.member("otto", [.privacyOfficer, .securityOfficer])
        let ask = [("role", "nurse"), ("reason", "new"), ("clearance", "seen")]
        let person = "/app/people/\(anna.id)"
        #expect(try await chief.submit("\(person)/roles", on: person, ask).status == 303)
        let declared = try await anna.submit("/app/emergency", on: "/app/emergency", Self.emergency)
        #expect(declared.status == 303)
        let emergency = try #require(house.people.emergencies.list(at: house.now).first)
        let pages: [(Browser, [String])] = [
            (anna, ["/app/emergency", "/app/sessions", "/app/account"]), (chief, ["/app/people", person]),
            (
                officer,
                [
                    "/app/all-sessions", "/app/emergencies/\(emergency.id)",
                    "/app/access-review/\(anna.id)",
                ]
            ),
        ]
        var wanted: [(Browser, String, Set<String>)] = [
            // Where no alert is at hand: the fields of AlertPages.
            (officer, "/app/alerts/x/answer", ["act", "reason", "text"])
        ]
        for (browser, paths) in pages {
            for path in paths {
                let page = try await browser.get(path).text
                // Signing out would end the session that keeps them.
                for (action, fields) in forms(page) where action != "/sign-out" {
                    wanted.append((browser, action, fields))
                }
            }
        }
        var tokens: [String: String] = [:]
        for browser in [anna, chief, officer] {
            tokens[browser.id] = try await browser.formToken("/app")
        }
        house.pass(900)
        // An emergency is over by then, and waits for a review.
        wanted.append((officer, "/app/emergencies/\(emergency.id)/review", ["outcome", "note"]))
        var kept: [String] = []
        for (browser, action, fields) in wanted {
            let token = try #require(tokens[browser.id])
            let person = try #require(browser.person)
            let answer = try await browser.post(action, [("form", token)] + fields.sorted().map { ($0, "1") })
            let location = answer.location ?? ""
            guard let end = location.firstRange(of: "/app/continue/")?.upperBound else { continue }
            let id = String(location[end...])
            guard
                case .locked(_, let session) = house.people.standing(
                    of: browser.cookies["__Host-ward-session"] ?? "", at: house.now, isActivity: false)
            else { throw IdentityFailure.sessionEnded }
            let form = try #require(house.people.parked.form(id, in: session, at: house.now))
            #expect(Set(form.fields.map(\.name)) == fields, "\(action)")
            kept.append(action.split(separator: "/").suffix(1).joined())
            _ = try? await house.people.parked.take(
                id, in: session, by: person, sending: false, source: .system, at: house.now)
        }
        for name in ["answer", "roles", "people", "emergency", "recovery", "review", "end", "disable"] {
            #expect(kept.contains(name), "no form of \(name) was kept: \(kept)")
        }
    }

    @Test func `is nobody else's to see, to send or to drop`() async throws {
        let house = try WebHouse()
        let anna = try await house.member("anna", listed: true)
        let berta = try await house.member("berta", listed: true)
        let form = try await anna.formToken("/app/emergency")
        house.pass(400)
        let late = try await anna.post("/app/emergency", [("form", form)] + Self.emergency)
        let place = try back(late, from: "/app/step-up")
        let token = try await berta.formToken("/app")
        let seen = try await berta.get(place)
        #expect(seen.status == 404 && !seen.text.contains("Chest pain"))
        #expect(try await berta.post(place, [("form", token)]).status == 404)
        #expect(try await berta.post("\(place)/drop", [("form", token)]).status == 404)
        #expect(try await anna.post(place, [("form", token)]).status == 403)
        #expect(try await anna.post(place, []).status == 403)
        #expect(try await anna.get(place).text.contains("Chest pain"))
        #expect(try await anna.submit("\(place)/drop", on: place).location == "/app")
        #expect(try await anna.get(place).status == 404)
    }

    @Test func `without a right form token is not kept`() async throws {
        let store = MemoryStore()
        let house = try WebHouse(store: store)
        let anna = try await house.member("anna", listed: true)
        let foreign = try await house.member("berta").formToken("/app")
        house.pass(900)
        for token in [[], [("form", foreign)], [("form", "")]] as [[(String, String)]] {
            let answer = try await anna.post("/app/emergency", token + Self.emergency)
            #expect(answer.location == "/app/locked?back=/app/emergency")
        }
        anna.origin = "https://evil.example"
        let form = house.people.formToken(for: anna.cookies["__Host-ward-session"] ?? "")
        #expect(try await anna.post("/app/emergency", [("form", form)] + Self.emergency).status == 403)
        #expect(try store.entries(.parkedForm).isEmpty)
    }

    @Test func `sent by the page itself at the lock is kept, and keeps no session awake`() async throws {
        let house = try WebHouse()
        let boss = try await house.member("chief", [.administrator])
        let form = try await boss.formToken("/app/people")
        house.pass(890)
        let fields = [("form", form), ("keep", "1"), ("login", "kern"), ("shown", "Ke")]
        let answer = try await boss.post("/app/people", fields)
        #expect(answer.location?.hasPrefix("/app/continue/") == true && house.people.directory.people.count == 1)
        house.pass(10)
        #expect(try await boss.get("/app").location == "/app/locked?back=/app")
        // A form that is not kept is not done either.
        let gone = try await boss.post("/app/sessions/end", [("form", form), ("keep", "1")])
        #expect(gone.location?.hasPrefix("/app/locked?back=/app/continue/") == true)
        let page = try await boss.post("/app/account/password", [("form", form), ("keep", "1"), ("password", "x")])
        #expect(page.location == "/app/locked?back=/app/account")
    }

    @Test func `is not promised to be kept while nothing can be written`() async throws {
        let store = FailingStore(MemoryStore())
        let house = try WebHouse(store: store)
        let anna = try await house.member("anna", listed: true)
        let form = try await anna.formToken("/app/emergency")
        house.pass(900)
        store.expect(.everything(.full))
        let answer = try await anna.post("/app/emergency", [("form", form)] + Self.emergency)
        #expect(answer.status == 503 && answer.location == nil && answer.text.contains("could not be kept"))
    }

    @Test func `is refused as too long, and not as if the log were down`() async throws {
        let house = try WebHouse()
        let anna = try await house.member("anna", listed: true)
        let form = try await anna.formToken("/app/emergency")
        house.pass(900)
        let text = String(repeating: "x", count: ParkedForm.largest)
        let answer = try await anna.post("/app/emergency", [("form", form), ("patient", "p1"), ("text", text)])
        #expect(answer.status == 413 && answer.text.contains("could not be kept"))
    }

    @Test func `makes room for itself, and keeps the older ones if it cannot be written`() async throws {
        let store = FailingStore(MemoryStore())
        let house = try WebHouse(store: store)
        let boss = try await house.member("chief", [.administrator])
        let form = try await boss.formToken("/app/people")
        house.pass(900)
        func send(_ login: String) async throws -> WebAnswer {
            house.pass(1)
            return try await boss.post("/app/people", [("form", form), ("login", login), ("shown", "Kern")])
        }
        func kept() throws -> [String] {
            guard
                case .locked(_, let session) = house.people.standing(
                    of: boss.cookies["__Host-ward-session"] ?? "", at: house.now, isActivity: false)
            else { throw IdentityFailure.sessionEnded }
            return house.people.parked.forms(of: session, at: house.now).compactMap { form in
                form.fields.first?.value.exposed { $0 }
            }
        }
        for login in ["a1", "a2", "a3", "a4", "a5"] { #expect(try await send(login).status == 303) }
        store.expect(.everything(.full))
        #expect(try await send("a6").status == 503)
        #expect(try kept() == ["a5", "a4", "a3", "a2", "a1"])
        store.expect(.none)
        #expect(try await send("a6").status == 303)
        #expect(try kept() == ["a6", "a5", "a4", "a3", "a2"])
    }

    @Test func `goes when its person signs out`() async throws {
        let store = MemoryStore()
        let house = try WebHouse(store: store)
        let anna = try await house.member("anna", listed: true)
        let form = try await anna.formToken("/app/emergency")
        house.pass(900)
        _ = try back(
            try await anna.post("/app/emergency", [("form", form)] + Self.emergency), from: "/app/locked")
        #expect(try store.entries(.parkedForm).count == 1)
        _ = try await anna.submit("/sign-out", on: "/app/locked")
        #expect(try store.entries(.parkedForm).isEmpty)
    }
}
