import Testing
import WardCore

@Suite struct `The calendar` {
    /// Walks from year 1 to 9999 with nothing but counting, and compares every 5th day and every end of a month.
    @Test func `agrees with counting day by day over the years 1 to 9999`() {
        var (year, month, day): (Int64, Int64, Int64) = (1, 1, 1)
        // Days from 0001-01-01 to 1970-01-01, counted by the loop itself at the end.
        var number: Int64 = -719_162
        var wrong = 0
        while year <= 9999 {
            let isLeap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0
            let length: Int64 = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][Int(month) - 1]
            if number % 5 == 0 || day == length {
                let known = CalendarDay(year: year, month: month, day: day)
                if known.daysSinceEpoch != number || CalendarDay(daysSinceEpoch: number) != known { wrong += 1 }
                if known.daysInMonth != length { wrong += 1 }
            }
            if year == 1970, month == 1, day == 1 { #expect(number == 0) }
            number += 1
            day += 1
            if day > length { (month, day) = (month + 1, 1) }
            if month > 12 { (year, month) = (year + 1, 1) }
        }
        #expect(wrong == 0)
        #expect(number == 2_932_897)
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"),
            (1, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999_999, "2000-02-29T23:59:59.999Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000Z"),
            (-62_135_596_800_000_000, "0001-01-01T00:00:00.000Z"),
            (253_402_300_799_999_000, "9999-12-31T23:59:59.999Z"),
            (1_795_249_800_123_456, "2026-11-21T08:30:00.123Z"),
        ] as [(Int64, String)])
    func `writes instants as FHIR does`(microseconds: Int64, text: String) {
        #expect(Instant(microseconds: microseconds).text == text)
    }

    @Test(arguments: [Int64.min, Int64.min + 1, Int64.max - 1, Int64.max])
    func `writes the ends of time without stopping`(microseconds: Int64) {
        #expect(Instant(microseconds: microseconds).text.hasSuffix("Z"))
    }

    @Test func `rounds towards the past when it divides`() {
        for value in Int64(-50)...50 {
            for divisor in Int64(1)...9 {
                let quotient = value.floorDivided(by: divisor)
                #expect(quotient * divisor <= value && value < (quotient + 1) * divisor)
            }
        }
    }

    @Test func `the clock runs forwards and shows this century`() {
        let first = Instant.now()
        #expect(first <= Instant.now())
        #expect(first > Instant(microseconds: 1_577_836_800_000_000))
        #expect(first.adding(seconds: 2).microseconds - first.microseconds == 2_000_000)
    }
}
