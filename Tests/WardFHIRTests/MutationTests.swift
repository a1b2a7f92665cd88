import Testing
import WardFHIR

/// Damaged resources: the parser and the validator may say whatever they find, but they must come back and say it.
@Suite struct `Damaged resources` {
    /// xorshift64*: the same seed gives the same damage everywhere.
    private struct Random: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state ^= state >> 12
            state ^= state << 25
            state ^= state >> 27
            return state &* 0x2545_F491_4F6C_DD1D
        }
    }

    /// The vectors of this target, and a sample of the official examples where they are present.
    private func sources() throws -> [[UInt8]] {
        let own = (Valid.resources + (Offence.invariants + Offence.narratives).map(\.json)).map { Array($0.utf8) }
        let official = try FHIRData.files("hl7-r4-examples").enumerated()
            .filter { $0.offset % 60 == 0 && $0.element.bytes.count < 50_000 }.map(\.element.bytes)
        return own + official
    }

    /// Texts that meet the parser and the validator where they decide.
    private let fragments: [[UInt8]] = [
        "null", "[]", "{}", "[null]", "\"\"", "\"\\u0000\"", "-0", "1e999", "true", "\"#\"", "\"_id\":", "\\", "\"",
        "{", "}", "[", "]", ",", ":", "_", "<", "&", "\u{0}", "\u{FEFF}", "\"resourceType\":\"Bundle\",",
        "\"contained\":[{}],",
        "\\u007f", "-", "T24", "<!--", "]]>", "&#x", "%", "😀",
    ].map { Array($0.utf8) }

    private func damage(_ bytes: inout [UInt8], with random: inout Random) {
        guard !bytes.isEmpty else { return }
        let place = Int.random(in: 0..<bytes.count, using: &random)
        let length = Int.random(in: 0..<min(40, bytes.count - place + 1), using: &random)
        switch Int.random(in: 0..<7, using: &random) {
        case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 2: bytes.removeSubrange(place..<min(place + length, bytes.count))
        case 3: bytes.insert(contentsOf: bytes[place..<min(place + length, bytes.count)], at: place)
        case 4: bytes.insert(contentsOf: fragments.randomElement(using: &random) ?? [], at: place)
        case 5: bytes.removeSubrange(place...)
        default: replaceValue(&bytes, with: &random)
        }
    }

    /// Structural: one value of the document gives way to another one, so that the result still parses.
    private func replaceValue(_ bytes: inout [UInt8], with random: inout Random) {
        guard let tape = try? JSONTape(parsing: bytes) else { return }
        var ranges: [Range<Int>] = []
        func walk(_ index: Int) {
            ranges.append(tape.quotedRange(index))
            tape.forEachMember(index) { _, value in walk(value) }
            tape.forEachElement(index) { walk($0) }
        }
        walk(JSONTape.rootIndex)
        guard let place = ranges.randomElement(using: &random), let other = ranges.randomElement(using: &random) else {
            return
        }
        let values = ["null", "[]", "{}", "[null]", "\"\"", "0", "true", "\"x\"", "{\"id\":\"a\"}", "[[]]"]
        let value =
            Bool.random(using: &random)
            ? Array(bytes[other]) : Array((values.randomElement(using: &random) ?? "null").utf8)
        bytes.replaceSubrange(place, with: value)
    }

    @Test(arguments: [1, 20_261_121, 0xDEAD_BEEF] as [UInt64])
    func `never stop the parser or the validator`(seed: UInt64) throws {
        var random = Random(state: seed)
        var (parsed, valid, rounds) = (0, 0, 0)
        for source in try sources() {
            for _ in 0..<40 {
                var bytes = source
                for _ in 0..<Int.random(in: 1...3, using: &random) { damage(&bytes, with: &random) }
                rounds += 1
                guard let tape = try? JSONTape(parsing: bytes) else { continue }
                parsed += 1
                let issues = ResourceValidator.validate(tape)
                #expect(issues.count <= ResourceValidator.issueLimit)
                #expect(issues.allSatisfy { $0.offset <= bytes.count })
                _ = ResourceValidator.hasModifierExtension(tape)
                if issues.isEmpty { valid += 1 }
            }
        }
        print("seed \(seed): \(rounds) damaged resources, \(parsed) parsed, \(valid) valid")
        #expect(parsed > 0 && valid < parsed)
    }
}
