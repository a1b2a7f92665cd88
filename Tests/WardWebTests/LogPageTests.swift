import Testing
import WardAudit
import WardCore
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit
import WardWeb

struct LogPageTests {
    static let readers: [Role] = [.administrator, .auditor, .privacyOfficer, .securityOfficer]

    private func event(
        _ kind: AuditEventKind, actor: String = "Anna Berg", decision: String = "care-treats", patient: String = "p1"
    ) throws -> AuditEvent {
        var event = AuditEvent(
            kind: kind, time: Instant(microseconds: 1_800_000_000_000_000), outcome: .success,
            actor: AuditActor(id: "person/anna", name: actor, role: "nurse"), purpose: .treatment,
            source: RequestSource(address: "192.0.2.9", request: "r9"), decision: decision,
            records: [AuditedRecord(type: try .named("Observation"), id: "o1", version: 1)], patients: [patient])
        event.query = "name=Muster"
        return event
    }

    @Test(arguments: Role.allCases.filter { $0 != .app })
    func `are for those who may read the log, and a refusal is in it`(_ role: Role) async throws {
        let house = try WebHouse()
        let browser = try await house.member("somebody", [role])
        let may = Self.readers.contains(role)
        #expect(try await browser.get("/app").text.contains(#"href="/app/log""#) == may)
        for path in ["/app/log", "/app/log/csv", "/app/log/ndjson", "/app/log/event/0", "/app/log/patient/p1"] {
            let answer = try await browser.get(path)
            #expect(answer.status == (may ? 200 : 403), "\(path)")
            if !may { #expect(try house.log.events(with: [], limit: 1).first?.event.outcome == .denied) }
        }
    }

    @Test func `filter by every field, and say what is wrong with one`() async throws {
        let house = try WebHouse()
        let browser = try await house.member("otto", [.auditor])
        _ = try await house.log.append(try event(.read))
        _ = try await house.log.append(try event(.update, patient: "p2"))
        let hits = [
            "patient=p1", "person=person/anna&patient=p1", "kind=read", "record=Observation/o1&patient=p1",
            "type=Observation&kind=read", "outcome=success&patient=p1", "purpose=TREAT&patient=p1",
            "role=nurse&patient=p1", "address=192.0.2.9&patient=p1", "from=2020&to=2030&kind=read",
            "sort=who&patient=p1", "sort=records&kind=read",
        ]
        for query in hits {
            let page = try await browser.get("/app/log?\(query)").text
            #expect(page.contains("/app/log/patient/p1") && !page.contains("/app/log/patient/p2"), "\(query)")
        }
        let misses = [
            "patient=p3", "person=nobody", "kind=delete", "record=Observation/o2", "type=Condition", "outcome=denied",
            "purpose=HPAYMT", "role=biller", "address=192.0.2.10", "from=2028", "to=2020", "session=x", "device=x",
            "emergency=any", "emergency=x", "app=x", "new-device=yes&patient=p1",
        ]
        for query in misses {
            #expect(
                try await browser.get("/app/log?\(query)").text.contains("/app/log/patient/p1") == false, "\(query)")
        }
        let wrong = [
            "record=x", "type=Nonsense", "from=yesterday", "kind=nonsense", "outcome=maybe", "purpose=FUN",
            "sort=random", "before=x", "before=-1", "new-device=no", "patient=a%2Fb", "patient=%2E%2E%2Fp1%3F",
            "kind=read&kind=update",
        ]
        for query in wrong {
            for path in ["/app/log", "/app/log/csv", "/app/log/ndjson"] {
                let answer = try await browser.get("\(path)?\(query)")
                #expect(answer.status == 422 && answer.text.contains("This did not work"), "\(query)")
                #expect(!answer.text.contains("/app/log/patient/p1"), "\(query)")
            }
        }
    }

    @Test func `show one event with its receipt, and nothing that was typed into a search`() async throws {
        let house = try WebHouse()
        let browser = try await house.member("otto", [.auditor])
        let receipt = try await house.log.append(try event(.search))
        let page = try await browser.get("/app/log/event/\(receipt.index)").text
        #expect(page.contains(receipt.headerValue) && page.contains("name=*") && !page.contains("Muster"))
        for path in ["/app/log/event/99999", "/app/log/event/x", "/app/log/event/-1", "/app/log/patient/p%2F1"] {
            #expect(try await browser.get(path).status == 404)
        }
    }

    @Test func `write out what would steer the display, in every form`() async throws {
        let house = try WebHouse()
        let browser = try await house.member("otto", [.auditor])
        let receipt = try await house.log.append(
            try event(.read, actor: "=HYPERLINK(\"x\")\u{202E}\u{7}", decision: "@SUM\u{2066}"))
        for path in ["/app/log?patient=p1", "/app/log/event/\(receipt.index)", "/app/log/patient/p1"] {
            let page = try await browser.get(path).text
            #expect(page.contains("\\u{202E}\\u{7}") && !page.unicodeScalars.contains("\u{202E}"), "\(path)")
        }
        let csv = try await browser.get("/app/log/csv?patient=p1")
        #expect(csv.text.contains(#""'=HYPERLINK(""x"")\u{202E}\u{7}""#) && csv.text.contains(#""'@SUM\u{2066}""#))
        #expect(csv.header("Content-Disposition")?.hasPrefix("attachment") == true)
        let json = try await browser.get("/app/log/ndjson?patient=p1").text
        #expect(json.contains("\\u202e\\u0007") && !json.unicodeScalars.contains("\u{202E}"))
        for line in json.split(separator: "\n") { #expect((try? JSONTape(parsing: Array(line.utf8))) != nil) }
    }

    @Test func `put each look, and each file, into the log before it is shown`() async throws {
        let house = try WebHouse()
        let browser = try await house.member("otto", [.auditor])
        _ = try await browser.get("/app/log?patient=p1")
        var newest = try #require(try house.log.events(with: [], limit: 1).first?.event)
        #expect(newest.kind == .auditRead && newest.patients == ["p1"] && newest.query == "patient=p1")
        #expect(newest.session != nil && newest.device != nil)
        _ = try await browser.get("/app/log/csv?kind=read")
        newest = try #require(try house.log.events(with: [], limit: 1).first?.event)
        #expect(newest.kind == .auditExported && newest.query == "kind=read")
    }

    @Test func `go on page by page`() async throws {
        let house = try WebHouse()
        let browser = try await house.member("otto", [.auditor])
        for _ in 0..<120 { _ = try await house.log.append(try event(.read)) }
        var (path, count) = ("/app/log?patient=p1&kind=read", 0)
        while true {
            let page = try await browser.get(path).text
            count += page.split(separator: "/app/log/event/").count - 1
            guard let start = page.firstRange(of: #"href="/app/log?patient=p1&amp;kind=read&amp;before="#) else {
                break
            }
            path = "/app/log?patient=p1&kind=read&before=\(page[start.upperBound...].prefix { $0.isNumber })"
        }
        #expect(count == 120)
    }

    @Test func `tell in plain words who opened a record, the patient as well, and nobody else's`() async throws {
        let house = try WebHouse()
        let officer = try await house.member("otto", [.privacyOfficer])
        _ = try await house.log.append(try event(.read))
        let told = "Anna Berg, nurse, read 1 measurement or lab result on 15 Jan 2027 for treatment"
        #expect(try await officer.get("/app/log/patient/p1").text.contains(told))
        #expect(try await officer.get("/app/log/patient/p2").text.contains("Nobody did"))
        #expect(try await officer.get("/app/my-record").status == 404)
        let clinician = try await house.member("anna")
        #expect(try await clinician.get("/app/my-record").status == 404)
        let patient = try await house.member("erika", [.patient], patients: ["p1"])
        let page = try await patient.get("/app/my-record").text
        #expect(page.contains(told) && !page.contains("/app/log") && !page.contains("192.0.2.9"))
        #expect(!page.contains("Muster"), "what was asked is not the patient's")
    }

    @Test func `tell a patient and a proxy of their records alone, and have each other asking in the log`() async throws
    {
        let house = try WebHouse()
        _ = try await house.log.append(try event(.read))
        _ = try await house.log.append(try event(.update, actor: "Carl Dorn", patient: "p2"))
        var shared = try event(.read, actor: "Emil Frey")
        shared.patients = ["p1", "p2"]
        _ = try await house.log.append(shared)
        let patient = try await house.member("erika", [.patient], patients: ["p1"])
        let proxy = try await house.member("paul", [.proxy], patients: ["p2", "p1"])
        for (browser, path) in [
            (patient, "/app/my-record"), (patient, "/app/my-record?patient=p1"), (proxy, "/app/my-record?patient=p1"),
        ] {
            let page = try await browser.get(path).text
            #expect(page.contains("Anna Berg") && page.contains("Emil Frey") && !page.contains("Carl Dorn"), "\(path)")
            let newest = try #require(house.log.events(with: [], limit: 1).first?.event)
            #expect(newest.kind == .auditRead && newest.outcome == .success && newest.patients == ["p1"])
        }
        #expect(!(try await patient.get("/app/my-record").text.contains("p2")))
        let own = try await proxy.get("/app/my-record").text
        #expect(own.contains("Carl Dorn") && own.contains("/app/my-record?patient=p1"))
        for (browser, id) in [(patient, "p2"), (patient, "none"), (proxy, "p3")] {
            let answer = try await browser.get("/app/my-record?patient=\(id)")
            #expect(answer.status == 403 && !answer.text.contains("Dorn"))
            let newest = try #require(house.log.events(with: [], limit: 1).first?.event)
            #expect(newest.kind == .auditRead && newest.outcome == .denied && newest.patients == [id])
            #expect(newest.actor?.id == "person/\(browser.id)")
        }
        #expect(try await patient.get("/app/my-record?patient=p%2F2").status == 404)
    }

    @Test func `hold back from the patient what an agency's word suspends`() async throws {
        let house = try WebHouse()
        var export = try event(.export, actor: "Registry")
        export.recipient = "police"
        _ = try await house.log.append(export)
        let patient = try await house.member("erika", [.patient], patients: ["p1"])
        #expect(try await patient.get("/app/my-record").text.contains("Registry"))
        var held = try event(.accountingMade)
        held.decision = "suspend-until 2099-01-01"
        held.recipient = "police"
        held.records = []
        _ = try await house.log.append(held)
        #expect(try await !patient.get("/app/my-record").text.contains("Registry"))
        let officer = try await house.member("otto", [.privacyOfficer])
        #expect(try await officer.get("/app/log/patient/p1").text.contains("Registry"))
    }

    @Test func `say that the log cannot be written, and show nothing`() async throws {
        let store = FailingStore(MemoryStore())
        let house = try WebHouse(store: store)
        let officer = try await house.member("otto", [.auditor])
        let patient = try await house.member("erika", [.patient], patients: ["p1"])
        _ = try await house.log.append(try event(.read))
        store.expect(.everything(.full))
        for path in ["/app/log", "/app/log/csv", "/app/log/ndjson", "/app/log/event/0", "/app/log/patient/p1"] {
            let answer = try await officer.get(path)
            #expect(answer.status == 503 && !answer.text.contains("Anna Berg"), "\(path)")
        }
        let own = try await patient.get("/app/my-record")
        #expect(own.status == 503 && !own.text.contains("Anna Berg"))
    }

    @Test func `go on in any order, and say what stands in it`() async throws {
        let house = try WebHouse()
        let browser = try await house.member("otto", [.auditor])
        for count in 0..<1100 { _ = try await house.log.append(try event(count < 5 ? .update : .read)) }
        let first = try await browser.get("/app/log?patient=p1&kind=read&sort=who").text
        #expect(first.contains("the newest 1000 events that match; earlier ones follow"))
        let link = try #require(
            first.firstRange(of: #"href="/app/log?patient=p1&amp;kind=read&amp;sort=who&amp;before="#))
        let before = first[link.upperBound...].prefix { $0.isNumber }
        let rest = try await browser.get("/app/log?patient=p1&kind=read&sort=who&before=\(before)").text
        #expect(rest.contains("In this order stand all events that match") && !rest.contains("Earlier events"))
        #expect(rest.split(separator: "/app/log/event/").count - 1 == 95)
    }

    @Test func `stand in the order that was asked for`() async throws {
        let house = try WebHouse()
        let browser = try await house.member("otto", [.auditor])
        var indices: [Int64] = []
        for (actor, records) in [("Carl", 1), ("Anna", 3), ("Berta", 2)] {
            var event = try event(.read, actor: actor)
            event.records = (0..<records).map { AuditedRecord(type: event.records[0].type, id: "o\($0)", version: 1) }
            indices.append(try await house.log.append(event).index)
        }
        for (order, places) in [
            ("who", [1, 2, 0]), ("records", [1, 2, 0]), ("oldest", [0, 1, 2]), ("newest", [2, 1, 0]),
            ("patient", [2, 1, 0]),
        ] {
            let page = try await browser.get("/app/log?kind=read&patient=p1&sort=\(order)").text
            let shown = page.ranges(of: "/app/log/event/").compactMap { range in
                Int64(page[range.upperBound...].prefix { $0.isNumber })
            }
            #expect(shown == places.map { indices[$0] }, "\(order)")
        }
    }

    @Test func `are made as files one at a time, newest first, with a line where they were cut`() async throws {
        let house = try WebHouse()
        let browser = try await house.member("otto", [.auditor])
        for _ in 0..<3 { _ = try await house.log.append(try event(.read)) }
        let file = try await browser.get("/app/log/csv?kind=read&sort=oldest").text
        let places = file.split(separator: "\r\n").dropFirst().compactMap {
            Int64($0.dropFirst().prefix { $0.isNumber })
        }
        #expect(places.count == 3 && places == places.sorted(by: >) && !file.contains("more before"))
        // A desk whose file takes until the other one was asked for.
        let (signals, signal) = AsyncStream<Void>.makeStream()
        let (starts, start) = AsyncStream<Void>.makeStream()
        let slow = LogDesk(
            all: { _, _, _ throws(LogFailure) in throw .unavailable },
            own: { _, _, _, _ throws(LogFailure) in throw .unavailable },
            file: { _, _, _, _, _ throws(LogFailure) in
                start.yield()
                for await _ in signals { break }
                return LogDesk.File(content: [], next: 7)
            })
        let other = try WebHouse(log: slow)
        let (one, two) = (try await other.member("one", [.auditor]), try await other.member("two", [.auditor]))
        let (site, request, now) = (other.site, one.request(.get, "/app/log/csv"), other.now)
        async let first = site.answer(request, at: now)
        for await _ in starts { break }
        let refused = try await two.get("/app/log/ndjson")
        #expect(refused.status == 503 && refused.header("Retry-After") == "10")
        signal.yield()
        #expect(await first?.text.hasSuffix("\"more before\",\"7\"\r\n") == true)
        signal.yield()
        #expect(try await two.get("/app/log/ndjson").text == "{\"moreBefore\":7}\n")
    }

    @Test func `cut a file with a line that says where it goes on`() async throws {
        let house = try WebHouse()
        for _ in 0..<700 { _ = try await house.log.append(try event(.read)) }
        let otto = try await house.member("otto", [.auditor])
        let auditor = try #require(principal(otto, house))
        let gate = Gate(policy: Policy(), log: house.log)
        var (before, found, files) = (Int64.max, [Int64](), 0)
        while true {
            let grant = try await gate.authorizeLogExport(auditor, source: .system)
            let file = try await gate.exportLog(
                AuditQuery(facets: [.kind(.read)]), before: before, limit: 600, mostBytes: 2000, with: grant
            ) { Array("\($0.index)\n".utf8) }
            found += String(decoding: file.content, as: UTF8.self).split(separator: "\n").compactMap { Int64($0) }
            #expect(file.content.count < 2010)
            files += 1
            guard let next = file.next else { break }
            before = next
        }
        #expect(files == 2 && found.count == 700 && Set(found).count == 700 && found == found.sorted(by: >))
    }

    private func principal(_ browser: Browser, _ house: WebHouse) -> Principal? {
        guard
            case .active(let principal, _) = house.people.standing(
                of: browser.cookies["__Host-ward-session"] ?? "", at: house.now, isActivity: false)
        else { return nil }
        return principal
    }
}
