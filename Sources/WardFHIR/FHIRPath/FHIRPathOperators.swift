/// Binary operators on evaluated operands (FHIRPath N1, Operations).
extension FHIRPathEvaluator {
    mutating func combine(
        _ binary: FHIRPathOperator, _ left: [FHIRPathItem], _ right: [FHIRPathItem]
    ) throws(FHIRPathFailure) -> [FHIRPathItem] {
        switch binary {
        case .union: return try distinct(left + right)
        case .equal: return answer(try equal(left, right))
        case .notEqual: return answer(try equal(left, right).map { !$0 })
        case .equivalent: return [.boolean(try equivalent(left, right))]
        case .notEquivalent: return [.boolean(!(try equivalent(left, right)))]
        case .less, .lessOrEqual, .greater, .greaterOrEqual: return answer(try compare(binary, left, right))
        case .isIn: return answer(try membership(left, right, binary.rawValue))
        case .contains: return answer(try membership(right, left, binary.rawValue))
        case .and, .or, .xor, .implies: return answer(try logic(binary, left, right))
        case .concatenate:
            return [.string((try string(left, "&") ?? "") + (try string(right, "&") ?? ""))]
        case .add, .subtract, .multiply, .divide, .wholeDivide, .modulo:
            guard let first = try system(left, binary.rawValue), let second = try system(right, binary.rawValue) else {
                return []
            }
            return try arithmetic(binary, first, second)
        }
    }

    func answer(_ value: Bool?) -> [FHIRPathItem] { value.map { [.boolean($0)] } ?? [] }

    /// Three-valued logic; empty is the third value.
    private func logic(
        _ binary: FHIRPathOperator, _ left: [FHIRPathItem], _ right: [FHIRPathItem]
    ) throws(FHIRPathFailure) -> Bool? {
        let first = try condition(left, binary.rawValue)
        let second = try condition(right, binary.rawValue)
        switch binary {
        case .and: return first == false || second == false ? false : first == nil || second == nil ? nil : true
        case .or: return first == true || second == true ? true : first == nil || second == nil ? nil : false
        case .implies: return first == false || second == true ? true : first == nil || second == nil ? nil : false
        default:
            guard let first, let second else { return nil }
            return first != second
        }
    }

    private mutating func membership(
        _ item: [FHIRPathItem], _ collection: [FHIRPathItem], _ user: String
    ) throws(FHIRPathFailure) -> Bool? {
        guard let item = try single(item, user) else { return nil }
        return try contains(collection, item)
    }

    mutating func contains(_ items: [FHIRPathItem], _ wanted: FHIRPathItem) throws(FHIRPathFailure) -> Bool {
        try spend(items.count)
        for item in items where try equal(item, wanted) == true { return true }
        return false
    }

    mutating func distinct(_ items: [FHIRPathItem]) throws(FHIRPathFailure) -> [FHIRPathItem] {
        var found: [FHIRPathItem] = []
        // A string equals nothing but strings, so those, the usual long lists, need no comparison with each other.
        var strings: Set<String> = []
        var others: [FHIRPathItem] = []
        for item in items {
            if case .string(let text)? = item.system(in: tape) {
                if strings.insert(text).inserted { found.append(item) }
            } else if !(try contains(others, item)) {
                others.append(item)
                found.append(item)
            }
        }
        return found
    }

    private func compare(
        _ binary: FHIRPathOperator, _ left: [FHIRPathItem], _ right: [FHIRPathItem]
    ) throws(FHIRPathFailure) -> Bool? {
        guard let first = try system(left, binary.rawValue), let second = try system(right, binary.rawValue),
            let order = try order(first, second, binary.rawValue)
        else { return nil }
        switch binary {
        case .less: return order < 0
        case .lessOrEqual: return order <= 0
        case .greater: return order > 0
        default: return order >= 0
        }
    }

    /// Below, at or above zero; nil where the precision of dates does not decide.
    func order(_ left: FHIRPathItem, _ right: FHIRPathItem, _ user: String) throws(FHIRPathFailure) -> Int? {
        switch (left, right) {
        case (.string(let first), .string(let second)): return Self.sign(first, second)
        case (.temporal(let first), .temporal(let second)):
            guard (first.kind == .time) == (second.kind == .time) else { throw .wrongType(user) }
            return first.order(second)
        case (.quantity, _), (_, .quantity):
            guard let (first, second) = try sameUnit(left, right, user) else { return nil }
            return Self.sign(first, second)
        default:
            guard let first = left.number, let second = right.number else { throw .wrongType(user) }
            return Self.sign(first, second)
        }
    }

    private static func sign<Value: Comparable>(_ left: Value, _ right: Value) -> Int {
        left == right ? 0 : left < right ? -1 : 1
    }

    /// Amounts of two quantities in one unit; a number is a quantity of unit 1. Only units of time are converted.
    func sameUnit(
        _ left: FHIRPathItem, _ right: FHIRPathItem, _ user: String
    ) throws(FHIRPathFailure) -> (ExactDecimal, ExactDecimal)? {
        guard let first = left.amount, let second = right.amount else { throw .wrongType(user) }
        if first.unit == second.unit { return (first.value, second.value) }
        guard let scaled = FHIRPathUnit.aligned(first, second) else { throw .unsupported("unit conversion") }
        return scaled
    }
}

extension FHIRPathItem {
    var number: ExactDecimal? {
        switch self {
        case .integer(let value): ExactDecimal(value)
        case .decimal(let value): value
        default: nil
        }
    }

    /// A quantity or number as value and unit.
    var amount: FHIRPathAmount? {
        if case .quantity(let value, let unit) = self { return FHIRPathAmount(value: value, unit: unit) }
        return number.map { FHIRPathAmount(value: $0, unit: "1") }
    }
}

struct FHIRPathAmount {
    let value: ExactDecimal
    let unit: String
}

/// Units of time, the only ones that are converted (FHIRPath N1, Time-valued Quantities).
enum FHIRPathUnit {
    /// The calendar word in the singular, for `days`, `day`.
    static func calendarWord(_ unit: String) -> String? {
        let word = unit.hasSuffix("s") ? String(unit.dropLast()) : unit
        return words.contains(word) ? word : nil
    }

    /// Definite durations: UCUM code or calendar word -> milliseconds. Years and months have no length.
    private static func milliseconds(_ unit: String) -> Int64? {
        switch calendarWord(unit) ?? unit {
        case "millisecond", "ms": 1
        case "second", "s": 1000
        case "minute", "min": 60_000
        case "hour", "h": 3_600_000
        case "day", "d": 86_400_000
        case "week", "wk": 604_800_000
        default: nil
        }
    }

    /// Both amounts in milliseconds or months; nil if the units have nothing in common.
    static func aligned(_ left: FHIRPathAmount, _ right: FHIRPathAmount) -> (ExactDecimal, ExactDecimal)? {
        if let first = milliseconds(left.unit), let second = milliseconds(right.unit) {
            return scaled(left, first, right, second)
        }
        let months: [String: Int64] = ["year": 12, "month": 1]
        if let first = calendarWord(left.unit).flatMap({ months[$0] }),
            let second = calendarWord(right.unit).flatMap({ months[$0] })
        {
            return scaled(left, first, right, second)
        }
        return nil
    }

    private static func scaled(
        _ left: FHIRPathAmount, _ first: Int64, _ right: FHIRPathAmount, _ second: Int64
    ) -> (ExactDecimal, ExactDecimal)? {
        guard let a = left.value.multiplied(by: ExactDecimal(first)),
            let b = right.value.multiplied(by: ExactDecimal(second))
        else { return nil }
        return (a, b)
    }

    private static let words: Set<String> = [
        "year", "month", "week", "day", "hour", "minute", "second", "millisecond",
    ]
}
