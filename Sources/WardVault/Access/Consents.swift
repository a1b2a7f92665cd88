import Synchronization
import WardCore
import WardFHIR
import WardIndex

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
                let (body, tape) = try vault.opened(hit)
                records[hit.record] = body.patients.flatMap {
                    ConsentReader(patient: $0, base: vault.ownBase).directives(of: tape.root)
                }
            }
        }
        var patients: [String: [ConsentDirective]] = [:]
        for directive in records.values.joined() { patients[directive.patient, default: []].append(directive) }
        let refusing = patients.filter { $0.value.contains { !$0.isPermit } }.keys.sorted()
        let fresh = State(revision: revision, records: records, patients: patients, refusing: refusing)
        state.withLock { $0 = fresh }
        return true
    }

    private static let type = ResourceType("Consent")
}
