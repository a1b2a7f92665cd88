import WardCore
public import WardCrypto
import WardStorage

/// One event with its place in the log.
public struct LoggedEvent: Sendable {
    public let index: Int64
    public let event: AuditEvent
    /// What the tree commits to at its place; nil where nobody asked.
    public let leafHash: Digest?

    public init(index: Int64, event: AuditEvent, leafHash: Digest? = nil) {
        self.index = index
        self.event = event
        self.leafHash = leafHash
    }
}

extension AuditLog {
    /// Events that carry every facet, newest first.
    ///
    /// Reading the log is itself an event; the caller appends it before showing anything.
    ///
    /// - Parameters:
    ///   - facets: none means every event.
    ///   - before: only leaves below this index; pass the last one of a page for the next page.
    public func events(
        with facets: [AuditFacet], before: Int64 = .max, limit: Int
    ) throws(AuditFailure) -> [LoggedEvent] {
        try page(AuditQuery(facets: facets), before: before, limit: limit, looking: .max).events
    }

    /// Walks the whole log and derives everything anew: payload hashes, commitments, tree, tiles, checkpoint.
    ///
    /// - Parameters:
    ///   - earlier: a checkpoint kept elsewhere; the log must be a continuation of it.
    ///   - event: called with each event in order.
    ///   - progress: called with the number of leaves done.
    public func verify(
        against earlier: Checkpoint? = nil, event: (LoggedEvent) throws(AuditFailure) -> Void = { _ in },
        progress: (Int64) -> Void = { _ in }
    ) throws(AuditFailure) -> AuditVerification {
        let expected = checkpoint
        var faults: [AuditVerification.Fault] = []
        var frontier = MerkleFrontier()
        var tiles = TileBuilder()
        if let earlier, earlier.size > expected.size || earlier.origin != origin { faults.append(.truncated) }
        if let earlier, earlier.size == 0, earlier.root != MerkleHash.empty { faults.append(.forked) }
        while frontier.size < expected.size {
            let page = try stored(from: frontier.size, limit: 512)
            guard !page.isEmpty else {
                faults.append(.missing(frontier.size))
                break
            }
            for leaf in page where frontier.size < expected.size {
                guard leaf.index == frontier.size else {
                    faults.append(.missing(frontier.size))
                    return AuditVerification(checkpoint: expected, leaves: frontier.size, faults: faults)
                }
                do throws(AuditFailure) {
                    let opened = try keys.open(leaf: leaf.leaf, payload: leaf.payload)
                    try event(LoggedEvent(index: leaf.index, event: opened))
                } catch {
                    guard error == .damaged else { throw error }
                    faults.append(.altered(leaf.index))
                }
                let hash = MerkleHash.leaf(leaf.leaf)
                frontier.append(hash)
                for tile in tiles.append(hash) where try stored(tile) != tile.hashes {
                    faults.append(.tile(level: tile.level, number: tile.number))
                }
                if let earlier, earlier.size == frontier.size, earlier.root != frontier.root { faults.append(.forked) }
            }
            progress(frontier.size)
        }
        if frontier.size == expected.size, frontier.root != expected.root { faults.append(.rootMismatch) }
        return AuditVerification(checkpoint: expected, leaves: frontier.size, faults: faults)
    }

    private func stored(from index: Int64, limit: Int) throws(AuditFailure) -> [StoredLeaf] {
        do throws(StorageFailure) { return try store.leaves(from: index, limit: limit) } catch { throw .storage }
    }

    private func stored(_ tile: TileBuilder.Tile) throws(AuditFailure) -> [UInt8]? {
        do throws(StorageFailure) {
            return try store.tile(level: tile.level, number: tile.number)
        } catch {
            throw .storage
        }
    }
}

/// What a verification found.
public struct AuditVerification: Sendable {
    public enum Fault: Hashable, Sendable {
        /// A leaf or its payload is not what was written.
        case altered(Int64)
        /// The log is not a continuation of the earlier checkpoint.
        case forked
        case missing(Int64)
        case rootMismatch
        case tile(level: Int, number: Int64)
        /// The log is shorter than the earlier checkpoint, or another log.
        case truncated
    }

    public let checkpoint: Checkpoint
    public let leaves: Int64
    public let faults: [Fault]

    public var isWhole: Bool { faults.isEmpty }

    init(checkpoint: Checkpoint, leaves: Int64, faults: [Fault]) {
        self.checkpoint = checkpoint
        self.leaves = leaves
        self.faults = faults
    }
}
