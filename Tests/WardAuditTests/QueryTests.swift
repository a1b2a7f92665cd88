import Testing
import WardAudit
import WardCore
import WardFHIR
import WardStorage
import WardTestKit

/// An event with everything that can be asked for.
private func full(
    _ number: Int, day: Int64 = 20_000, kind: AuditEventKind = .read, outcome: AuditOutcome = .success
) throws -> AuditEvent {
    var source = RequestSource(address: "192.0.2.\(number % 3)", request: "r\(number)")
    source.session = "s\(number % 4)"
    source.device = "d\(number % 5)"
    var event = AuditEvent(
        kind: kind, time: Instant(microseconds: day * 86_400_000_000 + Int64(number)), outcome: outcome,
        actor: AuditActor(
            id: "person/p\(number % 2)", name: "P", role: number % 2 == 0 ? "nurse app" : "clinician",
            app: number % 6 == 0 ? "Growth (a1)" : nil),
        purpose: number % 2 == 0 ? .treatment : .operations, source: source, decision: "test",
        type: try .named(number % 7 == 0 ? "Condition" : "Observation"),
        records: [AuditedRecord(type: try .named("Observation"), id: "o\(number)", version: 1)], patients: ["p1"])
    if number % 8 == 0 { event.emergency = "e1" }
    event.isNewDevice = number % 9 == 0
    return event
}

@Suite struct `A query of the log` {
    @Test func `finds by each facet and each filter what a scan finds, in pages`() async throws {
        let log = try LogHouse().open(MemoryStore())
        var events: [AuditEvent] = []
        for number in 0..<200 {
            let event = try full(
                number, day: 20_000 + Int64(number / 50), outcome: number % 11 == 0 ? .denied : .success)
            events.append(event)
            _ = try await log.append(event)
        }
        let day = Instant(microseconds: 20_001 * 86_400_000_000)
        let type = try ResourceType.named("Condition")
        var queries: [(AuditQuery, (AuditEvent) -> Bool)] = [
            (AuditQuery(facets: [.session("s3")]), { $0.session == "s3" }),
            (AuditQuery(facets: [.address("192.0.2.1")]), { $0.source.address == "192.0.2.1" }),
            (AuditQuery(facets: [.app("Growth (a1)")]), { $0.actor?.app != nil }),
            (AuditQuery(facets: [.outcome(.denied)]), { $0.outcome == .denied }),
            (AuditQuery(facets: [.outcome(.failed)]), { _ in false }),
            (
                AuditQuery(facets: [.session("s3"), .address("192.0.2.1")]),
                {
                    $0.session == "s3" && $0.source.address == "192.0.2.1"
                }
            ),
        ]
        func filtered(_ change: (inout AuditFilter) -> Void, _ expected: @escaping (AuditEvent) -> Bool) {
            var query = AuditQuery()
            change(&query.filter)
            queries.append((query, expected))
            query.facets = [.patient("p1")]
            queries.append((query, expected))
        }
        filtered({ $0.purpose = .operations }) { $0.purpose == .operations }
        filtered({ $0.role = "app" }) { $0.actor?.role.contains("app") ?? false }
        filtered({ $0.role = "nur" }) { _ in false }
        filtered({ $0.type = type }) { $0.type == type }
        filtered({ $0.device = "d2" }) { $0.device == "d2" }
        filtered({ $0.isEmergency = true }) { $0.emergency != nil }
        filtered({ $0.isNewDevice = true }) { $0.isNewDevice }
        filtered({ $0.isSuccess = true }) { $0.outcome == .success }
        filtered({ $0.from = day }) { $0.time >= day }
        filtered({ $0.to = day }) { $0.time < day }
        filtered({ ($0.from, $0.to) = (day, day.adding(seconds: 86_400)) }) {
            $0.time >= day && $0.time < day.adding(seconds: 86_400)
        }
        filtered({ $0.also = { $0.index % 2 == 1 } }) {
            Int($0.source.request.dropFirst()).map { $0 % 2 == 1 } ?? false
        }
        for (query, expected) in queries {
            let wanted = events.indices.reversed().filter { expected(events[$0]) }.map { Int64($0) }
            for looking in [7, 20_000] {
                var (found, before, pages) = ([Int64](), Int64.max, 0)
                while true {
                    let page = try log.page(query, before: before, limit: 13, looking: looking)
                    #expect(page.events.count <= 13)
                    found += page.events.map(\.index)
                    pages += 1
                    guard let next = page.next else { break }
                    #expect(next < before)
                    before = next
                }
                #expect(found == wanted)
                #expect(pages <= 40)
            }
        }
    }

    @Test(arguments: 1...12)
    func `finds by time what was taken from a spool much later, and everything else`(seed: UInt64) async throws {
        var random = Seeded(state: seed)
        let log = try LogHouse().open(MemoryStore())
        var (events, number, spools) = ([AuditEvent](), 0, 0)
        for day in Int64(20_000)..<20_040 {
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                let event = try full(number, day: day)
                events.append(event)
                _ = try await log.append(event)
                number += 1
            }
            guard Int.random(in: 0..<6, using: &random) == 0 else { continue }
            let began = Int64.random(in: 20_000...day, using: &random)
            var taken: [AuditEvent] = []
            for place in 0..<Int.random(in: 1...150, using: &random) {
                var event = try full(number, day: min(day, began + Int64(place / 40)))
                event.spooled = SpoolPlace(spool: "s\(spools)", index: Int64(place))
                taken.append(event)
                number += 1
            }
            spools += 1
            events += taken
            try await log.take(spooled: taken, entries: [])
        }
        for _ in 0..<60 {
            let first = Int64.random(in: 19_995...20_045, using: &random)
            let choices: [[AuditFacet]] = [[], [.patient("p1")], [.session("s3")]]
            var query = AuditQuery(facets: choices[Int.random(in: 0..<3, using: &random)])
            query.filter.from = Bool.random(using: &random) ? Instant(microseconds: first * 86_400_000_000) : nil
            let last = first + Int64.random(in: 0...9, using: &random)
            query.filter.to = Bool.random(using: &random) ? Instant(microseconds: last * 86_400_000_000) : nil
            let (from, to, facets) = (query.filter.from, query.filter.to, query.facets)
            let wanted = events.indices.reversed().filter { place in
                let event = events[place]
                if let from, event.time < from { return false }
                if let to, event.time >= to { return false }
                return facets.allSatisfy(event.has)
            }.map { Int64($0) }
            var (found, before) = ([Int64](), Int64.max)
            while true {
                let page = try log.page(query, before: before, limit: 17, looking: 50)
                found += page.events.map(\.index)
                guard let next = page.next else { break }
                before = next
            }
            #expect(found == wanted)
        }
    }

    @Test func `does not pass over an event whose content was taken away without a pruning`() async throws {
        let store = MemoryStore()
        let house = LogHouse()
        let log = try house.open(store)
        for number in 0..<9 { _ = try await log.append(try full(number)) }
        store.tamper { content in
            guard let leaf = content.leaves[3] else { return }
            content.leaves[3] = StoredLeaf(index: 3, leaf: leaf.leaf, payload: [])
        }
        #expect(throws: AuditFailure.damaged) { try log.page(AuditQuery(), limit: 100) }
        #expect(throws: AuditFailure.damaged) { try log.page(AuditQuery(facets: [.patient("p1")]), limit: 100) }
        #expect(throws: AuditFailure.damaged) { try log.event(at: 3) }
        #expect(throws: AuditFailure.damaged) { try log.event(at: 9) }
        #expect(try log.page(AuditQuery(), limit: 5).events.map(\.index) == [8, 7, 6, 5, 4])
    }

    @Test func `hands out the hash that the tree commits to`() async throws {
        let log = try LogHouse().open(MemoryStore())
        let receipt = try await log.append(try full(1))
        #expect(try log.event(at: 0)?.leafHash == receipt.leafHash)
    }

    @Test func `keeps patients in the leaf of their records, when an event is more than one leaf`() async throws {
        let log = try LogHouse().open(MemoryStore())
        let type = try ResourceType.named("Observation")
        var event = try full(1)
        event.patients = (0..<400).map { "q\($0)" }
        event.records = (0..<600).map { AuditedRecord(type: type, id: "o\($0)", version: 1, owners: [$0 % 300]) }
        _ = try await log.append(event)
        var seen: [String: Set<String>] = [:]
        for logged in try log.events(with: [], limit: 100) {
            #expect(logged.event.records.count <= 250 && logged.event.patients.count <= 250)
            for patient in logged.event.patients {
                seen[patient, default: []].formUnion(logged.event.share(of: patient).records.map(\.id))
            }
        }
        #expect(seen.count == 400)
        for number in 0..<300 { #expect(seen["q\(number)"] == ["o\(number)", "o\(number + 300)"]) }
        #expect(seen["q350"] == [])
    }
}

@Suite struct `What of an event is shown` {
    @Test func `is for each patient what is theirs`() throws {
        let type = try ResourceType.named("Observation")
        var event = try full(1)
        event.patients = ["a", "b"]
        event.records = [
            AuditedRecord(type: type, id: "1", version: 1, owners: [0]),
            AuditedRecord(type: type, id: "2", version: 1, owners: [1]),
            AuditedRecord(type: type, id: "3", version: 1, owners: [0, 1]),
            AuditedRecord(type: type, id: "4", version: 1, owners: []), AuditedRecord(type: type, id: "5", version: 1),
        ]
        #expect(event.share(of: "a").records.map(\.id) == ["1", "3"] && event.share(of: "a").patients == ["a"])
        #expect(event.share(of: "b").records.map(\.id) == ["2", "3"])
        #expect(event.share(of: "c").records.isEmpty && event.share(of: "c").patients.isEmpty)
        event.patients = ["a"]
        #expect(event.share(of: "a").records.map(\.id).contains("5"))
    }

    @Test func `leaves out what was typed into a search, and the names of patients`() throws {
        var event = try full(1, kind: .search)
        event.query = "name=Berg&birthdate=1980-01-01&plain"
        #expect(event.masked(showsQuery: false).query == "name=*&birthdate=*&*")
        #expect(event.masked(showsQuery: true).query == event.query)
        #expect(event.masked(showsQuery: false).actor?.name == "P")
        for role in ["patient", "proxy", "patient proxy", "patient app"] {
            event.actor = AuditActor(id: "person/x", name: "Erika Muster", role: role)
            #expect(event.masked(showsQuery: true).actor?.name == "")
        }
        event.actor = AuditActor(id: "person/x", name: "Dr Berg", role: "clinician patient")
        #expect(event.masked(showsQuery: false).actor?.name == "Dr Berg")
    }

    @Test func `stands in plain words, one line for the same on the same day`() throws {
        let type = try ResourceType.named("Observation")
        func logged(_ index: Int64, _ id: String, day: Int64 = 20_769) -> LoggedEvent {
            let event = AuditEvent(
                kind: .read, time: Instant(microseconds: day * 86_400_000_000), outcome: .success,
                actor: AuditActor(id: "person/a", name: "Anna Berg", role: "nurse"), purpose: .treatment,
                source: .system, decision: "", records: [AuditedRecord(type: type, id: id, version: 1)],
                patients: ["p1"])
            return LoggedEvent(index: index, event: event)
        }
        let report = AccessReport(
            [logged(9, "o1", day: 20_770), logged(3, "o3"), logged(2, "o2"), logged(1, "o1"), logged(0, "o1")],
            about: "p1")
        #expect(
            report.lines.map(\.sentence) == [
                "Anna Berg, nurse, read 1 measurement or lab result on 13 Nov 2026 for treatment",
                "Anna Berg, nurse, read 3 measurements or lab results on 12 Nov 2026 for treatment",
            ])
        #expect(report.lines.map(\.count) == [1, 4] && report.lines.map(\.newest.index) == [9, 3])
    }

    @Test(arguments: [
        ("a\u{202E}b", "a\\u{202E}b"), ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"), ("a\u{1B}[31m", "a\\u{1B}[31m"),
        ("An\u{200B}na", "An\\u{200B}na"), ("x\u{E0041}", "x\\u{E0041}"), ("म\u{94D}\u{200D}य", "म\u{94D}\u{200D}य"),
        ("line\nfeed", "line\\u{A}feed"), ("\u{9B}", "\\u{9B}"), ("Zoë Müller 山田", "Zoë Müller 山田"), ("", ""),
    ])
    func `shows what would steer the display`(text: String, shown: String) throws {
        #expect(visibleText(text) == shown)
        let json = visibleJSON(#"{"a":"\#(text.filter { !$0.isNewline && $0 != "\u{1B}" })"}"#)
        #expect(
            try JSONTape(parsing: Array(json.utf8)).root["a"]?.string == text.filter { !$0.isNewline && $0 != "\u{1B}" }
        )
        #expect(
            !json.unicodeScalars.contains {
                (0x202A...0x202E).contains($0.value) || [0x9B, 0x200B, 0xE0041].contains($0.value)
            })
    }
}
