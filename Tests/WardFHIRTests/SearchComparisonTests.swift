import Testing
import WardCore
import WardFHIR

@Suite struct `Comparison prefixes` {
    /// Literal [10, 20]; the value's place, then eq ne lt gt le ge sa eb as hand-written answers.
    @Test(
        arguments: [
            ("before", 1, 9, "011010 01"), ("meets below", 1, 10, "011010 00"),
            ("overlaps the start", 5, 15, "011010 00"),
            ("starts with it", 10, 15, "100011 00"), ("inside", 12, 15, "100011 00"), ("equal", 10, 20, "100011 00"),
            ("ends with it", 15, 20, "100011 00"), ("overlaps the end", 15, 25, "010101 00"),
            ("meets above", 20, 30, "010101 00"),
            ("after", 21, 30, "010101 10"), ("around", 5, 25, "011111 00"), ("around, same start", 10, 25, "010101 00"),
            ("around, same end", 5, 20, "011010 00"), ("open start", .min, 15, "011010 00"),
            ("open end", 15, .max, "010101 00"),
            ("open on both sides", .min, .max, "011111 00"), ("open start, before", .min, 9, "011010 01"),
            ("open end, after", 21, .max, "010101 10"), ("a point inside", 15, 15, "100011 00"),
            ("a point at the start", 10, 10, "100011 00"),
            ("a point at the end", 20, 20, "100011 00"), ("a point before", 9, 9, "011010 01"),
            ("a point after", 21, 21, "010101 10"),
        ] as [(String, Int64, Int64, String)])
    func `of dates against intervals`(name: String, low: Int64, high: Int64, answers: String) {
        let prefixes: [SearchPrefix] = [.eq, .ne, .lt, .gt, .le, .ge, .sa, .eb]
        let expected = answers.filter { $0 != " " }.map { $0 == "1" }
        let found = prefixes.map {
            DateTest($0, low: 10, high: 20, now: Instant(microseconds: 0)).matches(low: low, high: high)
        }
        #expect(found == expected, "\(name)")
    }

    @Test func `ap widens by a tenth of the distance from now and does not overflow`() {
        let test = DateTest(.ap, low: 1000, high: 1100, now: Instant(microseconds: 2000))
        #expect((test.low, test.high) == (900, 1190))
        let far = DateTest(.ap, low: .min, high: .max, now: Instant(microseconds: 1))
        #expect((far.low, far.high) == (.min, .max))
    }

    @Test(arguments: [
        ("100", "99.5", true), ("100", "99.4999999", false), ("100", "100.4999999", true), ("100", "100.5", false),
        ("5.40", "5.395", true), ("5.40", "5.405", false), ("5.4", "5.35", true), ("5.4", "5.45", false),
        ("1e2", "50", true),
        ("1e2", "149.999", true), ("1e2", "150", false), ("1e2", "49.999", false), ("-100", "-100.5", true),
        ("-100", "-99.5", false), ("0", "-0.5", true), ("0", "0.5", false), ("0", "-0", true),
        ("123456789012345678", "123456789012345678.49", true), ("123456789012345678", "123456789012345678.5", false),
        ("1e-30", "1.4e-30", true), ("1e30", "1.5e30", false),
    ])
    func `of numbers honour the written precision`(literal: String, value: String, isEqual: Bool) throws {
        let (test, number) = (try test(.eq, literal), try #require(ExactDecimal(value)))
        #expect(test.matches(low: number, high: number) == isEqual)
        let not = try self.test(.ne, literal)
        #expect(not.matches(low: number, high: number) == !isEqual)
        try expectConsistent(literal, value)
    }

    @Test(arguments: [
        (SearchPrefix.gt, "100", "100", false), (.gt, "100", "100.0000000000000000001", true),
        (.ge, "100", "100.00", true),
        (.ge, "100", "99.9999999999999999999", false), (.lt, "100", "100", false),
        (.lt, "100", "99.9999999999999999999", true),
        (.le, "100", "100.0000000000000000001", false), (.le, "100", "1e2", true), (.sa, "100", "100", false),
        (.eb, "100", "100", false),
        (.sa, "100", "101", true), (.eb, "100", "99", true), (.ap, "100", "110", true), (.ap, "100", "110.0001", false),
        (.ap, "100", "90", true), (.ap, "-100", "-110", true), (.ap, "-100", "-89.99", false),
        (.ap, "0", "0.0001", false),
    ])
    func `of numbers compare exactly`(prefix: SearchPrefix, literal: String, value: String, isMatch: Bool) throws {
        let number = try #require(ExactDecimal(value))
        #expect(try test(prefix, literal).matches(low: number, high: number) == isMatch)
        try expectConsistent(literal, value)
    }

    @Test func `of ranges take open ends as infinite`() throws {
        let ten = try #require(ExactDecimal("10"))
        #expect(try test(.gt, "1e30").matches(low: ten, high: nil))
        #expect(try !test(.sa, "5").matches(low: nil, high: ten))
        #expect(try test(.lt, "-1e30").matches(low: nil, high: ten))
        #expect(try !test(.eq, "10").matches(low: ten, high: nil))
        #expect(try test(.ne, "10").matches(low: nil, high: nil))
        #expect(try test(.ap, "10").matches(low: nil, high: nil))
        #expect(try !test(.eb, "100").matches(low: ten, high: nil))
    }

    /// Keys may be unsure, never wrong.
    private func expectConsistent(_ literal: String, _ value: String) throws {
        let number = try #require(ExactDecimal(value))
        let key = try #require(NumberTest.key(number))
        for prefix in SearchPrefix.allCases {
            let test = try test(prefix, literal)
            let verdict = test.verdict(lowKey: key, highKey: key)
            #expect(verdict == .unsure || (verdict == .yes) == test.matches(low: number, high: number))
        }
    }

    private func test(_ prefix: SearchPrefix, _ literal: String) throws -> NumberTest {
        let decimal = try #require(ExactDecimal(literal))
        return try #require(NumberTest(prefix, decimal))
    }
}

@Suite struct `Folding of strings` {
    @Test(arguments: [
        ("Müller", "mu\u{308}ller"), ("Straße", "STRASSE"), ("İstanbul", "istanbul"), ("ΣΟΦΟΣ", "σοφος"),
        ("a \t\n b", "A B"),
        ("  x  ", "x"), ("Å", "\u{212B}"), ("각", "\u{1100}\u{1161}\u{11A8}"), ("ǖ", "U"),
        ("a\u{301}\u{323}", "a\u{323}\u{301}"),
        ("\u{2003}x\u{A0}y", "X Y"), ("ﬀ", "FF"), ("ŉ", "ʼn"),
    ])
    func `makes equal what differs in case, accents and spaces`(left: String, right: String) {
        #expect(Array(SearchFold.folded(left).utf8) == Array(SearchFold.folded(right).utf8))
        #expect(SearchFold.folded(SearchFold.folded(left)) == SearchFold.folded(left))
    }

    @Test(arguments: [("a", "b"), ("o", "ø"), ("ab", "a b"), ("1", "l"), ("l", "ł"), ("각", "가"), ("a.", "a")])
    func `keeps apart what differs otherwise`(left: String, right: String) {
        #expect(SearchFold.folded(left) != SearchFold.folded(right))
    }

    @Test func `of a megabyte is quick and of nothing is nothing`() {
        #expect(SearchFold.folded("").isEmpty)
        #expect(SearchFold.folded("\u{301} \t").isEmpty)
        #expect(SearchFold.folded(String(repeating: "é", count: 500_000)).utf8.count == 500_000)
    }

    @Test(arguments: [
        ("http://a.org/b/c", ["http://a.org/b/c", "http://a.org", "http://a.org/b"]),
        ("urn:oid:1.2", ["urn:oid:1.2", "urn:oid", "urn:oid:1"]), ("x", ["x"]), ("", [""]),
    ])
    func `of uris cuts at segments only`(uri: String, prefixes: [String]) {
        #expect(UriPath.prefixes(of: uri) == prefixes)
    }
}
