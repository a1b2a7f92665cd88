public import WardFHIR

/// One SMART v2 scope of a backend client, `system/Type.cruds` (SMART App Launch 2.2, scopes-and-launch-context).
///
/// Version 1 forms (`.read`, `.write`, `.*`) are read as their version 2 equals. Scopes with search constraints are
/// refused: this release could not hold them on every path.
public struct Scope: Hashable, Sendable {
    /// Nil for `*`.
    public let type: ResourceType?
    public let actions: Set<Action>
    public let text: String

    /// Nil for anything that is not a scope of this form.
    public init?(_ text: String) {
        guard text.hasPrefix("system/"), let dot = text.lastIndex(of: ".") else { return nil }
        let name = text[text.index(text.startIndex, offsetBy: 7)..<dot]
        let letters = text[text.index(after: dot)...]
        if name == "*" {
            type = nil
        } else if let known = ResourceType(name) {
            type = known
        } else {
            return nil
        }
        switch letters {
        case "read": actions = Self.reading
        case "write": actions = Self.writing
        case "*": actions = Self.reading.union(Self.writing)
        default:
            // The letters keep the order of "cruds" and stand once each.
            let places = letters.compactMap { "cruds".firstIndex(of: $0) }
            guard !letters.isEmpty, places.count == letters.count,
                zip(places, places.dropFirst()).allSatisfy({ $0 < $1 })
            else { return nil }
            actions = letters.reduce(into: []) { found, letter in
                switch letter {
                case "c": found.insert(.create)
                case "r": found.formUnion([.history, .read])
                case "u": found.insert(.update)
                case "d": found.insert(.delete)
                default: found.insert(.search)
                }
            }
        }
        self.text = text
    }

    public func allows(_ action: Action, on type: ResourceType) -> Bool {
        guard self.type == nil || self.type == type else { return false }
        switch action {
        // Whole-store exits and entries read or write one record after the other.
        case .export: return actions.isSuperset(of: [.read, .search])
        case .import: return actions.isSuperset(of: [.create, .update])
        default: return actions.contains(action)
        }
    }

    private static let reading: Set<Action> = [.history, .read, .search]
    private static let writing: Set<Action> = [.create, .delete, .update]
}
