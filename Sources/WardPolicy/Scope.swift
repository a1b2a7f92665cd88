public import WardFHIR

/// One SMART scope, `system/Type.cruds` (SMART App Launch 2.2, scopes-and-launch-context).
///
/// Version 1 forms (`.read`, `.write`, `.*`) are read as their version 2 equals.
public struct Scope: Hashable, Sendable {
    /// On whose behalf, and how far.
    public enum Context: String, CaseIterable, Sendable {
        /// Records of the one patient of the launch.
        case patient
        /// A backend client.
        case system
        /// Whatever the person may see.
        case user
    }

    public let context: Context
    /// Nil for `*`.
    public let type: ResourceType?
    public let actions: Set<Action>
    /// The search that records must meet: of `?category=laboratory` the name and value. Empty: none.
    public let constraint: [SearchPair]
    public let text: String
    /// Bits of ``actions``.
    private let bits: UInt32

    /// A scope of a backend client without constraint; nil for anything else.
    public init?(_ text: String) {
        guard text.hasPrefix("system/"), let scope = try? Scope(parsing: text), scope.constraint.isEmpty else {
            return nil
        }
        self = scope
    }

    /// A scope of any context.
    ///
    /// Whoever grants one must hold it on every record: ``RecordFacts/isInContext`` and
    /// ``RecordFacts/metConstraints``.
    public init(parsing text: String) throws(ScopeFailure) {
        guard let slash = text.firstIndex(of: "/"), let context = Context(rawValue: String(text[..<slash])) else {
            throw .unknownContext
        }
        let rest = text[text.index(after: slash)...]
        let query = rest.firstIndex(of: "?")
        let head = rest[..<(query ?? rest.endIndex)]
        guard let dot = head.lastIndex(of: ".") else { throw .unknownActions }
        if head[..<dot] == "*" {
            type = nil
        } else {
            guard let known = ResourceType(head[..<dot]) else { throw .unknownType }
            type = known
        }
        guard let actions = Self.actions(head[head.index(after: dot)...]) else { throw .unknownActions }
        self.context = context
        self.actions = actions
        self.text = text
        bits = actions.reduce(0) { $0 | $1.bit }
        if let query {
            constraint = try Self.constraint(rest[rest.index(after: query)...], type: type, actions: actions)
        } else {
            constraint = []
        }
    }

    /// Whether the whole scope, without condition, covers an action on a type.
    public func allows(_ action: Action, on type: ResourceType) -> Bool {
        context == .system && constraint.isEmpty && names(action, on: type)
    }

    /// Whether action and type are those of the scope; context and constraint are for the caller.
    func names(_ action: Action, on type: ResourceType) -> Bool {
        if let own = self.type, own != type { return false }
        switch action {
        // Whole-store exits and entries read or write one record after the other.
        case .export: return bits & Self.exporting == Self.exporting
        case .import: return bits & Self.importing == Self.importing
        default: return bits & action.bit != 0
        }
    }

    private static func actions(_ letters: Substring) -> Set<Action>? {
        switch letters {
        case "read": return reading
        case "write": return writing
        case "*": return reading.union(writing)
        default:
            // The letters keep the order of "cruds" and stand once each.
            let places = letters.compactMap { "cruds".firstIndex(of: $0) }
            guard !letters.isEmpty, places.count == letters.count,
                zip(places, places.dropFirst()).allSatisfy({ $0 < $1 })
            else { return nil }
            return letters.reduce(into: []) { found, letter in
                switch letter {
                case "c": found.insert(.create)
                case "r": found.formUnion([.history, .read])
                case "u": found.insert(.update)
                case "d": found.insert(.delete)
                default: found.insert(.search)
                }
            }
        }
    }

    /// Parameters that one record alone answers; everything else could not be held on every path.
    private static func constraint(
        _ text: Substring, type: ResourceType?, actions: Set<Action>
    ) throws(ScopeFailure) -> [SearchPair] {
        guard let type, actions.isSubset(of: reading) else { throw .constraintNotEnforceable }
        var pairs: [SearchPair] = []
        for part in text.split(separator: "&", omittingEmptySubsequences: false) {
            guard let equals = part.firstIndex(of: "="), let name = decoded(part[..<equals]),
                let value = decoded(part[part.index(after: equals)...]), !value.isEmpty
            else { throw .malformedConstraint }
            guard let parameter = Definitions.r4.searchParameter(name, of: type) else { throw .unknownParameter }
            switch parameter.type {
            case .date, .number, .quantity, .reference, .string, .token, .uri: break
            case .composite, .special: throw .constraintNotEnforceable
            }
            // Labels and tags are the policy's own business.
            if name.hasPrefix("_") { throw .constraintNotEnforceable }
            pairs.append(SearchPair(name: name, value: value))
        }
        return pairs
    }

    /// Undoes percent encoding (RFC 3986, 2.1); nil for what is malformed or no UTF-8.
    private static func decoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == 0x25 else {
                if byte <= 0x20 || byte == 0x2B || byte == 0x7F { return nil }
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2, let pair = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
                return nil
            }
            if rest.first == 0x2B || pair < 0x20 { return nil }
            rest = rest.dropFirst(2)
            bytes.append(pair)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static let reading: Set<Action> = [.history, .read, .search]
    private static let writing: Set<Action> = [.create, .delete, .update]
    private static let exporting = Action.read.bit | Action.search.bit
    private static let importing = Action.create.bit | Action.update.bit
}

/// Why a text is no scope that can be held.
public enum ScopeFailure: String, Error, Hashable, CaseIterable, Sendable {
    /// A constraint that one record alone does not answer, on a write, or without a type.
    case constraintNotEnforceable = "constraint-not-enforceable"
    case malformedConstraint = "malformed-constraint"
    case unknownActions = "unknown-actions"
    case unknownContext = "unknown-context"
    case unknownParameter = "unknown-parameter"
    case unknownType = "unknown-type"
}
