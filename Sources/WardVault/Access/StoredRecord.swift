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
    /// - Throws: ``VaultFailure/hidden(code:)`` for one that may not be seen, and for an update of none by somebody from
    ///   whom some may be hidden: neither tells whether there is one.
    func before(
        _ change: RecordChange, _ head: Head?, at locator: Locator, _ frame: WriteFrame, into draft: inout WriteDraft
    ) throws(VaultFailure) -> StoredRecord? {
        let action = change.operation.action
        guard let head, !head.isDeleted else {
            if action == .update, !frame.access.isAssured(.update, on: change.type, by: []) {
                throw .hidden(code: "update-of-none")
            }
            return nil
        }
        if action == .create { return nil }
        let current = try current(of: locator).flatMap { $0.version == head.version ? $0 : nil }
        // Another writer came between: what is prepared on the older version does not commit.
        let body = if let current { try open(current, at: locator) } else { try open(try version(head.record), at: locator) }
        let decision = try frame.access.decide(action, on: body)
        if decision.isPermitted {
            return StoredRecord(body: body, decision: decision, policy: frame.access.policy)
        }
        if try frame.access.decide(.read, on: body).isPermitted { throw .writeRefused(code: decision.code) }
        guard action == .delete else { throw .hidden(code: decision.code) }
        // Answered as a deletion of nothing.
        draft.event.decision = decision.code
        if draft.event.kind == .delete { draft.event.outcome = .denied }
        return nil
    }
}
