public import WardCore

/// A date literal with its prefix, against closed intervals of microseconds (FHIR R4 search.html#date).
public struct DateTest: Hashable, Sendable {
    public let prefix: SearchPrefix
    /// The literal's interval; for `ap` widened already.
    public let low: Int64
    public let high: Int64

    /// `ap` widens both ends by a tenth of their distance from `now`, the one clock reading of the request.
    public init(_ prefix: SearchPrefix, low: Int64, high: Int64, now: Instant) {
        self.prefix = prefix
        self.low = prefix == .ap ? saturatingSum(low, -(distance(low, now.microseconds) / 10)) : low
        self.high = prefix == .ap ? saturatingSum(high, distance(high, now.microseconds) / 10) : high
    }

    /// Whether a value with that interval passes; open ends are the extreme integers.
    public func matches(low valueLow: Int64, high valueHigh: Int64) -> Bool {
        switch prefix {
        case .eq: isInside(valueLow, valueHigh)
        case .ne: !isInside(valueLow, valueHigh)
        case .lt: valueLow < low
        case .gt: valueHigh > high
        case .le: valueLow < low || isInside(valueLow, valueHigh)
        case .ge: valueHigh > high || isInside(valueLow, valueHigh)
        case .sa: valueLow > high
        case .eb: valueHigh < low
        case .ap: valueLow <= high && valueHigh >= low
        }
    }

    private func isInside(_ valueLow: Int64, _ valueHigh: Int64) -> Bool { low <= valueLow && valueHigh <= high }
}

private func distance(_ left: Int64, _ right: Int64) -> Int64 {
    let (difference, overflow) = left.subtractingReportingOverflow(right)
    return overflow || difference == .min ? .max : abs(difference)
}

private func saturatingSum(_ left: Int64, _ right: Int64) -> Int64 {
    let (sum, overflow) = left.addingReportingOverflow(right)
    return overflow ? (right < 0 ? .min : .max) : sum
}
