import Foundation
import Testing
import WardCore
import WardFHIR
import WardIndex

/// Sizes and times over the whole Synthea set; run with `-c release` and WARD_MEASURE set.
@Suite struct `Measured` {
    private static let isWanted = dataFolder != nil && ProcessInfo.processInfo.environment["WARD_MEASURE"] != nil

    @Test(.enabled(if: isWanted, "set WARD_FHIR_DATA and WARD_MEASURE"))
    func `memory and time of the index`() throws {
        let harness = try #require(IndexHarness())
        var bodies: [(ResourceType, String, [UInt8])] = []
        try syntheaBodies { body in
            let tape = try JSONTape(parsing: body)
            let type = tape.member(0, "resourceType").map(tape.text).flatMap { ResourceType($0) }
            guard let type, let id = tape.member(0, "id").map(tape.text) else { return }
            bodies.append((type, id, body))
        }
        var cards: [(IndexCard, Locator)] = []
        let clock = ContinuousClock()
        var extraction = Duration.zero
        var building = Duration.zero
        for (position, (type, id, body)) in bodies.enumerated() {
            let tape = try JSONTape(parsing: body)
            var values: [IndexedValue] = []
            extraction += clock.measure { values = SearchExtractor.values(of: tape, type: type, ownBase: oracleBase) }
            building += clock.measure {
                let number = RecordNumber(Int64(position + 1))
                cards.append((harness.card(number, type, values), harness.locators.locator(type: type, id: id)))
            }
        }
        let encoded = cards.map { $0.0.encoded() }
        var decoded: [IndexCard] = []
        let decoding = try clock.measure { decoded = try encoded.map { try IndexCard(decoding: $0) } }
        // A first index takes what the allocator has lying about, so that the growth for the second is its own.
        let ballast = try #require(IndexHarness())
        for (position, card) in decoded.enumerated() {
            ballast.index.apply([.add(RecordNumber(Int64(position + 1)), cards[position].1, card)])
        }
        let before = residentBytes()
        let filling = clock.measure {
            for (position, card) in decoded.enumerated() {
                harness.index.apply([.add(RecordNumber(Int64(position + 1)), cards[position].1, card)])
            }
        }
        let grown = residentBytes() - before
        let count = ballast.index.count
        print("measured: \(count) records, cards \(encoded.map(\.count).reduce(0, +) / count) bytes each")
        print("measured: extract \(extraction / count), build card \(building / count), decode \(decoding / count)")
        print("measured: apply \(filling / count), index \(grown >> 20) MB")
        for text in queries {
            let parts = text.split(separator: "?")
            let pairs = parts[1].split(separator: "&").map { pair -> SearchPair in
                let sides = pair.split(separator: "=", maxSplits: 1)
                return SearchPair(name: String(sides[0]), value: String(sides[1]))
            }
            let query = try SearchQuery.parse(
                type: ResourceType(parts[0]), parameters: pairs, handling: .strict,
                context: SearchContext(baseURL: oracleBase, now: .now(), zoneOffsetMinutes: 0))
            var times: [Duration] = []
            var result: SearchResult?
            for _ in 0..<50 {
                times.append(clock.measure { result = harness.index.evaluate(query, residual: .unrestricted) })
            }
            let hits = result?.hits.count ?? 0
            print("measured: \(text): \(hits) hits, \(result?.unsureCount ?? 0) unsure, \(times.sorted()[25])")
        }
    }

    private let queries = [
        "Observation?patient=Patient/057aa36e-b892-9964-75b9-ffb46b097e34&code=http://loinc.org|8302-2",
        "Observation?code=http://loinc.org|8302-2&date=ge2018", "Observation?status=final&date=ge2020-06",
        "Observation?category=vital-signs&date=2019", "Observation?value-quantity=gt100",
        "Observation?code-value-quantity=http://loinc.org|8302-2$gt180", "Patient?name=ab", "Patient?name:contains=ab",
        "Observation?code:not=http://loinc.org|8302-2", "Encounter?date=2019&_sort=-date", "Observation?_sort=-date",
        "Condition?code:text=hyper", "Patient?birthdate=lt1970&gender=female",
    ]

    private func residentBytes() -> Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        return (Int(text.split(separator: " ").dropFirst().first ?? "0") ?? 0) * 4096
    }
}
