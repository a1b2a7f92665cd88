import WardCore
import WardFHIR

/// What two policies permit differently, in plain words.
public enum PolicyDifference {
    /// One line for each role, kind of change and set of types: `nurse: may no longer delete Patient, Observation`.
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
        // In order of first appearance, with the types that share it.
        var order: [String] = []
        var types: [String: [String]] = [:]
        for code in 0...PolicyDocument.system {
            let type = ResourceType(code: code)
            for action in Action.allCases {
                guard let text = change(role, action, code, old, new) else { continue }
                if types[text] == nil { order.append(text) }
                types[text, default: []].append(type?.name ?? "the store as a whole")
            }
        }
        return order.map { text in
            let names = types[text] ?? []
            let list = names.count == 146 ? "every type" : names.joined(separator: ", ")
            return "\(role): \(text.replacingTypes(with: list))"
        }
    }

    /// Nil where nothing changed.
    private static func change(
        _ role: String, _ action: Action, _ type: UInt8, _ old: Policy, _ new: Policy
    ) -> String? {
        let (before, after) = (Leave(old, role, action, type), Leave(new, role, action, type))
        if before == after { return nil }
        let verb = action.rawValue
        if before.permits.isEmpty { return "may now \(verb) {types}" + after.description }
        if after.permits.isEmpty { return "may no longer \(verb) {types}" }
        return "may still \(verb) {types}, but\(after.description) instead of\(before.description)"
    }
}

/// All that a policy says of one role, action and type, in words; equal words, equal leave.
private struct Leave: Hashable {
    /// One for each purpose, rule and condition.
    var permits: Set<String> = []
    var forbids: Set<String> = []

    init(_ policy: Policy, _ role: String, _ action: Action, _ type: UInt8) {
        let document = policy.document
        guard let number = document.role(named: role) else { return }
        let purposes = document.roles[number].purposes
        for rule in document.rules where rule.roles >> UInt64(number) & 1 == 1 {
            guard rule.types.contains(type), rule.actions & action.bit != 0 else { continue }
            var words = ""
            if !rule.conditions.isEmpty { words += " with " + rule.conditions.names.joined(separator: " or ") }
            if rule.labels != 0 {
                let labels = document.labels.filter { rule.labels & $0.bit != 0 }.map(\.name).sorted()
                words = " labelled " + labels.joined(separator: " or ") + (words.isEmpty ? "" : " except" + words)
            }
            if let profile = rule.profile, let code = ResourceType(code: type) {
                let profile = document.profiles[Int(profile)]
                words += " (only fields: \(profile.selections[code]?.paths.joined(separator: " ") ?? "none"))"
            }
            for purpose in PurposeOfUse.allCases where rule.purposes & purposes & purpose.bit != 0 {
                let text = " for \(purpose.rawValue)" + words
                if rule.isForbid { forbids.insert(text) } else { permits.insert(text) }
            }
        }
        if document.roles[number].isCeiling && !permits.isEmpty { permits.insert(" within the person's own leave") }
        if permits.isEmpty { forbids = [] }
    }

    var description: String {
        permits.sorted().joined(separator: ";")
            + (forbids.isEmpty ? "" : "; never" + forbids.sorted().joined(separator: ", nor"))
    }
}

extension String {
    fileprivate func replacingTypes(with list: String) -> String {
        guard let range = firstRange(of: "{types}") else { return self }
        return self[..<range.lowerBound] + list + self[range.upperBound...]
    }
}
