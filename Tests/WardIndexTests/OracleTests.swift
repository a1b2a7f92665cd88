import Foundation
import Testing
import WardCore
import WardCrypto
import WardFHIR
import WardIndex

@Suite struct `Search against an oracle` {
    @Test(arguments: [0.0, 0.05])
    func `finds exactly what a slow reading of generated resources finds`(pollution: Double) throws {
        let seed = ProcessInfo.processInfo.environment["WARD_SEED"].flatMap { UInt64($0) } ?? .random(in: 0...9_999_999)
        var maker = ResourceMaker(random: SeededGenerator(seed: seed))
        let types = [
            "Patient", "Observation", "Encounter", "Condition", "RiskAssessment", "ValueSet", "DocumentReference",
        ]
        var bodies: [String] = []
        for type in types { for number in 0..<60 { bodies.append(maker.resource(type, "\(number)")) } }
        let corpus = try OracleCorpus(bodies: bodies.map { Array($0.utf8) }, pollution: pollution, seed: seed)
        try corpus.check(queries: queryCount(11_000), seed: seed)
    }

    @Test(.enabled(if: dataFolder != nil, "no data: set WARD_FHIR_DATA"), arguments: [0.0, 0.05])
    func `finds exactly what a slow reading of real resources finds`(pollution: Double) throws {
        let seed = ProcessInfo.processInfo.environment["WARD_SEED"].flatMap { UInt64($0) } ?? .random(in: 0...9_999_999)
        let corpus = try OracleCorpus(bodies: sampleBodies(perType: 80, seed: seed), pollution: pollution, seed: seed)
        try corpus.check(queries: queryCount(5_000), seed: seed)
    }
}

/// Queries a run; `WARD_QUERIES` multiplies them.
private func queryCount(_ usual: Int) -> Int {
    usual * (ProcessInfo.processInfo.environment["WARD_QUERIES"].flatMap { Int($0) } ?? 1)
}

/// Records held twice: in an index, and as plain values for the oracle.
struct OracleCorpus {
    private struct Record {
        let number: RecordNumber
        let identity: SearchedRecord
        let values: [IndexedValue]
        let plain: [String: [OracleValue]]
    }

    private let index: SealedIndex
    private var records: [String: [Record]] = [:]
    private let pollution: Double

    init(bodies: [[UInt8]], pollution: Double, seed: UInt64) throws {
        let harness = try #require(IndexHarness())
        index = harness.index
        self.pollution = pollution
        var random = SeededGenerator(seed: seed)
        for (position, body) in bodies.enumerated() {
            let tape = try JSONTape(parsing: body)
            let json = PlainJSON(tape)
            let name = try #require(json.text("resourceType"))
            let type = try #require(ResourceType(name))
            let values = SearchExtractor.values(of: tape, type: type, ownBase: oracleBase)
            // False postings: the index takes a record with values for a candidate, and must say that it is not sure.
            let noise = values.filter { _ in Double.random(in: 0..<1, using: &random) < pollution }
                .map { IndexedValue(parameter: $0.parameter, value: .undecidable) }
            let id = json.text("id") ?? "\(position)"
            let number = RecordNumber(Int64(position + 1))
            harness.add(number, type, id, values + noise)
            var plain: [String: [OracleValue]] = [:]
            for parameter in oracleTable[name] ?? [] { plain[parameter.code] = parameter.values(json) }
            let identity = SearchedRecord(type: type, id: id, lastUpdated: Instant(microseconds: Int64(position)))
            records[name, default: []].append(Record(number: number, identity: identity, values: values, plain: plain))
        }
    }

    func check(queries: Int, seed: UInt64) throws {
        print("oracle: seed \(seed), pollution \(pollution), \(queries) queries, set WARD_SEED to repeat")
        var maker = QueryMaker(maker: ResourceMaker(random: SeededGenerator(seed: seed &+ 1)))
        let types = records.keys.filter { oracleTable[$0] != nil }.sorted()
        var (hits, openings, failures) = (0, 0, 0)
        for _ in 0..<queries where failures < 20 {
            let type = maker.maker.pick(types)
            guard let group = records[type], let table = oracleTable[type] else { continue }
            var pairs: [SearchPair] = []
            var tests: [(code: String, test: OracleTest)] = []
            for _ in 0..<maker.maker.pick([1, 1, 1, 2, 3]) {
                let parameter = maker.maker.pick(table)
                let samples = maker.maker.pick(group).plain[parameter.code] ?? []
                let (modifier, value) = maker.term(parameter, samples)
                pairs.append(SearchPair(name: parameter.code + (modifier.map { ":" + $0 } ?? ""), value: value))
                tests.append((parameter.code, OracleTest(parameter, modifier: modifier, value: value)))
            }
            let query = try SearchQuery.parse(
                type: ResourceType(type), parameters: pairs, handling: .strict,
                context: SearchContext(
                    baseURL: oracleBase, now: Instant(microseconds: Int64(oracleNow)), zoneOffsetMinutes: 0))
            let result = index.evaluate(query, residual: .unrestricted)
            let sure = Set(result.hits.filter(\.isSure).map(\.record))
            let maybe = Set(result.hits.map(\.record))
            openings += maybe.count - sure.count
            let plan = try #require(query.plans.first)
            for record in group {
                let answers = tests.map { $0.test.judge(record.plain[$0.code] ?? []) }
                let truth = answers.allSatisfy { $0 == true }
                let isFinal =
                    maybe.contains(record.number)
                    && (sure.contains(record.number)
                        || SearchMatcher.matches(record.values, of: record.identity, plan.criterion))
                if truth { hits += 1 }
                let isMatched = SearchMatcher.matches(record.values, of: record.identity, plan.criterion)
                let isWrong =
                    truth && !maybe.contains(record.number) || sure.contains(record.number) && !truth
                    || isFinal != truth || isMatched != truth
                if isWrong, failures < 20 {
                    failures += 1
                    Issue.record(
                        """
                        \(type)?\(pairs.map { "\($0.name)=\($0.value)" }.joined(separator: "&")): record \(record.number.value) \
                        truth \(truth) maybe \(maybe.contains(record.number)) sure \(sure.contains(record.number)) \
                        matcher \(isMatched)
                        values \(tests.map { record.plain[$0.code] ?? [] })
                        """)
                }
            }
        }
        print("oracle: \(hits) hits, \(openings) openings")
        #expect(failures > 0 || hits > queries / 2)
    }
}

/// An index with keys of its own.
struct IndexHarness {
    let index: SealedIndex
    let locators: LocatorKey
    private let builder: IndexCardBuilder

    init?() {
        guard let root = KeyMaterial([UInt8](repeating: 7, count: 32)) else { return nil }
        let keys = IndexKeys(root: root.derived("test/search"), epoch: 1)
        locators = LocatorKey(root.derived("test/locator"))
        index = SealedIndex(keys: keys, locators: locators)
        builder = IndexCardBuilder(keys: keys, locators: locators, extractorVersion: 1)
    }

    func card(_ number: RecordNumber, _ type: ResourceType, _ values: [IndexedValue]) -> IndexCard {
        builder.card(type: type, lastUpdated: Instant(microseconds: number.value - 1), values: values)
    }

    func change(_ number: RecordNumber, _ type: ResourceType, _ id: String, _ values: [IndexedValue]) -> IndexChange {
        .add(number, locators.locator(type: type, id: id), card(number, type, values))
    }

    func add(_ number: RecordNumber, _ type: ResourceType, _ id: String, _ values: [IndexedValue]) {
        index.apply([change(number, type, id, values)])
    }
}

/// The folder with unpacked example data.
let dataFolder = ProcessInfo.processInfo.environment["WARD_FHIR_DATA"]

/// Resources of the Synthea bundles, references between entries made local.
func syntheaBodies(limit: Int = .max, _ body: ([UInt8]) throws -> Void) throws {
    guard let dataFolder else { return }
    let folder = dataFolder + "/synthea-blaze-2021"
    for file in try FileManager.default.contentsOfDirectory(atPath: folder).sorted().prefix(limit)
    where file.hasSuffix(".json") {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: folder + "/" + file))
        let tape = try JSONTape(parsing: Array(bytes))
        guard let entries = tape.member(JSONTape.rootIndex, "entry") else { continue }
        var names: [String: String] = [:]
        var resources: [Int] = []
        tape.forEachElement(entries) { entry in
            guard let resource = tape.member(entry, "resource"), let url = tape.member(entry, "fullUrl"),
                let type = tape.member(resource, "resourceType")
            else { return }
            names[tape.text(url)] = tape.text(type) + "/" + tape.text(url).replacing("urn:uuid:", with: "")
            resources.append(resource)
        }
        for resource in resources {
            let text = String(decoding: tape.slice(tape.range(resource)), as: UTF8.self)
            var output = ""
            output.reserveCapacity(text.utf8.count)
            var rest = text[...]
            while let found = rest.range(of: "\"urn:uuid:") {
                output += rest[..<found.lowerBound]
                let urn = rest[rest.index(after: found.lowerBound)...].prefix(45)
                output += "\"" + (names[String(urn)] ?? String(urn))
                rest = rest[urn.endIndex...]
            }
            try body(Array((output + rest).utf8))
        }
    }
}

/// Some resources of each type the oracle knows.
private func sampleBodies(perType: Int, seed: UInt64) throws -> [[UInt8]] {
    var counts: [String: Int] = [:]
    var bodies: [[UInt8]] = []
    try syntheaBodies(limit: 8) { body in
        let tape = try JSONTape(parsing: body)
        guard let name = tape.member(JSONTape.rootIndex, "resourceType").map(tape.text), oracleTable[name] != nil else {
            return
        }
        counts[name, default: 0] += 1
        if counts[name, default: 0] <= perType { bodies.append(body) }
    }
    return bodies
}
