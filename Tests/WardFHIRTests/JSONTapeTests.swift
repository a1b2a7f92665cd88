import Testing
import WardFHIR

@Suite struct `The JSON tape` {
    @Test(arguments: ["{}", "[]", "1.00", #"{"a":[1,2,{"b":null}],"c":"\u00e9\ud83d\ude00"}"#, "-0.0e+10", "\"\""])
    func `writes back what it read`(text: String) throws {
        let tape = try JSONTape(parsing: Array(text.utf8))
        var output: [UInt8] = []
        tape.writeCompact(JSONTape.rootIndex, into: &output)
        #expect(String(decoding: output, as: UTF8.self) == text)
    }

    @Test(arguments: [
        ("", JSONFailure.Reason.unexpectedEnd), ("{", .unexpectedEnd), ("[1,]", .unexpected),
        ("{\"a\":1,}", .unexpected),
        ("01", .badNumber), ("1.", .badNumber), ("-", .badNumber), ("1e", .badNumber), ("+1", .unexpected),
        ("{\"a\":1,\"a\":2}", .duplicateKey), ("{\"a\":1,\"\\u0061\":2}", .duplicateKey), ("\"\\ud800\"", .badEscape),
        ("\"\\udc00\"", .badEscape), ("\"\\x\"", .badEscape), ("\"\u{01}\"", .controlCharacter),
        ("1 2", .trailingBytes),
        ("tru", .unexpectedEnd), ("nul1", .unexpected), ("\u{FEFF}1", .unexpected),
        (String(repeating: "[", count: 65), .tooDeep),
    ])
    func `refuses what is not JSON`(text: String, reason: JSONFailure.Reason) {
        #expect { try JSONTape(parsing: Array(text.utf8)) } throws: { ($0 as? JSONFailure)?.reason == reason }
    }

    @Test(arguments: [[0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22], [0x22, 0xFF, 0x22]] as [[UInt8]])
    func `refuses bytes that are not UTF-8`(bytes: [UInt8]) {
        #expect { try JSONTape(parsing: bytes) } throws: { ($0 as? JSONFailure)?.reason == .badUTF8 }
    }

    @Test func `finds a duplicate among many keys`() {
        let keys = (0..<40).map { "\"k\($0)\":1" } + ["\"k7\":2"]
        let text = "{" + keys.joined(separator: ",") + "}"
        #expect { try JSONTape(parsing: Array(text.utf8)) } throws: { ($0 as? JSONFailure)?.reason == .duplicateKey }
    }

    @Test func `unescapes text`() throws {
        let tape = try JSONTape(parsing: Array(#""a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#.utf8))
        #expect(tape.text(0) == "a\"\\/\u{08}\u{0C}\n\r\t\u{e9}\u{1F600}")
    }
}
