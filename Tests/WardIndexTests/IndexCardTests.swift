import Testing
import WardCore
import WardFHIR
import WardIndex

@Suite struct `An index card` {
    @Test func `decodes to what was encoded, and re-encodes to the same bytes`() throws {
        for card in try cards() {
            let bytes = card.encoded()
            #expect(bytes.count % 256 == 0)
            let copy = try IndexCard(decoding: bytes)
            #expect(copy == card)
            #expect(copy.encoded() == bytes)
        }
    }

    @Test func `has one encoding whatever the order of the values`() throws {
        let harness = try #require(IndexHarness())
        let values = try sampleValues()
        for (type, list) in values {
            let one = harness.card(RecordNumber(5), type, list).encoded()
            #expect(harness.card(RecordNumber(5), type, list.reversed() + list).encoded() == one)
        }
    }

    @Test func `refuses other versions`() throws {
        let card = try #require(try cards().first)
        for index in [0, 1] {
            var bytes = card.encoded()
            bytes[index] &+= 1
            #expect(throws: IndexCardFailure.unknownVersion) { try IndexCard(decoding: bytes) }
        }
    }

    @Test func `refuses every other length`() throws {
        let bytes = try #require(try cards().first).encoded()
        for count in 0..<bytes.count {
            #expect(throws: IndexCardFailure.self) { try IndexCard(decoding: Array(bytes[..<count])) }
        }
        #expect(throws: IndexCardFailure.malformed) {
            try IndexCard(decoding: bytes + [UInt8](repeating: 0, count: 256))
        }
        #expect(throws: IndexCardFailure.malformed) { try IndexCard(decoding: bytes + [0]) }
    }

    @Test func `refuses padding that is not zero`() throws {
        for card in try cards() {
            var bytes = card.encoded()
            guard bytes.last == 0 else { continue }
            bytes[bytes.count - 1] = 1
            #expect(throws: IndexCardFailure.self) { try IndexCard(decoding: bytes) }
        }
    }

    @Test func `survives altered bytes: refuses, or reads what re-encodes identically`() throws {
        var random = SeededGenerator(seed: 3)
        let cards = try cards()
        for _ in 0..<20_000 {
            guard var bytes = cards.randomElement(using: &random)?.encoded() else { continue }
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            guard let card = try? IndexCard(decoding: bytes) else { continue }
            #expect(card.encoded() == bytes)
        }
    }

    @Test func `survives garbage`() {
        var random = SeededGenerator(seed: 4)
        for _ in 0..<5_000 {
            var bytes = (0..<256 * Int.random(in: 0...3, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            if bytes.count > 2 { bytes.replaceSubrange(0..<2, with: [1, SearchFold.version]) }
            #expect(throws: IndexCardFailure.self) { try IndexCard(decoding: bytes) }
        }
    }

    @Test func `holds no value of a code that is not low-cardinality, and no identifier`() throws {
        let harness = try #require(IndexHarness())
        let type = try #require(ResourceType("Patient"))
        let number = try #require(Definitions.r4.searchParameter("identifier", of: type)).number
        let values = [IndexedValue(parameter: number, value: .identifier(system: nil, value: "CANARY-1", types: []))]
        let bytes = harness.card(RecordNumber(1), type, values).encoded()
        #expect(!SearchFold.contains(String(decoding: bytes, as: UTF8.self), "CANARY"))
    }

    private func cards() throws -> [IndexCard] {
        let harness = try #require(IndexHarness())
        return try sampleValues().enumerated().map {
            harness.card(RecordNumber(Int64($0.offset)), $0.element.0, $0.element.1)
        }
    }

    private func sampleValues() throws -> [(ResourceType, [IndexedValue])] {
        var maker = ResourceMaker(random: SeededGenerator(seed: 2))
        return try ["Patient", "Observation", "Encounter", "RiskAssessment", "ValueSet", "DocumentReference"].flatMap {
            name in
            let type = try #require(ResourceType(name))
            return try (0..<10).map { number in
                let tape = try JSONTape(parsing: Array(maker.resource(name, "\(number)").utf8))
                return (type, SearchExtractor.values(of: tape, type: type, ownBase: oracleBase))
            }
        }
    }
}
