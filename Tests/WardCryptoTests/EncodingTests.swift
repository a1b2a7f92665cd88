import Testing
import WardCrypto

@Suite struct `Base 64` {
    /// RFC 4648 §10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func `follows the vectors of its RFC`(plain: String, encoded: String) {
        #expect(base64(Array(plain.utf8)) == encoded)
        #expect(base64Decoded(encoded) == Array(plain.utf8))
        let bare = String(encoded.filter { $0 != "=" })
        #expect(base64URL(Array(plain.utf8)) == bare)
        #expect(base64URLDecoded(bare) == Array(plain.utf8))
    }

    @Test(arguments: [
        "Zg=", "Zg===", "Z", "Zm9vY", "Zm9v\n", " Zm9v", "Zm 9v", "Zm9v=", "=", "Zg==Zg==", "Zh==", "Zm9=", "Zm-v",
        "Zm_v",
        "Zm9v\u{0}", "Zm9\u{301}", "Ｚm9v",
    ])
    func `refuses anything but the one encoding`(text: String) {
        #expect(base64Decoded(text) == nil)
    }

    @Test(arguments: [
        "Zg==", "Zg=", "Z", "Zm9vY", "Zh", "Zm9", "+/+/", "Zm9v\n", " Zm9v", "Zm9v.", "Zm9\u{301}", "Zg%3D", "=\u{301}",
    ])
    func `for URLs refuses anything but the one encoding`(text: String) {
        #expect(base64URLDecoded(text) == nil)
    }

    @Test func `for URLs uses its own alphabet`() {
        #expect(base64URL([0xFB, 0xFF, 0xBF]) == "-_-_")
        #expect(base64URLDecoded("-_-_") == [0xFB, 0xFF, 0xBF])
    }

    @Test func `returns what went in, and only texts that it would write`() {
        for count in 0..<100 {
            let bytes = randomBytes(count)
            #expect(base64Decoded(base64(bytes)) == bytes)
            #expect(base64URLDecoded(base64URL(bytes)) == bytes)
        }
        for _ in 0..<2000 {
            let text = String(decoding: randomBytes(Int.random(in: 0..<12)).map { 32 + $0 % 95 }, as: UTF8.self)
            if let bytes = base64Decoded(text) { #expect(base64(bytes) == text) }
            if let bytes = base64URLDecoded(text) { #expect(base64URL(bytes) == text) }
        }
    }
}

@Suite struct `Random values` {
    @Test(arguments: [0, 1, 7, 8, 9, 31, 32, 33])
    func `have the length asked for`(count: Int) {
        #expect(randomBytes(count).count == count)
    }

    @Test func `are UUIDs of version 4, never the same`() {
        let texts = (0..<1000).map { _ in randomUUID() }
        #expect(Set(texts).count == 1000)
        for text in texts {
            let parts = text.split(separator: "-")
            #expect(parts.map(\.count) == [8, 4, 4, 4, 12])
            #expect(parts[2].first == "4" && "89ab".contains(parts[3].first ?? "x"))
            #expect(text.allSatisfy { $0 == "-" || $0.isHexDigit && !$0.isUppercase })
        }
    }

    @Test func `compare without a short cut`() {
        #expect(constantTimeEquals([], []))
        #expect(constantTimeEquals([1, 2], [1, 2]))
        #expect(!constantTimeEquals([1, 2], [1, 3]))
        #expect(!constantTimeEquals([1, 2], [1]))
        #expect(!constantTimeEquals([0, 2], [1, 2]))
    }

    @Test func `hex is lower case`() {
        #expect(hex([0x00, 0x0F, 0xA5, 0xFF]) == "000fa5ff")
        #expect(hex([]) == "")
    }
}
