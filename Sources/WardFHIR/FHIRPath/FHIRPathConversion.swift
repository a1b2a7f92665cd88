/// `toX()` and `convertsToX()` (FHIRPath N1, Conversion).
extension FHIRPathEvaluator {
    func conversion(
        _ name: String, _ arguments: [[FHIRPathItem]], _ input: [FHIRPathItem]
    ) throws(FHIRPathFailure) -> [FHIRPathItem]? {
        let isTest = name.hasPrefix("convertsTo")
        guard isTest || name.hasPrefix("to"),
            let target = Target(rawValue: String(name.dropFirst(isTest ? 10 : 2)))
        else { return nil }
        if !arguments.isEmpty { throw .unsupported(name + " with a unit") }
        guard let item = try single(input, name) else { return [] }
        if case .unresolved = item { throw .unsupported("content of a resolved reference") }
        let result = item.system(in: tape).flatMap { convert($0, target) }
        return isTest ? [.boolean(result != nil)] : result.map { [$0] } ?? []
    }

    private enum Target: String {
        case boolean = "Boolean", integer = "Integer", decimal = "Decimal", string = "String", date = "Date"
        case dateTime = "DateTime", time = "Time", quantity = "Quantity"
    }

    private func convert(_ item: FHIRPathItem, _ target: Target) -> FHIRPathItem? {
        switch target {
        case .boolean: boolean(item)
        case .integer: integer(item)
        case .decimal: decimal(item)
        case .string: item.text.map { .string($0) }
        case .date: temporal(item, .date)
        case .dateTime: temporal(item, .dateTime)
        case .time: temporal(item, .time)
        case .quantity: quantity(item)
        }
    }

    private func boolean(_ item: FHIRPathItem) -> FHIRPathItem? {
        switch item {
        case .boolean: return item
        case .integer(let value): return value == 1 ? .boolean(true) : value == 0 ? .boolean(false) : nil
        case .decimal(let value):
            return value == ExactDecimal(1) ? .boolean(true) : value.isZero ? .boolean(false) : nil
        case .string(let text):
            switch text.lowercased() {
            case "true", "t", "yes", "y", "1", "1.0": return .boolean(true)
            case "false", "f", "no", "n", "0", "0.0": return .boolean(false)
            default: return nil
            }
        default: return nil
        }
    }

    private func integer(_ item: FHIRPathItem) -> FHIRPathItem? {
        switch item {
        case .integer: item
        case .boolean(let value): .integer(value ? 1 : 0)
        case .string(let text): Int64(text).map { .integer($0) }
        default: nil
        }
    }

    private func decimal(_ item: FHIRPathItem) -> FHIRPathItem? {
        switch item {
        case .decimal: item
        case .integer(let value): .decimal(ExactDecimal(value))
        case .boolean(let value): .decimal(ExactDecimal(isNegative: false, coefficient: value ? 10 : 0, exponent: -1))
        case .string(let text):
            text.utf8.contains { $0 | 0x20 == 0x65 } ? nil : ExactDecimal(text).map { .decimal($0) }
        default: nil
        }
    }

    private func temporal(_ item: FHIRPathItem, _ kind: FHIRTemporal.Kind) -> FHIRPathItem? {
        switch item {
        case .string(let text):
            return FHIRTemporal(kind, text).map { .temporal($0) }
        case .temporal(let value):
            if value.kind == kind { return item }
            guard value.kind != .time, kind != .time else { return nil }
            if kind == .dateTime { return .temporal(value.converted(to: .dateTime, value.precision)) }
            return .temporal(value.converted(to: .date, min(value.precision, .day)))
        default: return nil
        }
    }

    private func quantity(_ item: FHIRPathItem) -> FHIRPathItem? {
        switch item {
        case .quantity: return item
        case .integer(let value): return .quantity(ExactDecimal(value), unit: "1")
        case .decimal(let value): return .quantity(value, unit: "1")
        case .boolean(let value):
            return .quantity(ExactDecimal(isNegative: false, coefficient: value ? 10 : 0, exponent: -1), unit: "1")
        case .string(let text):
            // A number, then a calendar word or a quoted unit.
            let parts = text.split(separator: " ", maxSplits: 1)
            guard let first = parts.first, let value = ExactDecimal(first) else { return nil }
            guard parts.count == 2 else { return text.hasSuffix(" ") ? nil : .quantity(value, unit: "1") }
            let unit = parts[1]
            if unit.count > 2, unit.hasPrefix("'"), unit.hasSuffix("'") {
                return .quantity(value, unit: String(unit.dropFirst().dropLast()))
            }
            return FHIRPathUnit.calendarWord(String(unit)).map { _ in .quantity(value, unit: String(unit)) }
        default: return nil
        }
    }
}

extension FHIRPathItem {
    /// As `toString()` writes it; nil for elements and types.
    var text: String? {
        switch self {
        case .boolean(let value): value ? "true" : "false"
        case .string(let value): value
        case .integer(let value): String(value)
        case .decimal(let value): value.text
        case .temporal(let value): value.text
        case .quantity(let value, let unit):
            FHIRPathUnit.calendarWord(unit) != nil ? value.text + " " + unit : value.text + " '" + unit + "'"
        case .node, .type, .unresolved: nil
        }
    }
}

extension FHIRTemporal {
    func converted(to kind: Kind, _ precision: Precision) -> FHIRTemporal {
        let isDate = precision <= .day
        return FHIRTemporal(
            kind, precision, parts, nanosecond: isDate ? 0 : nanosecond, fractionDigits: isDate ? 0 : fractionDigits,
            zone: isDate ? nil : zone)
    }
}
