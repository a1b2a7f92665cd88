import Testing
import WardAudit
import WardClinic
import WardCore
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardTestKit
import WardVault

/// The log in a batch and a transaction, and what other systems stored beside it.
struct AuditEventBundleTests {
    private let auditEvent: ResourceType

    init() throws { auditEvent = try .named("AuditEvent") }

    private func root(_ answer: ClinicAnswer) throws -> JSONValue {
        switch answer.body {
        case .plain(let bytes): return try JSONTape(parsing: bytes).root
        case .released(let released):
            let bytes: [UInt8] = released.exposed { copy $0 }
            return try JSONTape(parsing: bytes).root
        case .none: throw Unexpected(what: "no body")
        }
    }

    private func foreign(_ id: String, _ recorded: String) -> String {
        """
        {"resourceType":"AuditEvent","id":"\(id)","type":{"code":"rest"},"recorded":"\(recorded)",\
        "agent":[{"requestor":true}],"source":{"observer":{"display":"elsewhere"}}}
        """
    }

    private func furnished() async throws -> (house: TestHouse, both: Principal, reader: Principal, writer: Principal) {
        let house = try TestHouse()
        let writer = try await house.signIn()
        try await house.put(Chart.patient("p1"), as: writer)
        for (id, time) in [
            ("t2", "2026-02-01T00:00:00Z"), ("t3", "2026-03-01T00:00:00Z"), ("t1", "2026-01-01T00:00:00Z"),
        ] {
            #expect(await house.clinic.update(auditEvent, id, house.request(writer, foreign(id, time))).status == 201)
        }
        let reader = try await house.signIn("reader", role: .auditor, purpose: .operations)
        return (house, try await house.signIn(person: "both", [.auditor, .integration]), reader, writer)
    }

    private func bundle(_ kind: String, _ urls: [String]) -> String {
        let entries = urls.map { #"{"request":{"method":"GET","url":"\#($0)"}}"# }.joined(separator: ",")
        return #"{"resourceType":"Bundle","type":"\#(kind)","entry":[\#(entries)]}"#
    }

    private func entries(_ house: TestHouse, _ principal: Principal, _ kind: String, _ urls: [String]) async throws
        -> [JSONValue]
    {
        let answer = await house.clinic.bundle(house.request(principal, bundle(kind, urls)))
        #expect(answer.status == 200)
        return try root(answer)["entry"]?.elements ?? []
    }

    @Test(arguments: ["batch", "transaction"])
    func `finds in a bundle what the direct request finds`(_ kind: String) async throws {
        let (house, both, _, _) = try await furnished()
        let direct = try root(
            await house.clinic.search(
                auditEvent,
                ClinicRequest(
                    principal: both, source: TestHouse.source,
                    parameters: [
                        SearchPair(name: "entity", value: "Patient/p1"), SearchPair(name: "action", value: "C,U"),
                    ])))
        let ids = (direct["entry"]?.elements ?? []).compactMap { $0["resource"]?["id"]?.string }
        #expect(!ids.isEmpty && ids[0].hasPrefix("log-"))
        let found = try await entries(
            house, both, kind, ["AuditEvent?entity=Patient/p1&action=C,U", "AuditEvent/\(ids[0])", "AuditEvent/t1"])
        #expect(found.map { $0["response"]?["status"]?.string?.prefix(3) } == ["200", "200", "200"])
        let inside = (found[0]["resource"]?["entry"]?.elements ?? []).compactMap { $0["resource"]?["id"]?.string }
        #expect(inside == ids)
        #expect(found[1]["resource"]?["id"]?.string == ids[0] && found[2]["resource"]?["id"]?.string == "t1")
        #expect(found.allSatisfy { $0["response"]?["outcome"] == nil })
    }

    @Test func `a bundle of the log alone is answered as well`() async throws {
        let (house, _, reader, _) = try await furnished()
        let found = try await entries(house, reader, "batch", ["AuditEvent?entity=Patient/p1", "AuditEvent/log-0-0"])
        #expect(found.map { $0["response"]?["status"]?.string?.prefix(3) } == ["200", "200"])
        #expect(found[0]["resource"]?["resourceType"]?.string == "Bundle")
        #expect(found[1]["resource"]?["resourceType"]?.string == "AuditEvent")
    }

    @Test func `shows nobody in a bundle what the direct request does not`() async throws {
        let (house, _, _, writer) = try await furnished()
        let index = try #require(try house.log.events(with: [.patient("p1")], limit: 9).last?.index)
        let nurse = try await house.signIn(person: "nina", [.nurse])
        let patient = try await house.signIn(person: "mira", [.patient], patients: ["p9"])
        for principal in [writer, nurse, patient] {
            let urls = ["AuditEvent/log-\(index)-1", "AuditEvent?entity=Patient/p1", "AuditEvent?_id=log-\(index)-1"]
            for entry in try await entries(house, principal, "batch", urls) {
                let inside = entry["resource"]?["entry"]?.elements ?? []
                #expect(inside.allSatisfy { $0["resource"]?["id"]?.string?.hasPrefix("log-") != true })
                #expect(entry["resource"]?["resourceType"]?.string != "AuditEvent")
            }
        }
        // A refusal in a bundle is in the log, as the direct one is.
        let denied = try house.log.events(with: [.outcome(.denied)], limit: 50)
        #expect(denied.contains { $0.event.kind == .auditRead && $0.event.actor?.id == nurse.actor.id })
    }

    @Test func `stands in order, log first and newest first in both, and marks what is foreign`() async throws {
        let (house, both, _, _) = try await furnished()
        for size in [3, 5, 50] {
            var (ids, marks): ([String], [Bool]) = ([], [])
            var query: String? = "_count=\(size)"
            while let asked = query, ids.count < 200 {
                let pairs = try #require(decodedQuery(asked))
                let page = try root(
                    await house.clinic.search(
                        auditEvent, ClinicRequest(principal: both, source: TestHouse.source, parameters: pairs)))
                for entry in page["entry"]?.elements ?? [] {
                    ids.append(entry["resource"]?["id"]?.string ?? "")
                    let mark = entry["search"]?["extension"]?.elements.first
                    #expect(mark == nil || mark?["url"]?.string == "urn:ward:audit-source")
                    marks.append(mark?["valueCode"]?.string == "other-system")
                }
                let next = (page["link"]?.elements ?? []).first { $0["relation"]?.string == "next" }?["url"]?.string
                query = next.map { String($0[($0.firstIndex(of: "?") ?? $0.startIndex)...].dropFirst()) }
            }
            #expect(ids.suffix(3) == ["t3", "t2", "t1"], "\(size)")
            #expect(ids.dropLast(3).allSatisfy { $0.hasPrefix("log-") } && Set(ids).count == ids.count)
            #expect(marks == ids.map { !$0.hasPrefix("log-") })
        }
    }
}
