internal import WardCore

/// `=` and `~` (FHIRPath N1, Equality).
extension FHIRPathEvaluator {
    mutating func equal(_ left: [FHIRPathItem], _ right: [FHIRPathItem]) throws(FHIRPathFailure) -> Bool? {
        if left.isEmpty || right.isEmpty { return nil }
        guard left.count == right.count else { return false }
        try spend(left.count)
        var isUndecided = false
        for position in left.indices {
            switch try equal(left[position], right[position]) {
            case false?: return false
            case nil: isUndecided = true
            default: continue
            }
        }
        return isUndecided ? nil : true
    }

    /// Nil where the precision of dates does not decide.
    func equal(_ left: FHIRPathItem, _ right: FHIRPathItem) throws(FHIRPathFailure) -> Bool? {
        if case .node(let first) = left, case .node(let second) = right, first == second { return true }
        switch (left.system(in: tape), right.system(in: tape)) {
        case (let first?, let second?): return try systemEqual(first, second)
        case (nil, nil):
            if case .unresolved = left { throw .unsupported("content of a resolved reference") }
            guard case .node(let first) = left, case .node(let second) = right else { return false }
            return same(first.value ?? first.sibling, second.value ?? second.sibling)
        default: return false
        }
    }

    private func systemEqual(_ left: FHIRPathItem, _ right: FHIRPathItem) throws(FHIRPathFailure) -> Bool? {
        switch (left, right) {
        case (.boolean(let first), .boolean(let second)): return first == second
        case (.string(let first), .string(let second)): return first == second
        case (.type(let first), .type(let second)): return first == second
        case (.temporal(let first), .temporal(let second)):
            guard (first.kind == .time) == (second.kind == .time) else { return false }
            return first.order(second).map { $0 == 0 }
        case (.quantity, .quantity), (.quantity, .integer), (.quantity, .decimal), (.integer, .quantity),
            (.decimal, .quantity):
            return try sameUnit(left, right, "=").map { $0.0 == $0.1 }
        default:
            guard let first = left.number, let second = right.number else { return false }
            return first == second
        }
    }

    /// Same JSON value: numbers by value, members in any order.
    private func same(_ left: Int?, _ right: Int?) -> Bool {
        guard let left, let right else { return left == right }
        guard tape.kind(left) == tape.kind(right) else { return false }
        switch tape.kind(left) {
        case .true, .false, .null: return true
        case .string: return tape.text(left) == tape.text(right)
        case .number:
            let numbers = [left, right].map { ExactDecimal(bytes: tape.slice(tape.range($0))) }
            return numbers[0] != nil ? numbers[0] == numbers[1] : tape.text(left) == tape.text(right)
        case .array:
            var (first, second) = (left + 1, right + 1)
            while first < tape.end(left), second < tape.end(right) {
                guard same(first, second) else { return false }
                first = tape.end(first)
                second = tape.end(second)
            }
            return first == tape.end(left) && second == tape.end(right)
        case .object:
            var count = 0
            var key = left + 1
            while key < tape.end(left) {
                guard let other = tape.member(right, named: tape.text(key)), same(key + 1, other) else { return false }
                key = tape.end(key + 1)
                count += 1
            }
            tape.forEachMember(right) { _, _ in count -= 1 }
            return count == 0
        }
    }

    mutating func equivalent(_ left: [FHIRPathItem], _ right: [FHIRPathItem]) throws(FHIRPathFailure) -> Bool {
        guard left.count == right.count else { return false }
        var rest = right
        for item in left {
            try spend(rest.count)
            var match: Int?
            for position in rest.indices where match == nil {
                if try equivalent(item, rest[position]) { match = position }
            }
            guard let match else { return false }
            rest.remove(at: match)
        }
        return true
    }

    private func equivalent(_ left: FHIRPathItem, _ right: FHIRPathItem) throws(FHIRPathFailure) -> Bool {
        switch (left.system(in: tape), right.system(in: tape)) {
        case (.string(let first)?, .string(let second)?): return Self.folded(first) == Self.folded(second)
        case (.temporal(let first)?, .temporal(let second)?):
            guard first.precision == second.precision, (first.kind == .time) == (second.kind == .time) else {
                return false
            }
            return first.order(second) == 0
        case (.quantity(let first, let unit)?, .quantity(let second, let other)?) where unit == other:
            return Self.roundedEqual(first, second)
        case (let first?, let second?):
            if let a = first.number, let b = second.number { return Self.roundedEqual(a, b) }
            return try systemEqual(first, second) == true
        default: return try equal(left, right) == true
        }
    }

    /// Equal at the precision of the less precise one; trailing zeros do not count.
    private static func roundedEqual(_ left: ExactDecimal, _ right: ExactDecimal) -> Bool {
        let places = max(0, min(-left.normalized.exponent, -right.normalized.exponent))
        return left.rounded(places: places) == right.rounded(places: places)
    }

    /// Lower case, with each run of white space as one space.
    static func folded(_ text: String) -> String {
        text.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}

extension FHIRTemporal {
    /// Below, at or above zero; nil if one has parts that the other lacks and all before are equal, or only one has a
    /// zone.
    func order(_ other: FHIRTemporal) -> Int? {
        var (first, second) = (self, other)
        if zone != other.zone, min(precision, other.precision) >= .minute, kind == .dateTime, other.kind == .dateTime {
            guard zone != nil, other.zone != nil else { return nil }
            first = inUTC
            second = other.inUTC
        }
        let common = min(first.precision, second.precision)
        for part in 0...common.rawValue where first.kind != .time || part >= Precision.hour.rawValue {
            let (left, right) = (first.parts[part], second.parts[part])
            if left != right { return left < right ? -1 : 1 }
        }
        guard first.precision == second.precision else { return nil }
        return first.nanosecond == second.nanosecond ? 0 : first.nanosecond < second.nanosecond ? -1 : 1
    }

    /// The same moment written in UTC.
    var inUTC: FHIRTemporal {
        guard let zone, zone != 0 else { return self }
        let minutes = hour * 60 + minute - zone
        let days = minutes.floorDivided(by: 1440)
        let date = CalendarDay(daysSinceEpoch: CalendarDay(year: year, month: month, day: day).daysSinceEpoch + days)
        let rest = minutes - days * 1440
        return FHIRTemporal(
            kind, precision, [date.year, date.month, date.day, rest / 60, rest % 60, second], nanosecond: nanosecond,
            fractionDigits: fractionDigits, zone: 0)
    }
}
