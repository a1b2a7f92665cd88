import Testing
import WardAudit
import WardCore
import WardIdentity
import WardPolicy
import WardTestKit
import WardWeb

/// Who opened a record: for the patient, for officers, on paper and as a file.
struct LogPatientPageTests {
    private func look(_ patient: String, by name: String = "Anna Berg") throws -> AuditEvent {
        AuditEvent(
            kind: .read, time: Instant(microseconds: 1_800_000_000_000_000), outcome: .success,
            actor: AuditActor(id: "person/anna", name: name, role: "nurse"), purpose: .treatment,
            source: RequestSource(address: "192.0.2.9", request: "r9"), decision: "care-treats",
            records: [AuditedRecord(type: try .named("Observation"), id: "o-\(patient)", version: 1)],
            patients: [patient])
    }

    private func newest(_ house: WebHouse) throws -> AuditEvent {
        try #require(try house.log.events(with: [], limit: 1).first?.event)
    }

    private static let told = "read 1 measurement or lab result on 15 Jan 2027 for treatment"

    @Test func `a patient sees who opened their record, and nothing of where staff work`() async throws {
        let house = try WebHouse()
        let patient = try await house.member("mira", [.patient], patients: ["p1"])
        _ = try await house.log.append(try look("p1"))
        _ = try await house.log.append(try look("p2", by: "Carla Dorn"))
        let page = try await patient.get("/app/my-record")
        #expect(page.status == 200 && page.text.contains("Anna Berg, nurse, \(Self.told)"))
        for hidden in ["Carla Dorn", "192.0.2.9", "o-p1", "o-p2", "/app/log/event"] {
            #expect(!page.text.contains(hidden), "\(hidden)")
        }
        let event = try newest(house)
        #expect(event.kind == .auditRead && event.patients == ["p1"] && event.decision == "own-accesses")
        #expect(try await patient.get("/app").text.contains(#"href="/app/my-record""#))
    }

    @Test func `a patient sees nobody else's record, however it is asked for`() async throws {
        let house = try WebHouse()
        let patient = try await house.member("mira", [.patient], patients: ["p1"])
        _ = try await house.log.append(try look("p2", by: "Carla Dorn"))
        for query in ["patient=p2", "patient=", "patient=p1%00", "patient=p1&patient=p2", "patient=P1"] {
            for path in ["/app/my-record", "/app/my-record/csv"] {
                let answer = try await patient.get("\(path)?\(query)")
                #expect(!answer.text.contains("Carla"), "\(path) \(query)")
                // An id of somebody else is refused; what is no id is nowhere.
                let isAnID = ["patient=p2", "patient=P1"].contains(query)
                if query != "patient=p1&patient=p2" {
                    #expect(answer.status == (isAnID ? 403 : 404), "\(path) \(query)")
                }
            }
        }
        let printed = try await patient.submit("/app/my-record/print", on: "/app/my-record", [("patient", "p2")])
        #expect(printed.status == 403 && !printed.text.contains("Carla"))
        for path in ["/app/log/patient/p1", "/app/log/patient/p1/csv", "/app/log", "/app/log/csv"] {
            #expect(try await patient.get(path).status == 403, "\(path)")
        }
        let other = try await patient.submit("/app/log/patient/p1/print", on: "/app/my-record")
        #expect(other.status == 403)
        #expect(try house.log.events(with: [.kind(.print)], limit: 5).isEmpty)
        #expect(try house.log.events(with: [.kind(.download), .patient("p2")], limit: 5).isEmpty)
    }

    @Test func `whoever acts for two patients sees each, by name of the record`() async throws {
        let house = try WebHouse()
        let proxy = try await house.member("vera", [.proxy], patients: ["p1", "p2"])
        _ = try await house.log.append(try look("p1"))
        _ = try await house.log.append(try look("p2", by: "Carla Dorn"))
        let first = try await proxy.get("/app/my-record").text
        let second = try await proxy.get("/app/my-record?patient=p2").text
        #expect(first.contains("Anna Berg") && !first.contains("Carla") && first.contains("?patient=p2"))
        #expect(second.contains("Carla Dorn") && !second.contains("Anna"))
        #expect(try await proxy.get("/app/my-record?patient=p3").status == 403)
    }

    @Test func `what is printed is in the log before it is shown, and only after the button`() async throws {
        let house = try WebHouse()
        let officer = try await house.member("otto", [.privacyOfficer])
        let patient = try await house.member("mira", [.patient], patients: ["p1"])
        _ = try await house.log.append(try look("p1"))
        let page = try await officer.get("/app/log/patient/p1").text
        #expect(!page.contains("data-print"))
        // The browser's own command prints the page without its list.
        #expect(page.contains(#"class="screen""#) && page.contains(#"class="paper""#))
        var count = 0
        for (browser, path, back) in [
            (officer, "/app/log/patient/p1/print", "/app/log/patient/p1"),
            (patient, "/app/my-record/print", "/app/my-record"),
        ] {
            #expect(try await browser.get(path).status == 405)
            #expect(try await browser.post(path, []).status == 403)
            #expect(try house.log.events(with: [.kind(.print)], limit: 5).count == count)
            count += 1
            let printed = try await browser.submit(path, on: back)
            #expect(printed.status == 200 && printed.text.contains("data-print") && printed.text.contains(Self.told))
            let event = try newest(house)
            #expect(event.kind == .print && event.patients == ["p1"] && event.outcome == .success)
            #expect(event.actor?.id == browser.person?.actor.id && event.session != nil)
        }
    }

    @Test func `a file is in the log as a download, and holds what the page says`() async throws {
        let house = try WebHouse()
        let officer = try await house.member("otto", [.privacyOfficer])
        let patient = try await house.member("mira", [.patient], patients: ["p1"])
        _ = try await house.log.append(try look("p1", by: "=cmd()\u{202E}"))
        for (browser, path) in [(officer, "/app/log/patient/p1/csv"), (patient, "/app/my-record/csv")] {
            let file = try await browser.get(path)
            #expect(file.header("Content-Disposition")?.hasPrefix("attachment") == true)
            #expect(file.text.contains(Self.told) && file.text.contains("\"'=cmd()"))
            #expect(!file.text.unicodeScalars.contains("\u{202E}"))
            let event = try newest(house)
            #expect(event.kind == .download && event.patients == ["p1"] && event.session != nil)
            #expect(event.actor?.id == browser.person?.actor.id)
        }
        let page = try await patient.get("/app/my-record").text
        #expect(page.contains("downloaded the list of who opened the record"))
    }

    @Test(arguments: Role.allCases.filter { $0 != .app && !LogPageTests.readers.contains($0) })
    func `nobody else prints or takes away`(_ role: Role) async throws {
        let house = try WebHouse()
        let browser = try await house.member("somebody", [role])
        #expect(try await browser.get("/app/log/patient/p1/csv").status == 403)
        #expect(try await browser.submit("/app/log/patient/p1/print", on: "/app").status == 403)
        #expect(try await browser.get("/app/my-record/csv").status == 404)
        #expect(try await browser.submit("/app/my-record/print", on: "/app").status == 404)
        #expect(try house.log.events(with: [.kind(.print)], limit: 5).isEmpty)
        #expect(try house.log.events(with: [.kind(.download)], limit: 5).isEmpty)
    }
}
