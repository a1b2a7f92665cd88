public import WardCore
public import WardFHIR
public import WardIdentity
public import WardPolicy

/// What a grant leaves open: the decision on each record, once something is known of it.
///
/// It opens nothing by itself; only the vault asks it, with a grant in hand.
public struct ResidualFilter: Sendable {
    public let principal: Principal
    public let policy: Policy
    private let emergencies: EmergencyLookup?
    private let isFresh: Bool

    init(_ principal: Principal, _ policy: Policy, _ emergencies: EmergencyLookup?) {
        self.principal = principal
        self.policy = policy
        self.emergencies = emergencies
        isFresh = principal.mayActFreshly
    }

    /// What may be possible with records of a type, nothing known of any: upper bound of ``decide(_:on:knowing:)``.
    public func outlook(_ action: Action, on type: ResourceType) -> AccessDecision {
        decide(question(action, type, nil))
    }

    /// The decision on one record.
    public func decide(_ action: Action, on type: ResourceType, knowing facts: RecordFacts) -> AccessDecision {
        decide(question(action, type, facts))
    }

    /// The emergency that is open for all of these patients, if one is for each.
    public func emergency(for patients: [String], at now: Instant) -> OpenEmergency? {
        guard let emergencies, let first = patients.first, principal.kind == .person else { return nil }
        guard var found = emergencies(principal.id, first, now) else { return nil }
        for patient in patients.dropFirst() {
            guard let other = emergencies(principal.id, patient, now) else { return nil }
            found = OpenEmergency(id: found.id, reasons: found.reasons.intersection(other.reasons))
        }
        return found
    }

    private func decide(_ question: AccessQuestion) -> AccessDecision { policy.decide(question) }

    private func question(_ action: Action, _ type: ResourceType?, _ facts: RecordFacts?) -> AccessQuestion {
        AccessQuestion(
            action: action, type: type, roles: principal.roles, purpose: principal.purpose, scopes: principal.scopes,
            isFresh: isFresh, facts: facts)
    }
}

/// Finds the emergency that somebody has declared for a patient and that has not ended.
public typealias EmergencyLookup =
    @Sendable (_ person: String, _ patient: String, _ now: Instant) -> OpenEmergency?

/// An emergency that is open (45 CFR 164.312(a)(2)(ii)).
public struct OpenEmergency: Hashable, Sendable {
    public let id: String
    /// Labels for which it has a reason of its own.
    public let reasons: LabelSet

    public init(id: String, reasons: LabelSet) {
        self.id = id
        self.reasons = reasons
    }
}

extension Principal {
    /// Whether identity was proven of late; a client proved it with the key that it just used.
    var mayActFreshly: Bool { kind == .client || isFresh(at: .now()) }
}
