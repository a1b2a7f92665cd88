internal import WardCore

/// A FHIR date, dateTime, instant or time with exactly the parts that were written (FHIR R4 datatypes.html#dateTime).
public struct FHIRTemporal: Hashable, Sendable {
    /// What the text is.
    public enum Kind: Hashable, Sendable {
        case date, dateTime, time
    }

    /// The last part that was written; a fraction of a second does not count as a part of its own.
    public enum Precision: Int, Comparable, Hashable, Sendable {
        case year, month, day, hour, minute, second

        public static func < (left: Precision, right: Precision) -> Bool { left.rawValue < right.rawValue }
    }

    public let kind: Kind
    public let precision: Precision
    /// Parts in the order of ``Precision``; those not written are the least possible.
    let year: Int64
    let month: Int64
    let day: Int64
    let hour: Int64
    let minute: Int64
    let second: Int64
    /// Fraction of the second in nanoseconds; further digits are dropped.
    let nanosecond: Int64
    /// Digits of the fraction as written.
    let fractionDigits: Int
    /// Minutes east of UTC, if written.
    let zone: Int64?

    /// Reads `2015-02-07T13:28:17.239-05:00` or a shorter form; nil for anything else, for a leap second, and for days
    /// that do not exist. Of a time, hours alone are accepted, as in FHIRPath literals; ``FHIRDate`` does not.
    public init?(_ kind: Kind, _ text: some StringProtocol) {
        self.init(kind, bytes: text.utf8)
    }

    init?(_ kind: Kind, bytes: some Collection<UInt8>) {
        var reader = TemporalReader(bytes)
        guard kind == .time ? reader.readTime() : reader.readDate(), kind == .date || reader.readRest(kind),
            reader.isAtEnd, reader.isValid
        else { return nil }
        self.init(
            kind, reader.precision, reader.parts, nanosecond: reader.nanosecond, fractionDigits: reader.fractionDigits,
            zone: reader.zone)
    }

    init(
        _ kind: Kind, _ precision: Precision, _ parts: [Int64], nanosecond: Int64, fractionDigits: Int, zone: Int64?
    ) {
        self.kind = kind
        self.precision = precision
        year = parts[0]
        month = parts[1]
        day = parts[2]
        hour = parts[3]
        minute = parts[4]
        second = parts[5]
        self.nanosecond = nanosecond
        self.fractionDigits = fractionDigits
        self.zone = zone
    }

    var parts: [Int64] { [year, month, day, hour, minute, second] }

    /// As FHIR writes it, with the precision it has; of a fraction, up to nine digits.
    public var text: String {
        var result = ""
        if kind != .time {
            result = padded(year, 4)
            if precision >= .month { result += "-" + padded(month, 2) }
            if precision >= .day { result += "-" + padded(day, 2) }
            if precision >= .hour || (kind == .dateTime && precision < .hour) { result += "T" }
        }
        if precision >= .hour { result += padded(hour, 2) }
        if precision >= .minute { result += ":" + padded(minute, 2) }
        if precision >= .second { result += ":" + padded(second, 2) }
        let digits = min(fractionDigits, 9)
        if digits > 0 { result += "." + padded(nanosecond, 9).prefix(digits) }
        if let zone {
            let sign = zone < 0 ? "-" : "+"
            result += zone == 0 ? "Z" : sign + padded(abs(zone) / 60, 2) + ":" + padded(abs(zone) % 60, 2)
        }
        return kind == .dateTime && result.hasSuffix("T") ? String(result.dropLast()) : result
    }

    private func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

/// Reads parts from left to right.
private struct TemporalReader<Bytes: Collection<UInt8>> {
    private let bytes: Bytes
    private var at: Bytes.Index
    private(set) var parts: [Int64] = [0, 1, 1, 0, 0, 0]
    private(set) var precision = FHIRTemporal.Precision.year
    private(set) var nanosecond: Int64 = 0
    private(set) var fractionDigits = 0
    private(set) var zone: Int64?

    init(_ bytes: Bytes) {
        self.bytes = bytes
        at = bytes.startIndex
    }

    var isAtEnd: Bool { at == bytes.endIndex }

    var isValid: Bool {
        guard (1...12).contains(parts[1]), parts[3] < 24, parts[4] < 60, parts[5] < 60 else { return false }
        return parts[2] >= 1 && parts[2] <= CalendarDay(year: parts[0], month: parts[1], day: 1).daysInMonth
    }

    mutating func readDate() -> Bool {
        guard let year = digits(4), year > 0 else { return false }
        parts[0] = year
        for part in [FHIRTemporal.Precision.month, .day] where take(0x2D) {
            guard precision.rawValue == part.rawValue - 1, let value = digits(2) else { return false }
            parts[part.rawValue] = value
            precision = part
        }
        return true
    }

    /// The time of day of a dateTime, and its zone; a literal may end with a bare `T`.
    mutating func readRest(_ kind: FHIRTemporal.Kind) -> Bool {
        guard kind == .dateTime else { return true }
        guard take(0x54) else { return true }
        if isAtEnd { return true }
        guard precision == .day, readTime() else { return false }
        if take(0x5A) {
            zone = 0
        } else if let sign = takeSign() {
            guard let hours = digits(2), take(0x3A), let minutes = digits(2), hours <= 14, minutes < 60,
                hours < 14 || minutes == 0
            else { return false }
            zone = sign * (hours * 60 + minutes)
        }
        return true
    }

    mutating func readTime() -> Bool {
        guard let hour = digits(2) else { return false }
        parts[3] = hour
        precision = .hour
        guard take(0x3A) else { return true }
        guard let minute = digits(2) else { return false }
        parts[4] = minute
        precision = .minute
        guard take(0x3A) else { return true }
        guard let second = digits(2) else { return false }
        parts[5] = second
        precision = .second
        guard take(0x2E) else { return true }
        var scale: Int64 = 100_000_000
        while let digit = digits(1) {
            nanosecond += digit * scale
            scale /= 10
            fractionDigits += 1
        }
        return fractionDigits > 0
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard at < bytes.endIndex, bytes[at] == byte else { return false }
        at = bytes.index(after: at)
        return true
    }

    private mutating func takeSign() -> Int64? { take(0x2B) ? 1 : take(0x2D) ? -1 : nil }

    private mutating func digits(_ count: Int) -> Int64? {
        var value: Int64 = 0
        var next = at
        for _ in 0..<count {
            guard next < bytes.endIndex, bytes[next] >= 0x30, bytes[next] <= 0x39 else { return nil }
            value = value * 10 + Int64(bytes[next] - 0x30)
            next = bytes.index(after: next)
        }
        at = next
        return value
    }
}
