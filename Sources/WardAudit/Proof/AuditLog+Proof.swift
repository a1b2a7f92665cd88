import Synchronization
import WardCrypto
import WardStorage

/// The tiles of a log: full ones from the store, the right edge from memory.
struct LogTiles: Sendable {
    let store: any SealedStore
    let sequencer: Sequencer

    /// The tree as it was when it had `size` leaves.
    func tree(size: Int64) -> TileTree<AuditFailure> {
        TileTree(size: size) { place throws(AuditFailure) in
            guard let bytes = try tile(place), let hashes = Digest.tile(bytes, width: place.width) else {
                throw .damaged
            }
            return hashes
        }
    }

    /// Whether the log is a continuation of a checkpoint, which may be of any size.
    func holds(_ checkpoint: Checkpoint) throws(AuditFailure) -> Bool {
        let size = sequencer.state.withLock { $0.frontier.size }
        guard checkpoint.size <= size else { return false }
        return try tree(size: checkpoint.size).root() == checkpoint.root
    }

    func tile(_ place: TilePlace) throws(AuditFailure) -> [UInt8]? {
        guard let level = place.level else { return nil }
        let edge = sequencer.state.withLock { $0.tiles.edge(level: level) }
        guard place.number < edge.full else {
            guard place.number == edge.full, place.width <= edge.pending.count else { return nil }
            return edge.pending.prefix(place.width).flatMap(\.bytes)
        }
        let stored: [UInt8]?
        do throws(StorageFailure) {
            stored = try store.tile(level: level, number: place.number)
        } catch {
            throw .storage
        }
        guard let stored, stored.count == TilePlace.full * 32 else { throw .damaged }
        return Array(stored.prefix(place.width * 32))
    }
}

extension AuditLog {
    var tiles: LogTiles { LogTiles(store: store, sequencer: sequencer) }

    /// The hashes of a tile, full or cut to its width; nil where the tree does not reach (C2SP tlog-tiles).
    public func tile(_ place: TilePlace) throws(AuditFailure) -> [UInt8]? { try tiles.tile(place) }

    /// Entries of the log: commitments and hashes, never what they stand for; nil where the log does not reach.
    public func bundle(_ place: TilePlace) throws(AuditFailure) -> [UInt8]? {
        guard place.level == nil else { return nil }
        let first = place.number * Int64(TilePlace.full)
        guard first + Int64(place.width) <= checkpoint.size else { return nil }
        return EntryBundle.encoded(try leaves(first, place.width, withPayloads: false).map(\.leaf))
    }

    /// The sealed payloads that the entries of a bundle commit to, empty where they were pruned.
    public func payloads(_ place: TilePlace) throws(AuditFailure) -> [[UInt8]] {
        try leaves(place.number * Int64(TilePlace.full), place.width, withPayloads: true).map(\.payload)
    }

    private func leaves(
        _ first: Int64, _ count: Int, withPayloads: Bool
    ) throws(AuditFailure) -> [StoredLeaf] {
        let leaves: [StoredLeaf]
        do throws(StorageFailure) {
            leaves =
                withPayloads
                ? try store.leaves(from: first, limit: count) : try store.leafEntries(from: first, limit: count)
        } catch {
            throw .storage
        }
        guard leaves.count == count, leaves.first?.index == first, leaves.last?.index == first + Int64(count) - 1 else {
            throw .damaged
        }
        return leaves
    }

    /// The proof that the leaf at `index` is in the log, under the newest checkpoint that witnesses vouch for, or else
    /// under the newest.
    ///
    /// - Returns: nil for an index that the log has not reached.
    public func proof(of index: Int64) throws(AuditFailure) -> LogProof? {
        guard index >= 0, index < checkpoint.size else { return nil }
        let cosigned = witnesses.state.withLock { state in
            [state.witnessed].compactMap { $0 } + state.cosigned.sorted { $0.key > $1.key }.map(\.value)
        }
        let covering = cosigned.first { note in Checkpoint(text: note.text).map { index < $0.size } ?? false }
        guard let note = covering ?? signedCheckpoint().flatMap({ SignedNote($0) }),
            let checkpoint = Checkpoint(text: note.text), let leaf = try leaves(index, 1, withPayloads: false).first
        else { throw .sealing }
        let proof = LogProof(
            extra: leaf.leaf, index: index, path: try tiles.tree(size: checkpoint.size).inclusion(of: index),
            checkpoint: note)
        // What is handed out holds; a store that was changed shows here.
        guard
            MerkleProof.verifies(
                proof.path, leaf: MerkleHash.leaf(leaf.leaf), index: index, size: checkpoint.size,
                root: checkpoint.root)
        else { throw .damaged }
        return proof
    }
}
