internal import WardCore

/// `+ - * / div mod` (FHIRPath N1, Math).
extension FHIRPathEvaluator {
    func negate(_ items: [FHIRPathItem]) throws(FHIRPathFailure) -> [FHIRPathItem] {
        switch try system(items, "-") {
        case nil: return []
        case .integer(let value): return value == .min ? [] : [.integer(-value)]
        case .decimal(let value): return [.decimal(value.negated)]
        case .quantity(let value, let unit): return [.quantity(value.negated, unit: unit)]
        default: throw .wrongType("-")
        }
    }

    func arithmetic(
        _ binary: FHIRPathOperator, _ left: FHIRPathItem, _ right: FHIRPathItem
    ) throws(FHIRPathFailure) -> [FHIRPathItem] {
        switch (left, right) {
        case (.string(let first), .string(let second)) where binary == .add:
            return [.string(first + second)]
        case (.temporal(let time), .quantity(let value, let unit)) where binary == .add || binary == .subtract:
            return try time.adding(binary == .add ? value : value.negated, unit).map { [.temporal($0)] } ?? []
        case (.integer(let first), .integer(let second)) where binary != .divide:
            return Self.whole(binary, first, second).map { [.integer($0)] } ?? []
        case (.quantity, _), (_, .quantity):
            return try quantities(binary, left, right)
        default:
            guard let first = left.number, let second = right.number else { throw .wrongType(binary.rawValue) }
            guard let result = Self.decimal(binary, first, second) else { return [] }
            if binary == .wholeDivide { return result.wholeNumber.map { [.integer($0)] } ?? [] }
            return [.decimal(result)]
        }
    }

    private static func whole(_ binary: FHIRPathOperator, _ left: Int64, _ right: Int64) -> Int64? {
        let result: (partialValue: Int64, overflow: Bool) =
            switch binary {
            case .add: left.addingReportingOverflow(right)
            case .subtract: left.subtractingReportingOverflow(right)
            case .multiply: left.multipliedReportingOverflow(by: right)
            case .wholeDivide: left.dividedReportingOverflow(by: right)
            default: left.remainderReportingOverflow(dividingBy: right)
            }
        return result.overflow ? nil : result.partialValue
    }

    private static func decimal(
        _ binary: FHIRPathOperator, _ left: ExactDecimal, _ right: ExactDecimal
    ) -> ExactDecimal? {
        switch binary {
        case .add: left.adding(right)
        case .subtract: left.subtracting(right)
        case .multiply: left.multiplied(by: right)
        case .divide: left.divided(by: right)
        case .wholeDivide: left.wholeQuotient(by: right)
        default: left.remainder(by: right)
        }
    }

    private func quantities(
        _ binary: FHIRPathOperator, _ left: FHIRPathItem, _ right: FHIRPathItem
    ) throws(FHIRPathFailure) -> [FHIRPathItem] {
        guard let first = left.amount, let second = right.amount else { throw .wrongType(binary.rawValue) }
        switch binary {
        case .add, .subtract:
            guard first.unit == second.unit else { throw .unsupported("unit conversion") }
            return Self.decimal(binary, first.value, second.value).map { [.quantity($0, unit: first.unit)] } ?? []
        case .multiply where first.unit == "1" || second.unit == "1":
            let unit = first.unit == "1" ? second.unit : first.unit
            return first.value.multiplied(by: second.value).map { [.quantity($0, unit: unit)] } ?? []
        case .divide where second.unit == "1" || first.unit == second.unit:
            let unit = second.unit == "1" ? first.unit : "1"
            return first.value.divided(by: second.value).map { [.quantity($0, unit: unit)] } ?? []
        case .multiply, .divide: throw .unsupported("product of units")
        default: throw .wrongType(binary.rawValue)
        }
    }
}

extension FHIRTemporal {
    /// Date arithmetic; the amount counts in whole units, except seconds (FHIRPath N1, Date/Time Arithmetic). Nil when
    /// the result is beyond year 1 to 9999.
    func adding(_ amount: ExactDecimal, _ unit: String) throws(FHIRPathFailure) -> FHIRTemporal? {
        guard let word = FHIRPathUnit.calendarWord(unit) ?? Self.definite[unit] else {
            throw .wrongType("date arithmetic")
        }
        switch word {
        case "year", "month":
            guard kind != .time else { throw .wrongType("time arithmetic") }
            guard let months = amount.truncated.wholeNumber, abs(months) < 200_000 else { return nil }
            return addingMonths(word == "year" ? months * 12 : precision == .year ? months / 12 * 12 : months)
        default:
            guard let length = Self.lengths[word] else { throw .wrongType("date arithmetic") }
            let whole = word == "second" ? amount : amount.truncated
            guard let product = whole.multiplied(by: ExactDecimal(length)),
                let nanoseconds = product.truncated.wholeNumber
            else { return nil }
            return try addingNanoseconds(nanoseconds)
        }
    }

    private func addingMonths(_ months: Int64) -> FHIRTemporal? {
        let total = year * 12 + month - 1 + months
        let newYear = total.floorDivided(by: 12)
        guard (1...9999).contains(newYear) else { return nil }
        let newMonth = total - newYear * 12 + 1
        let newDay = min(day, CalendarDay(year: newYear, month: newMonth, day: 1).daysInMonth)
        return with([newYear, newMonth, newDay, hour, minute, second], nanosecond)
    }

    private func addingNanoseconds(_ amount: Int64) throws(FHIRPathFailure) -> FHIRTemporal? {
        let perDay = Self.lengths["day"] ?? 1
        if kind != .time, precision < .day {
            // A partial date takes the amount in its own unit: 30 days a month, 365 a year.
            let days = amount / perDay
            return addingMonths(precision == .year ? days / 365 * 12 : days / 30)
        }
        // Parts that were not written count as whole: a date takes only full days.
        let units: [Precision: Int64] = [.day: perDay, .hour: perDay / 24, .minute: perDay / 1440]
        let unit = units[precision] ?? 1
        let ofDay = ((hour * 60 + minute) * 60 + second) * 1_000_000_000 + nanosecond
        let (sum, overflow) = ofDay.addingReportingOverflow(amount / unit * unit)
        guard !overflow else { return nil }
        let days = sum.floorDivided(by: perDay)
        let rest = sum - days * perDay
        let today = CalendarDay(year: max(year, 1), month: month, day: day)
        let date = CalendarDay(daysSinceEpoch: today.daysSinceEpoch + (kind == .time ? 0 : days))
        guard kind == .time || (1...9999).contains(date.year) else { return nil }
        let seconds = rest / 1_000_000_000
        return with(
            [kind == .time ? year : date.year, date.month, date.day, seconds / 3600, seconds / 60 % 60, seconds % 60],
            rest % 1_000_000_000)
    }

    private func with(_ parts: [Int64], _ nanosecond: Int64) -> FHIRTemporal {
        let digits = nanosecond == 0 ? fractionDigits : max(fractionDigits, nanosecond % 1_000_000 == 0 ? 3 : 9)
        return FHIRTemporal(kind, precision, parts, nanosecond: nanosecond, fractionDigits: digits, zone: zone)
    }

    /// UCUM codes of definite durations that may be added to a date.
    private static let definite = [
        "wk": "week", "d": "day", "h": "hour", "min": "minute", "s": "second", "ms": "millisecond",
    ]
    private static let lengths: [String: Int64] = [
        "week": 604_800_000_000_000, "day": 86_400_000_000_000, "hour": 3_600_000_000_000, "minute": 60_000_000_000,
        "second": 1_000_000_000, "millisecond": 1_000_000,
    ]
}
