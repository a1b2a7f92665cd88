import Testing
import WardCore
import WardFHIR

@Suite struct `The cost of an expression` {
    private func evaluated(_ expression: String, on json: String) throws -> [FHIRPathItem] {
        try FHIRPathExpression(expression).evaluate(
            on: try JSONTape(parsing: Array(json.utf8)), options: FHIRPathOptions(now: Instant(microseconds: 0)))
    }

    @Test func `counts the bytes of every text it makes`() throws {
        let letters = String(repeating: "a", count: 40)
        #expect(throws: FHIRPathFailure.tooCostly) {
            try evaluated("'\(letters)'.toChars().aggregate($total & $total, 'x').exists()", on: "{}")
        }
        #expect(throws: FHIRPathFailure.tooCostly) {
            try evaluated("'\(letters)'.toChars().aggregate($total + $total, 'x').exists()", on: "{}")
        }
        let short = try evaluated("'aaaa'.toChars().aggregate($total & $total, 'x')", on: "{}")
        guard case .string(let text)? = short.first else {
            Issue.record("no text")
            return
        }
        #expect(text.utf8.count == 16)
    }

    @Test func `counts the bytes that it compares again and again`() throws {
        let text = String(repeating: "x", count: 1 << 20)
        let patient = #"{"resourceType":"Patient","name":[{"family":"\#(text)"}]}"#
        let again = Array(repeating: "name = name", count: 80).joined(separator: " and ")
        #expect(throws: FHIRPathFailure.tooCostly) { try evaluated(again, on: patient) }
        #expect(try evaluated("name = name and name.family = name.family", on: patient).count == 1)
    }
}
