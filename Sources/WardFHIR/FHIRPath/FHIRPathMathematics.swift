internal import Glibc

/// Math functions (FHIRPath N1, Math). Roots, powers and logarithms go through binary floating point.
extension FHIRPathEvaluator {
    func mathematics(
        _ name: String, _ arguments: [[FHIRPathItem]], _ input: [FHIRPathItem]
    ) throws(FHIRPathFailure) -> [FHIRPathItem]? {
        switch name {
        case "abs":
            switch try system(input, name) {
            case nil: return []
            case .integer(let value): return value == .min ? [] : [.integer(abs(value))]
            case .decimal(let value): return [.decimal(value.magnitude)]
            case .quantity(let value, let unit): return [.quantity(value.magnitude, unit: unit)]
            default: throw .wrongType(name)
            }
        case "ceiling", "floor", "truncate":
            guard let value = try number(input, name) else { return [] }
            let result: ExactDecimal? =
                name == "truncate" ? value.truncated : name == "floor" ? value.floor : value.negated.floor?.negated
            return (result?.wholeNumber).map { [.integer($0)] } ?? []
        case "round":
            let places = try arguments.first.map { (items) throws(FHIRPathFailure) in try integer(items, name) } ?? 0
            guard let value = try number(input, name), let places else { return [] }
            guard (0...38).contains(places) else { throw .wrongArguments(name) }
            return value.rounded(places: Int(places)).map { [.decimal($0)] } ?? []
        case "exp", "ln", "sqrt":
            guard let value = try number(input, name).flatMap({ Double($0.text) }) else { return [] }
            return Self.decimal(name == "exp" ? Glibc.exp(value) : name == "ln" ? Glibc.log(value) : value.squareRoot())
        case "log":
            guard let value = try number(input, name), let base = try number(arguments[0], name),
                let first = Double(value.text), let second = Double(base.text)
            else { return [] }
            return Self.decimal(Glibc.log(first) / Glibc.log(second))
        case "power":
            guard let value = try number(input, name), let exponent = try number(arguments[0], name) else { return [] }
            let isWhole = [try isInteger(input), try isInteger(arguments[0])].allSatisfy { $0 }
            return power(value, exponent, isWhole: isWhole)
        default: return nil
        }
    }

    private func number(_ items: [FHIRPathItem], _ user: String) throws(FHIRPathFailure) -> ExactDecimal? {
        guard let item = try system(items, user) else { return nil }
        guard let number = item.number else { throw .wrongType(user) }
        return number
    }

    private func isInteger(_ items: [FHIRPathItem]) throws(FHIRPathFailure) -> Bool {
        if case .integer? = try system(items, "power") { return true }
        return false
    }

    /// Whole exponents are multiplied out exactly.
    private func power(_ value: ExactDecimal, _ exponent: ExactDecimal, isWhole: Bool) -> [FHIRPathItem] {
        if let count = exponent.wholeNumber, (0...1000).contains(count) {
            var result: ExactDecimal? = ExactDecimal(1)
            for _ in 0..<count { result = result?.multiplied(by: value) }
            guard let result else { return [] }
            return isWhole ? result.wholeNumber.map { [.integer($0)] } ?? [] : [.decimal(result)]
        }
        guard let first = Double(value.text), let second = Double(exponent.text) else { return [] }
        return Self.decimal(Glibc.pow(first, second))
    }

    private static func decimal(_ value: Double) -> [FHIRPathItem] {
        guard value.isFinite, let result = ExactDecimal(String(value)) else { return [] }
        return [.decimal(result)]
    }
}
