/// A number literal with its prefix (FHIR R4 search.html#number).
///
/// `eq` and `ne` honour the written precision: 100 is [99.5, 100.5), 1e2 is [50, 150). The specification's own example
/// for 1e2 contradicts its rule; the rule is followed. Order prefixes compare with the literal itself.
public struct NumberTest: Hashable, Sendable {
    public let prefix: SearchPrefix
    /// The literal.
    public let literal: ExactDecimal
    /// For `eq`, `ne`: the interval of the written precision, high end outside. For `ap`: a tenth to either side, both
    /// ends inside. Otherwise the literal twice.
    public let low: ExactDecimal
    public let high: ExactDecimal
    /// Nearest doubles of the three; rounding is monotone, so they decide all but ties.
    public let literalKey: Double
    public let lowKey: Double
    public let highKey: Double

    /// Nil if the literal's bounds do not fit ``ExactDecimal``.
    public init?(_ prefix: SearchPrefix, _ literal: ExactDecimal) {
        let bounds: (low: ExactDecimal, high: ExactDecimal)?
        switch prefix {
        case .eq, .ne: bounds = literal.impliedInterval
        case .ap:
            guard let tenth = ExactDecimal("0.1").flatMap(literal.magnitude.multiplied),
                let low = literal.subtracting(tenth),
                let high = literal.adding(tenth)
            else { return nil }
            bounds = (low, high)
        default: bounds = (literal, literal)
        }
        guard let bounds, let literalKey = Self.key(literal), let lowKey = Self.key(bounds.low),
            let highKey = Self.key(bounds.high)
        else { return nil }
        self.prefix = prefix
        self.literal = literal
        (low, high) = bounds
        (self.literalKey, self.lowKey, self.highKey) = (literalKey, lowKey, highKey)
    }

    /// The same test in another unit; nil if a number does not fit ``ExactDecimal``.
    public func scaled(by factor: ExactDecimal) -> NumberTest? {
        guard let literal = literal.multiplied(by: factor), let low = low.multiplied(by: factor),
            let high = high.multiplied(by: factor), let literalKey = Self.key(literal), let lowKey = Self.key(low),
            let highKey = Self.key(high)
        else { return nil }
        return NumberTest(
            prefix: prefix, literal: literal, low: low, high: high, literalKey: literalKey, lowKey: lowKey,
            highKey: highKey)
    }

    private init(
        prefix: SearchPrefix, literal: ExactDecimal, low: ExactDecimal, high: ExactDecimal, literalKey: Double,
        lowKey: Double, highKey: Double
    ) {
        self.prefix = prefix
        self.literal = literal
        (self.low, self.high) = (low, high)
        (self.literalKey, self.lowKey, self.highKey) = (literalKey, lowKey, highKey)
    }

    /// The test on keys that were multiplied after rounding: unsure wherever that could make a difference.
    public func verdict(roundedLowKey low: Double, roundedHighKey high: Double) -> SearchVerdict {
        for key in [literalKey, lowKey, highKey] {
            for value in [low, high] where abs(value - key) <= max(1e-12 * max(abs(value), abs(key)), 1e-290) {
                return .unsure
            }
        }
        return verdict(lowKey: low, highKey: high)
    }

    /// Order-preserving key of a decimal: the nearest double.
    public static func key(_ decimal: ExactDecimal) -> Double? { Double(decimal.text) }

    /// The exact test. Nil is an open end.
    public func matches(low valueLow: ExactDecimal?, high valueHigh: ExactDecimal?) -> Bool {
        func isLow(_ test: (ExactDecimal) -> Bool, open: Bool) -> Bool { valueLow.map(test) ?? open }
        func isHigh(_ test: (ExactDecimal) -> Bool, open: Bool) -> Bool { valueHigh.map(test) ?? open }
        switch prefix {
        case .eq: return isLow({ $0 >= low }, open: false) && isHigh({ $0 < high }, open: false)
        case .ne: return !(isLow({ $0 >= low }, open: false) && isHigh({ $0 < high }, open: false))
        case .gt: return isHigh({ $0 > literal }, open: true)
        case .ge: return isHigh({ $0 >= literal }, open: true)
        case .lt: return isLow({ $0 < literal }, open: true)
        case .le: return isLow({ $0 <= literal }, open: true)
        case .sa: return isLow({ $0 > literal }, open: false)
        case .eb: return isHigh({ $0 < literal }, open: false)
        case .ap: return isLow({ $0 <= high }, open: true) && isHigh({ $0 >= low }, open: true)
        }
    }

    /// The test on keys: unsure exactly where keys tie. Infinite keys are open ends (or too large for a double).
    public func verdict(lowKey valueLow: Double, highKey valueHigh: Double) -> SearchVerdict {
        switch prefix {
        case .eq: min(Self.less(lowKey, valueLow), Self.less(valueHigh, highKey))
        case .ne: min(Self.less(lowKey, valueLow), Self.less(valueHigh, highKey)).negated
        case .gt, .ge: Self.less(literalKey, valueHigh)
        case .lt, .le: Self.less(valueLow, literalKey)
        case .sa: Self.less(literalKey, valueLow)
        case .eb: Self.less(valueHigh, literalKey)
        case .ap: min(Self.less(valueLow, highKey), Self.less(lowKey, valueHigh))
        }
    }

    /// Strictly less, or less or equal: keys cannot tell the two apart, so a tie is unsure.
    private static func less(_ left: Double, _ right: Double) -> SearchVerdict {
        left < right ? .yes : left == right ? .unsure : .no
    }
}
