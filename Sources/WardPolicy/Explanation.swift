import WardCore
import WardFHIR

/// A decision with its grounds, in words of the document.
public struct Explanation: Hashable, Sendable {
    public let isPermitted: Bool
    /// As ``Policy/code(of:)``.
    public let code: String
    /// What the rule that decided, or that came closest, says of itself.
    public let says: String
    /// Conditions any one of which would have let the closest rule permit, or would have lifted the ban.
    public let missing: [String]
    /// Names of the field profiles that apply; empty for whole records and for refusals.
    public let profiles: [String]
    /// Whether each record must be decided on again.
    public let isConditional: Bool
    /// Name and SHA-256 of the document.
    public let policy: String

    /// For a person, in lines.
    public var text: String {
        var lines = [(isPermitted ? "permitted" : "refused") + " (\(code))", says]
        if !missing.isEmpty {
            lines.append("\(isPermitted ? "depends on" : "missing"): \(missing.joined(separator: " or "))")
        }
        if !profiles.isEmpty { lines.append("only the fields of: \(profiles.joined(separator: ", "))") }
        if isConditional { lines.append("each record is decided on again") }
        lines.append("policy \(policy)")
        return lines.filter { !$0.isEmpty }.joined(separator: "\n")
    }
}

extension Policy {
    /// As ``decide(_:)``, with grounds; reads the document's rules one after the other instead of the tables.
    public func explain(_ question: AccessQuestion) -> Explanation {
        let known = question.roles.compactMap { document.role(named: $0.rawValue) }
        let (ceilings, grants) = (
            known.filter { document.roles[$0].isCeiling }, known.filter { !document.roles[$0].isCeiling }
        )
        let findings = grants.map { Finding(document, role: $0, question) }
        var best = findings.first { $0.denial == nil }
        if best == nil {
            for finding in findings where finding.rank > (best?.rank ?? -1) { best = finding }
        }
        guard let best else { return refusal(.roleNotKnown) }
        if best.denial != nil { return explanation(best, profiles: [], isConditional: false) }
        if let facts = question.facts, facts.isRefused, !facts.isOverRefusal { return refusal(.consentRefused) }
        var isConditional = findings.contains { $0.denial == nil && $0.isConditional }
        if !ceilings.isEmpty {
            if question.scopes == nil { return refusal(.scopeNotGranted) }
            for ceiling in ceilings {
                let finding = Finding(document, role: ceiling, question)
                if finding.denial != nil { return explanation(finding, profiles: [], isConditional: false) }
                isConditional = isConditional || finding.isConditional
            }
        }
        switch PolicyTables.scopes(question) {
        case .refuse: return refusal(.scopeNotGranted)
        case .depends: isConditional = true
        case .allow: break
        }
        let permitting = findings.filter { $0.denial == nil }
        let isWhole = permitting.contains { $0.profiles.contains(nil) }
        let profiles = isWhole ? [] : Set(permitting.flatMap { $0.profiles.compactMap(\.self) }).sorted()
        return explanation(best, profiles: profiles, isConditional: isConditional)
    }

    private func refusal(_ denial: AccessDecision.Denial) -> Explanation {
        Explanation(
            isPermitted: false, code: denial.rawValue, says: denial.says, missing: [], profiles: [],
            isConditional: false, policy: identification)
    }

    private func explanation(_ finding: Finding, profiles: [UInt8], isConditional: Bool) -> Explanation {
        let rule = finding.rule.map { document.rules[$0] }
        let isByRule = finding.denial == nil || finding.denial == .forbidden
        return Explanation(
            isPermitted: finding.denial == nil,
            code: isByRule ? rule?.id ?? "none" : finding.denial?.rawValue ?? "none",
            says: rule?.says ?? finding.denial?.says ?? "", missing: finding.missing.names,
            profiles: profiles.map { document.profiles[Int($0)].name }, isConditional: isConditional,
            policy: identification)
    }

    /// For the log and for people: name and the beginning of the digest.
    public var identification: String { "\(name) sha256:\(digest)" }
}

extension AccessDecision.Denial {
    /// In plain words.
    var says: String {
        switch self {
        case .roleNotKnown: "No role that this policy knows."
        case .typeNotGranted: "The role has nothing to do with this kind of record."
        case .actionNotGranted: "The role does not do this."
        case .purposeNotGranted: "The role does not act for this purpose."
        case .conditionMissing: "A condition is not met."
        case .forbidden: "A rule forbids it."
        case .consentRefused: "The patient refused this."
        case .scopeNotGranted: "The access token does not cover this."
        }
    }
}

/// What the rules say for one role.
private struct Finding {
    private(set) var denial: AccessDecision.Denial?
    private(set) var rule: Int?
    private(set) var missing: Conditions = []
    /// Nil: the whole record.
    private(set) var profiles: Set<UInt8?> = []
    private(set) var isConditional = false

    var rank: Int {
        guard let denial else { return .max }
        return AccessDecision.Denial.allCases.firstIndex(of: denial) ?? 0
    }

    init(_ document: PolicyDocument, role: Int, _ question: AccessQuestion) {
        let rules = document.rules.enumerated().filter { _, rule in
            rule.roles >> UInt64(role) & 1 == 1 && rule.purposes & document.roles[role].purposes != 0
                && rule.types.contains(question.type?.code ?? PolicyDocument.system)
        }
        let permits = rules.filter { !$0.element.isForbid }
        if permits.isEmpty {
            denial = .typeNotGranted
            return
        }
        let acting = permits.filter { $0.element.actions & question.action.bit != 0 }
        if acting.isEmpty {
            denial = .actionNotGranted
            return
        }
        let purposes = document.roles[role].purposes & question.purpose.bit
        let stated = acting.filter { $0.element.purposes & purposes != 0 }
        if stated.isEmpty {
            denial = .purposeNotGranted
            return
        }
        permit(stated, question)
        if denial == nil {
            forbid(
                rules.filter {
                    $0.element.isForbid && $0.element.actions & question.action.bit != 0
                        && $0.element.purposes & purposes != 0
                }, question)
        }
    }

    private mutating func permit(
        _ rules: [(offset: Int, element: PolicyDocument.Rule)], _ question: AccessQuestion
    ) {
        let holding = rules.filter { _, rule in
            guard !rule.conditions.isEmpty, let facts = question.facts else { return true }
            return !rule.conditions.isDisjoint(with: facts.conditions)
        }
        guard let first = holding.first else {
            denial = .conditionMissing
            rule = rules.first?.offset
            missing = rules.reduce([]) { $0.union($1.element.conditions) }
            return
        }
        rule = first.offset
        profiles = Set(holding.map(\.element.profile))
        if question.facts == nil, holding.contains(where: { !$0.element.conditions.isEmpty }) {
            isConditional = true
            if !holding.contains(where: \.element.conditions.isEmpty) {
                missing = holding.reduce([]) { $0.union($1.element.conditions) }
            }
        }
    }

    private mutating func forbid(
        _ rules: [(offset: Int, element: PolicyDocument.Rule)], _ question: AccessQuestion
    ) {
        for (offset, ban) in rules {
            var left = ban.labels
            if let facts = question.facts {
                left &= facts.labels.rawValue
                if ban.conditions.contains(.consent) { left &= ~facts.consents.rawValue }
                if ban.conditions.contains(.emergencyReason) { left &= ~facts.emergencyReasons.rawValue }
                if ban.labels != 0 && left == 0 { continue }
                if !ban.conditions.isDisjoint(with: facts.conditions) { continue }
            } else if ban.labels != 0 {
                isConditional = true
                continue
            }
            if question.isFresh && ban.conditions.contains(.fresh) { continue }
            if question.facts == nil && !ban.conditions.isDisjoint(with: .ofRecords) {
                isConditional = true
                continue
            }
            denial = .forbidden
            rule = offset
            missing = ban.conditions
            return
        }
    }
}
