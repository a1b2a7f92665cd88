import Synchronization
import WardCore
import WardFHIR
import WardIdentity
import WardIndex
import WardPolicy

/// One thing that an active Consent says (FHIR R4 consent.html): who may, or may not, have which records.
///
/// A permission that is narrower than can be held on a record is not one; a refusal that is, holds for all of them.
struct ConsentDirective: Sendable {
    let patient: String
    let isPermit: Bool
    /// Codings of `securityLabel`; empty: whatever the label.
    let labels: [(system: String, code: String)]
    /// References of `actor`; empty: whoever.
    let actors: [String]
    /// Codes of `purpose`; empty: whatever for.
    let purposes: [String]
    /// Resource types of `class`; empty: every type.
    let types: [String]
    /// Whether it speaks of single data, codes or data of a time.
    let isNarrow: Bool
    let period: (low: Int64, high: Int64)

    /// Labels that the consents of every one of the patients let this person have.
    static func permitted(
        _ directives: [ConsentDirective], patients: [String], _ asking: ConsentQuestion
    ) -> LabelSet {
        guard !patients.isEmpty else { return [] }
        var common = asking.labels
        for patient in patients {
            var own: LabelSet = []
            for directive in directives where directive.patient == patient && directive.isPermit {
                if directive.isNarrow || directive.labels.isEmpty { continue }
                if directive.applies(to: asking) { own.formUnion(directive.labelSet(asking.policy)) }
            }
            common.formIntersection(own)
        }
        return common
    }

    /// Whether one of the patients keeps the record from this person.
    ///
    /// A refusal that names nobody does not keep it from those who care for the patient.
    static func isRefused(_ directives: [ConsentDirective], _ asking: ConsentQuestion) -> Bool {
        directives.contains { directive in
            guard !directive.isPermit, directive.applies(to: asking) else { return false }
            if !directive.labels.isEmpty, directive.labelSet(asking.policy).isDisjoint(with: asking.labels) {
                return false
            }
            let cares = !asking.relationships.isDisjoint(with: [.careTeam, .appointmentToday, .assigned])
            return !(directive.actors.isEmpty && cares)
        }
    }

    private func applies(to asking: ConsentQuestion) -> Bool {
        let now = asking.now.microseconds
        return period.low <= now && now <= period.high
            && (purposes.isEmpty || purposes.contains(asking.principal.purpose.rawValue))
            && (types.isEmpty || types.contains(asking.type.name))
            && (actors.isEmpty
                || asking.principal.practitioner.map { actors.contains("Practitioner/\($0)") } ?? false)
    }

    private func labelSet(_ policy: Policy) -> LabelSet {
        labels.reduce(into: LabelSet()) { $0.formUnion(policy.label(system: $1.system, code: $1.code)) }
    }
}

/// Who asks for what.
struct ConsentQuestion {
    let principal: Principal
    let type: ResourceType
    let labels: LabelSet
    let relationships: RelationshipSet
    let now: Instant
    let policy: Policy
}

/// What the patients' active Consent records say, in memory once somebody asks; a changed record is read again.
final class Consents: Sendable {
    private struct State {
        var revision: UInt64 = 0
        var records: [RecordNumber: [ConsentDirective]] = [:]
        var patients: [String: [ConsentDirective]] = [:]
        var refusing: [String] = []
    }

    private let state = Mutex(State())

    /// Everything that active consents of these patients say.
    func directives(for patients: [String], in vault: Vault) throws(VaultFailure) -> [ConsentDirective] {
        guard !patients.isEmpty, try isCurrent(vault) else { return [] }
        return state.withLock { state in
            patients.count == 1 ? state.patients[patients[0]] ?? [] : patients.flatMap { state.patients[$0] ?? [] }
        }
    }

    /// Patients who refuse something to somebody.
    func refusing(in vault: Vault) throws(VaultFailure) -> [String] {
        try isCurrent(vault) ? state.withLock { $0.refusing } : []
    }

    /// False where there are no consents at all.
    private func isCurrent(_ vault: Vault) throws(VaultFailure) -> Bool {
        guard let type = Self.type, vault.index.count(of: type) > 0 else { return false }
        // Read before the records are: a change that comes between is seen at the next look.
        let revision = vault.index.revision(of: [type])
        if state.withLock({ $0.revision == revision }) { return true }
        let known = state.withLock { $0.records }
        var records: [RecordNumber: [ConsentDirective]] = [:]
        for hit in try vault.confirmed("Consent", [SearchPair(name: "status", value: "active")], now: .now()) {
            if let read = known[hit.record] {
                records[hit.record] = read
            } else {
                records[hit.record] = try Self.read(hit, vault)
            }
        }
        var patients: [String: [ConsentDirective]] = [:]
        for directive in records.values.joined() { patients[directive.patient, default: []].append(directive) }
        let refusing = patients.filter { $0.value.contains { !$0.isPermit } }.keys.sorted()
        let fresh = State(revision: revision, records: records, patients: patients, refusing: refusing)
        state.withLock { $0 = fresh }
        return true
    }

    private static func read(_ hit: SearchHit, _ vault: Vault) throws(VaultFailure) -> [ConsentDirective] {
        let body = try vault.open(try vault.version(hit.record), at: hit.locator)
        guard let tape = try? JSONTape(parsing: body.json) else { throw .damaged }
        guard let provision = tape.root["provision"] else { return [] }
        var found: [ConsentDirective] = []
        for patient in body.patients {
            ConsentReader(patient: patient, base: vault.ownBase).read(provision, into: &found)
        }
        return found
    }

    private static let type = ResourceType("Consent")
}

/// Reads `Consent.provision` and what lies below it.
private struct ConsentReader {
    let patient: String
    let base: String

    /// - Parameter inherited: the period of the provision around this one.
    func read(
        _ provision: JSONValue, inherited: (low: Int64, high: Int64) = (.min, .max),
        into found: inout [ConsentDirective]
    ) {
        var period = inherited
        if let own = provision["period"] {
            if let start = own["start"]?.string.flatMap({ FHIRDate.interval($0) }) {
                period.low = max(period.low, start.low)
            }
            if let end = own["end"]?.string.flatMap({ FHIRDate.interval($0) }) {
                period.high = min(period.high, end.high)
            }
        }
        if let type = provision["type"]?.string {
            let classes = codings(provision["class"])
            let types = classes.filter { $0.system.hasSuffix("/resource-types") }.map(\.code)
            found.append(
                ConsentDirective(
                    patient: patient, isPermit: type == "permit", labels: codings(provision["securityLabel"]),
                    actors: actors(provision["actor"]), purposes: codings(provision["purpose"]).map(\.code),
                    types: types.count == classes.count ? types : [],
                    isNarrow: types.count < classes.count || provision["action"] != nil || provision["code"] != nil
                        || provision["data"] != nil || provision["dataPeriod"] != nil,
                    period: period))
        }
        for inner in provision["provision"]?.elements ?? [] { read(inner, inherited: period, into: &found) }
    }

    private func codings(_ list: JSONValue?) -> [(system: String, code: String)] {
        (list?.elements ?? []).compactMap { coding in
            coding["code"]?.string.map { (system: coding["system"]?.string ?? "", code: $0) }
        }
    }

    /// An actor without a reference is nobody that is known here, and still somebody.
    private func actors(_ list: JSONValue?) -> [String] {
        (list?.elements ?? []).map { actor in
            let text = actor["reference"]?["reference"]?.string ?? ""
            return text.hasPrefix(base + "/") ? String(text.dropFirst(base.utf8.count + 1)) : text
        }
    }
}
