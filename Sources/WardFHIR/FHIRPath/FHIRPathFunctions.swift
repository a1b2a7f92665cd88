/// Functions whose arguments are evaluated for each item, and functions on whole collections (FHIRPath N1, Functions).
extension FHIRPathEvaluator {
    mutating func call(
        _ name: String, _ arguments: [FHIRPathSyntax], on input: [FHIRPathItem], _ scope: FHIRPathScope
    ) throws(FHIRPathFailure) -> [FHIRPathItem] {
        if !Self.knowsUnresolved.contains(name) {
            for case .unresolved in input { throw .unsupported("content of a resolved reference") }
        }
        if let found = try iteration(name, arguments, input, scope) { return found }
        guard let arity = Self.arities[name] else { throw .unsupported(name) }
        guard arity.contains(arguments.count) else { throw .wrongArguments(name) }
        var values: [[FHIRPathItem]] = []
        for argument in arguments { values.append(try evaluate(argument, scope.this, scope)) }
        if let found = try collection(name, values, input) { return found }
        if let found = try text(name, values, input) {
            try spend(found.count)
            try spend(textsOf: found)
            return found
        }
        if let found = try mathematics(name, values, input) { return found }
        if let found = try conversion(name, values, input) { return found }
        if let found = try record(name, values, input) { return found }
        throw .unsupported(name)
    }

    /// Functions that evaluate an argument once for each item; nil if `name` is none of them.
    private mutating func iteration(
        _ name: String, _ arguments: [FHIRPathSyntax], _ input: [FHIRPathItem], _ scope: FHIRPathScope
    ) throws(FHIRPathFailure) -> [FHIRPathItem]? {
        switch (name, arguments.count) {
        case ("where", 1), ("exists", 1), ("all", 1):
            var found: [FHIRPathItem] = []
            for (index, item) in input.enumerated() {
                let inner = FHIRPathScope(this: [item], index: Int64(index), total: scope.total)
                let holds = try condition(try evaluate(arguments[0], [item], inner), name) == true
                if holds { found.append(item) } else if name == "all" { return [.boolean(false)] }
            }
            return name == "where" ? found : [.boolean(name == "all" || !found.isEmpty)]
        case ("select", 1):
            var found: [FHIRPathItem] = []
            for (index, item) in input.enumerated() {
                let inner = FHIRPathScope(this: [item], index: Int64(index), total: scope.total)
                found += try evaluate(arguments[0], [item], inner)
            }
            return found
        case ("repeat", 1):
            var found: [FHIRPathItem] = []
            var queue = input
            while !queue.isEmpty {
                var next: [FHIRPathItem] = []
                for item in queue {
                    for child in try evaluate(arguments[0], [item], FHIRPathScope(this: [item], total: scope.total))
                    where !(try contains(found, child)) {
                        found.append(child)
                        next.append(child)
                    }
                }
                queue = next
            }
            return found
        case ("aggregate", 1), ("aggregate", 2):
            var total = arguments.count == 2 ? try evaluate(arguments[1], scope.this, scope) : []
            for (index, item) in input.enumerated() {
                total = try evaluate(
                    arguments[0], [item], FHIRPathScope(this: [item], index: Int64(index), total: total))
            }
            return total
        case ("iif", 2), ("iif", 3):
            guard input.count < 2 else { throw .notSingle(name) }
            let inner = FHIRPathScope(this: input, index: scope.index, total: scope.total)
            let criterion = try single(try evaluate(arguments[0], input, inner), name)
            if let criterion {
                guard case .boolean(let holds)? = criterion.system(in: tape) else { throw .wrongType(name) }
                if holds { return try evaluate(arguments[1], input, inner) }
            }
            return arguments.count == 3 ? try evaluate(arguments[2], input, inner) : []
        case ("where", _), ("all", _), ("select", _), ("repeat", _), ("aggregate", _), ("iif", _):
            throw .wrongArguments(name)
        default:
            return nil
        }
    }

    /// Existence, subsetting, combining, and the tree.
    private mutating func collection(
        _ name: String, _ arguments: [[FHIRPathItem]], _ input: [FHIRPathItem]
    ) throws(FHIRPathFailure) -> [FHIRPathItem]? {
        switch name {
        case "empty": return [.boolean(input.isEmpty)]
        case "exists": return [.boolean(!input.isEmpty)]
        case "count": return [.integer(Int64(input.count))]
        case "not": return answer(try condition(input, name).map { !$0 })
        case "allTrue", "anyTrue", "allFalse", "anyFalse": return [.boolean(try booleans(name, input))]
        case "distinct": return try distinct(input)
        case "isDistinct": return [.boolean(try distinct(input).count == input.count)]
        case "subsetOf": return [.boolean(try isSubset(input, of: arguments[0]))]
        case "supersetOf": return [.boolean(try isSubset(arguments[0], of: input))]
        case "first": return Array(input.prefix(1))
        case "last": return Array(input.suffix(1))
        case "single": return try single(input, name).map { [$0] } ?? []
        case "tail": return Array(input.dropFirst())
        case "skip", "take":
            guard let count = try integer(arguments[0], name) else { return [] }
            let bounded = Int(clamping: max(0, count))
            return name == "skip" ? Array(input.dropFirst(bounded)) : Array(input.prefix(bounded))
        case "intersect", "exclude":
            let pool = name == "intersect" ? try distinct(input) : input
            var found: [FHIRPathItem] = []
            for item in pool where try contains(arguments[0], item) == (name == "intersect") { found.append(item) }
            return found
        case "union": return try distinct(input + arguments[0])
        case "combine": return input + arguments[0]
        case "children": return try children(input)
        case "descendants":
            var found: [FHIRPathItem] = []
            var queue = try children(input)
            while !queue.isEmpty {
                found += queue
                queue = try children(queue)
            }
            return found
        default: return nil
        }
    }

    private mutating func children(_ items: [FHIRPathItem]) throws(FHIRPathFailure) -> [FHIRPathItem] {
        var found: [FHIRPathItem] = []
        for case .node(let node) in items { try appendChildren(of: node, named: nil, to: &found) }
        return found
    }

    private mutating func isSubset(_ part: [FHIRPathItem], of whole: [FHIRPathItem]) throws(FHIRPathFailure) -> Bool {
        for item in part where !(try contains(whole, item)) { return false }
        return true
    }

    private func booleans(_ name: String, _ input: [FHIRPathItem]) throws(FHIRPathFailure) -> Bool {
        var values: [Bool] = []
        for item in input {
            guard case .boolean(let value)? = item.system(in: tape) else { throw .wrongType(name) }
            values.append(value)
        }
        return switch name {
        case "allTrue": values.allSatisfy { $0 }
        case "anyTrue": values.contains(true)
        case "allFalse": values.allSatisfy { !$0 }
        default: values.contains(false)
        }
    }

    /// Functions that need not know more of `resolve()` than the type.
    private static let knowsUnresolved: Set<String> = ["first", "last", "tail", "type", "where"]

    /// Numbers of arguments of the functions whose arguments are evaluated beforehand.
    private static let arities: [String: ClosedRange<Int>] = {
        var all: [String: ClosedRange<Int>] = [:]
        for name in noArgument { all[name] = 0...0 }
        for name in oneArgument { all[name] = 1...1 }
        for name in optionalArgument { all[name] = 0...1 }
        for name in ["substring", "trace"] { all[name] = 1...2 }
        for name in ["replace", "replaceMatches"] { all[name] = 2...2 }
        return all
    }()

    private static let noArgument = [
        "empty", "exists", "count", "not", "allTrue", "anyTrue", "allFalse", "anyFalse", "distinct", "isDistinct",
        "first", "last", "single", "tail", "children", "descendants", "upper", "lower", "length", "toChars", "trim",
        "abs", "ceiling", "exp", "floor", "ln", "sqrt", "truncate", "toBoolean", "convertsToBoolean", "toInteger",
        "convertsToInteger", "toDecimal", "convertsToDecimal", "toString", "convertsToString", "toDate",
        "convertsToDate", "toDateTime", "convertsToDateTime", "toTime", "convertsToTime", "hasValue", "getValue",
        "resolve", "type", "now", "today", "timeOfDay",
    ]
    private static let oneArgument = [
        "subsetOf", "supersetOf", "skip", "take", "intersect", "exclude", "union", "combine", "indexOf", "lastIndexOf",
        "startsWith", "endsWith", "contains", "matches", "matchesFull", "split", "encode", "decode", "escape",
        "unescape", "log", "power", "extension", "hasExtension",
    ]
    private static let optionalArgument = ["join", "round", "toQuantity", "convertsToQuantity"]
}
