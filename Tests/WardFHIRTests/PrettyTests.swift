import Testing
import WardFHIR

@Suite struct `A text over several lines` {
    @Test func `is made up to eight mebibytes, of long texts and of deep ones`() throws {
        func pretty(_ json: String) throws -> [UInt8]? { try JSONTape(parsing: Array(json.utf8)).pretty }
        #expect(
            try pretty(#"{"a":[1,{}]}"#).map { String(decoding: $0, as: UTF8.self) } == """
                {
                  "a": [
                    1,
                    {}
                  ]
                }

                """)
        #expect(try pretty("[\"" + String(repeating: "x", count: 8 << 20) + "\"]") == nil)
        // Short, but each number stands on a line of its own, far to the right.
        let numbers = "[" + String(repeating: "1,", count: 200_000) + "1]"
        let deep = String(repeating: "[", count: 25) + numbers + String(repeating: "]", count: 25)
        #expect(deep.utf8.count < 1 << 20)
        #expect(try pretty(deep) == nil)
        #expect(try pretty(numbers) != nil)
    }
}
