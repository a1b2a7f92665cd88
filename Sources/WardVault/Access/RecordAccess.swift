import Synchronization
import WardCore
import WardFHIR
import WardGate
import WardIdentity
import WardIndex
import WardPolicy

/// Decides on opened records under one grant, and says how much of each may be seen.
struct RecordAccess: Sendable {
    let residual: ResidualFilter
    private let vault: Vault
    private let now: Instant
    /// Search constraints of the token's scopes, by the position of the scope.
    private let constraints: [(position: Int, query: SearchQuery)]
    /// What who asks is to patients: looked up once for all records.
    private let relationships = RelationshipCache()

    init(_ residual: ResidualFilter, _ vault: Vault) {
        self.residual = residual
        self.vault = vault
        now = .now()
        var constraints: [(position: Int, query: SearchQuery)] = []
        for (position, scope) in (residual.standpoint.scopes ?? []).enumerated() where !scope.constraint.isEmpty {
            // One that cannot be read is never met.
            guard let type = scope.type, let query = vault.parsed(scope.constraint, of: type, now: now), !query.isTied
            else {
                continue
            }
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
        let emergency = residual.emergency(for: body.subjects, at: now)
        let directives = try directives(action, body)
        if isOwn || body.isUnlabelled || body.isDeleted, directives.allSatisfy(\.isPermit) {
            // Whatever more is known could only add to this.
            let plain = residual.decide(action, on: body.type, knowing: RecordFacts())
            if plain.isPermitted, plain.profiles.isWhole {
                return RecordDecision(decision: plain, policy: policy, emergency: emergency?.id)
            }
        }
        var facts = try facts(of: body, emergency, directives, action)
        let labels = facts.labels
        if isOwn { facts.labels = [] }
        return RecordDecision(
            decision: residual.decide(action, on: body.type, knowing: facts), policy: policy, emergency: emergency?.id,
            labels: labels)
    }

    /// Why the decision on one record is what it is.
    func explain(_ action: Action, on body: RecordBody) throws(VaultFailure) -> Explanation {
        let emergency = residual.emergency(for: body.subjects, at: now)
        let directives = try directives(action, body)
        return residual.explain(action, on: body.type, knowing: try facts(of: body, emergency, directives, action))
    }

    /// What patients say of their records; writing something new discloses nothing that they could refuse.
    private func directives(_ action: Action, _ body: RecordBody) throws(VaultFailure) -> [ConsentDirective] {
        action == .create ? [] : try vault.consents.directives(for: body.patients, in: vault)
    }

    /// Whether every record of a type that carries no label, and whose patients refuse nothing, may certainly be found,
    /// whole.
    func isAssured(_ action: Action, on type: ResourceType) -> Bool {
        let plain = residual.decide(action, on: type, knowing: RecordFacts())
        return plain.isPermitted && plain.profiles.isWhole
    }

    /// Whether an update may create under an id of the client's choice.
    ///
    /// A program may, that keeps records in step; of people it would tell which ids are taken.
    var mayChooseIDs: Bool { residual.standpoint.kind == .client }

    private func facts(
        of body: RecordBody, _ emergency: OpenEmergency?, _ directives: [ConsentDirective], _ action: Action
    ) throws(VaultFailure) -> RecordFacts {
        let standpoint = residual.standpoint
        let subjects = body.subjects
        var facts = RecordFacts(patients: subjects)
        let tape = body.isDeleted ? nil : try? JSONTape(parsing: body.json)
        if let tape, !body.isUnlabelled { facts.labels = policy.labels(of: tape) }
        let table = try relationships.table(of: standpoint, in: vault)
        facts.relationships = relationships(to: subjects, table)
        if let tape, !table.own.isEmpty { facts.isAuthor = isAuthor(table.own, of: tape) }
        facts.isEmergency = emergency != nil
        facts.emergencyReasons = emergency?.reasons ?? []
        let asking = ConsentQuestion(
            standpoint: standpoint, own: table.own, type: body.type, labels: facts.labels,
            relationships: facts.relationships, now: now, policy: policy)
        facts.consents = ConsentDirective.permitted(directives, patients: subjects, asking)
        // Everybody may read what the patient said; those who were refused do not change it.
        let isSaying = body.type.name == "Consent" && ![.update, .delete].contains(action)
        facts.isRefused = !isSaying && ConsentDirective.isRefused(directives, asking)
        facts.isInContext = isInContext(body, subjects)
        for constraint in constraints where constraint.position < 64 && vault.isMatch(body, constraint.query) {
            facts.metConstraints |= 1 << UInt64(constraint.position)
        }
        return facts
    }

    private func relationships(to patients: [String], _ table: RelationshipTable) -> RelationshipSet {
        guard !patients.isEmpty, let patientType = ResourceType("Patient") else { return [] }
        let standpoint = residual.standpoint
        var common: RelationshipSet = []
        if patients.allSatisfy(standpoint.patients.contains) {
            if standpoint.roles.contains(.patient) { common.insert(.ownRecord) }
            if standpoint.roles.contains(.proxy) { common.insert(.proxy) }
        }
        if table.rows.isEmpty { return common }
        var care: RelationshipSet = [.careTeam, .appointmentToday, .assigned]
        for patient in patients {
            care.formIntersection(table.rows[vault.keys.locators.locator(type: patientType, id: patient)] ?? [])
        }
        return common.union(care)
    }

    /// Whether the record is of the launch's patient, or of a type that is about no patient.
    private func isInContext(_ body: RecordBody, _ subjects: [String]) -> Bool {
        guard let context = residual.standpoint.patientInContext else { return false }
        if subjects.isEmpty { return Definitions.r4.patientCompartment(of: body.type).isEmpty }
        return subjects.allSatisfy { $0 == context }
    }

    /// Whether the record names somebody as who wrote it.
    private func isAuthor(_ own: Set<String>, of tape: JSONTape) -> Bool {
        Self.authors(of: tape).contains { own.contains(localReference($0, base: vault.ownBase)) }
    }

    /// References of the elements that say who wrote a record.
    private static func authors(of tape: JSONTape) -> [String] {
        var found: [String] = []
        func collect(_ value: JSONValue) {
            switch value.kind {
            case .array: for element in value.elements { collect(element) }
            case .object: if let text = value["reference"]?.string { found.append(text) }
            default: break
            }
        }
        if let author = tape.root["author"] { collect(author) }
        if let assessor = tape.root["assessor"] { collect(assessor) }
        return found
    }

    /// Whether the labels of a record that is being written leave anybody who can see it.
    ///
    /// A record that no care team, consent or author can open would be lost.
    func leavesSomebody(_ body: RecordBody, _ tape: JSONTape) -> Bool {
        if body.isUnlabelled { return true }
        let labels = policy.labels(of: tape)
        if labels.contains(.psychotherapy) {
            let authors = Self.authors(of: tape).map { localReference($0, base: vault.ownBase) }
            return authors.contains { $0.hasPrefix("Practitioner/") || $0.hasPrefix("PractitionerRole/") }
        }
        return labels.isDisjoint(with: [.restricted, .part2]) || !body.patients.isEmpty
    }
}

/// The relationship table of one request.
private final class RelationshipCache: Sendable {
    private let known = Mutex<RelationshipTable?>(nil)

    func table(of standpoint: Standpoint, in vault: Vault) throws(VaultFailure) -> RelationshipTable {
        guard let practitioner = standpoint.practitioner else { return .none }
        if let table = known.withLock({ $0 }) { return table }
        let table = try vault.relationships.table(of: practitioner, in: vault)
        known.withLock { $0 = table }
        return table
    }
}

/// The decision on one record, and what it means for what is shown of it.
struct RecordDecision: Sendable {
    let decision: AccessDecision
    let policy: Policy
    /// The emergency under which the record is looked at.
    let emergency: String?
    /// What the record carries.
    var labels: LabelSet = []

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
