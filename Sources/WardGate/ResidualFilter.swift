public import WardCore
public import WardFHIR
public import WardIdentity
public import WardPolicy

/// What a grant leaves open: the decision on each record, once something is known of it.
///
/// It opens nothing by itself; only the vault asks it, with a grant in hand.
public struct ResidualFilter: Sendable {
    public let standpoint: Standpoint
    public let policy: Policy
    private let emergencies: EmergencyLookup?
    /// Roles by the purpose that each acts for: whoever is nurse and biller treats as the one and bills as the other.
    private let capacities: [(purpose: PurposeOfUse, roles: [Role])]

    init(_ standpoint: Standpoint, _ policy: Policy, _ emergencies: EmergencyLookup?) {
        self.standpoint = standpoint
        self.policy = policy
        self.emergencies = emergencies
        var capacities: [(purpose: PurposeOfUse, roles: [Role])] = []
        if standpoint.kind == .person, standpoint.roles.count > 1 {
            for role in standpoint.roles where role != .app {
                if let known = capacities.firstIndex(where: { $0.purpose == role.usualPurpose }) {
                    capacities[known].roles.append(role)
                } else {
                    capacities.append((purpose: role.usualPurpose, roles: [role]))
                }
            }
            if standpoint.roles.contains(.app) {
                for index in capacities.indices { capacities[index].roles.append(.app) }
            }
        }
        self.capacities = capacities.count > 1 ? capacities : [(purpose: standpoint.purpose, roles: standpoint.roles)]
    }

    /// What may be possible with records of a type, nothing known of any: upper bound of ``decide(_:on:knowing:)``.
    public func outlook(_ action: Action, on type: ResourceType) -> AccessDecision {
        decide(action, type, nil)
    }

    /// The decision on one record.
    public func decide(_ action: Action, on type: ResourceType, knowing facts: RecordFacts) -> AccessDecision {
        decide(action, type, facts)
    }

    /// The same with its grounds.
    public func explain(_ action: Action, on type: ResourceType, knowing facts: RecordFacts) -> Explanation {
        policy.explain(anyOf: capacities.map { question(action, type, facts, $0) })
    }

    /// The emergency that is open for all of these patients, if one is for each. It is the person's own: no app acts in it.
    public func emergency(for patients: [String], at now: Instant) -> OpenEmergency? {
        guard let emergencies, let first = patients.first, standpoint.kind == .person,
            !standpoint.roles.contains(.app)
        else { return nil }
        guard var found = emergencies(standpoint.id, first, now) else { return nil }
        for patient in patients.dropFirst() {
            guard let other = emergencies(standpoint.id, patient, now) else { return nil }
            found = OpenEmergency(id: found.id, reasons: found.reasons.intersection(other.reasons))
        }
        return found
    }

    /// What it is done for, as the log says it: the purpose of the first role that may do this with the type, which is
    /// the one whose rule the decision names.
    ///
    /// Not of each record: one that another role lets through is told with this purpose as well. A refusal is told with
    /// the purpose of the principal's first role.
    func purpose(_ action: Action, _ type: ResourceType?) -> PurposeOfUse {
        guard capacities.count > 1 else { return standpoint.purpose }
        let capacity = capacities.first { policy.decide(question(action, type, nil, $0)).isPermitted }
        return capacity?.purpose ?? standpoint.purpose
    }

    func decide(_ action: Action, _ type: ResourceType?, _ facts: RecordFacts?) -> AccessDecision {
        if capacities.count == 1 { return policy.decide(question(action, type, facts, capacities[0])) }
        return policy.decide(anyOf: capacities.map { question(action, type, facts, $0) })
    }

    private func question(
        _ action: Action, _ type: ResourceType?, _ facts: RecordFacts?,
        _ capacity: (purpose: PurposeOfUse, roles: [Role])
    ) -> AccessQuestion {
        AccessQuestion(
            action: action, type: type, roles: capacity.roles, purpose: capacity.purpose,
            scopes: standpoint.scopes, isFresh: standpoint.isFresh, facts: facts)
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
