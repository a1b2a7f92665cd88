/// Dates and times of FHIR R4 (datatypes.html#date): regular expressions plus the calendar.
struct CalendarFormat {
    /// How much of a moment is written.
    enum Precision {
        case year, month, day, time
    }

    let precision: Precision
    let year: Int
    let month: Int
    let day: Int
    /// Nanoseconds since midnight of the day, minus the offset of the time zone.
    let nanoseconds: Int64

    /// Reads a date or dateTime; nil unless well formed.
    init?(_ text: Span<UInt8>) {
        guard let year = Self.digits(text, 0, 4), year > 0 else { return nil }
        var (month, day, precision) = (1, 1, Precision.year)
        if text.count > 4 {
            guard text[4] == 0x2D, let value = Self.digits(text, 5, 2), value >= 1, value <= 12 else { return nil }
            (month, precision) = (value, .month)
        }
        if text.count > 7 {
            guard text[7] == 0x2D, let value = Self.digits(text, 8, 2), value >= 1,
                value <= Self.days(year: year, month: month)
            else { return nil }
            (day, precision) = (value, .day)
        }
        var nanoseconds: Int64 = 0
        if text.count > 10 {
            guard text[10] == 0x54, let clock = Self.clock(text, 11), let zone = Self.zone(text, clock.end) else {
                return nil
            }
            (nanoseconds, precision) = (clock.nanoseconds - zone, .time)
        }
        self.precision = precision
        self.year = year
        self.month = month
        self.day = day
        self.nanoseconds = nanoseconds
    }

    /// `hh:mm:ss(.f+)?`
    static func isTime(_ text: Span<UInt8>) -> Bool { clock(text, 0)?.end == text.count }

    /// Whether `self` is certainly after `end`: no moment within `self` is at or before the last moment of `end`.
    /// A date without a time zone compared with a moment may be in any time zone.
    func isAfter(_ end: CalendarFormat) -> Bool {
        let slack = (precision == .time) == (end.precision == .time) ? 0 : 14 * Self.hour
        return first > end.last + slack
    }

    private static let hour: Int128 = 3_600_000_000_000

    private var first: Int128 { Self.midnight(year, month, day) + Int128(nanoseconds) }

    private var last: Int128 {
        switch precision {
        case .year: Self.midnight(year + 1, 1, 1) - 1
        case .month: (month == 12 ? Self.midnight(year + 1, 1, 1) : Self.midnight(year, month + 1, 1)) - 1
        case .day: first + 24 * Self.hour - 1
        case .time: first
        }
    }

    /// Nanoseconds from a fixed day to that midnight; years begin in March, so that a leap day ends one.
    private static func midnight(_ year: Int, _ month: Int, _ day: Int) -> Int128 {
        let (shiftedYear, shiftedMonth) = month > 2 ? (year, month - 3) : (year - 1, month + 9)
        let leapDays = shiftedYear / 4 - shiftedYear / 100 + shiftedYear / 400
        return Int128(365 * shiftedYear + leapDays + (153 * shiftedMonth + 2) / 5 + day) * 24 * hour
    }

    private static func days(year: Int, month: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    private static func digits(_ text: Span<UInt8>, _ start: Int, _ count: Int) -> Int? {
        guard start + count <= text.count else { return nil }
        var value = 0
        for index in start..<start + count {
            guard PrimitiveFormat.isDigit(text[index]) else { return nil }
            value = value * 10 + Int(text[index] & 15)
        }
        return value
    }

    private static func clock(_ text: Span<UInt8>, _ start: Int) -> (nanoseconds: Int64, end: Int)? {
        guard let hours = digits(text, start, 2), hours < 24, start + 8 <= text.count, text[start + 2] == 0x3A,
            let minutes = digits(text, start + 3, 2), minutes < 60, text[start + 5] == 0x3A,
            let seconds = digits(text, start + 6, 2), seconds <= 60
        else { return nil }
        var nanoseconds = Int64((hours * 60 + minutes) * 60 + seconds) * 1_000_000_000
        var end = start + 8
        if end < text.count, text[end] == 0x2E {
            var unit: Int64 = 100_000_000
            end += 1
            while end < text.count, PrimitiveFormat.isDigit(text[end]) {
                nanoseconds += Int64(text[end] & 15) * unit
                unit /= 10
                end += 1
            }
            if end == start + 9 { return nil }
        }
        return (nanoseconds, end)
    }

    /// Offset in nanoseconds of `Z` or `±hh:mm` up to 14:00 that ends the text.
    private static func zone(_ text: Span<UInt8>, _ start: Int) -> Int64? {
        guard start < text.count else { return nil }
        if text[start] == 0x5A { return start + 1 == text.count ? 0 : nil }
        guard text[start] == 0x2B || text[start] == 0x2D, text.count == start + 6, text[start + 3] == 0x3A,
            let hours = digits(text, start + 1, 2), let minutes = digits(text, start + 4, 2), minutes < 60,
            hours < 14 || (hours == 14 && minutes == 0)
        else { return nil }
        let offset = Int64(hours * 60 + minutes) * 60_000_000_000
        return text[start] == 0x2B ? offset : -offset
    }
}
