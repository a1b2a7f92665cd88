import Testing
import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardStorage
import WardTestKit

/// 33,000 random events and some more: two full search segments on disk and a tail; made once.
private actor Fixture {
    static let shared = Fixture()
    private var made: (LogHouse, MemoryStore, [AuditEvent])?

    func content() async throws -> (house: LogHouse, store: MemoryStore, events: [AuditEvent]) {
        if let made { return made }
        let (house, store) = (LogHouse(), MemoryStore())
        let log = try house.open(store)
        var generator = Seeded(state: 20_261_121)
        let type = try ResourceType.named("Observation")
        let events = (0..<33_000).map { _ in
            let records = (0..<Int.random(in: 0...2, using: &generator)).map { _ in
                AuditedRecord(type: type, id: "o\(Int.random(in: 0..<3000, using: &generator))", version: 1)
            }
            return event(
                "actor \(Int.random(in: 0..<12, using: &generator))",
                kind: [.read, .search, .update, .vread].randomElement(using: &generator) ?? .read,
                day: 20_000 + Int64.random(in: 0..<4, using: &generator),
                patients: Bool.random(using: &generator) ? ["p\(Int.random(in: 0..<400, using: &generator))"] : [],
                records: records)
        }
        var places = [AuditEvent?](repeating: nil, count: events.count)
        try await withThrowingTaskGroup(of: (Int, AuditReceipt).self) { group in
            for (number, event) in events.enumerated() {
                group.addTask { (number, try await log.append(event)) }
            }
            for try await (number, receipt) in group { places[Int(receipt.index)] = events[number] }
        }
        var inOrder = places.compactMap { $0 }
        try await appendUntil(log, &inOrder) { try store.auditChunk(segment: 1, chunk: 0) != nil }
        let found = (house, store, inOrder)
        made = found
        return found
    }
}

/// Segments are written a few chunks per commit, away from the commits that fill them.
private func appendUntil(
    _ log: AuditLog, _ events: inout [AuditEvent], _ isDone: () throws -> Bool
) async throws {
    while try !isDone() {
        let event = event("actor 1", kind: .read, day: 20_001, patients: ["p7"], records: [])
        _ = try await log.append(event)
        events.append(event)
    }
}

/// SplitMix64, so that a failure can be repeated.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

@Suite(.serialized) struct `Searching the log` {
    private func matches(_ event: AuditEvent, _ facets: [AuditFacet]) -> Bool {
        facets.allSatisfy { facet in
            switch facet {
            case .actor(let id): event.actor?.id == id
            case .address(let address): event.source.address == address
            case .app(let app): event.actor?.app == app
            case .outcome(let outcome): event.outcome == outcome
            case .session(let number): event.session == number
            case .day(let day): event.time.text.hasPrefix(day.text)
            case .emergency(let id): event.emergency == id
            case .kind(let kind): event.kind == kind
            case .patient(let id): event.patients.contains(id)
            case .record(let type, let id): event.records.contains { $0.type == type && $0.id == id }
            case .spooled: event.spooled != nil
            case .subject(let id): event.subject == id
            }
        }
    }

    /// What the events of the fixture are found by, records left out.
    private func everyFacet() -> [AuditFacet] {
        (0..<400).map { .patient("p\($0)") } + (0..<12).map { .actor("actor \($0)") }
            + [.read, .search, .update, .vread].map { .kind($0) }
            + (0..<4).map { .day(CalendarDay(daysSinceEpoch: 20_000 + $0)) }
    }

    private func facets(_ generator: inout Seeded, _ type: ResourceType) -> [AuditFacet] {
        let all: [AuditFacet] = [
            .actor("actor \(Int.random(in: 0..<13, using: &generator))"),
            .day(CalendarDay(daysSinceEpoch: 20_000 + Int64.random(in: 0..<5, using: &generator))),
            .kind([.read, .search, .update, .vread, .export].randomElement(using: &generator) ?? .read),
            .patient("p\(Int.random(in: 0..<410, using: &generator))"),
            .record(type: type, id: "o\(Int.random(in: 0..<3010, using: &generator))"),
        ]
        return Array(all.shuffled(using: &generator).prefix(Int.random(in: 1...3, using: &generator)))
    }

    @Test func `finds what a scan finds, across segments, in pages, before and after a restart`() async throws {
        let (house, store, events) = try await Fixture.shared.content()
        #expect(events.count > 33_000)
        #expect(try store.auditChunk(segment: 1, chunk: 0) != nil && store.auditChunk(segment: 2, chunk: 0) == nil)
        let type = try ResourceType.named("Observation")
        let log = try house.open(store)
        var generator = Seeded(state: 7)
        for _ in 0..<60 {
            let facets = facets(&generator, type)
            let expected = events.indices.filter { matches(events[$0], facets) }.map { Int64($0) }.reversed().prefix(
                120)
            var found: [Int64] = []
            while found.count < 120 {
                let page = try log.events(with: facets, before: found.last ?? .max, limit: 40)
                #expect(page.count <= 40)
                found += page.map(\.index)
                if page.count < 40 { break }
            }
            #expect(found == Array(expected), "\(facets)")
        }
    }

    @Test func `answers around the borders of segments`() async throws {
        let (house, store, events) = try await Fixture.shared.content()
        let log = try house.open(store)
        for border in [16_384, 32_768] as [Int64] {
            for before in (border - 2)...(border + 2) {
                let facets = [AuditFacet.kind(.read)]
                let expected = events.indices.filter { Int64($0) < before && events[$0].kind == .read }.suffix(6)
                    .reversed()
                #expect(try log.events(with: facets, before: before, limit: 6).map { Int($0.index) } == Array(expected))
            }
        }
    }

    @Test func `asks without facets for everything, newest first`() async throws {
        let (house, store, events) = try await Fixture.shared.content()
        let log = try house.open(store)
        let newest = Int64(events.count) - 1
        #expect(try log.events(with: [], limit: 3).map(\.index) == [newest, newest - 1, newest - 2])
        #expect(try log.events(with: [], before: 2, limit: 9).map(\.index) == [1, 0])
        #expect(try log.events(with: [], before: 0, limit: 9).isEmpty)
    }

    @Test(arguments: [Int64.min, -1, 0, 1, 5, .max], [Int.min, -1, 0, 1])
    func `takes senseless limits for none`(before: Int64, limit: Int) async throws {
        let (house, store) = (LogHouse(), MemoryStore())
        let log = try house.open(store)
        for _ in 0..<3 { _ = try await log.append(event("a")) }
        for facets in [[], [AuditFacet.actor("a")]] {
            let found = try log.events(with: facets, before: before, limit: limit)
            #expect(found.count == (limit == 1 && before > 0 ? 1 : 0))
        }
    }

    @Test func `writes a segment again that was half written when the process ended`() async throws {
        let (house, original, events) = try await Fixture.shared.content()
        typealias Place = MemoryStore.Content.Place
        var cut = try original.snapshot()
        cut.chunks[Place(1, 0)] = nil
        cut.chunks[Place(1, 3)] = nil
        cut.chunks[Place(1, 2)]?[100] ^= 1
        let store = MemoryStore(cut)
        let log = try house.open(store)
        var all = events
        func check(_ log: AuditLog) throws {
            for number in 0..<40 {
                let expected = all.indices.filter { all[$0].patients == ["p\(number)"] }.map { Int64($0) }
                #expect(
                    try log.events(with: [.patient("p\(number)")], limit: 100_000).map(\.index) == expected.reversed())
            }
        }
        try check(log)
        try await appendUntil(log, &all) { try store.auditChunk(segment: 1, chunk: 0) != nil }
        try check(log)
        try check(house.open(store))
    }

    @Test func `refuses altered, swapped and missing segments`() async throws {
        let (house, original, _) = try await Fixture.shared.content()
        typealias Place = MemoryStore.Content.Place
        let content = try original.snapshot()
        for damage in 0..<3 {
            var changed = content
            switch damage {
            case 0: changed.chunks[Place(0, 1)]?[100] ^= 1
            case 1: changed.chunks[Place(0, 1)] = content.chunks[Place(1, 1)]
            default: changed.chunks[Place(0, 1)] = nil
            }
            // Tokens are keyed afresh in each run: one chunk may hold nothing but a kind that many events share, or be the
            // one that opening the log looks into.
            #expect(throws: AuditFailure.damaged) {
                let log = try house.open(MemoryStore(changed))
                for facet in everyFacet() { _ = try log.events(with: [facet], limit: 100_000) }
            }
        }
        var changed = content
        changed.chunks[Place(0, 0)]?[50] ^= 1
        #expect(throws: AuditFailure.damaged) { try house.open(MemoryStore(changed)) }
    }

    /// Whoever has the log's keys can seal a segment that leaves an event out: searches would not show it.
    @Test func `verifies that a segment hides nothing, adds nothing and is in order`() async throws {
        let (house, original, _) = try await Fixture.shared.content()
        typealias Place = MemoryStore.Content.Place
        let content = try original.snapshot()
        let log = try house.open(MemoryStore(content))
        #expect(try log.verify().isWhole)
        let key = SealingKey(house.material.derived("ward/audit-segment/1"))
        func context(_ segment: UInt8, _ chunk: UInt8) -> [UInt8] {
            Array("ward/audit-segment/2".utf8) + [0, 0, 0, 1] + [0, 0, 0, 0, 0, 0, 0, segment]
                + [0, 0, 0, 0, 0, 0, 0, chunk]
        }
        let changes: [(inout [UInt8]) -> Void] = [
            { $0.removeLast(12) },
            { $0.removeSubrange(600..<612) },
            { $0.removeSubrange(0..<12) },
            { $0[611] ^= 1 },
            { $0.swapAt(611, 623) },
            { content in content += content.suffix(12) },
            { content in for place in 600..<612 { content.swapAt(place, place + 12) } },
            { $0 = [] },
        ]
        var chunks: [[UInt8]] = []
        while let sealed = content.chunks[Place(1, Int64(chunks.count) + 1)] {
            chunks.append(try key.open(sealed, boundTo: context(1, UInt8(chunks.count) + 1)))
        }
        func tokens(_ chunk: [UInt8]) -> [ArraySlice<UInt8>] {
            stride(from: 0, to: chunk.count, by: 12).map { chunk[$0..<$0 + 8] }
        }
        // The address that all events share is no facet of the first version: an entry of it may be absent. Tokens are
        // keyed afresh in each run, so the chunks that hold it are others each time.
        let counts = Dictionary(chunks.flatMap(tokens).map { ($0, 1) }, uniquingKeysWith: +)
        let shared = try #require(counts.max { $0.value < $1.value }?.key)
        let number = try #require(chunks.firstIndex { $0.count > 700 && !tokens($0).contains(shared) })
        let (whole, place) = (chunks[number], Int64(number) + 1)
        for (number, change) in changes.enumerated() {
            var opened = whole
            change(&opened)
            guard opened != whole else { continue }
            var changed = content
            changed.chunks[Place(1, place)] = try key.seal(opened, boundTo: context(1, UInt8(place)))
            let found = try house.open(MemoryStore(changed)).verify().faults
            #expect(found == [.segment(1)], "change \(number)")
        }
        var changed = content
        changed.chunks[Place(0, 1)] = content.chunks[Place(1, 1)]
        // Opening the log looks for some kinds of events: where this chunk is the one that would hold them, it does not open.
        do throws(AuditFailure) {
            #expect(try house.open(MemoryStore(changed)).verify().faults == [.segment(0)])
        } catch {
            #expect(error == .damaged)
        }
    }
}
