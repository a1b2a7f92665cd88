import WardCore
import WardFHIR

/// A document as flat tables, so that a decision is a few loads: for each role and type a short run of clauses,
/// permissions before bans.
final class PolicyTables: Sendable {
    /// One rule as it concerns one role and type.
    struct Clause: Hashable, Sendable {
        var actions: UInt32
        var labels: UInt32
        var rule: UInt16
        var conditions: UInt16
        var purposes: UInt8
        /// Position of the profile; ``noProfile`` for none.
        var profile: UInt8
        var isForbid: Bool
    }

    /// A run of clauses.
    private struct Cell: Hashable, Sendable {
        var start: UInt32 = 0
        var permits: UInt16 = 0
        var forbids: UInt16 = 0
    }

    private static let columns = 147
    private static let noProfile: UInt8 = .max

    private let cells: [Cell]
    private let clauses: [Clause]
    /// Bit n: role n.
    private let ceilings: UInt64
    private let names: [String]
    /// By ``Role/number``; `.max` for roles that the document does not have.
    private let builtIn: [UInt8]

    init(_ document: PolicyDocument) {
        var cells: [Cell] = []
        var clauses: [Clause] = []
        var known: [[Clause]: Cell] = [:]
        for (number, role) in document.roles.enumerated() {
            for type in UInt8(0)..<UInt8(Self.columns) {
                let own = document.rules.enumerated().compactMap { position, rule in
                    Self.clause(rule, position, role: number, purposes: role.purposes, type: type)
                }
                let run = own.filter { !$0.isForbid } + own.filter(\.isForbid)
                if let cell = known[run] {
                    cells.append(cell)
                    continue
                }
                let permits = run.count { !$0.isForbid }
                let cell = Cell(
                    start: UInt32(clauses.count), permits: UInt16(permits), forbids: UInt16(run.count - permits))
                clauses += run
                known[run] = cell
                cells.append(cell)
            }
        }
        self.cells = cells
        self.clauses = clauses
        names = document.roles.map(\.name)
        ceilings = document.roles.enumerated().reduce(0) { $0 | ($1.element.isCeiling ? 1 << UInt64($1.offset) : 0) }
        builtIn = Role.allCases.map { role in document.role(named: role.rawValue).map { UInt8($0) } ?? .max }
    }

    private static func clause(
        _ rule: PolicyDocument.Rule, _ position: Int, role: Int, purposes: UInt8, type: UInt8
    ) -> Clause? {
        guard rule.roles >> UInt64(role) & 1 == 1, rule.types.contains(type), rule.purposes & purposes != 0 else {
            return nil
        }
        return Clause(
            actions: rule.actions, labels: rule.labels, rule: UInt16(position), conditions: rule.conditions.rawValue,
            purposes: rule.purposes & purposes, profile: rule.profile ?? noProfile, isForbid: rule.isForbid)
    }

    /// Position of a role in the document; nil for roles that it does not have.
    func index(of role: Role) -> Int? {
        if let number = role.number {
            let index = builtIn[Int(number)]
            return index == .max ? nil : Int(index)
        }
        return names.firstIndex(of: role.rawValue)
    }

    func isCeiling(_ index: Int) -> Bool { ceilings >> UInt64(index) & 1 == 1 }

    // MARK: Deciding

    func decide(_ question: borrowing AccessQuestion) -> AccessDecision {
        var grant: AccessDecision?
        var denial = AccessDecision.deny(.roleNotKnown)
        var isConditional = false
        var hasCeiling = false
        for role in question.roles {
            guard let index = index(of: role) else { continue }
            if isCeiling(index) {
                hasCeiling = true
                continue
            }
            let own = decide(index, question)
            isConditional = isConditional || own.isConditional
            if let refusal = own.denial {
                if let best = denial.denial, refusal > best { denial = own }
            } else if let known = grant {
                grant = AccessDecision(
                    denial: nil, rule: known.rule, profiles: known.profiles.union(own.profiles), isConditional: false)
            } else {
                grant = own
            }
        }
        guard let grant else { return denial }
        if let facts = question.facts, facts.isRefused, !facts.isOverRefusal { return .deny(.consentRefused) }
        if hasCeiling {
            // An app without scopes holds nothing.
            if question.scopes == nil { return .deny(.scopeNotGranted) }
            for role in question.roles {
                guard let index = index(of: role), isCeiling(index) else { continue }
                let own = decide(index, question)
                if !own.isPermitted { return own }
                isConditional = isConditional || own.isConditional
            }
        }
        switch Self.scopes(question) {
        case .refuse: return .deny(.scopeNotGranted)
        case .depends: isConditional = true
        case .allow: break
        }
        return AccessDecision(denial: nil, rule: grant.rule, profiles: grant.profiles, isConditional: isConditional)
    }

    /// One role alone.
    private func decide(_ role: Int, _ question: borrowing AccessQuestion) -> AccessDecision {
        let cell = cells[role * Self.columns + Int(question.type?.code ?? PolicyDocument.system)]
        let (action, purpose) = (question.action.bit, question.purpose.bit)
        let isOpen = question.facts == nil
        var holds = question.facts?.conditions ?? []
        if question.isFresh { holds.insert(.fresh) }
        var denial = AccessDecision.Denial.typeNotGranted
        var (permitting, lacking): (UInt16?, UInt16?)
        var mask: UInt64 = 0
        var isConditional = false
        let start = Int(cell.start)
        for position in start..<start + Int(cell.permits) {
            let clause = clauses[position]
            if denial < .actionNotGranted { denial = .actionNotGranted }
            guard clause.actions & action != 0 else { continue }
            if denial < .purposeNotGranted { denial = .purposeNotGranted }
            guard clause.purposes & purpose != 0 else { continue }
            if clause.conditions != 0 {
                if isOpen {
                    isConditional = true
                } else if clause.conditions & holds.rawValue == 0 {
                    denial = .conditionMissing
                    lacking = lacking ?? clause.rule
                    continue
                }
            }
            permitting = permitting ?? clause.rule
            mask |= clause.profile == Self.noProfile ? .max : 1 << UInt64(clause.profile)
        }
        guard let permitting else { return .deny(denial, rule: lacking) }
        let bans = start + Int(cell.permits)
        for position in bans..<bans + Int(cell.forbids) {
            let clause = clauses[position]
            guard clause.actions & action != 0, clause.purposes & purpose != 0 else { continue }
            let conditions = Conditions(rawValue: clause.conditions)
            if clause.labels != 0 {
                guard let facts = question.facts else {
                    isConditional = true
                    continue
                }
                var hit = facts.labels.rawValue & clause.labels
                if conditions.contains(.consent) { hit &= ~facts.consents.rawValue }
                if conditions.contains(.emergencyReason) { hit &= ~facts.emergencyReasons.rawValue }
                if hit == 0 { continue }
            }
            if !conditions.isDisjoint(with: holds) { continue }
            if isOpen, !conditions.isDisjoint(with: .ofRecords) {
                isConditional = true
                continue
            }
            return .deny(.forbidden, rule: clause.rule)
        }
        return AccessDecision(
            denial: nil, rule: permitting, profiles: FieldProfileSet(mask: mask), isConditional: isConditional)
    }

    enum ScopeAnswer {
        case allow, depends, refuse
    }

    /// What the scopes of a token leave.
    static func scopes(_ question: borrowing AccessQuestion) -> ScopeAnswer {
        guard let scopes = question.scopes else { return .allow }
        guard let type = question.type else {
            // Scopes speak of resource types. Of whole sets every record is decided on again.
            return question.action == .import || question.action == .export ? .allow : .refuse
        }
        var answer = ScopeAnswer.refuse
        for position in scopes.indices where scopes[position].names(question.action, on: type) {
            let scope = scopes[position]
            let needsContext = scope.context == .patient
            let needsConstraint = !scope.constraint.isEmpty
            if !needsContext && !needsConstraint { return .allow }
            guard let facts = question.facts else {
                answer = .depends
                continue
            }
            if needsContext && !facts.isInContext { continue }
            // More scopes than bits: a constraint that cannot be told to be met is not.
            if needsConstraint && (position > 63 || facts.metConstraints >> UInt64(position) & 1 == 0) { continue }
            return .allow
        }
        return answer
    }
}
