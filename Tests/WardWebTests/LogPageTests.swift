import Testing
import WardAudit
import WardCore
import WardFHIR
import WardIdentity
import WardPolicy
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
        for query in ["record=x", "type=Nonsense", "from=yesterday"] {
            #expect(try await browser.get("/app/log?\(query)").text.contains("This did not work"))
        }
    }

    @Test func `show one event with its receipt, and nothing that was typed into a search`() async throws {
        let house = try WebHouse()
        let browser = try await house.member("otto", [.auditor])
        let receipt = try await house.log.append(try event(.search))
        let page = try await browser.get("/app/log/event/\(receipt.index)").text
        #expect(page.contains(receipt.headerValue) && page.contains("name=*") && !page.contains("Muster"))
        for path in ["/app/log/event/99999", "/app/log/event/x", "/app/log/event/-1"] {
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
    }
}
