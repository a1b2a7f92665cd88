internal import Dispatch
import Synchronization
public import WardAudit
import WardCore
import WardCrypto
import WardStorage

extension Vault {
    /// Begins to give each patient, or one, another key, and to seal anew what the one before has sealed.
    ///
    /// Only says so; ``reseal(rest:progress:)`` does it, and goes on with it after a restart.
    public func beginResealing(of patient: String?, as event: AuditEvent) async throws(ResealFailure) {
        guard enterResealing() else { throw .unfinished }
        defer { resealingWork.withLock { $0 = false } }
        if try known()?.isUnfinished == true { throw .unfinished }
        if let patient {
            let own: PatientKeys?
            do throws(VaultFailure) { own = try keys.keys(of: keys.owner(ofPatient: patient), store: store) } catch {
                throw error == .keyDestroyed ? .destroyed : .vault(error)
            }
            guard own != nil else { throw .unknownPatient }
        }
        var event = event
        event.kind = .patientKeysRotated
        event.decision = "begun"
        event.patients = patient.map { [$0] } ?? []
        let state = Resealing(patient: patient, started: event.time, by: event.actor?.name ?? "")
        guard let entry = state.entry(keys) else { throw .vault(.damaged) }
        do throws(SubmissionFailure) {
            _ = try await log.commit(event, entries: [.put(entry, .resealing)])
        } catch {
            throw .log
        }
        lastResealingFailure.withLock { $0 = nil }
    }

    /// The exchange of patients' keys that runs, or else the last one; nil for none ever.
    public func resealing() throws(VaultFailure) -> Resealing? {
        let entry: StoredEntry?
        do throws(StorageFailure) { entry = try store.entry(Resealing.place, kind: .resealing) } catch {
            throw .storage
        }
        guard let entry else { return nil }
        guard let state = Resealing(entry, keys) else { throw .damaged }
        return state
    }

    /// The number of the last stored version: where an exchange ends.
    public var lastRecord: Int64 { log.position.lastRecord.value }

    /// Carries an exchange of patients' keys on, to its end or until it is told to stop; readers and writers work meanwhile.
    ///
    /// Every step is a transaction of the log with an event, so that it can end anywhere. First each patient has two keys,
    /// and all that is written from then on is under the newer. Then every stored version is opened and sealed anew, in
    /// the order of the records, with its card. At last the earlier keys go, and their places are written over.
    ///
    /// A version that does not open stays as it is and is named, and the earlier key of its patient stays with it. Where
    /// neither its row nor the log says whose it is, every earlier key stays. A patient's key that does not open stays.
    ///
    /// - Parameters:
    ///   - rest: called after each step with how long that took; waits as it likes, and answers false to stop.
    ///   - progress: called after each step.
    /// - Returns: how far it is; nil if there is nothing to do.
    @discardableResult
    public func reseal(
        rest: @escaping @Sendable (Duration) async -> Bool,
        progress: @escaping @Sendable (Resealing) -> Void = { _ in }
    ) async throws(ResealFailure) -> Resealing? {
        guard enterResealing() else { throw .unfinished }
        defer { resealingWork.withLock { $0 = false } }
        do throws(ResealFailure) {
            let state = try await carryOn(rest, progress)
            lastResealingFailure.withLock { $0 = nil }
            return state
        } catch {
            lastResealingFailure.withLock { $0 = error }
            throw error
        }
    }

    /// Why the exchange did not go on when that was tried last in this process; nil if it did.
    public var resealingFailure: ResealFailure? { lastResealingFailure.withLock { $0 } }

    private func carryOn(
        _ rest: @escaping @Sendable (Duration) async -> Bool, _ progress: @escaping @Sendable (Resealing) -> Void
    ) async throws(ResealFailure) -> Resealing? {
        guard let state = try known(), state.isUnfinished else { return nil }
        var run = ResealRun(self, state, rest: rest, progress: progress)
        try await run.carryOn()
        if !run.state.isUnfinished { await erase() }
        return run.state
    }

    private func enterResealing() -> Bool {
        resealingWork.withLock { isBusy in
            defer { isBusy = true }
            return !isBusy
        }
    }

    private func known() throws(ResealFailure) -> Resealing? {
        do throws(VaultFailure) { return try resealing() } catch { throw .vault(error) }
    }
}

/// One exchange on its way.
struct ResealRun {
    private let vault: Vault
    private let rest: @Sendable (Duration) async -> Bool
    private let progress: @Sendable (Resealing) -> Void
    private(set) var state: Resealing
    private var isStopped = false
    /// Where the store last said that it is.
    private var saved: Int64

    init(
        _ vault: Vault, _ state: Resealing, rest: @escaping @Sendable (Duration) async -> Bool,
        progress: @escaping @Sendable (Resealing) -> Void
    ) {
        self.vault = vault
        self.state = state
        self.rest = rest
        self.progress = progress
        saved = state.position
    }

    mutating func carryOn() async throws(ResealFailure) {
        if state.phase == .keys { try await exchangeKeys() }
        if state.phase == .records, !isStopped { try await sealAnew() }
        if state.phase == .ending, !isStopped { try await end() }
    }

    // MARK: Keys

    /// A patient who comes while this runs has a key that is new anyway.
    private mutating func exchangeKeys() async throws(ResealFailure) {
        let unopened = try await replaceKeys("keys-added") { [keys = vault.keys] wrapped, id throws(VaultFailure) in
            try keys.exchanged(wrapped, of: id)
        }
        guard !isStopped else { return }
        var next = state
        next.phase = .records
        next.keyFaults = unopened
        try await commit(next, "keys-added-to-all")
    }

    private mutating func end() async throws(ResealFailure) {
        var next = state
        let faults = try await onQueue { [vault, state] () throws(VaultFailure) in
            try ResealFaults(vault, of: state.faults)
        }
        next.names = faults.names
        next.keepsAll = state.faults.count >= Resealing.mostFaults || faults.isUnsure
        if !next.keepsAll {
            let unopened = try await replaceKeys("keys-ended") {
                [keys = vault.keys, owners = faults.owners] wrapped, id throws(VaultFailure) in
                owners.contains(id) ? nil : try keys.withoutEarlier(wrapped, of: id)
            }
            next.keyFaults = max(next.keyFaults, unopened)
        }
        if next.keyFaults > 0 {
            next.names.append(next.keyFaults == 1 ? "a patient's key" : "\(next.keyFaults) patients' keys")
        }
        guard !isStopped else { return }
        next.phase = .done
        next.ended = .now()
        try await commit(next, next.hasFaults ? "ended-with-faults" : "ended")
        progress(state)
    }

    private static let keysAtATime = 100

    /// Puts other wrapped keys in the place of those there are, where there is another; those that do not open stay.
    ///
    /// - Returns: how many do not open.
    private mutating func replaceKeys(
        _ decision: String,
        _ other: @escaping @Sendable ([UInt8], Locator) throws(VaultFailure) -> (wrapped: [UInt8], keys: PatientKeys)?
    ) async throws(ResealFailure) -> Int64 {
        var unopened: Int64 = 0
        let ids = try await onQueue { [vault, patient = state.patient] () throws(VaultFailure) in
            if let patient { return [vault.keys.owner(ofPatient: patient)] }
            var ids: [Locator] = []
            do throws(StorageFailure) { try vault.store.eachPatientKey { id, _ in ids.append(id) } } catch {
                throw .storage
            }
            return ids
        }
        for start in stride(from: 0, to: ids.count, by: Self.keysAtATime) {
            let some = Array(ids[start..<min(start + Self.keysAtATime, ids.count)])
            let began = ContinuousClock.now
            var (isNew, faults) = (false, Int64(0))
            for attempt in 1... {
                let (replacements, fresh, broken) = try await onQueue { [vault] () throws(VaultFailure) in
                    try Self.replacements(of: some, vault, other)
                }
                faults = broken
                if replacements.isEmpty { break }
                do throws(SubmissionFailure) {
                    _ = try await vault.log.commit(event(decision), replacedKeys: replacements) { [vault] _ in
                        for (id, keys) in fresh { vault.keys.replace(keys, of: id) }
                    }
                    isNew = true
                    break
                } catch {
                    // One of them was destroyed meanwhile.
                    guard error == .conflict, attempt < 16 else { throw .log }
                }
            }
            unopened += faults
            // What was done before the last stop is passed by.
            guard isNew else { continue }
            guard await rest(ContinuousClock.now - began) else {
                isStopped = true
                break
            }
        }
        return unopened
    }

    private static func replacements(
        of ids: [Locator], _ vault: Vault,
        _ other: ([UInt8], Locator) throws(VaultFailure) -> (wrapped: [UInt8], keys: PatientKeys)?
    ) throws(VaultFailure) -> ([KeyReplacement], [(Locator, PatientKeys)], Int64) {
        var (replacements, fresh): ([KeyReplacement], [(Locator, PatientKeys)]) = ([], [])
        var unopened: Int64 = 0
        for id in ids {
            let wrapped: [UInt8]?
            do throws(StorageFailure) { wrapped = try vault.store.patientKey(id) } catch { throw .storage }
            guard let wrapped else { continue }
            let next: (wrapped: [UInt8], keys: PatientKeys)?
            do throws(VaultFailure) { next = try other(wrapped, id) } catch {
                guard error == .damaged else { throw error }
                unopened += 1
                continue
            }
            guard let next else { continue }
            replacements.append(
                KeyReplacement(id: id, old: wrapped, new: next.wrapped, number: next.keys.number))
            fresh.append((id, next.keys))
        }
        return (replacements, fresh, unopened)
    }

    // MARK: Records

    private mutating func sealAnew() async throws(ResealFailure) {
        var limit = 16
        var conflicts = 0
        while true {
            let began = ContinuousClock.now
            let reader = ResealReader(vault, of: state.patient)
            let batch = try await onQueue { [state, limit] () throws(VaultFailure) in
                try reader.batch(after: state.position, limit: limit)
            }
            guard let batch else { break }
            var next = state
            next.position = batch.last
            next.resealed += Int64(batch.reseals.count)
            next.faults = Array((next.faults + batch.faults).prefix(Resealing.mostFaults))
            if !batch.reseals.isEmpty || !batch.faults.isEmpty || batch.last - saved >= Self.recordsBetweenSaves {
                do throws(SubmissionFailure) {
                    try await submit(next, batch.faults.isEmpty ? "sealed-anew" : "altered", batch.reseals)
                    conflicts = 0
                } catch {
                    // The key of one of them was destroyed meanwhile: looked at again.
                    conflicts += 1
                    guard error == .conflict, conflicts < 16 else { throw .log }
                    continue
                }
                saved = batch.last
            }
            state = next
            progress(state)
            // About as much at a time as fits into some megabytes.
            limit = max(1, min(Self.recordsAtATime, Self.bytesAtATime / max(1, batch.bytes / batch.rows)))
            guard await rest(ContinuousClock.now - began) else {
                isStopped = true
                if state.position != saved { try await commit(state, "stopped") }
                return
            }
        }
        var next = state
        next.phase = .ending
        try await commit(next, "sealed-anew-all")
    }

    private static let recordsAtATime = 250
    private static let bytesAtATime = 4 << 20
    private static let recordsBetweenSaves: Int64 = 50_000

    // MARK: Log

    private func event(_ decision: String) -> AuditEvent {
        var event = AuditEvent(
            kind: .recordsResealed, time: .now(), outcome: .success, actor: nil, purpose: .systemAdministration,
            source: .system, decision: decision)
        if decision == "altered" { event.outcome = .failed }
        return event
    }

    private mutating func commit(_ next: Resealing, _ decision: String) async throws(ResealFailure) {
        do throws(SubmissionFailure) { try await submit(next, decision, []) } catch { throw .log }
        state = next
    }

    private func submit(
        _ next: Resealing, _ decision: String, _ reseals: [RecordReseal]
    ) async throws(SubmissionFailure) {
        guard let entry = next.entry(vault.keys) else { throw .unavailable }
        var event = event(decision)
        if next.phase == .done {
            event.kind = .patientKeysRotated
            event.patients = next.patient.map { [$0] } ?? []
            if next.hasFaults {
                event.outcome = .failed
                event.query = next.names.prefix(100).joined(separator: ", ")
            }
        }
        _ = try await vault.log.commit(event, entries: [.put(entry, .resealing)], reseals: reseals)
    }

    /// Runs what reads and seals on a queue of its own: the threads that answer requests are few.
    private func onQueue<Value: Sendable>(
        _ work: @escaping @Sendable () throws(VaultFailure) -> Value
    ) async throws(ResealFailure) -> Value {
        let result: Result<Value, VaultFailure> = await withCheckedContinuation { continuation in
            DispatchQueue(label: "ward.reseal", qos: .utility).async {
                continuation.resume(returning: Result { () throws(VaultFailure) in try work() })
            }
        }
        do throws(VaultFailure) { return try result.get() } catch { throw .vault(error) }
    }
}
