import Testing
import WardAudit
import WardClinic
import WardCore
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit
import WardVault

private let patterns: [(AuditEventKind, String)] = [
    (.create, "Create"), (.read, "Read"), (.vread, "Read"), (.historyInstance, "Read"), (.update, "Update"),
    (.delete, "Delete"), (.search, "Query"),
]

@Suite struct `AuditEvent served from the log` {
    private let auditEvent: ResourceType
    private let patient: ResourceType

    init() throws {
        auditEvent = try .named("AuditEvent")
        patient = try .named("Patient")
    }

    private func root(_ answer: ClinicAnswer) throws -> JSONValue {
        switch answer.body {
        case .plain(let bytes): return try JSONTape(parsing: bytes).root
        case .released(let released):
            let bytes: [UInt8] = released.exposed { copy $0 }
            return try JSONTape(parsing: bytes).root
        case .none: throw Unexpected(what: "no body")
        }
    }

    private func search(
        _ house: TestHouse, _ principal: Principal, _ query: String
    ) async throws -> (status: Int, events: [JSONValue], next: String?) {
        let pairs = try #require(decodedQuery(query))
        let answer = await house.clinic.search(
            auditEvent, ClinicRequest(principal: principal, source: TestHouse.source, parameters: pairs))
        let root = try root(answer)
        let links = root["link"]?.elements ?? []
        let next = links.first { $0["relation"]?.string == "next" }?["url"]?.string
        return (
            answer.status, (root["entry"]?.elements ?? []).compactMap { $0["resource"] },
            next.map { String($0[($0.firstIndex(of: "?").map { $0 } ?? $0.startIndex)...].dropFirst()) }
        )
    }

    private func kinds(_ events: [JSONValue]) -> [String] {
        events.compactMap { $0["subtype"]?.elements.last?["code"]?.string }
    }

    /// A house where two patients have something, and somebody who may read the log.
    private func furnished() async throws -> (house: TestHouse, writer: Principal, reader: Principal) {
        let house = try TestHouse()
        let writer = try await house.signIn()
        for name in ["p1", "p2"] {
            try await house.put(Chart.patient(name), as: writer)
            try await house.put(Chart.observation("o-\(name)", of: name), as: writer)
        }
        return (house, writer, try await house.signIn("reader", role: .auditor, purpose: .operations))
    }

    // MARK: Every kind

    private func sample(_ kind: AuditEventKind, _ outcome: AuditOutcome, patients: [String]) throws -> AuditEvent {
        var source = RequestSource(address: "192.0.2.7", request: "f00d-1")
        (source.session, source.device) = ("5e55", "dev1ce")
        let type = try ResourceType.named("Observation")
        var event = AuditEvent(
            kind: kind, time: Instant(microseconds: 1_800_000_000_123_456), outcome: outcome,
            actor: AuditActor(id: "person/anna", name: "Anna \"Berg\" \u{202E}", role: "nurse", app: "Growth (a1)"),
            purpose: .treatment, source: source, decision: "care-treats", type: type,
            records: [
                AuditedRecord(
                    type: type, id: "o1", version: 3, hash: "00112233445566778899aabbccddeeff", interaction: kind)
            ], patients: patients, candidates: 2)
        event.subject = "person/otto"
        event.emergency = "e1"
        event.query = "name=Berg"
        event.recipient = "registry"
        return event
    }

    @Test(arguments: AuditEventKind.allCases)
    func `is valid FHIR R4 for every kind, outcome and number of patients`(_ kind: AuditEventKind) async throws {
        for outcome in AuditOutcome.allCases {
            for patients in [[], ["p1"], ["p1", "p2"]] {
                let house = try TestHouse()
                let reader = try await house.signIn("reader", role: .auditor, purpose: .operations)
                var event = try sample(kind, outcome, patients: patients)
                _ = try await house.log.append(event)
                event.actor = nil
                event.source = .system
                _ = try await house.log.append(event)
                let found = try await search(house, reader, "_count=200&subtype=urn:ward:audit-kind|\(kind.rawValue)")
                #expect(found.status == 200 && found.events.count >= 2 * max(patients.count, 1))
                for value in found.events {
                    let bytes = Array(value.tape.slice(value.tape.range(value.index)))
                    let tape = try JSONTape(parsing: bytes)
                    do throws(ValidationFailure) {
                        _ = try ResourceValidator.validated(tape)
                    } catch {
                        Issue.record("\(kind) \(outcome): \(error.issues.map { "\($0.expression) \($0.rule)" })")
                    }
                }
            }
        }
    }

    /// What IHE BALP 1.1 asks of each pattern, word by word, as its profiles have it.
    @Test(arguments: patterns)
    func `keeps to its pattern of IHE BALP`(_ kind: AuditEventKind, _ name: String) async throws {
        for patients in [[], ["p1"]] {
            let house = try TestHouse()
            let reader = try await house.signIn("reader", role: .auditor, purpose: .operations)
            _ = try await house.log.append(try sample(kind, .success, patients: patients))
            let found = try await search(house, reader, "subtype=urn:ward:audit-kind|\(kind.rawValue)")
            let event = try #require(found.events.first)
            let profile = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
            #expect(
                event["meta"]?["profile"]?.elements.map(\.string) == [
                    profile + (patients.isEmpty ? name : "Patient\(name)")
                ])
            #expect(event["type"]?["code"]?.string == "rest" && event["outcome"]?.string == "0")
            let actions: [AuditEventKind: String] = [.create: "C", .update: "U", .delete: "D", .search: "E"]
            #expect(event["action"]?.string == actions[kind] ?? "R")
            let agents = event["agent"]?.elements ?? []
            func agent(_ code: String) -> [JSONValue] {
                agents.filter { $0["type"]?["coding"]?.elements.first?["code"]?.string == code }
            }
            let (client, server) =
                kind == .delete ? ("110150", "custodian") : name == "Read" ? ("110152", "110153") : ("110153", "110152")
            for code in [client, server] {
                #expect(agent(code).count == 1 && agent(code)[0]["who"] != nil && agent(code)[0]["network"] != nil)
            }
            let user = agent(["create", "update", "delete"].contains(kind.rawValue) ? "AUT" : "IRCP")
            #expect(user.count == 1 && user[0]["requestor"]?.kind == .true && user[0]["network"] == nil)
            #expect(user[0]["purposeOfUse"]?.elements.first?["coding"]?.elements.first?["code"]?.string == "TREAT")
            let entities = event["entity"]?.elements ?? []
            let objects = entities.filter { $0["type"]?["code"]?.string == "2" }
            let persons = entities.filter { $0["type"]?["code"]?.string == "1" }
            #expect(objects.count == 1 && persons.count == patients.count)
            #expect(persons.first?["what"]?["reference"]?.string == patients.first.map { "Patient/\($0)" })
            if kind == .search {
                #expect(objects[0]["role"]?["code"]?.string == "24" && objects[0]["what"] == nil)
                // What was typed stays sealed.
                #expect(objects[0]["query"]?.string == "T2JzZXJ2YXRpb24/bmFtZT0q")
            } else {
                #expect(objects[0]["what"]?["reference"]?.string?.hasPrefix("Observation/o1") == true)
                #expect(objects[0]["role"]?["code"]?.string == "4")
            }
        }
    }

    @Test func `claims no pattern for what failed, was refused or touched several records`() async throws {
        let house = try TestHouse()
        let reader = try await house.signIn("reader", role: .auditor, purpose: .operations)
        _ = try await house.log.append(try sample(.read, .denied, patients: ["p1"]))
        _ = try await house.log.append(try sample(.create, .failed, patients: ["p1"]))
        var several = try sample(.update, .success, patients: ["p1"])
        several.records += several.records
        _ = try await house.log.append(several)
        let found = try await search(house, reader, "patient=p1")
        #expect(found.events.count == 3 && found.events.allSatisfy { $0["meta"]?["profile"] == nil })
        #expect(found.events.map { $0["outcome"]?.string } == ["0", "8", "4"])
    }

    // MARK: Search

    @Test func `is one event for each patient of a result, with that patient's records`() async throws {
        let (house, writer, reader) = try await furnished()
        _ = try await house.search(try .named("Observation"), [("code", "29463-7")], as: writer)
        let found = try await search(house, reader, "subtype=urn:ward:audit-kind|search")
        #expect(found.events.count == 2)
        for event in found.events {
            let references = (event["entity"]?.elements ?? []).compactMap { $0["what"]?["reference"]?.string }
            let patient = try #require(references.first { $0.hasPrefix("Patient/") }?.dropFirst(8))
            #expect(references.contains("Observation/o-\(patient)/_history/1") && references.count == 2)
        }
        let one = try await search(house, reader, "patient=p2&subtype=urn:ward:audit-kind|search")
        let whole = found.events.first { event in
            (event["entity"]?.elements ?? []).contains { $0["what"]?["reference"]?.string == "Patient/p2" }
        }
        #expect(one.events.count == 1 && one.events[0]["id"]?.string == whole?["id"]?.string && whole != nil)
    }

    @Test(arguments: [
        ("patient=p1", 2), ("patient=Patient/p1", 2), ("patient=p9", 0), ("entity=Observation/o-p1", 1),
        ("entity=Patient/p2", 2), ("agent=client/a-client", 4), ("agent=client/nobody", 0),
        ("agent=client/a-client,client/reader", 4), ("action=U&patient=p1", 2), ("action=C,U&patient=p1", 2),
        ("outcome=0&patient=p1", 2), ("outcome=4", 0), ("type=rest&patient=p1", 2), ("subtype=update&patient=p2", 2),
        ("subtype:not=update&patient=p2", 0), ("address=192.0.2&patient=p1", 2), ("address=10.&patient=p1", 0),
        ("date=ge2020&patient=p1", 2), ("date=lt2020&patient=p1", 0), ("_id=log-1-1", 1),
        ("agent-name=a-cli&patient=p1", 2),
        ("patient:missing=true&agent=client/a-client", 0), ("patient:missing=true&subtype=client-added", 2),
    ])
    func `finds by every parameter as among stored records`(_ query: String, _ count: Int) async throws {
        let (house, _, reader) = try await furnished()
        let found = try await search(house, reader, query + "&_count=100")
        #expect(found.status == 200 && found.events.count == count, "\(kinds(found.events))")
    }

    @Test func `goes on page by page without loss or repetition, also within an event of many patients`() async throws {
        let (house, writer, reader) = try await furnished()
        for number in 3..<12 { try await house.put(Chart.patient("p\(number)"), as: writer) }
        _ = try await house.search(patient, as: writer)
        let all = try await search(house, reader, "agent=client/a-client&_count=100")
        #expect(all.events.count > 20)
        for size in [1, 3, 7] {
            var ids: [String] = []
            var query: String? = "agent=client/a-client&_count=\(size)"
            while let asked = query {
                let page = try await search(house, reader, asked)
                #expect(page.events.count <= size)
                ids += page.events.compactMap { $0["id"]?.string }
                query = page.next
            }
            #expect(ids == all.events.compactMap { $0["id"]?.string })
        }
    }

    @Test(arguments: ["_sort=date", "_sort=-date,date", "_log=x", "_log=1-x", "_log=-1", "nonsense=1", "_log=1&_log=2"])
    func `refuses what it cannot answer`(_ query: String) async throws {
        let (house, _, reader) = try await furnished()
        #expect(try await search(house, reader, query).status == 400)
    }

    // MARK: Who may

    @Test(arguments: Role.allCases.filter { $0 != .app })
    func `is for those who may read the log`(_ role: Role) async throws {
        let (house, writer, _) = try await furnished()
        let principal = try await house.signIn(person: "somebody", [role])
        let found = try await search(house, principal, "patient=p1")
        let may: [Role] = [.administrator, .auditor, .privacyOfficer, .securityOfficer]
        #expect(found.events.isEmpty != may.contains(role))
        let id = "log-\(try #require(house.log.events(with: [.patient("p1")], limit: 9).last?.index))-1"
        let read = await house.clinic.read(auditEvent, id, house.request(principal))
        #expect(read.status == (may.contains(role) ? 200 : 403))
        if !may.contains(role) {
            let denied = try #require(try house.events().last)
            #expect(denied.kind == .auditRead && denied.outcome == .denied && denied.session == principal.session)
        }
        _ = writer
    }

    @Test func `shows a patient who opened their record, and nobody else's`() async throws {
        let (house, writer, _) = try await furnished()
        _ = try await house.search(try .named("Observation"), [("code", "29463-7")], as: writer)
        let erika = try await house.signIn(person: "erika", [.patient], patients: ["p1"])
        let found = try await search(house, erika, "")
        #expect(found.status == 200 && found.events.count == 3)
        for event in found.events {
            let bytes = Array(event.tape.slice(event.tape.range(event.index)))
            let text = String(decoding: bytes, as: UTF8.self)
            #expect(text.contains("Patient/p1") && !text.contains("p2") && !text.contains("192.0.2.7"))
            let id = try #require(event["id"]?.string)
            #expect(await house.clinic.read(auditEvent, id, house.request(erika)).status == 200)
        }
        #expect(try await search(house, erika, "patient=p2").events.isEmpty)
        let foreign = try #require(
            try house.log.events(with: [.record(type: patient, id: "p2")], limit: 1).first?.index)
        #expect(await house.clinic.read(auditEvent, "log-\(foreign)-1", house.request(erika)).status == 404)
    }

    @Test func `does not tell by a search what it does not show`() async throws {
        let (house, writer, reader) = try await furnished()
        let erika = try await house.signIn(person: "erika", [.patient], patients: ["p1"])
        let signedIn = try await search(house, reader, "agent-name=erika")
        #expect(signedIn.events.isEmpty)
        #expect(try await search(house, erika, "address=192.0.2.7").events.isEmpty)
        _ = writer
    }

    @Test func `is itself in the log before it is shown`() async throws {
        let (house, _, reader) = try await furnished()
        let size = house.log.checkpoint.size
        let answer = await house.clinic.search(
            auditEvent,
            ClinicRequest(
                principal: reader, source: TestHouse.source, parameters: [SearchPair(name: "patient", value: "p1")]))
        let event = try #require(try house.events().last)
        #expect(house.log.checkpoint.size == size + 1 && event.kind == .auditRead && event.patients == ["p1"])
        #expect(event.query == "patient=p1")
        #expect(answer.headers.contains { $0.name == "Ward-Audit-Receipt" && $0.value.hasPrefix("\(size):") })
    }

    // MARK: Other systems

    @Test func `stands beside what other systems stored, which cannot pass for it`() async throws {
        let (house, writer, reader) = try await furnished()
        let own = await house.clinic.read(auditEvent, "log-0-0", house.request(reader))
        guard case .plain(let bytes) = own.body else { throw Unexpected(what: "no event") }
        let text = String(decoding: bytes, as: UTF8.self)
        let taken = await house.clinic.update(auditEvent, "log-0-0", house.request(writer, text))
        #expect(taken.status == 422)
        let tagged = await house.clinic.create(auditEvent, house.request(writer, text))
        #expect(tagged.status == 422)
        #expect(await house.clinic.delete(auditEvent, "log-0-0", house.request(writer)).status == 405)
        let foreign = """
            {"resourceType":"AuditEvent","id":"theirs","type":{"code":"rest"},"recorded":"2026-01-01T00:00:00Z",\
            "agent":[{"requestor":true}],"source":{"observer":{"display":"elsewhere"}}}
            """
        #expect(await house.clinic.update(auditEvent, "theirs", house.request(writer, foreign)).status == 201)
        // Somebody who reads both finds the log first.
        let both = try await house.signIn(person: "both", [.auditor, .integration])
        var (ids, query): ([String], String?) = ([], "_count=7")
        while let asked = query, ids.count < 200 {
            let page = try await search(house, both, asked)
            ids += page.events.compactMap { $0["id"]?.string }
            query = page.next
        }
        #expect(ids.dropLast().allSatisfy { $0.hasPrefix("log-") } && ids.last == "theirs")
        #expect(Set(ids).count == ids.count)
    }
}
