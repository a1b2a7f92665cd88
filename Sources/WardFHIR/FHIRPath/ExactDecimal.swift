/// A decimal number kept exactly: sign, up to 38 digits and a power of ten (FHIR R4 datatypes.html#decimal).
///
/// Equality and order are those of the value, so `1.0 == 1.00`; ``text`` keeps the precision that was written. Results
/// that would need more than 38 digits are nil, never rounded.
public struct ExactDecimal: Sendable {
    /// True for values below zero, and for a written `-0`.
    public let isNegative: Bool
    /// Digits without sign and point.
    public let coefficient: UInt128
    /// Power of ten the coefficient is multiplied by; minus the number of decimal places.
    public let exponent: Int

    init(isNegative: Bool, coefficient: UInt128, exponent: Int) {
        self.isNegative = isNegative
        self.coefficient = coefficient
        self.exponent = exponent
    }

    /// A whole number.
    public init(_ value: Int64) {
        self.init(isNegative: value < 0, coefficient: UInt128(value.magnitude), exponent: 0)
    }

    /// Reads `-12.50` or `1e-3`; nil for other text and for more than 38 significant digits.
    public init?(_ text: some StringProtocol) {
        self.init(bytes: text.utf8)
    }

    /// As ``init(_:)-(StringProtocol)``, from the bytes of a JSON number.
    public init?(bytes: some Collection<UInt8>) {
        var reader = DecimalReader()
        for byte in bytes {
            guard reader.take(byte) else { return nil }
        }
        guard let value = reader.value() else { return nil }
        self = value
    }

    /// As written: `1.50` stays `1.50`.
    public var text: String {
        let sign = isNegative ? "-" : ""
        let digits = String(coefficient)
        if exponent == 0 { return sign + digits }
        if exponent > 0 {
            return sign + digits + (exponent <= 38 ? String(repeating: "0", count: exponent) : "e\(exponent)")
        }
        guard -exponent <= 80 else { return sign + digits + "e\(exponent)" }
        let padded = String(repeating: "0", count: max(0, 1 - exponent - digits.count)) + digits
        return sign + padded.dropLast(-exponent) + "." + padded.suffix(-exponent)
    }

    /// Whether the value is zero.
    public var isZero: Bool { coefficient == 0 }

    /// The interval that the written precision stands for: `100` is 99.5 to 100.5 (FHIR R4 search.html#number).
    public var impliedInterval: (low: ExactDecimal, high: ExactDecimal)? {
        let half = ExactDecimal(isNegative: false, coefficient: 5, exponent: exponent - 1)
        guard let low = subtracting(half), let high = adding(half) else { return nil }
        return (low, high)
    }

    /// The same value without zeros at the end of its fraction.
    public var normalized: ExactDecimal {
        if coefficient == 0 { return ExactDecimal(isNegative: false, coefficient: 0, exponent: 0) }
        var (digits, power) = (coefficient, exponent)
        while digits % 10 == 0 {
            digits /= 10
            power += 1
        }
        return ExactDecimal(isNegative: isNegative, coefficient: digits, exponent: power)
    }

    static func digitCount(_ value: UInt128) -> Int {
        var count = 0
        var rest = value
        while rest > 0 {
            rest /= 10
            count += 1
        }
        return count
    }

    static func powerOfTen(_ exponent: Int) -> UInt128? {
        guard exponent >= 0, exponent <= 38 else { return nil }
        var result: UInt128 = 1
        for _ in 0..<exponent { result *= 10 }
        return result
    }
}

extension ExactDecimal: Comparable, Hashable {
    public static func == (left: ExactDecimal, right: ExactDecimal) -> Bool { order(left, right) == 0 }
    public static func < (left: ExactDecimal, right: ExactDecimal) -> Bool { order(left, right) < 0 }

    public func hash(into hasher: inout Hasher) {
        let value = normalized
        hasher.combine(value.isNegative)
        hasher.combine(value.coefficient)
        hasher.combine(value.exponent)
    }

    private static func order(_ left: ExactDecimal, _ right: ExactDecimal) -> Int {
        let signs = (left.signum, right.signum)
        if signs.0 != signs.1 { return signs.0 < signs.1 ? -1 : 1 }
        if signs.0 == 0 { return 0 }
        return magnitudeOrder(left, right) * signs.0
    }

    private var signum: Int { coefficient == 0 ? 0 : isNegative ? -1 : 1 }

    private static func magnitudeOrder(_ left: ExactDecimal, _ right: ExactDecimal) -> Int {
        let sizes = (digitCount(left.coefficient) + left.exponent, digitCount(right.coefficient) + right.exponent)
        if sizes.0 != sizes.1 { return sizes.0 < sizes.1 ? -1 : 1 }
        // Equal sizes: aligned, both have at most 38 digits.
        let floor = min(left.exponent, right.exponent)
        let first = left.coefficient * (powerOfTen(left.exponent - floor) ?? 1)
        let second = right.coefficient * (powerOfTen(right.exponent - floor) ?? 1)
        return first == second ? 0 : first < second ? -1 : 1
    }
}

/// Takes a number byte by byte.
private struct DecimalReader {
    private var isNegative = false
    private var coefficient: UInt128 = 0
    private var digits = 0
    private var exponent = 0
    private var powerIsNegative = false
    private var power = 0
    private var place = Place.start

    private enum Place { case start, sign, whole, point, fraction, exponentMark, exponentSign, exponentDigits }

    mutating func take(_ byte: UInt8) -> Bool {
        switch (byte, place) {
        case (0x2B, .start), (0x2D, .start):
            isNegative = byte == 0x2D
            place = .sign
        case (0x30...0x39, .start), (0x30...0x39, .sign), (0x30...0x39, .whole):
            place = .whole
            return digit(byte)
        case (0x2E, .whole):
            place = .point
        case (0x30...0x39, .point), (0x30...0x39, .fraction):
            place = .fraction
            exponent -= 1
            return digit(byte)
        case (0x65, .whole), (0x45, .whole), (0x65, .fraction), (0x45, .fraction):
            place = .exponentMark
        case (0x2B, .exponentMark), (0x2D, .exponentMark):
            powerIsNegative = byte == 0x2D
            place = .exponentSign
        case (0x30...0x39, .exponentMark), (0x30...0x39, .exponentSign), (0x30...0x39, .exponentDigits):
            place = .exponentDigits
            power = power * 10 + Int(byte - 0x30)
            return power < 1_000_000
        default:
            return false
        }
        return true
    }

    mutating func digit(_ byte: UInt8) -> Bool {
        if coefficient > 0 { digits += 1 } else if byte != 0x30 { digits = 1 }
        guard digits <= 38, exponent > -1_000_000 else { return false }
        coefficient = coefficient * 10 + UInt128(byte - 0x30)
        return true
    }

    func value() -> ExactDecimal? {
        guard place == .whole || place == .fraction || place == .exponentDigits else { return nil }
        return ExactDecimal(
            isNegative: isNegative, coefficient: coefficient, exponent: exponent + (powerIsNegative ? -power : power))
    }
}
