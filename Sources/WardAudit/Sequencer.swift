import Synchronization
import WardCore
import WardCrypto
import WardStorage

/// A function in a box: taken bare out of a generic lock, it would gain a layer with each look.
struct LogObserver: Sendable {
    let tell: @Sendable ([LoggedEvent]) -> Void
}

/// Gives every leaf and every record its number, and makes a batch durable.
///
/// Called from one queue only.
final class Sequencer: Sendable {
    /// The tree as it is on disk.
    struct State: Sendable {
        var frontier: MerkleFrontier
        var tiles: TileBuilder
        var lastRecord: RecordNumber

        /// Whether both are the same log.
        func isSameLog(as other: State) -> Bool {
            frontier.size == other.frontier.size && frontier.root == other.frontier.root
        }

        func checkpoint(origin: String) -> Checkpoint {
            Checkpoint(origin: origin, size: frontier.size, root: frontier.root)
        }
    }

    /// A batch whose commit failed: only the store knows whether it is on disk.
    private struct Doubt: Sendable {
        /// Nil if the transaction was given up before its end, so that it cannot be on disk.
        let next: State?
        let added: [PlacedLeaf]
        let chunks: PendingChunks?
        let applied: @Sendable () -> Void
    }

    let state: Mutex<State>
    /// Told of every leaf that is durable.
    let observer = Mutex<LogObserver?>(nil)
    /// Told when a commit fails, and when one does again.
    let troubleObserver = Mutex<LogTroubleObserver?>(nil)
    let isTroubled = Mutex(false)
    /// Patients' keys that were destroyed since the start.
    private let endedKeys = Mutex<Set<Locator>>([])
    /// The number of the newest key of each patient whose key was exchanged since the start.
    private let keyNumbers = Mutex<[Locator: UInt32]>([:])
    private let doubt = Mutex<Doubt?>(nil)
    private let store: any SealedStore
    private let keys: AuditKeys
    private let origin: String
    private let index: AuditIndex

    init(store: any SealedStore, keys: AuditKeys, origin: String, index: AuditIndex) throws(AuditFailure) {
        self.store = store
        self.keys = keys
        self.origin = origin
        self.index = index
        state = Mutex(try Self.restored(store: store, keys: keys, origin: origin))
    }

    /// Commits what it can of `batch` and answers everybody.
    func commit(_ batch: [Submission]) {
        guard isSettled() else { return batch.forEach { $0.answer(.failure(.unavailable)) } }
        var next = state.withLock { $0 }
        var outcomes: [Result<Committed, SubmissionFailure>] = []
        var added: [PlacedLeaf] = []
        let chunks = index.pendingChunks()
        var ended = endedKeys.withLock { $0 }
        var numbers = keyNumbers.withLock { $0 }
        var isComplete = false
        do throws(StorageFailure) {
            try store.commit { transaction throws(StorageFailure) in
                for submission in batch {
                    guard
                        !submission.writes.contains(where: { $0.keyID.map(ended.contains) ?? false }),
                        !submission.reseals.contains(where: { ended.contains($0.keyID) }),
                        !submission.writes.contains(where: { $0.isLate(numbers) }),
                        try Self.areCurrent(submission.writes, transaction),
                        try Self.areThere(submission.removedKeys, transaction),
                        try Self.areThere(submission.replacedKeys.map(KeyRemoval.init), transaction)
                    else {
                        outcomes.append(.failure(.conflict))
                        continue
                    }
                    let records = try Self.write(submission, transaction, &next)
                    ended.formUnion(submission.endedKeys)
                    for key in submission.replacedKeys { numbers[key.id] = key.number }
                    let first = next.frontier.size
                    for leaf in submission.leaves {
                        added.append(
                            PlacedLeaf(index: next.frontier.size, tokens: leaf.tokens, event: leaf.event))
                        try Self.append(leaf, transaction, &next)
                    }
                    if !submission.reseals.isEmpty {
                        let size = next.frontier.size
                        try transaction.putMetadata(
                            .resealed, (0..<8).map { UInt8(truncatingIfNeeded: size >> Int64(56 - 8 * $0)) })
                    }
                    let receipt = AuditReceipt(
                        index: first, leafHash: submission.leaves.first?.hash ?? MerkleHash.empty)
                    outcomes.append(.success(Committed(receipt: receipt, records: records)))
                }
                guard !added.isEmpty else { return isComplete = true }
                try chunks?.write(transaction)
                guard let note = next.checkpoint(origin: origin).signed(with: keys.signing) else { throw .engine(0) }
                try transaction.putMetadata(.checkpoint, Array(note.utf8))
                isComplete = true
            }
        } catch {
            // What reached the disk is unknown. Nobody is answered as if it had; the next batch starts from the disk.
            let pending = Doubt(
                next: isComplete ? next : nil, added: added, chunks: chunks, applied: applied(batch, outcomes))
            doubt.withLock { $0 = pending }
            note(error)
            return batch.forEach { $0.answer(.failure(.unavailable)) }
        }
        state.withLock { $0 = next }
        index.add(added)
        if let chunks, !added.isEmpty { index.finish(chunks) }
        applied(batch, outcomes)()
        note(nil)
        for (submission, outcome) in zip(batch, outcomes) { submission.answer(outcome) }
        tell(added)
    }

    /// Tells of the first failure after a commit, and of the first commit after a failure.
    private func note(_ failure: StorageFailure?) {
        let isNew = isTroubled.withLock { isTroubled in
            defer { isTroubled = failure != nil }
            return isTroubled != (failure != nil)
        }
        guard isNew, let observer = troubleObserver.withLock({ $0 }) else { return }
        observer.tell(failure.map { .began($0) } ?? .ended)
    }

    private func tell(_ added: [PlacedLeaf]) {
        guard !added.isEmpty, let observer = observer.withLock({ $0 }) else { return }
        observer.tell(added.map { LoggedEvent(index: $0.index, event: $0.event) })
    }

    /// Reads the store after a failed commit.
    ///
    /// What it holds must be the log before that batch, or the log with all of it; in the latter case the indexes learn
    /// now what they would have learned then.
    private func isSettled() -> Bool {
        guard let doubt = doubt.withLock({ $0 }) else { return true }
        guard let stored = try? Self.restored(store: store, keys: keys, origin: origin) else { return false }
        let known = state.withLock { $0 }
        if let next = doubt.next, stored.isSameLog(as: next) {
            index.add(doubt.added)
            if let chunks = doubt.chunks { index.finish(chunks) }
            doubt.applied()
            tell(doubt.added)
        } else if !stored.isSameLog(as: known) {
            return false
        }
        state.withLock { $0 = stored }
        self.doubt.withLock { $0 = nil }
        return true
    }

    private func applied(
        _ batch: [Submission], _ outcomes: [Result<Committed, SubmissionFailure>]
    ) -> @Sendable () -> Void {
        { [self] in
            for (submission, outcome) in zip(batch, outcomes) {
                guard case .success(let committed) = outcome else { continue }
                for key in submission.replacedKeys { keyNumbers.withLock { $0[key.id] = key.number } }
                if !submission.endedKeys.isEmpty { endedKeys.withLock { $0.formUnion(submission.endedKeys) } }
                submission.applied(committed.records)
            }
        }
    }

    /// Whether these keys are stored as whoever destroys them saw them.
    private static func areThere(
        _ removals: [KeyRemoval], _ transaction: any StoreTransaction
    ) throws(StorageFailure) -> Bool {
        for removal in removals {
            guard try transaction.patientKey(removal.id) == removal.wrapped else { return false }
        }
        return true
    }

    private static func areCurrent(
        _ writes: [RecordWrite], _ transaction: any StoreTransaction
    ) throws(StorageFailure) -> Bool {
        var (keys, locators): (Set<Locator>, Set<Locator>) = ([], [])
        for write in writes {
            // A second write to the same place would break the transaction of everybody in the batch.
            guard locators.insert(write.locator).inserted else { return false }
            guard try transaction.head(of: write.locator)?.version ?? 0 == write.expectedVersion else { return false }
            if let key = write.newKey, keys.insert(key.id).inserted, try transaction.hasPatientKey(key.id) {
                return false
            }
        }
        return true
    }

    private static func write(
        _ submission: Submission, _ transaction: any StoreTransaction, _ state: inout State
    ) throws(StorageFailure) -> [RecordNumber] {
        var records: [RecordNumber] = []
        var keys: Set<Locator> = []
        for write in submission.writes {
            if let key = write.newKey, keys.insert(key.id).inserted {
                try transaction.putPatientKey(key.id, wrapped: key.wrapped)
            }
            state.lastRecord = RecordNumber(state.lastRecord.value + 1)
            let version = StoredVersion(
                record: state.lastRecord, locator: write.locator, version: write.expectedVersion + 1,
                isDeleted: write.isDeleted, maskedOwner: write.maskedOwner, body: write.body)
            let old = write.expectedVersion == 0 ? nil : try transaction.head(of: write.locator)
            try transaction.put(version, card: write.card, replacing: old)
            records.append(state.lastRecord)
        }
        for entry in submission.entries {
            switch entry {
            case .put(let entry, let kind): try transaction.putEntry(entry, kind: kind)
            case .remove(let id, let kind): try transaction.removeEntry(id, kind: kind)
            }
        }
        for reseal in submission.reseals {
            try transaction.reseal(
                reseal.stored.record, at: reseal.stored.locator, body: reseal.body, card: reseal.card)
        }
        for key in submission.replacedKeys {
            try transaction.removePatientKey(key.id)
            try transaction.putPatientKey(key.id, wrapped: key.new)
        }
        for removal in submission.removedKeys { try transaction.removePatientKey(removal.id) }
        for index in submission.pruned { try transaction.prunePayload(of: index) }
        return records
    }

    private static func append(
        _ leaf: SealedLeaf, _ transaction: any StoreTransaction, _ state: inout State
    ) throws(StorageFailure) {
        try transaction.append(StoredLeaf(index: state.frontier.size, leaf: leaf.leaf, payload: leaf.payload))
        state.frontier.append(leaf.hash)
        for tile in state.tiles.append(leaf.hash) {
            try transaction.putTile(level: tile.level, number: tile.number, hashes: tile.hashes)
        }
    }
}

extension Sequencer {
    /// Rebuilds the right edge of the tree from tiles and the leaves after the last full one.
    ///
    /// Compares it with the stored checkpoint, so that a log cut at its end does not start again as if whole.
    static func restored(
        store: any SealedStore, keys: AuditKeys, origin: String
    ) throws(AuditFailure) -> State {
        do {
            let size = try store.leafCount()
            let (frontier, tiles) = try edge(of: size, store)
            var state = State(frontier: frontier, tiles: tiles, lastRecord: RecordNumber(0))
            if let note = try store.metadata(.checkpoint) {
                let checkpoint = Checkpoint(note: String(decoding: note, as: UTF8.self), publicKey: keys.publicKey)
                guard checkpoint == state.checkpoint(origin: origin) else { throw AuditFailure.damaged }
            } else if size > 0 {
                throw AuditFailure.damaged
            }
            var last = RecordNumber(0)
            try store.commit { transaction throws(StorageFailure) in last = try transaction.lastRecordNumber() }
            state.lastRecord = last
            return state
        } catch let failure as AuditFailure {
            throw failure
        } catch {
            throw .storage
        }
    }

    /// The right edge of the tree as it was at `size` leaves, as the stored tiles have it.
    static func edge(
        of size: Int64, _ store: any SealedStore
    ) throws(AuditFailure) -> (frontier: MerkleFrontier, tiles: TileBuilder) {
        do {
            var (frontier, tiles) = (MerkleFrontier(), TileBuilder())
            var level = 0
            var edges: [(level: Int, pending: [Digest])] = []
            var width = size
            while width > 0 || level == 0 {
                let full = width / Int64(TileBuilder.width)
                let count = Int(width % Int64(TileBuilder.width))
                let first = full * Int64(TileBuilder.width)
                let pending =
                    level == 0
                    ? try store.leaves(from: first, limit: count).map { MerkleHash.leaf($0.leaf) }
                    : try (0..<count).map { offset in
                        guard let tile = try store.tile(level: level - 1, number: first + Int64(offset)) else {
                            throw AuditFailure.damaged
                        }
                        return MerkleHash.root(ofPerfect: try digests(of: tile))
                    }
                guard pending.count == count else { throw AuditFailure.damaged }
                tiles.restore(level: level, full: full, pending: pending)
                edges.append((level: level, pending: pending))
                width = full
                level += 1
            }
            for edge in edges.reversed() {
                for hash in edge.pending { frontier.append(hash, height: edge.level * 8) }
            }
            guard frontier.size == size else { throw AuditFailure.damaged }
            return (frontier, tiles)
        } catch let failure as AuditFailure {
            throw failure
        } catch {
            throw .storage
        }
    }

    static func digests(of tile: [UInt8]) throws(AuditFailure) -> [Digest] {
        guard tile.count == TileBuilder.width * 32 else { throw .damaged }
        return stride(from: 0, to: tile.count, by: 32).compactMap { Digest(bytes: tile[$0..<$0 + 32]) }
    }
}

extension RecordWrite {
    /// Whether its patient has a later key than the one that it was sealed under.
    fileprivate func isLate(_ numbers: [Locator: UInt32]) -> Bool {
        guard let keyID, let newest = numbers[keyID] else { return false }
        return keyNumber < newest
    }
}

extension KeyRemoval {
    fileprivate init(_ replacement: KeyReplacement) {
        self.init(id: replacement.id, wrapped: replacement.old)
    }
}
