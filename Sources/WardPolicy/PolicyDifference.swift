import WardCore
import WardFHIR

/// What two policies permit differently, in plain words.
public enum PolicyDifference {
    /// One line for each role, change and set of types: `nurse: may no longer delete Patient, Task for TREAT`.
    public static func lines(from old: Policy, to new: Policy) -> [String] {
        var names = old.document.roles.map(\.name)
        names += new.document.roles.map(\.name).filter { !names.contains($0) }
        var lines: [String] = []
        for name in names {
            if old.document.role(named: name) == nil { lines.append("\(name): is a new role") }
            if new.document.role(named: name) == nil { lines.append("\(name): is no longer a role") }
            lines += changes(of: name, from: old, to: new)
        }
        return lines + labelLines(old.document, new.document)
    }

    private static func labelLines(_ old: PolicyDocument, _ new: PolicyDocument) -> [String] {
        let (before, after) = (codes(old), codes(new))
        return Set(before.keys).union(after.keys).sorted().flatMap { label in
            let (lost, won) = (before[label, default: []], after[label, default: []])
            return lost.subtracting(won).sorted().map { "label \(label): no longer stands for \($0)" }
                + won.subtracting(lost).sorted().map { "label \(label): now stands for \($0)" }
        }
    }

    private static func codes(_ document: PolicyDocument) -> [String: Set<String>] {
        Dictionary(
            document.labels.map { ($0.name, Set($0.codes.map { "\($0.system)|\($0.code)" })) },
            uniquingKeysWith: { $0.union($1) })
    }

    private static func changes(of role: String, from old: Policy, to new: Policy) -> [String] {
        // By what is said, then by action: the types it is said of. Both in order of first appearance.
        var order: [Change] = []
        var found: [Change: [Action: [UInt8]]] = [:]
        for code in 0...PolicyDocument.system {
            for action in Action.allCases {
                let (before, after) = (Leave(old, role, action, code), Leave(new, role, action, code))
                for var change in before.changes(to: after) {
                    change.isOfStore = code == PolicyDocument.system
                    if found[change] == nil { order.append(change) }
                    found[change, default: [:]][action, default: []].append(code)
                }
            }
        }
        return order.flatMap { change in lines(role, change, found[change, default: [:]]) }
    }

    private static func lines(_ role: String, _ change: Change, _ types: [Action: [UInt8]]) -> [String] {
        var lists: [[UInt8]] = []
        for action in Action.allCases {
            if let list = types[action], !lists.contains(list) { lists.append(list) }
        }
        return lists.map { list in
            let actions = Action.allCases.filter { types[$0] == list }.map(\.rawValue).sorted()
            return "\(role): \(change.kind.rawValue) \(actions.joined(separator: ", ")) \(names(list))\(change.words)"
        }
    }

    private static func names(_ codes: [UInt8]) -> String {
        let names = codes.compactMap { ResourceType(code: $0)?.name }
        if names.isEmpty { return "the store as a whole" }
        let others = ResourceType.allCases.filter { !codes.contains($0.code) }.map(\.name)
        if others.isEmpty { return "every type" }
        return names.count > 73 ? "every type but \(others.joined(separator: ", "))" : names.joined(separator: ", ")
    }
}

/// One thing that is said of an action and a type.
private struct Change: Hashable {
    enum Kind: String {
        case barred = "is now barred from"
        case freed = "is no longer barred from"
        case gained = "may now"
        case lost = "may no longer"
    }

    let kind: Kind
    let words: String
    /// Whether it is said of the store as a whole.
    var isOfStore = false
}

/// All that a policy says of one role, action and type, in words.
private struct Leave: Hashable {
    /// Conditions and fields, with the purposes they are said of.
    private var permits: [String: UInt8] = [:]
    private var forbids: [String: UInt8] = [:]

    init(_ policy: Policy, _ role: String, _ action: Action, _ type: UInt8) {
        let document = policy.document
        guard let number = document.role(named: role) else { return }
        for rule in document.rules where rule.roles >> UInt64(number) & 1 == 1 {
            let purposes = rule.purposes & document.roles[number].purposes
            guard purposes != 0, rule.types.contains(type), rule.actions & action.bit != 0 else { continue }
            let words = Self.words(rule, document, type)
            if rule.isForbid { forbids[words, default: 0] |= purposes } else { permits[words, default: 0] |= purposes }
        }
        // What nobody permits needs no ban.
        if permits.isEmpty { forbids = [:] }
        if document.roles[number].isCeiling {
            permits = Dictionary(uniqueKeysWithValues: permits.map { ($0 + " within the person's own leave", $1) })
        }
    }

    private static func words(_ rule: PolicyDocument.Rule, _ document: PolicyDocument, _ type: UInt8) -> String {
        var words = ""
        if rule.labels != 0 {
            let labels = document.labels.filter { rule.labels & $0.bit != 0 }.map(\.name).sorted()
            words += " labelled " + labels.joined(separator: " or ")
        }
        if !rule.conditions.isEmpty {
            words += (rule.isForbid ? " except with " : " with ") + rule.conditions.names.joined(separator: " or ")
        }
        if let profile = rule.profile, let code = ResourceType(code: type) {
            let paths = document.profiles[Int(profile)].selections[code]?.paths ?? []
            words += " (only fields: \(paths.joined(separator: " ")))"
        }
        return words
    }

    func changes(to new: Leave) -> [Change] {
        Self.changes(permits, new.permits, gained: .gained, lost: .lost)
            + (permits.isEmpty || new.permits.isEmpty
                ? [] : Self.changes(forbids, new.forbids, gained: .barred, lost: .freed))
    }

    private static func changes(
        _ old: [String: UInt8], _ new: [String: UInt8], gained: Change.Kind, lost: Change.Kind
    ) -> [Change] {
        Set(old.keys).union(new.keys).sorted().flatMap { words in
            let (before, after) = (old[words, default: 0], new[words, default: 0])
            return [(lost, before & ~after), (gained, after & ~before)].filter { $0.1 != 0 }.map { kind, purposes in
                let names = PurposeOfUse.allCases.filter { purposes & $0.bit != 0 }.map(\.rawValue).sorted()
                return Change(kind: kind, words: " for " + names.joined(separator: ", ") + words)
            }
        }
    }
}
