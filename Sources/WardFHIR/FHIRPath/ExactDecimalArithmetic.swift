/// Exact arithmetic; nil where 38 digits do not hold the result (FHIRPath N1, Math: overflow is empty).
extension ExactDecimal {
    /// The value with the other sign.
    public var negated: ExactDecimal {
        ExactDecimal(isNegative: !isNegative && coefficient != 0, coefficient: coefficient, exponent: exponent)
    }

    /// Distance from zero.
    public var magnitude: ExactDecimal {
        ExactDecimal(isNegative: false, coefficient: coefficient, exponent: exponent)
    }

    /// Sum; nil when it does not fit.
    public func adding(_ other: ExactDecimal) -> ExactDecimal? {
        guard let (left, right, exponent) = aligned(self, other) ?? aligned(normalized, other.normalized) else {
            return nil
        }
        if isNegative == other.isNegative {
            let (sum, overflow) = left.addingReportingOverflow(right)
            return overflow ? nil : Self.checked(isNegative, sum, exponent)
        }
        return left >= right
            ? Self.checked(isNegative && left != right, left - right, exponent)
            : Self.checked(other.isNegative, right - left, exponent)
    }

    /// Difference; nil when it does not fit.
    public func subtracting(_ other: ExactDecimal) -> ExactDecimal? { adding(other.negated) }

    /// Product; nil when it does not fit.
    public func multiplied(by other: ExactDecimal) -> ExactDecimal? {
        let sign = isNegative != other.isNegative
        let plain = coefficient.multipliedReportingOverflow(by: other.coefficient)
        if !plain.overflow, let product = Self.checked(sign, plain.partialValue, exponent + other.exponent) {
            return product
        }
        let (left, right) = (normalized, other.normalized)
        let short = left.coefficient.multipliedReportingOverflow(by: right.coefficient)
        return short.overflow ? nil : Self.checked(sign, short.partialValue, left.exponent + right.exponent)
    }

    /// Quotient to as many digits as fit; nil for division by zero.
    public func divided(by other: ExactDecimal) -> ExactDecimal? {
        if other.coefficient == 0 { return nil }
        if coefficient == 0 { return ExactDecimal(0) }
        let (left, right) = (normalized, other.normalized)
        let shift = 38 - Self.digitCount(left.coefficient)
        guard let factor = Self.powerOfTen(shift) else { return nil }
        let quotient = left.coefficient * factor / right.coefficient
        guard quotient > 0 else { return nil }
        let sign = isNegative != other.isNegative
        let result = ExactDecimal(
            isNegative: sign, coefficient: quotient, exponent: left.exponent - right.exponent - shift
        ).normalized
        return result.exponent > 0 ? result.scaled(to: 0) ?? result : result
    }

    /// Whole part of the quotient, towards zero; nil for division by zero or a result that does not fit.
    public func wholeQuotient(by other: ExactDecimal) -> ExactDecimal? {
        guard other.coefficient != 0,
            let (left, right, _) = aligned(self, other) ?? aligned(normalized, other.normalized)
        else { return nil }
        let quotient = left / right
        return ExactDecimal(
            isNegative: isNegative != other.isNegative && quotient != 0, coefficient: quotient, exponent: 0)
    }

    /// What ``wholeQuotient(by:)`` leaves; has the sign of the dividend.
    public func remainder(by other: ExactDecimal) -> ExactDecimal? {
        guard other.coefficient != 0,
            let (left, right, exponent) = aligned(self, other) ?? aligned(normalized, other.normalized)
        else { return nil }
        let rest = left % right
        return ExactDecimal(isNegative: isNegative && rest != 0, coefficient: rest, exponent: exponent)
    }

    /// Whole part, towards zero.
    public var truncated: ExactDecimal {
        guard exponent < 0 else { return self }
        let divisor = Self.powerOfTen(-exponent)
        let whole = divisor.map { coefficient / $0 } ?? 0
        return ExactDecimal(isNegative: isNegative && whole != 0, coefficient: whole, exponent: 0)
    }

    /// Greatest whole number that is not above.
    public var floor: ExactDecimal? {
        let whole = truncated
        return isNegative && whole != self ? whole.subtracting(ExactDecimal(1)) : whole
    }

    /// Rounded to `places` digits after the point, halves away from zero.
    public func rounded(places: Int) -> ExactDecimal? {
        guard exponent < -places else { return self }
        guard let divisor = Self.powerOfTen(-exponent - places) else {
            return ExactDecimal(isNegative: false, coefficient: 0, exponent: 0)
        }
        let (whole, rest) = coefficient.quotientAndRemainder(dividingBy: divisor)
        let result = rest >= divisor - rest ? whole + 1 : whole
        return ExactDecimal(isNegative: isNegative && result != 0, coefficient: result, exponent: -places)
    }

    /// Rounded to that many significant digits, halves away from zero.
    func rounded(digits: Int) -> ExactDecimal {
        let surplus = Self.digitCount(coefficient) - digits
        guard surplus > 0, let divisor = Self.powerOfTen(surplus) else { return self }
        let (whole, rest) = coefficient.quotientAndRemainder(dividingBy: divisor)
        return ExactDecimal(
            isNegative: isNegative, coefficient: rest >= divisor - rest ? whole + 1 : whole,
            exponent: exponent + surplus)
    }

    /// The value as an Int64 if it is whole and fits.
    public var wholeNumber: Int64? {
        let value = normalized
        guard value.exponent >= 0, let factor = Self.powerOfTen(value.exponent) else { return nil }
        let (product, overflow) = value.coefficient.multipliedReportingOverflow(by: factor)
        guard !overflow else { return nil }
        if value.isNegative { return product <= 1 << 63 ? Int64(truncatingIfNeeded: 0 &- product) : nil }
        return Int64(exactly: product)
    }

    /// The same value with exactly that many decimal places; nil if digits would be lost or do not fit.
    func scaled(to places: Int) -> ExactDecimal? {
        if -exponent > places {
            guard let divisor = Self.powerOfTen(-exponent - places), coefficient % divisor == 0 else { return nil }
            return ExactDecimal(isNegative: isNegative, coefficient: coefficient / divisor, exponent: -places)
        }
        guard let factor = Self.powerOfTen(exponent + places) else { return nil }
        let (product, overflow) = coefficient.multipliedReportingOverflow(by: factor)
        return overflow ? nil : Self.checked(isNegative, product, -places)
    }

    private static func checked(_ isNegative: Bool, _ coefficient: UInt128, _ exponent: Int) -> ExactDecimal? {
        guard digitCount(coefficient) <= 38 else { return nil }
        return ExactDecimal(isNegative: isNegative && coefficient != 0, coefficient: coefficient, exponent: exponent)
    }

    private func aligned(_ left: ExactDecimal, _ right: ExactDecimal) -> (UInt128, UInt128, Int)? {
        let exponent = min(left.exponent, right.exponent)
        guard let first = Self.powerOfTen(left.exponent - exponent),
            let second = Self.powerOfTen(right.exponent - exponent)
        else { return nil }
        let (a, overflowA) = left.coefficient.multipliedReportingOverflow(by: first)
        let (b, overflowB) = right.coefficient.multipliedReportingOverflow(by: second)
        return overflowA || overflowB ? nil : (a, b, exponent)
    }
}
