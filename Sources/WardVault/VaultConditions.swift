import WardAudit
import WardFHIR

/// A record that If-None-Exist found, in place of the one that would have been created.
enum ExistingRecord: Sendable {
    case stored(RecordBody, version: Int64)
    /// What the change with that number, an earlier one of the same transaction, creates.
    case created(Int)
}

/// What the conditional creates of one transaction found.
struct ExistingRecords: Sendable {
    /// By the number of the change.
    private(set) var found: [Int: ExistingRecord] = [:]
    /// `Type/id` that a change had been given, and that references in the same transaction may carry, to the one that
    /// they carry instead (FHIR R4 http.html#trules).
    private var targets: [String: String] = [:]

    fileprivate mutating func add(_ record: ExistingRecord, named name: String, for change: RecordChange, entry: Int) {
        found[entry] = record
        targets["\(change.type.name)/\(change.id)"] = name
    }

    /// The replacements of a change, with what was found in place of what would have been created.
    func resolved(
        _ replacements: [(range: Range<Int>, text: String)]
    ) -> [(range: Range<Int>, text: String)] {
        replacements.map { (range: $0.range, text: targets[$0.text] ?? $0.text) }
    }
}

extension Vault {
    /// Carries out the searches of conditional creates, in what is stored and in what earlier changes create: two
    /// entries that ask for the same record get the same one.
    func existing(
        for changes: [RecordChange], frame: WriteFrame, into draft: inout WriteDraft
    ) throws(VaultFailure) -> ExistingRecords {
        var existing = ExistingRecords()
        let wanted = Set(changes.filter { $0.condition != nil }.map(\.type))
        guard !wanted.isEmpty else { return existing }
        var created = CreatedRecords(keys: keys, ownBase: ownBase)
        for (entry, change) in changes.enumerated() where wanted.contains(change.type) {
            guard case .create(let query) = change.operation else { continue }
            if let query {
                draft.attempted = change
                if changes.count == 1 { draft.event.query = query.asked }
                let found = try matches(query, access: frame.access, limit: 2)
                draft.event.candidates += found.candidates
                let fresh = created.matches(query)
                guard found.records.count + fresh.count < 2 else {
                    throw .matchCount(entry: entry, found: found.records.count + fresh.count)
                }
                if let (body, version) = found.records.first {
                    existing.add(
                        .stored(body, version: version), named: "\(body.type.name)/\(body.id)", for: change,
                        entry: entry)
                    continue
                }
                if let first = fresh.first {
                    existing.add(
                        .created(first), named: "\(change.type.name)/\(changes[first].id)", for: change, entry: entry)
                    continue
                }
            }
            try created.add(
                change, entry: entry, now: draft.now, replacing: existing.resolved(change.replacements))
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
        event.query = draft.event.query
        if let change = draft.attempted {
            event.records = [AuditedRecord(type: change.type, id: change.id, version: 0)]
            if change.type.name == "Patient" { event.patients = [change.id] }
            event.add(patients: draft.event.patients)
            event.emergency = draft.event.emergency
        }
        switch failure {
        case .preconditionMissed: return .preconditionFailed(try await append(event))
        case .hidden(let code):
            // The answer is that of a resource which is not there.
            event.outcome = .denied
            event.decision = code
            return .notFound(try await append(event))
        case .writeRefused(let code):
            event.outcome = .denied
            event.decision = code
            return .refused(try await append(event), code: code)
        case .keyDestroyed: return .destroyed(try await append(event))
        case .damaged, .matchCount:
            _ = try await append(event)
            return failure
        default: return failure
        }
    }
}
