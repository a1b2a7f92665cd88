import Testing
import WardCore
import WardFHIR
import WardIndex

@Suite struct `The sealed index` {
    @Test func `finds what is current after any mixture of writes, updates and deletes`() throws {
        for seed in 1...6 as ClosedRange<UInt64> {
            var simulation = try Simulation(seed: seed)
            for step in 0..<6_000 {
                simulation.step()
                if step % 500 == 499 { try simulation.check() }
            }
        }
    }

    @Test func `puts late records in their place`() throws {
        let world = try World()
        for number in [5, 9, 2, 7] as [Int64] { world.add(number, "\(number)", "final", 2000 + number) }
        #expect(try world.search("status=final") == [9, 7, 5, 2])
        #expect(try world.search("_sort=_lastUpdated") == [2, 5, 7, 9])
        #expect(try world.search("date=2005") == [5])
    }

    @Test func `keeps the newest version when versions arrive in the wrong order`() throws {
        let world = try World()
        world.add(9, "a", "amended", 2009)
        world.add(3, "a", "final", 2003)
        #expect(try world.search("") == [9])
        #expect(try world.search("status=final").isEmpty)
    }

    @Test func `ignores the removal of what it never had`() throws {
        let world = try World()
        world.add(1, "a", "final", 2001)
        world.harness.index.apply([.remove(RecordNumber(0)), .remove(RecordNumber(2))])
        #expect(try world.search("") == [1])
        #expect(world.harness.index.count == 1)
    }

    @Test func `sorts by date, missing last, ties newest first`() throws {
        let world = try World()
        world.add(1, "a", "final", 2003)
        world.add(2, "b", "final", nil)
        world.add(3, "c", "final", 2001)
        world.add(4, "d", "final", 2003)
        #expect(try world.search("_sort=date") == [3, 4, 1, 2])
        #expect(try world.search("_sort=-date") == [4, 1, 3, 2])
        #expect(try world.search("_sort=-date,_lastUpdated") == [1, 4, 3, 2])
        #expect(try world.search("_sort=date,-_lastUpdated") == [3, 4, 1, 2])
        #expect(try world.search("") == [4, 3, 2, 1])
    }

    @Test func `sorts by lowest start ascending and highest end descending`() throws {
        let world = try World()
        world.add(1, "a", "final", [(0, 100), (50, 60)])
        world.add(2, "b", "final", [(10, 20), (30, 200)])
        world.add(3, "c", "final", [(5, .max)])
        #expect(try world.search("_sort=date") == [1, 3, 2])
        #expect(try world.search("_sort=-date") == [3, 2, 1])
    }

    @Test func `applies the residual filter before anything is counted`() throws {
        let world = try World()
        world.add(1, "a", "final", 2001)
        world.add(2, "b", "amended", 2002)
        let status = try world.number("status")
        let onlyFinal = SearchCriterion.matches(parameter: status, .token(.code("final")))
        #expect(try world.search("", .byType([world.type: onlyFinal])) == [1])
        #expect(try world.search("", .byType([world.type: .not(onlyFinal)])) == [2])
        #expect(try world.search("", .byType([:])).isEmpty)
        let patient = try #require(ResourceType("Patient"))
        #expect(try world.search("", .byType([patient: .always])).isEmpty)
        #expect(try world.search("", .byType([world.type: .types([patient])])).isEmpty)
        #expect(try world.search("", .byType([world.type: .types([world.type])])) == [2, 1])
        let target = world.harness.locators.locator(type: world.type, id: "b")
        #expect(world.harness.index.records(at: [target], residual: .byType([world.type: onlyFinal])).hits.isEmpty)
        #expect(world.harness.index.records(at: [target, target], residual: .unrestricted).hits.count == 1)
    }

    @Test func `follows links both ways, for current records only`() throws {
        let world = try World()
        let patient = try #require(ResourceType("Patient"))
        let subject = try world.number("subject")
        world.harness.add(
            RecordNumber(1), world.type, "a",
            [IndexedValue(parameter: subject, value: .reference(type: patient, id: "p", version: nil))])
        let target = world.harness.locators.locator(type: patient, id: "p")
        let index = world.harness.index
        #expect(index.links(of: RecordNumber(1), parameter: subject) == [target])
        #expect(index.links(of: RecordNumber(2), parameter: subject).isEmpty)
        #expect(index.record(for: target) == nil)
        #expect(
            index.referrers(of: patient, id: "p", parameter: subject, residual: .unrestricted).hits.map(\.record)
                == [RecordNumber(1)])
        #expect(index.referrers(of: patient, id: "q", parameter: subject, residual: .unrestricted).hits.isEmpty)
        #expect(index.referrers(of: patient, id: "p", parameter: subject, residual: .byType([:])).hits.isEmpty)
        index.apply([.remove(RecordNumber(1))])
        #expect(index.links(of: RecordNumber(1), parameter: subject).isEmpty)
        #expect(index.referrers(of: patient, id: "p", parameter: subject, residual: .unrestricted).hits.isEmpty)
    }

    @Test func `makes a record whose value cannot be read a candidate, also under NOT`() throws {
        let world = try World()
        let date = try world.number("date")
        world.harness.add(RecordNumber(1), world.type, "a", [IndexedValue(parameter: date, value: .undecidable)])
        #expect(try world.search("date=2001") == [1])
        #expect(try world.search("date:missing=true").isEmpty)
        let code = try world.number("code")
        world.harness.add(RecordNumber(2), world.type, "b", [IndexedValue(parameter: code, value: .undecidable)])
        #expect(try world.search("code:not=x") == [2, 1])
        #expect(try world.result("code:not=x").hits.map(\.isSure) == [false, true])
    }
}

/// Observations with a status and a date.
struct World {
    let harness: IndexHarness
    let type: ResourceType

    init() throws {
        harness = try #require(IndexHarness())
        type = try #require(ResourceType("Observation"))
    }

    func number(_ code: String) throws -> UInt16 {
        try #require(Definitions.r4.searchParameter(code, of: type)).number
    }

    func values(_ status: String, _ spans: [(Int64, Int64)]) -> [IndexedValue] {
        let status = (try? number("status")).map {
            IndexedValue(parameter: $0, value: .token(system: nil, code: status, texts: []))
        }
        let date = (try? number("date")) ?? 0
        return [status].compactMap { $0 }
            + spans.map { IndexedValue(parameter: date, value: .date(low: $0.0, high: $0.1)) }
    }

    func add(_ record: Int64, _ id: String, _ status: String, _ spans: [(Int64, Int64)]) {
        harness.add(RecordNumber(record), type, id, values(status, spans))
    }

    func add(_ record: Int64, _ id: String, _ status: String, _ year: Int64?) {
        add(record, id, status, year.flatMap { FHIRDate.interval("\($0)") }.map { [($0.low, $0.high)] } ?? [])
    }

    func result(_ query: String, _ residual: SearchResidual = .unrestricted) throws -> SearchResult {
        let pairs = query.split(separator: "&").map { pair -> SearchPair in
            let sides = pair.split(separator: "=", maxSplits: 1)
            return SearchPair(name: String(sides[0]), value: String(sides[1]))
        }
        let query = try SearchQuery.parse(
            type: type, parameters: pairs, handling: .strict,
            context: SearchContext(baseURL: oracleBase, now: Instant(microseconds: 0), zoneOffsetMinutes: 0))
        return harness.index.evaluate(query, residual: residual)
    }

    func search(_ query: String, _ residual: SearchResidual = .unrestricted) throws -> [Int64] {
        try result(query, residual).hits.map(\.record.value)
    }
}

/// Random commits beside a dictionary of what must be there.
private struct Simulation {
    private let world: World
    private var random: SeededGenerator
    private var next: Int64 = 1
    private var current: [String: (record: Int64, status: String, year: Int64)] = [:]

    init(seed: UInt64) throws {
        world = try World()
        random = SeededGenerator(seed: seed)
    }

    mutating func step() {
        let id = "\(Int.random(in: 0..<900, using: &random))"
        let old = current[id]
        if old != nil, Int.random(in: 0..<3, using: &random) == 0 {
            next += 1
            current[id] = nil
            world.harness.index.apply(old.map { [.remove(RecordNumber($0.record))] } ?? [])
            return
        }
        let status = ["final", "amended", "preliminary"].randomElement(using: &random) ?? ""
        let year = Int64.random(in: 1990...2020, using: &random)
        current[id] = (next, status, year)
        let span = FHIRDate.interval("\(year)").map { [($0.low, $0.high)] } ?? []
        var changes = [world.harness.change(RecordNumber(next), world.type, id, world.values(status, span))]
        if let old { changes.append(.remove(RecordNumber(old.record))) }
        world.harness.index.apply(changes)
        next += 1
    }

    func check() throws {
        func expected(_ isWanted: ((record: Int64, status: String, year: Int64)) -> Bool) -> [Int64] {
            current.values.filter(isWanted).map(\.record).sorted(by: >)
        }
        #expect(try world.search("") == expected { _ in true })
        #expect(try world.search("status=final") == expected { $0.status == "final" })
        #expect(try world.search("status:not=final,amended") == expected { $0.status == "preliminary" })
        #expect(
            try world.search("date=ge2010&status=amended") == expected { $0.year >= 2010 && $0.status == "amended" })
        #expect(try world.search("date:missing=true").isEmpty)
        #expect(world.harness.index.count == current.count)
        for (id, entry) in current.prefix(50) {
            let locator = world.harness.locators.locator(type: world.type, id: id)
            #expect(world.harness.index.record(for: locator) == RecordNumber(entry.record))
            #expect(try world.search("_id=\(id)") == [entry.record])
        }
    }
}
