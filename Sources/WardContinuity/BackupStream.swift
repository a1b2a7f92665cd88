import Synchronization
import WardAudit
public import WardCore
import WardCrypto
public import WardStorage

/// Carries the store's commits to the destination, some seconds behind.
///
/// Takes note of every transaction while the store is locked (``StreamedStore/follow(_:)``), which costs a reference to
/// each row; encoding, sealing and writing happen on whoever calls ``flush()``.
public final class BackupStream: Sendable {
    /// What waits is let go of beyond this; then only a full backup helps, and one is asked for.
    private let limit: Int
    private let waiting: Mutex<Waiting>
    private let turn = Turn()

    private struct Waiting {
        /// Transactions by the segment that they will be in; the last group grows.
        var groups: [[StreamSegment.Commit]] = [[]]
        var size = 0
        /// Whether transactions were let go of, or never seen: a full backup must be made.
        var isBroken = false
        var place: Place?
        /// When everything that had been committed by then was in the backup.
        var upToDate: Instant?
    }

    /// Where the stream goes on.
    struct Place: Sendable {
        let destination: any BackupDestination
        let keys: BackupKeys
        var epoch: BackupEpoch
        /// The last segment written, and its digest.
        var number: Int64
        var digest: Digest
        /// The full backup with which this stream began.
        var base: Int64
        /// Whether nothing of it was written yet.
        var isNew: Bool
        /// The log at the end of the last segment.
        var log: LogPosition
    }

    public init(limit: Int = 256 << 20) {
        self.limit = limit
        waiting = Mutex(Waiting())
    }

    /// Follows a store from now on.
    public func follow(_ store: any StreamedStore) {
        store.follow { [self] commit in take(commit, at: .now()) }
    }

    func take(_ commit: StoreCommit, at time: Instant) {
        waiting.withLock { waiting in
            switch commit {
            case .unknown: waiting.isBroken = true
            case .changes(let changes):
                waiting.groups[waiting.groups.count - 1].append(StreamSegment.Commit(time: time, changes: changes))
                waiting.size += changes.reduce(64) { $0 + $1.size }
            }
            if waiting.size > limit { waiting.isBroken = true }
            if waiting.isBroken { (waiting.groups, waiting.size) = ([[]], 0) }
        }
    }

    /// Whether only a full backup helps.
    public var needsFull: Bool { waiting.withLock { $0.isBroken || $0.place == nil } }

    /// Everything that was committed by then is in the backup; nil before the first segment.
    public var upToDate: Instant? { waiting.withLock { $0.upToDate } }

    /// Bytes that wait.
    public var waitingBytes: Int { waiting.withLock { $0.size } }

    /// What is committed from here on belongs into another segment than what came before.
    ///
    /// - Returns: the number of the segment that ends here.
    func cut() -> Int64 {
        waiting.withLock { waiting in
            if waiting.groups.last?.isEmpty == false { waiting.groups.append([]) }
            return (waiting.place?.number ?? 0) + Int64(waiting.groups.count { !$0.isEmpty })
        }
    }

    /// Runs `work` while nothing is written.
    func betweenSegments<Value: Sendable>(_ work: @escaping @Sendable () async -> Value) async -> Value {
        await turn.take(work)
    }

    /// Begins where a session before left off, or with a full backup.
    func begin(at place: Place, isContinuous: Bool) {
        waiting.withLock { waiting in
            waiting.place = place
            if !isContinuous { waiting.isBroken = true }
        }
    }

    /// Called between two commits, when a full backup has been begun that holds all that came before: what waits is in it.
    func restart(at place: Place) {
        waiting.withLock { waiting in
            waiting.place = place
            waiting.isBroken = false
            (waiting.groups, waiting.size) = ([[]], 0)
        }
    }

    /// Called when that full backup did not come to be: only another one helps.
    func lapse() {
        waiting.withLock { waiting in
            waiting.isBroken = true
            (waiting.groups, waiting.size) = ([[]], 0)
        }
    }

    /// Takes a new epoch from the next segment on.
    func renew(_ epoch: BackupEpoch) { waiting.withLock { $0.place?.epoch = epoch } }

    var place: Place? { waiting.withLock { $0.place } }

    /// Writes what waits; returns when it is durable at the destination.
    ///
    /// What cannot be written waits on.
    public func flush() async throws(BackupFailure) {
        let result: Result<Void, BackupFailure> = await turn.take { [self] in
            do throws(BackupFailure) {
                try await write()
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    private func write() async throws(BackupFailure) {
        let now = Instant.now()
        // What comes while this is written waits for the next time.
        let count = waiting.withLock { waiting in
            if waiting.groups.last?.isEmpty == false { waiting.groups.append([]) }
            return waiting.groups.count - 1
        }
        for _ in 0..<count {
            let next: (commits: [StreamSegment.Commit], place: Place)? = waiting.withLock { waiting in
                guard let place = waiting.place, !waiting.isBroken, let first = waiting.groups.first, !first.isEmpty
                else {
                    return nil
                }
                return (first, place)
            }
            guard let next else { break }
            var place = next.place
            let log = Self.position(after: next.commits) ?? place.log
            let segment = try StreamSegment(after: place, commits: next.commits, log: log)
            let name = BackupNames.segment(segment.number)
            let object = try Signed.object(segment.encoded(), name: name, with: place.keys.signing)
            try await place.destination.put(name, object.bytes)
            place.number = segment.number
            place.digest = object.digest
            place.isNew = false
            place.log = log
            let written = place
            let size = next.commits.reduce(0) { $0 + $1.changes.reduce(64) { $0 + $1.size } }
            waiting.withLock { waiting in
                waiting.size -= waiting.isBroken ? 0 : size
                let epoch = waiting.place?.epoch ?? written.epoch
                waiting.place = written
                waiting.place?.epoch = epoch
                // Let go of meanwhile if it was too much.
                if !waiting.isBroken { waiting.groups.removeFirst() }
            }
        }
        waiting.withLock { waiting in
            if !waiting.isBroken, waiting.place != nil { waiting.upToDate = now }
        }
    }

    /// Each commit of the log writes its checkpoint.
    private static func position(after commits: [StreamSegment.Commit]) -> LogPosition? {
        for commit in commits.reversed() {
            for change in commit.changes.reversed() {
                if case .metadata(.checkpoint, let note) = change { return LogPosition(checkpointNote: note) }
            }
        }
        return nil
    }
}

extension LogPosition {
    /// Of a stored checkpoint; the log itself checks its signature.
    init?(checkpointNote note: [UInt8]) {
        guard let signed = SignedNote(String(decoding: note, as: UTF8.self)),
            let checkpoint = Checkpoint(text: signed.text)
        else { return nil }
        self.init(size: checkpoint.size, root: checkpoint.root)
    }
}

/// One at a time, in the order of asking.
final class Turn: Sendable {
    private let last = Mutex<Task<Void, Never>?>(nil)

    func take<Value: Sendable>(_ work: @escaping @Sendable () async -> Value) async -> Value {
        let task = last.withLock { last in
            let before = last
            let task = Task.detached {
                await before?.value
                return await work()
            }
            last = Task.detached { _ = await task.value }
            return task
        }
        return await task.value
    }
}
