internal import WardCore

/// The stretch of time that a date text stands for (FHIR R4 search.html#date).
public enum FHIRDate {
    /// Closed interval in microseconds since 1970 UTC: `2015-02` is from its first to its last microsecond.
    ///
    /// Takes date, dateTime and instant, and as queries may: times without seconds or zone. Dates and times without a
    /// zone count in the zone `zoneOffsetMinutes` east of UTC. Nil for other text, days that do not exist, and leap
    /// seconds, which the calendar of this server cannot place. Digits beyond microseconds are dropped.
    public static func interval(_ text: some StringProtocol, zoneOffsetMinutes: Int = 0) -> (low: Int64, high: Int64)? {
        interval(bytes: text.utf8, zoneOffsetMinutes: zoneOffsetMinutes)
    }

    static func interval(
        bytes: some Collection<UInt8>, zoneOffsetMinutes: Int
    ) -> (low: Int64, high: Int64)? {
        guard let value = FHIRTemporal(.dateTime, bytes: bytes), value.precision != .hour,
            value.precision >= .hour || bytes.count <= 10, value.precision >= .hour || !bytes.contains(0x54)
        else { return nil }
        return value.interval(zoneOffsetMinutes: zoneOffsetMinutes)
    }
}

extension FHIRTemporal {
    /// As ``FHIRDate/interval(_:zoneOffsetMinutes:)``; of a time, on 1970-01-01.
    func interval(zoneOffsetMinutes: Int) -> (low: Int64, high: Int64) {
        let date = CalendarDay(year: kind == .time ? 1970 : year, month: month, day: day)
        let offset = (zone ?? Int64(zoneOffsetMinutes)) * 60_000_000
        let start = date.daysSinceEpoch * Self.day
        let seconds = ((hour * 60 + minute) * 60 + second) * 1_000_000
        let low = start + seconds + nanosecond / 1000 - offset
        switch precision {
        case .year: return (low, CalendarDay(year: year + 1, month: 1, day: 1).daysSinceEpoch * Self.day - offset - 1)
        case .month: return (low, (date.daysSinceEpoch + date.daysInMonth) * Self.day - offset - 1)
        case .day: return (low, low + Self.day - 1)
        case .hour: return (low, low + 3_600_000_000 - 1)
        case .minute: return (low, low + 60_000_000 - 1)
        case .second:
            var width: Int64 = 1_000_000
            for _ in 0..<min(fractionDigits, 6) { width /= 10 }
            return (low, low + width - 1)
        }
    }

    private static let day: Int64 = 86_400_000_000
}
