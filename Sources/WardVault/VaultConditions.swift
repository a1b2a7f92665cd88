import WardAudit
import WardFHIR

/// A record that If-None-Exist found, in place of the one that would have been created.
struct ExistingRecord: Sendable {
    let body: RecordBody
    let version: Int64
    /// `Type/id` that the change had been given, and that references in the same transaction may carry.
    let replaces: String

    /// `Type/id` that they carry instead (FHIR R4 http.html#trules).
    var text: String { "\(body.type.name)/\(body.id)" }
}

extension Vault {
    /// Carries out the searches of conditional creates, by the number of the change.
    func existing(
        for changes: [RecordChange], frame: WriteFrame, into draft: inout WriteDraft
    ) throws(VaultFailure) -> [Int: ExistingRecord] {
        var existing: [Int: ExistingRecord] = [:]
        for (entry, change) in changes.enumerated() {
            guard case .create(let query?) = change.operation else { continue }
            draft.attempted = change
            let found = try matches(query, permitted: frame.permits, limit: 2)
            draft.event.candidates += found.candidates
            guard found.records.count < 2 else { throw .matchCount(entry: entry, found: found.records.count) }
            guard let (body, version) = found.records.first else { continue }
            existing[entry] = ExistingRecord(
                body: body, version: version, replaces: "\(change.type.name)/\(change.id)")
        }
        return existing
    }

    /// Puts a refusal that says something about stored records into the log before it is answered.
    func accounted(
        _ failure: VaultFailure, _ draft: WriteDraft, _ frame: WriteFrame
    ) async throws(VaultFailure) -> VaultFailure {
        var event = frame.event
        event.outcome = .failed
        event.candidates = draft.event.candidates
        if let change = draft.attempted {
            event.records = [AuditedRecord(type: change.type, id: change.id, version: 0)]
            if change.type.name == "Patient" { event.patients = [change.id] }
        }
        switch failure {
        case .preconditionMissed: return .preconditionFailed(try await append(event))
        case .matchCount:
            _ = try await append(event)
            return failure
        default: return failure
        }
    }
}
