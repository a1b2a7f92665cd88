import Dispatch
import Glibc
import WardAudit
import WardCore
import WardCrypto
import WardStorage

/// What the check at a start found.
public struct StartVerification: Sendable {
    /// Events that were replayed.
    public let events: Int64
    /// What of the store is not what the log says; sentences without content.
    public let faults: [String]

    public var isWhole: Bool { faults.isEmpty }
}

extension Vault {
    /// Holds the store against the log before anything is served from it, from the newest ``VerifiedMark`` on.
    ///
    /// Replays the events since the mark and compares, for the whole store: which version of each record is current, the
    /// patient keys, every entry; and prepares the same for the cards, on which ``rebuildIndex(progress:)`` then
    /// insists. A record, an account, a session or a grant that was rolled back, removed or planted while Ward did not
    /// run is never served. Bodies are not read: one that was altered does not open.
    ///
    /// Costs one pass over the table of heads, the keys, the entries and the cards' sums, and the events since the mark.
    /// With a million records that came in 4,000 events of an import (release, two cores shared with other builds): 3 s of
    /// CPU (4 s by the clock) right after a verification, 6 s of CPU (10 s) with all of those events since the mark.
    /// Opening the log takes 4 s of CPU besides. A store without a mark is replayed from its first event.
    ///
    /// Before the log named entries and keys (earlier versions of Ward), it could not say what was there: the first check
    /// adopts them, in an event that says so, and from then on they are held to it.
    ///
    /// - Parameter progress: called with events replayed, of how many.
    public func verifyAtStart(
        progress: (VerificationProgress) -> Void = { _ in }
    ) async throws(VaultFailure) -> StartVerification {
        let mark = try storedMark()
        var replay = mark?.replay ?? StoreReplay()
        let first = replay.position.size
        let target = log.checkpoint
        let verification: AuditVerification
        do throws(AuditFailure) {
            verification = try log.verify(
                from: replay.position, to: target, event: { replay.take($0.event, keys) },
                progress: {
                    progress(VerificationProgress(step: .events, done: $0 - first, total: target.size - first))
                })
        } catch {
            throw .storage
        }
        replay.reach(LogPosition(size: target.size, root: target.root))
        var faults: [String] = verification.isWhole ? [] : ["the log is not what was written"]
        let sums = try headSums()
        expectCards(sums.cards)
        if sums.heads != replay.heads { faults.append("records are not in the version that was written last") }
        if replay.isCovered, try patientKeySum() != replay.patientKeys {
            faults.append("patients' keys are missing, altered or added")
        }
        let entries = try checkEntries(replay, namesRollbacks: false)
        for fault in entries.faults { faults.append("\(fault.record): \(fault.fault)") }
        let result = StartVerification(events: target.size - first, faults: faults)
        guard result.isWhole else { return result }
        let event = AuditEvent(
            kind: .storeVerified, time: .now(), outcome: .success, actor: nil, purpose: .systemAdministration,
            source: .system, decision: replay.isCovered ? "at-start" : StoreReplay.adoption)
        if !replay.isCovered {
            let adopted = try unnamed(replay)
            try await keep(VerifiedMark(replay: replay, lastFull: mark?.lastFull), event, adopted: adopted)
        } else if mark == nil || target.size - first >= Self.eventsBetweenMarks {
            try await keep(VerifiedMark(replay: replay, lastFull: mark?.lastFull), event)
        }
        return result
    }

    /// A new mark costs an event; replaying so many takes some tens of milliseconds.
    private static let eventsBetweenMarks: Int64 = 4096

    /// Entries and keys that are stored and that no event names.
    private func unnamed(_ replay: StoreReplay) throws(VaultFailure) -> [AuditedEntry] {
        var found: [AuditedEntry] = []
        do throws(StorageFailure) {
            for kind in EntryKind.allCases {
                for entry in try store.entries(kind)
                where replay.entries[StoreReplay.Place(kind: kind, id: entry.id)] == nil {
                    found.append(AuditedEntry(kind: kind, id: entry.id, sealed: entry.sealed))
                }
            }
            try store.eachPatientKey { id, wrapped in
                found.append(AuditedEntry(kind: .patientKey, id: id, sealed: wrapped))
            }
        } catch {
            throw .storage
        }
        return found
    }
}

extension Vault {
    /// Verifies everything on a queue of its own, resting three times as long as it works; nil if it was stopped.
    ///
    /// Goes on where the last one was interrupted.
    public func verifyInBackground(
        isStopped: @escaping @Sendable () -> Bool
    ) async throws(VaultFailure) -> StoreVerification? {
        let result = try await check(against: nil, isResumed: true, .background, isStopped: isStopped) {
            let pace = Pace()
            return { _ in if !isStopped() { pace.rest() } }
        }
        guard let (verification, replay) = result else { return nil }
        try await finish(
            verification, replay,
            AuditEvent(
                kind: .storeVerified, time: .now(), outcome: .success, actor: nil, purpose: .systemAdministration,
                source: .system, decision: "daily"))
        return verification
    }

    /// Verifies on a queue of its own: it takes minutes, and the threads that answer requests are few.
    ///
    /// - Parameter progress: makes what is told of progress, on that queue.
    func check(
        against earlier: Checkpoint?, isResumed: Bool, _ priority: DispatchQoS,
        isStopped: @escaping @Sendable () -> Bool,
        progress: @escaping @Sendable () -> (VerificationProgress) -> Void
    ) async throws(VaultFailure) -> (StoreVerification, StoreReplay)? {
        let result: Result<(StoreVerification, StoreReplay)?, VaultFailure> = await withCheckedContinuation {
            continuation in
            DispatchQueue(label: "ward.verify", qos: priority).async {
                continuation.resume(
                    returning: Result { () throws(VaultFailure) in
                        try FullCheck(self, against: earlier, isResumed: isResumed)
                            .run(progress: progress(), isStopped: isStopped)
                    })
            }
        }
        return try result.get()
    }
}

/// Keeps work in the background to a quarter of the time.
private final class Pace {
    private var last = ContinuousClock.now

    func rest() {
        let worked = ContinuousClock.now - last
        let pause = min(worked * 3, .seconds(1))
        usleep(UInt32(pause.components.attoseconds / 1_000_000_000_000) + UInt32(pause.components.seconds) * 1_000_000)
        last = .now
    }
}
