public import WardCore
import WardCrypto
public import WardStorage

/// By what right a patient's key is destroyed while its records still exist.
///
/// HIPAA knows no right of a patient to erasure; a clinic's state sets how long records are kept.
public enum DestructionBasis: String, CaseIterable, Sendable {
    /// Nothing was written of the patient for as long as events are kept (``Retention``).
    case retentionOver = "retention-over"
    /// Return or destruction at the end of an agreement (45 CFR 164.504(e)(2)(ii)(J)).
    case agreementEnded = "agreement-ended"
    /// A court or a law orders it (45 CFR 164.103, "required by law").
    case requiredByLaw = "required-by-law"

    /// Whether it holds before the retention is over.
    public var endsRetention: Bool { self != .retentionOver }
}

/// Why no key was destroyed.
public enum DestructionFailure: Error, Hashable, Sendable {
    /// A pruning runs, or a hold is being placed.
    case busy
    /// A legal hold on the patient is in force.
    case held
    /// The patient was written about too lately; when, and how many years records are kept.
    case tooEarly(lastWritten: Instant, years: Int64)
    /// The key is not the one that was there a moment ago.
    case changed
    /// The commit was neither confirmed nor refused: the key may be gone.
    case unknown
    case log(AuditFailure)
}

extension AuditLog {
    /// Destroys a patient's wrapped key, in the transaction of the event that says so (``AuditEventKind/keyDestroyed``).
    ///
    /// A legal hold wins over every basis, the retention over the first.
    ///
    /// - Parameters:
    ///   - key: its id, and as it is stored; nil for a patient who has none, under whose id none shall be made.
    ///   - entry: what stays of it.
    ///   - now: decides whether the retention is over.
    ///   - isAgain: done before, in the history of this store that a restore went back behind: nothing hinders it.
    ///   - applied: runs when it is durable and before anybody hears of it.
    public func destroyKey(
        of patient: String, id: Locator, wrapped: [UInt8]?, basis: DestructionBasis, entry: StoredEntry,
        as event: AuditEvent, at now: Instant, isAgain: Bool = false, applied: @escaping @Sendable () -> Void
    ) async throws(DestructionFailure) -> AuditReceipt {
        // Holds and destructions wait for each other, so that none is placed in between.
        guard retentionWork.enter() else { throw .busy }
        defer { retentionWork.leave() }
        if !isAgain { try checkDestruction(of: patient, basis, at: now) }
        var event = event
        event.kind = .keyDestroyed
        event.patients = [patient]
        event.decision = isAgain ? "again/\(basis.rawValue)" : basis.rawValue
        do throws(SubmissionFailure) {
            return try await commit(
                event, entries: [.put(entry, .destroyedKey)],
                removedKeys: wrapped.map { [KeyRemoval(id: id, wrapped: $0)] } ?? [],
                endedKeys: [id], applied: { _ in applied() }
            ).receipt
        } catch {
            throw error == .conflict ? .changed : .unknown
        }
    }

    /// Whether hold and retention permit it.
    public func checkDestruction(
        of patient: String, _ basis: DestructionBasis, at now: Instant
    ) throws(DestructionFailure) {
        let (isHeld, years, last): (Bool, Int64, Instant?)
        do throws(AuditFailure) {
            isHeld = try self.isHeld(patient)
            years = try retentionYears()
            last = basis.endsRetention ? nil : try lastWrite(about: patient)
        } catch {
            throw .log(error)
        }
        if isHeld { throw .held }
        guard !basis.endsRetention else { return }
        // Without an event that says when, it counts as written now.
        let written = last ?? now
        let day = CalendarDay(daysSinceEpoch: written.microseconds.floorDivided(by: 86_400_000_000))
        guard day.daysSinceEpoch < Retention.firstKept(years, at: now).daysSinceEpoch else {
            throw .tooEarly(lastWritten: written, years: years)
        }
    }

    /// When something was written of a patient last; events that wrote are never pruned.
    private func lastWrite(about patient: String) throws(AuditFailure) -> Instant? {
        var filter = AuditFilter()
        filter.also = { $0.event.records.contains { $0.hash != nil } }
        return try page(AuditQuery(facets: [.patient(patient)], filter: filter), limit: 1, looking: .max)
            .events.first?.event.time
    }
}
