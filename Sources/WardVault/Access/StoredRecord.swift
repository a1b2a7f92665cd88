import WardAudit
import WardCore
import WardFHIR
import WardGate
import WardPolicy
import WardStorage

/// The version that a change follows, as whoever writes may know of it.
struct StoredRecord {
    let body: RecordBody
    let decision: RecordDecision
    let policy: Policy

    /// Its JSON, if anything in it is labelled.
    var labelledTape: JSONTape? { body.isUnlabelled ? nil : try? JSONTape(parsing: body.json) }

    /// Whether a version with these labels would have fewer.
    func loses(_ labels: LabelSet) -> Bool {
        labelledTape.map { !policy.labels(of: $0).subtracting(labels).isEmpty } ?? false
    }

    /// What is to be stored: where only a part could be seen, with everything that could not.
    ///
    /// - Throws: ``VaultFailure/writeRefused(code:)`` if it speaks of what cannot be seen.
    func completed(_ given: JSONTape, version: Int64, now: Instant) throws(VaultFailure) -> JSONTape? {
        guard let filter = policy.filter(for: decision.decision.profiles) else { return nil }
        guard let tape = try? JSONTape(parsing: body.json) else { throw .damaged }
        let json: [UInt8]
        do throws(FieldFilterFailure) { json = try filter.completed(given, from: tape) } catch {
            throw .writeRefused(code: "field-not-granted")
        }
        guard let whole = try? JSONTape(parsing: json),
            let valid = try? ResourceValidator.validated(whole, at: JSONTape.rootIndex, expecting: body.type)
        else { throw .writeRefused(code: "field-not-granted") }
        let stamped = ResourceRewriter.rewritten(
            valid.tape, at: valid.index, id: body.id, versionId: String(version), lastUpdated: now, replacing: [])
        guard let result = try? JSONTape(parsing: stamped) else { throw .damaged }
        return result
    }
}

extension RecordDecision {
    /// A new record holds only what may be seen of it: nothing is written unseen.
    func checkWhole(_ tape: JSONTape) throws(VaultFailure) {
        guard let filter = policy.filter(for: decision.profiles) else { return }
        do throws(FieldFilterFailure) { try filter.checkSelected(tape) } catch {
            throw .writeRefused(code: "field-not-granted")
        }
    }
}

extension Vault {
    /// The live version that a change would follow, if there is one and it may be changed.
    ///
    /// - Throws: ``VaultFailure/hidden(code:)`` for one that may not be seen, and for an update of none by a person:
    ///   neither tells whether there is one. A deletion of what is hidden is one of nothing.
    func before(
        _ change: RecordChange, _ head: Head?, at locator: Locator, _ frame: WriteFrame, into draft: inout WriteDraft
    ) throws(VaultFailure) -> StoredRecord? {
        let action = change.operation.action
        guard let head else {
            if action == .update, !mayCreate(change, frame) { throw .hidden(code: "update-of-none") }
            return nil
        }
        if action == .create { return nil }
        if head.isDeleted {
            // Deleting it again does nothing, whoever could see it: saying more would tell that there was one.
            guard action == .update else { return nil }
            // What was hidden before it was deleted is not brought back, nor told, by whoever could not see it.
            do throws(VaultFailure) {
                if let refusal = try newest(action, at: locator, frame.access) { throw .hidden(code: refusal.code) }
            } catch  where error == .keyDestroyed {
                throw try refusal(action, change, head, at: locator, frame)
            }
            if !mayCreate(change, frame) { throw .hidden(code: "update-of-none") }
            return nil
        }
        let current = try current(of: locator).flatMap { $0.version == head.version ? $0 : nil }
        // Another writer came between: what is prepared on the older version does not commit.
        let version = if let current { current } else { try version(head.record) }
        guard let body = try openIfThere(version, at: locator) else {
            let refusal = try refusal(action, change, head, at: locator, frame)
            // As of what is hidden: answered as a deletion of nothing.
            if refusal != .keyDestroyed, action == .delete { return nil }
            throw refusal
        }
        let decision = try frame.access.decide(action, on: body)
        draft.event.add(patients: body.patients)
        if decision.isPermitted {
            return StoredRecord(body: body, decision: decision, policy: frame.access.policy)
        }
        if try frame.access.decide(.read, on: body).isPermitted { throw .writeRefused(code: decision.code) }
        guard action == .delete else { throw .hidden(code: decision.code) }
        // Answered as a deletion of nothing.
        if draft.event.kind == .delete {
            draft.event.decision = decision.code
            draft.event.outcome = .denied
        }
        return nil
    }

    /// How a change of what was destroyed is refused: told to whoever might see such a record.
    private func refusal(
        _ action: Action, _ change: RecordChange, _ head: Head, at locator: Locator, _ frame: WriteFrame
    ) throws(VaultFailure) -> VaultFailure {
        let decision = try standIn(
            action, try newestDestroyed(at: locator) ?? head, at: locator, change.type, change.id, frame.access
        ).decision
        return decision.isPermitted ? .keyDestroyed : .hidden(code: decision.code)
    }

    private func mayCreate(_ change: RecordChange, _ frame: WriteFrame) -> Bool {
        frame.access.mayChooseIDs
            && frame.access.residual.decide(.update, on: change.type, knowing: RecordFacts()).isPermitted
    }
}
