internal import Dispatch
import Glibc
import Synchronization
public import WardCore
import WardCrypto
public import WardStorage

/// The only way anything becomes durable: events, and the writes that go with them, in log order.
///
/// Requests submit and wait. One sequencer takes whatever has gathered, commits it as one transaction with one sync,
/// and answers all of them (group commit). Nothing here can be switched off.
public final class AuditLog: Sendable {
    public let origin: String
    let keys: AuditKeys
    let store: any SealedStore
    let index: AuditIndex
    let clock: AuditClock
    let sequencer: Sequencer
    let witnesses: LogWitnesses
    let retentionWork = Turnstile()
    /// Kinds of entries that may be written, and then nothing but them and events; nil for everything.
    private let writable: Set<EntryKind>?
    private let queue = DispatchQueue(label: "ward.audit")
    private let intake = Mutex(Intake())

    private struct Intake {
        var waiting: [Submission] = []
        var isDraining = false
        var isClosed = false
    }

    /// Opens the log in `store` and restores its tree.
    ///
    /// - Parameters:
    ///   - writable: of a log beside a copy that is only read: which entries may be written; nil for everything.
    ///   - clock: the machine's; tests have their own.
    /// - Throws: ``AuditFailure/damaged`` if the stored tree contradicts itself or its newest checkpoint.
    public init(
        store: any SealedStore, keys: AuditKeys, origin: String, writable: Set<EntryKind>? = nil,
        clock: @escaping @Sendable () -> ClockReading = { .now() }
    ) throws(AuditFailure) {
        self.store = store
        self.keys = keys
        self.origin = origin
        self.writable = writable
        index = try AuditIndex(store: store, keys: keys)
        sequencer = try Sequencer(store: store, keys: keys, origin: origin, index: index)
        self.clock = AuditClock(newest: try Self.newestTime(store, keys, index), read: clock)
        guard let verifier = VerifierKey(name: origin, algorithm: .ed25519, publicKey: keys.publicKey) else {
            throw .damaged
        }
        self.verifier = verifier
        witnesses = try LogWitnesses(
            store: store, keys: keys, verifier: verifier, tiles: LogTiles(store: store, sequencer: sequencer))
        try checkWitnessPolicy()
    }

    /// Records an event; returns when it is durable.
    public func append(_ event: AuditEvent) async throws(AuditFailure) -> AuditReceipt {
        do throws(SubmissionFailure) {
            return try await commit(event).receipt
        } catch {
            throw .storage
        }
    }

    /// Records an event and makes the writes that it accounts for, in one transaction.
    ///
    /// - Parameters:
    ///   - pruned: leaves whose payloads go with the event.
    ///   - removedKeys: patients' keys that go; nothing that is sealed under them commits afterwards.
    ///   - endedKeys: ids of keys that are not there, and shall not be made again.
    ///   - reseals: at most ``ResealedVersion/most`` of them; the event names each by its hash before and after.
    ///   - replacedKeys: patients' keys in whose place others come.
    ///   - adopted: what the event accounts for without writing it: see ``StoreReplay``.
    /// - Throws: ``SubmissionFailure/conflict`` if a record's current version is not the expected one;
    ///   ``SubmissionFailure/unavailable`` if the log cannot be written, in which case nobody may be answered.
    public func commit(
        _ event: AuditEvent, writes: [RecordWrite] = [], entries: [EntryWrite] = [], pruned: [Int64] = [],
        removedKeys: [KeyRemoval] = [], endedKeys: [Locator] = [], reseals: [RecordReseal] = [],
        replacedKeys: [KeyReplacement] = [], adopted: [AuditedEntry] = [],
        applied: @escaping @Sendable ([RecordNumber]) -> Void = { _ in }
    ) async throws(SubmissionFailure) -> Committed {
        // One of several that commit together would fail all of them.
        if let writable {
            guard writes.isEmpty, pruned.isEmpty, removedKeys.isEmpty,
                entries.allSatisfy({ writable.contains($0.kind) })
            else { throw .unavailable }
        }
        var event = event
        event.entries =
            adopted + entries.map(AuditedEntry.init) + writes.compactMap(AuditedEntry.init)
            + removedKeys.map(AuditedEntry.init) + replacedKeys.flatMap(AuditedEntry.replacing)
        guard reseals.count <= ResealedVersion.most else { throw .unavailable }
        event.resealed = reseals.map(ResealedVersion.init)
        guard let leaves = try? keys.seal(event) else { throw .unavailable }
        // Detached from the caller's cancellation: a client that hangs up never takes its audit record along.
        let result: Result<Committed, SubmissionFailure> = await withCheckedContinuation { continuation in
            submit(
                Submission(
                    leaves: leaves, writes: writes, entries: entries, pruned: pruned, removedKeys: removedKeys,
                    endedKeys: endedKeys + removedKeys.map(\.id), reseals: reseals, replacedKeys: replacedKeys,
                    applied: applied,
                    answer: { continuation.resume(returning: $0) }))
        }
        clock.note()
        return try result.get()
    }

    /// Hands every leaf's event to `observer` once it is durable, in the order of the log.
    ///
    /// Runs on the log's own queue between commits: the observer takes note and works elsewhere. One at a time.
    public func observe(_ observer: @escaping @Sendable ([LoggedEvent]) -> Void) {
        sequencer.observer.withLock { $0 = LogObserver(tell: observer) }
    }

    /// Stops taking events; returns when everything taken is on disk.
    ///
    /// Later appends fail.
    public func close() async {
        await withCheckedContinuation { continuation in
            // Queued under the lock: behind the drain of everything taken before.
            intake.withLock { intake in
                intake.isClosed = true
                queue.async { continuation.resume() }
            }
        }
    }

    /// Runs `work` on the log's own queue, where alone it writes.
    func betweenCommits<Result: Sendable>(_ work: @escaping @Sendable () -> Result) async -> Result {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: work()) }
        }
    }

    /// What is durable: size and root, and the last record that was written by then.
    public var position: (checkpoint: Checkpoint, lastRecord: RecordNumber) {
        sequencer.state.withLock { ($0.checkpoint(origin: origin), $0.lastRecord) }
    }

    /// Size and root of what is durable.
    public var checkpoint: Checkpoint { sequencer.state.withLock { $0.checkpoint(origin: origin) } }

    /// The newest signed checkpoint (C2SP tlog-checkpoint).
    public func signedCheckpoint() -> String? { checkpoint.signed(with: keys.signing) }

    /// Publishes the key that checks checkpoints.
    public var publicKey: [UInt8] { keys.publicKey }

    /// The same in the form of signed notes.
    public let verifier: VerifierKey

    func submit(_ submission: Submission) {
        let isAccepted = intake.withLock { intake in
            guard !intake.isClosed else { return false }
            intake.waiting.append(submission)
            if !intake.isDraining { queue.async { self.drain() } }
            intake.isDraining = true
            return true
        }
        if !isAccepted { submission.answer(.failure(.unavailable)) }
    }

    /// A batch of so many means that several ask at once, and that more are about to.
    private static let commitSiblings = 4
    /// Longest wait for them, in looks of about 0.1 ms. A commit costs nearly the same for six of them as for forty.
    private static let commitDelay = 6

    /// Waits for as long as more arrive.
    private func gather() {
        var seen = -1
        for _ in 0..<Self.commitDelay {
            let waiting = intake.withLock { $0.waiting.count }
            if waiting == seen { return }
            seen = waiting
            usleep(50)
        }
    }

    /// Runs on the log's own queue, since it blocks on the disk.
    private func drain() {
        var last = 0
        while true {
            if last >= Self.commitSiblings { gather() }
            let batch = intake.withLock { intake in
                let batch = intake.waiting
                intake.waiting = []
                if batch.isEmpty { intake.isDraining = false }
                return batch
            }
            if batch.isEmpty { return }
            last = batch.count
            sequencer.commit(batch)
        }
    }
}
