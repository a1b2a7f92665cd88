import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardIndex
import WardStorage

/// One full verification, which may stop on its way and go on later.
final class FullCheck {
    typealias Fault = StoreVerification.Fault

    private let vault: Vault
    private let earlier: Checkpoint?
    private var state: CheckState
    private var lastSaved = Instant.now()

    init(_ vault: Vault, against earlier: Checkpoint?, isResumed: Bool) {
        self.vault = vault
        self.earlier = earlier
        let prunings = try? vault.log.prunedSum()
        // What was let go of since belongs to the part that was walked: begun anew.
        let stored = isResumed ? CheckState.stored(in: vault) : nil
        state = stored.flatMap { $0.prunings == prunings ? $0 : nil } ?? CheckState(started: .now())
        state.prunings = prunings ?? PrunedSum()
    }

    /// Nil if it was stopped.
    func run(
        progress: (VerificationProgress) -> Void, isStopped: () -> Bool
    ) throws(VaultFailure) -> (StoreVerification, StoreReplay)? {
        guard let log = try replayLog(progress, isStopped) else { return nil }
        guard try scanRecords(progress, isStopped) else { return nil }
        let (replay, scan) = (state.replay, state.scan ?? RecordScan())
        let isEven = scan.versions == replay.versions && scan.rows == scan.places
        var findings: [Finding] = []
        var areHeadsTrue = true
        var isDoubtful = !isEven || scan.isDoubtful
        if !isDoubtful { isDoubtful = try !areCardsCurrent(upTo: state.lastRecord) }
        if !isDoubtful {
            areHeadsTrue = try self.areHeadsTrue(replay)
            isDoubtful = !areHeadsTrue
        }
        if isDoubtful {
            findings = try FaultSearch(vault, upTo: log.checkpoint).findings(among: replay.versionCount)
            if findings.isEmpty, !isEven || !areHeadsTrue {
                findings.append(Finding(locator: nil, record: "a row of a record", fault: .unaccounted))
            }
        }
        if replay.isCovered, try !arePatientKeysTrue(replay) {
            findings.append(Finding(locator: nil, record: "a patient's key", fault: .altered))
        }
        let entries = try vault.checkEntries(replay, namesRollbacks: true)
        let later = try laterWrites(after: replay.position)
        let faults = findings.filter { finding in !(finding.locator.map { later.contains($0) } ?? false) }
        try forget()
        return (
            StoreVerification(
                log: log, records: Int(replay.versionCount), entries: entries.count,
                notCovered: entries.notCovered + Int(replay.adopted),
                faults: faults.map { (record: $0.record, fault: $0.fault) } + entries.faults),
            replay
        )
    }

    // MARK: Log

    private func replayLog(
        _ progress: (VerificationProgress) -> Void, _ isStopped: () -> Bool
    ) throws(VaultFailure) -> AuditVerification? {
        if state.scan != nil {
            // Walked before; what came since is for the next time.
            do throws(AuditFailure) {
                return try vault.log.verify(from: state.replay.position, to: state.target, against: earlier)
            } catch {
                throw .storage
            }
        }
        let (target, last) = vault.log.position
        state.lastRecord = last
        var replay = state.replay
        let keys = vault.keys
        do throws(AuditFailure) {
            let result = try vault.log.verify(
                from: replay.position, after: state.pruned, to: target, against: earlier,
                event: { logged throws(AuditFailure) in replay.take(logged.event, keys) },
                reached: { reach throws(AuditFailure) in
                    replay.reach(reach.position)
                    state.replay = replay
                    state.pruned = reach.pruned
                    // A fault seen here is not seen by whoever goes on later: the next one begins anew.
                    state.isResumable = reach.isWhole
                    saveNowAndThen()
                    if isStopped() { throw AuditFailure.closed }
                },
                progress: { progress(VerificationProgress(step: .events, done: $0, total: target.size)) })
            replay.reach(LogPosition(size: target.size, root: target.root))
            state.replay = replay
            state.scan = RecordScan()
            state.isResumable = result.isWhole
            state.target = target
            return result
        } catch {
            if error == .closed { return nil }
            throw .storage
        }
    }

    // MARK: Records

    private func scanRecords(
        _ progress: (VerificationProgress) -> Void, _ isStopped: () -> Bool
    ) throws(VaultFailure) -> Bool {
        var scan = state.scan ?? RecordScan()
        while true {
            let page: [StoredVersion]
            do throws(StorageFailure) {
                page = try vault.store.versions(after: scan.last, limit: 200)
            } catch {
                throw .storage
            }
            for stored in page where stored.record <= state.lastRecord {
                try scan.take(stored, in: vault, upTo: state.lastRecord)
            }
            state.scan = scan
            progress(
                VerificationProgress(step: .records, done: scan.last.value, total: state.lastRecord.value))
            guard let final = page.last, final.record < state.lastRecord else { return true }
            saveNowAndThen()
            if isStopped() {
                save()
                return false
            }
        }
    }

    private func areCardsCurrent(upTo record: RecordNumber) throws(VaultFailure) -> Bool {
        var last = RecordNumber(0)
        do throws(StorageFailure) {
            while true {
                let page = try vault.store.cards(after: last, limit: 1000)
                guard let final = page.last else { return true }
                for card in page {
                    let head = try vault.store.head(of: card.locator)
                    // Written over meanwhile.
                    if let head, head.record > record, head.record > card.record { continue }
                    guard head == Head(record: card.record, version: card.version, isDeleted: false) else {
                        return false
                    }
                }
                last = final.record
            }
        } catch {
            throw .storage
        }
    }

    // MARK: Heads and keys, as one commit left them

    private func areHeadsTrue(_ replay: StoreReplay) throws(VaultFailure) -> Bool {
        try vault.agrees(try vault.headSums().heads, \.heads, replay)
    }

    private func arePatientKeysTrue(_ replay: StoreReplay) throws(VaultFailure) -> Bool {
        try vault.agrees(try vault.patientKeySum(), \.patientKeys, replay)
    }

    /// Where events after `size` wrote: for the next verification to judge.
    private func laterWrites(after position: LogPosition) throws(VaultFailure) -> Set<Locator> {
        var places: Set<Locator> = []
        try vault.tail(after: position) { event in
            for record in event.records where record.hash != nil {
                places.insert(vault.keys.locators.locator(type: record.type, id: record.id))
            }
            for sealed in event.resealed { places.insert(sealed.locator) }
        }
        return places
    }

    // MARK: Going on later

    private func saveNowAndThen() {
        guard Instant.now() >= lastSaved.adding(seconds: 10) else { return }
        save()
    }

    private func save() {
        lastSaved = .now()
        // Where it cannot be kept, an interruption costs the time again and nothing else.
        if state.isResumable { try? state.save(in: vault) }
    }

    private func forget() throws(VaultFailure) { try? CheckState.forget(in: vault) }
}
