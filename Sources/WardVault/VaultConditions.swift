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

    /// A change that was given `id` is of the record `found`.
    fileprivate mutating func redirect(_ type: ResourceType, _ id: String, to found: String) {
        targets["\(type.name)/\(id)"] = "\(type.name)/\(found)"
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
        for changes: inout [RecordChange], frame: WriteFrame, into draft: inout WriteDraft
    ) throws(VaultFailure) -> ExistingRecords {
        var existing = ExistingRecords()
        try direct(&changes, &existing, frame: frame, into: &draft)
        let wanted = Set(changes.filter { $0.condition != nil && $0.target == nil }.map(\.type))
        guard !wanted.isEmpty else { return existing }
        var created = CreatedRecords(keys: keys, ownBase: ownBase)
        for (entry, change) in changes.enumerated() where wanted.contains(change.type) {
            guard case .create(let query) = change.operation else { continue }
            if let query {
                draft.attempted = change
                if changes.count == 1 { draft.event.query = query.asked }
                let found = try look(query, frame, into: &draft)
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

    /// Finds the records of conditional updates, patches and deletes; each must be one (http.html#cond-update).
    private func direct(
        _ changes: inout [RecordChange], _ existing: inout ExistingRecords, frame: WriteFrame,
        into draft: inout WriteDraft
    ) throws(VaultFailure) {
        guard changes.contains(where: { $0.target != nil }) else { return }
        for (entry, change) in changes.enumerated() {
            guard let query = change.target else { continue }
            draft.attempted = change
            let found = try look(query, frame, into: &draft)
            guard found.records.count < 2 else { throw .matchCount(entry: entry, found: 2) }
            if let (body, version) = found.records.first {
                if let own = change.resource?.id, own != body.id { throw .otherID(entry: entry) }
                existing.redirect(change.type, change.id, to: body.id)
                changes[entry] = change.directed(to: body.id, matched: version)
            } else if case .patch = change.operation {
                throw .hidden(code: "update-of-none")
            } else if case .update(let version) = change.operation {
                guard version == nil else { throw .preconditionMissed }
                changes[entry] = change.ofNone
            }
        }
        draft.event.query = draft.asked
        guard Set(changes.map { "\($0.type.name)/\($0.id)" }).count == changes.count else { throw .conflict }
    }

    /// Carries out one search of a change, and remembers for the log what was asked and opened.
    func look(
        _ query: SearchQuery, _ frame: WriteFrame, into draft: inout WriteDraft
    ) throws(VaultFailure) -> (records: [(body: RecordBody, version: Int64)], candidates: Int) {
        draft.ask(query)
        let found = try matches(query, access: frame.access, limit: 2)
        draft.event.candidates += found.candidates
        draft.looks += found.records
        return found
    }

    /// Puts a refusal that says something about stored records into the log before it is answered.
    func accounted(
        _ failure: VaultFailure, _ draft: WriteDraft, _ frame: WriteFrame
    ) async throws(VaultFailure) -> VaultFailure {
        var event = frame.event
        event.outcome = .failed
        event.candidates = draft.event.candidates
        event.query = draft.asked
        if let change = draft.attempted {
            if change.isOfKnownID, change.matched == nil {
                event.records = [AuditedRecord(type: change.type, id: change.id, version: 0)]
                if change.type.name == "Patient" { event.patients = [change.id] }
            }
            for (body, version) in draft.looks { event.add(body, version: version) }
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
        case .conflict, .damaged, .idTaken, .invalid, .matchCount, .otherID, .patch:
            _ = try await append(event)
            return failure
        default: return failure
        }
    }
}
