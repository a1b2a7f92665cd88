import WardCore
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy

/// Decides on opened records under one grant, and says how much of each may be seen.
struct RecordAccess: Sendable {
    let residual: ResidualFilter
    private let vault: Vault
    private let now: Instant
    /// Search constraints of the token's scopes, by the position of the scope.
    private let constraints: [(position: Int, query: SearchQuery)]

    init(_ residual: ResidualFilter, _ vault: Vault) {
        self.residual = residual
        self.vault = vault
        now = .now()
        var constraints: [(position: Int, query: SearchQuery)] = []
        for (position, scope) in (residual.principal.scopes ?? []).enumerated() where !scope.constraint.isEmpty {
            // One that cannot be read is never met.
            guard let type = scope.type, let query = vault.parsed(scope.constraint, of: type, now: now) else { continue }
            constraints.append((position: position, query: query))
        }
        self.constraints = constraints
    }

    var policy: Policy { residual.policy }

    /// What may be possible with records of a type.
    func outlook(_ action: Action, on type: ResourceType) -> AccessDecision { residual.outlook(action, on: type) }

    /// The decision on one record.
    ///
    /// - Parameter isOwn: whether who asks is writing it: labels that they put on their own words hide nothing from them,
    ///   and whoever protects a record must be able to.
    func decide(
        _ action: Action, on body: RecordBody, isOwn: Bool = false
    ) throws(VaultFailure) -> RecordDecision {
        let emergency = residual.emergency(for: body.patients, at: now)
        let directives = action == .create ? [] : try vault.consents.directives(for: body.patients, in: vault)
        if isOwn || body.isUnlabelled || body.isDeleted, directives.allSatisfy(\.isPermit) {
            // Whatever more is known could only add to this.
            let plain = residual.decide(action, on: body.type, knowing: RecordFacts())
            if plain.isPermitted, plain.profiles.isWhole {
                return RecordDecision(decision: plain, policy: policy, emergency: emergency?.id)
            }
        }
        var facts = try facts(of: body, emergency, directives)
        if isOwn { facts.labels = [] }
        return RecordDecision(
            decision: residual.decide(action, on: body.type, knowing: facts), policy: policy, emergency: emergency?.id)
    }

    /// Whether every record of a type that carries no label, and whose patients refuse nothing, may
    /// certainly be found by these parameters.
    func isAssured(_ action: Action, on type: ResourceType, by parameters: Set<UInt16>) -> Bool {
        let plain = residual.decide(action, on: type, knowing: RecordFacts())
        return plain.isPermitted
            && parameters.allSatisfy { policy.isSearchable($0, of: type, under: plain.profiles) }
    }

    private func facts(
        of body: RecordBody, _ emergency: OpenEmergency?, _ directives: [ConsentDirective]
    ) throws(VaultFailure) -> RecordFacts {
        let principal = residual.principal
        var facts = RecordFacts(patients: body.patients)
        let tape = body.isDeleted ? nil : try? JSONTape(parsing: body.json)
        if let tape, !body.isUnlabelled { facts.labels = policy.labels(of: tape) }
        facts.relationships = try vault.relationships.of(principal, to: body.patients, in: vault, now: now)
        if let tape, let practitioner = principal.practitioner {
            facts.isAuthor = Self.isAuthor("Practitioner/\(practitioner)", of: tape, base: vault.ownBase)
        }
        facts.isEmergency = emergency != nil
        facts.emergencyReasons = emergency?.reasons ?? []
        let asking = ConsentQuestion(
            principal: principal, type: body.type, labels: facts.labels, relationships: facts.relationships, now: now,
            policy: policy)
        facts.consents = ConsentDirective.permitted(directives, patients: body.patients, asking)
        facts.isRefused = body.type.name != "Consent" && ConsentDirective.isRefused(directives, asking)
        facts.isInContext =
            principal.patientInContext.map { context in
                !body.patients.isEmpty && body.patients.allSatisfy { $0 == context }
            } ?? false
        for constraint in constraints where constraint.position < 64 && vault.isMatch(body, constraint.query) {
            facts.metConstraints |= 1 << UInt64(constraint.position)
        }
        return facts
    }

    /// Whether the record names somebody as who wrote it.
    private static func isAuthor(_ reference: String, of tape: JSONTape, base: String) -> Bool {
        func names(_ index: Int) -> Bool {
            switch tape.kind(index) {
            case .array:
                var found = false
                tape.forEachElement(index) { found = found || names($0) }
                return found
            case .object:
                guard let text = tape.member(index, "reference").map({ tape.text($0) }) else { return false }
                return text == reference || text == "\(base)/\(reference)"
            default: return false
            }
        }
        let root = JSONTape.rootIndex
        return (tape.member(root, "author").map(names) ?? false) || (tape.member(root, "assessor").map(names) ?? false)
    }
}

/// The decision on one record, and what it means for what is shown of it.
struct RecordDecision: Sendable {
    let decision: AccessDecision
    let policy: Policy
    /// The emergency under which the record is looked at.
    let emergency: String?

    var isPermitted: Bool { decision.isPermitted }
    var code: String { policy.code(of: decision) }

    /// The record as it may be shown; nil if nothing of it may.
    func shown(_ body: RecordBody) -> [UInt8]? {
        guard isPermitted else { return nil }
        guard !body.isDeleted, let filter = policy.filter(for: decision.profiles) else { return body.json }
        guard let tape = try? JSONTape(parsing: body.json) else { return nil }
        // A record whose meaning would change by what is left out is not shown at all.
        return try? filter.filtered(tape)
    }
}

extension Vault {
    /// A search of the policy's or of a token's, in the server's own words.
    func parsed(_ pairs: [SearchPair], of type: ResourceType, now: Instant) -> SearchQuery? {
        try? SearchQuery.parse(
            type: type, parameters: pairs, handling: .strict,
            context: SearchContext(baseURL: ownBase, now: now, zoneOffsetMinutes: 0))
    }
}
