import Testing
import WardFHIR

@Suite struct `An exact decimal` {
    @Test(arguments: ["0", "-0", "1.50", "0.001", "-12.500", "100", "12345678901234567890123456789012345678", "0.00"])
    func `keeps its text`(text: String) throws {
        #expect(try #require(ExactDecimal(text)).text == text)
    }

    @Test(arguments: [
        "", "-", ".", "1.", ".5", "1e", "1e+", "e1", "1.2.3", "0x1", "1 ", " 1", "--1", "1,5", "NaN", "Infinity",
        "1e1000000",
        "123456789012345678901234567890123456789", "0.123456789012345678901234567890123456789", "١",
    ])
    func `refuses`(text: String) {
        #expect(ExactDecimal(text) == nil)
    }

    @Test(arguments: [
        ("1.0", "1.00", 0), ("1e3", "1000", 0), ("0", "-0.00", 0), ("-1", "1", -1), ("1", "-1", 1), ("0.1", "0.09", 1),
        ("1e100", "1e99", 1), ("-1e100", "-1e99", -1), ("1e-100", "0", 1), ("9.99", "10", -1), ("10", "9.99", 1),
        ("12345678901234567890123456789012345678", "12345678901234567890123456789012345677", 1), ("1e37", "1", 1),
        ("0.3", "0.30000000000000000000000000000000000001", -1),
    ])
    func `compares by value`(left: String, right: String, order: Int) throws {
        let (first, second) = (try #require(ExactDecimal(left)), try #require(ExactDecimal(right)))
        #expect((first < second) == (order < 0))
        #expect((first == second) == (order == 0))
        #expect((first > second) == (order > 0))
        if order == 0 { #expect(first.hashValue == second.hashValue) }
    }

    @Test func `computes exactly`() throws {
        func number(_ text: String) throws -> ExactDecimal { try #require(ExactDecimal(text)) }
        #expect(try number("0.1").adding(number("0.2"))?.text == "0.3")
        #expect(try number("1").subtracting(number("1.00"))?.text == "0.00")
        #expect(try number("-1.5").multiplied(by: number("2.0"))?.text == "-3.00")
        #expect(try number("10").divided(by: number("4"))?.text == "2.5")
        #expect(try number("1").divided(by: number("0")) == nil)
        #expect(try number("1e30").adding(number("1e-30")) == nil)
        #expect(try number("99999999999999999999").multiplied(by: number("99999999999999999999")) == nil)
        #expect(try number("-7").wholeQuotient(by: number("2"))?.text == "-3")
        #expect(try number("-7.5").remainder(by: number("2"))?.text == "-1.5")
        #expect(try number("2.345").rounded(places: 2)?.text == "2.35")
        #expect(try number("-2.5").rounded(places: 0)?.text == "-3")
        #expect(try number("-2.1").floor?.text == "-3")
        #expect(try number("-9223372036854775808").wholeNumber == .min)
        #expect(try number("9223372036854775808").wholeNumber == nil)
        #expect(try number("1.5").wholeNumber == nil)
    }

    @Test(arguments: [("100", "99.5", "100.5"), ("5.40", "5.395", "5.405"), ("0", "-0.5", "0.5"), ("1e2", "50", "150")])
    func `knows the interval its precision implies`(text: String, low: String, high: String) throws {
        let value = try #require(ExactDecimal(text))
        let interval = try #require(value.impliedInterval)
        #expect(interval.low == ExactDecimal(low))
        #expect(interval.high == ExactDecimal(high))
    }
}

@Suite struct `A date's interval` {
    private static let day: Int64 = 86_400_000_000

    @Test(
        arguments: [
            ("1970", 0, 365 * day - 1), ("1970-02", 31 * day, 59 * day - 1), ("1970-01-02", day, 2 * day - 1),
            ("1970-01-01T00:01Z", 60_000_000, 119_999_999), ("1970-01-01T00:00:01Z", 1_000_000, 1_999_999),
            ("1970-01-01T00:00:01.5Z", 1_500_000, 1_599_999), ("1970-01-01T00:00:01.500Z", 1_500_000, 1_500_999),
            ("1970-01-01T00:00:01.000001Z", 1_000_001, 1_000_001),
            ("1970-01-01T00:00:01.0000019Z", 1_000_001, 1_000_001),
            ("1970-01-01T02:00:00+02:00", 0, 999_999), ("1969-12-31T14:30:00-09:30", 0, 999_999),
            ("1970-01-01T14:00:00+14:00", 0, 999_999), ("1970-01-01T00:00:00", 0, 999_999),
            ("1969-12-31", -day, -1), ("2000-02-29", 11_016 * day, 11_017 * day - 1),
            ("2100-02", 47_513 * day, 47_541 * day - 1),
        ] as [(String, Int64, Int64)])
    func `follows the precision written`(text: String, low: Int64, high: Int64) throws {
        let interval = try #require(FHIRDate.interval(text))
        #expect(interval.low == low)
        #expect(interval.high == high)
    }

    @Test func `takes the given zone where none is written`() {
        let hour: Int64 = 3_600_000_000
        #expect(FHIRDate.interval("1970-01-01", zoneOffsetMinutes: 120)?.low == -2 * hour)
        #expect(FHIRDate.interval("1970", zoneOffsetMinutes: -300)?.high == 365 * Self.day + 5 * hour - 1)
        #expect(FHIRDate.interval("1970-01-01T00:00:00", zoneOffsetMinutes: 60)?.low == -hour)
        #expect(FHIRDate.interval("1970-01-01T00:00:00Z", zoneOffsetMinutes: 60)?.low == 0)
    }

    @Test(arguments: [
        "", "70", "197", "19700", "1970-", "1970-1", "1970-00", "1970-13", "1970-01-00", "1970-01-32", "1970-02-29",
        "1900-02-29", "0000", "-1970", "1970-01-01T", "1970-01-01T10", "1970-01-01T10Z", "1970-01-01T24:00:00Z",
        "1970-01-01T10:60:00Z", "1970-01-01T10:00:60Z", "2016-12-31T23:59:60Z", "1970-01-01T10:00:00.Z",
        "1970-01-01T10:00:00+1:00", "1970-01-01T10:00:00+0100", "1970-01-01T10:00:00+14:01",
        "1970-01-01T10:00:00+15:00",
        "1970-01-01T10:00:00z", "1970-01-01t10:00:00Z", "1970-01-01 10:00:00Z", "1970-01-01Z", "1970-01T10:00:00Z",
        "1970T10:00", "1970-01-01T10:00:00ZZ", " 1970", "1970 ", "1970/01/01", "١٩٧٠", "T10:00", "10:00:00",
        "2015T",
        "2015-02T",
    ])
    func `is refused for`(text: String) {
        #expect(FHIRDate.interval(text) == nil)
    }
}
