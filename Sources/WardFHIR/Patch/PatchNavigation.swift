/// The part of FHIRPath that a patch may find its place with: navigation and simple conditions. Nothing in it makes
/// text, runs a pattern or goes over the same elements again, so that its cost is bounded by path and record.
extension FHIRPathSyntax {
    /// Whether it names elements: members, `[n]`, and what chooses among them.
    var isNavigation: Bool {
        switch self {
        case .name, .this: true
        case .member(let left, _), .asType(let left?, _), .ofType(let left?, _): left.isNavigation
        case .asType(nil, _), .ofType(nil, _): true
        case .at(let left, .literal(.integer)): left.isNavigation
        case .function(let name, let arguments): Self.isChoice(name, arguments)
        case .call(let left, let name, let arguments): left.isNavigation && Self.isChoice(name, arguments)
        default: false
        }
    }

    /// Whether the place that it names may be that of labels: `meta` as a whole, or anything called `security`.
    var namesLabels: Bool {
        switch self {
        case .name(let name): name == "meta" || name == "security"
        case .member(let left, let name): name == "meta" || name == "security" || left.namesSecurity
        case .at(let left, _), .call(let left, _, _), .asType(let left?, _), .ofType(let left?, _): left.namesLabels
        default: false
        }
    }

    private var namesSecurity: Bool {
        switch self {
        case .name(let name): name == "security"
        case .member(let left, let name): name == "security" || left.namesSecurity
        case .at(let left, _), .call(let left, _, _), .asType(let left?, _), .ofType(let left?, _): left.namesSecurity
        default: false
        }
    }

    private static func isChoice(_ name: String, _ arguments: [FHIRPathSyntax]) -> Bool {
        switch (name, arguments.count) {
        case ("first", 0), ("last", 0), ("tail", 0): return true
        case ("where", 1): return arguments[0].isCondition
        case ("skip", 1), ("take", 1):
            guard case .literal(.integer) = arguments[0] else { return false }
            return true
        case ("extension", 1):
            guard case .literal(.string) = arguments[0] else { return false }
            return true
        default: return false
        }
    }

    private var isCondition: Bool {
        switch self {
        case .literal, .negative(.literal): true
        case .binary(let binary, let left, let right):
            Self.conditions.contains(binary) && left.isCondition && right.isCondition
        case .isType(let left, _): left?.isNavigation ?? true
        case .function(let name, let arguments): isNavigation || Self.isTest(name, arguments)
        case .call(let left, let name, let arguments):
            isNavigation || left.isNavigation && Self.isTest(name, arguments)
                || left.isCondition && name == "not" && arguments.isEmpty
        default: isNavigation
        }
    }

    private static func isTest(_ name: String, _ arguments: [FHIRPathSyntax]) -> Bool {
        switch (name, arguments.count) {
        case ("exists", 0), ("empty", 0), ("not", 0): true
        case ("exists", 1): arguments[0].isCondition
        default: false
        }
    }

    private static let conditions: Set<FHIRPathOperator> = [
        .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual, .and, .or,
    ]
}
