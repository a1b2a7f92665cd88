import WardCore
public import WardCrypto
import WardStorage

/// What a verification found.
public struct AuditVerification: Sendable {
    public enum Fault: Hashable, Sendable {
        /// A leaf or its payload is not what was written.
        case altered(Int64)
        /// The log is not a continuation of the earlier checkpoint.
        case forked
        case missing(Int64)
        /// Payloads are gone that no pruning let go of, or other ones than it says.
        case pruned
        case rootMismatch
        /// A sealed search segment does not say what its events say: a search would not find them.
        case segment(Int64)
        case tile(level: Int, number: Int64)
        /// The log is shorter than the earlier checkpoint, or another log.
        case truncated
    }

    public let checkpoint: Checkpoint
    public let leaves: Int64
    /// Leaves whose payload is gone, as the log says.
    public let pruned: Int64
    public let faults: [Fault]

    public var isWhole: Bool { faults.isEmpty }
}

/// A place in the log up to which somebody has verified it.
public struct LogPosition: Hashable, Sendable {
    public let size: Int64
    public let root: Digest

    public init(size: Int64, root: Digest) {
        self.size = size
        self.root = root
    }

    public static let start = LogPosition(size: 0, root: MerkleHash.empty)
}

/// How far a walk through the log has come that may be interrupted.
public struct VerificationReach: Sendable {
    public let position: LogPosition
    /// Whether nothing wrong was seen so far: only then may a later walk go on from here.
    public let isWhole: Bool
    /// What was let go of up to here.
    public let pruned: PrunedSum
}

extension AuditLog {
    /// Walks the log and derives everything anew: payload hashes, commitments, tree, tiles, search segments, checkpoint.
    ///
    /// Memory: one segment's tokens and one page of leaves, whatever the log's size.
    ///
    /// - Parameters:
    ///   - start: what was verified before; the stored tiles must lead to its root.
    ///   - pruned: what was let go of before `start`, where that was walked by the verification that this one goes on
    ///     with; without it a part of the log is not held against what was pruned in all.
    ///   - end: where to stop; by default the newest event.
    ///   - earlier: a checkpoint kept elsewhere; the log must be a continuation of it.
    ///   - event: called with each event in order.
    ///   - reached: called at the end of each segment; what it throws ends the walk.
    ///   - progress: called with the number of leaves done.
    public func verify(
        from start: LogPosition = .start, after pruned: PrunedSum? = nil, to end: Checkpoint? = nil,
        against earlier: Checkpoint? = nil,
        event: (LoggedEvent) throws(AuditFailure) -> Void = { _ in },
        reached: (VerificationReach) throws(AuditFailure) -> Void = { _ in }, progress: (Int64) -> Void = { _ in }
    ) throws(AuditFailure) -> AuditVerification {
        var walk = try VerifyingWalk(self, from: start, after: pruned, to: end ?? checkpoint, against: earlier)
        guard walk.isAtStart else { return walk.result }
        while walk.frontier.size < walk.expected.size {
            let page = try stored(from: walk.frontier.size, limit: 512)
            guard !page.isEmpty else {
                walk.faults.append(.missing(walk.frontier.size))
                break
            }
            for leaf in page where walk.frontier.size < walk.expected.size {
                guard leaf.index == walk.frontier.size else {
                    walk.faults.append(.missing(walk.frontier.size))
                    return walk.result
                }
                try walk.take(leaf, event: event)
                if leaf.index % AuditIndex.segmentSize == AuditIndex.segmentSize - 1 {
                    try reached(walk.reach)
                }
            }
            progress(walk.frontier.size)
        }
        walk.finish()
        return walk.result
    }
}

/// One verification on its way through the leaves.
private struct VerifyingWalk {
    let log: AuditLog
    let expected: Checkpoint
    let earlier: Checkpoint?
    /// Whether the stored tiles lead to where this starts.
    private(set) var isAtStart = true
    private(set) var frontier = MerkleFrontier()
    var faults: [AuditVerification.Fault] = []
    private var tiles = TileBuilder()
    private var segments: SegmentCheck
    private var prunedHere: Int64 = 0
    private let prunings: Prunings
    /// What was let go of so far; nil if the walk began later than the log.
    private var pruned: PrunedSum?

    init(
        _ log: AuditLog, from start: LogPosition, after pruned: PrunedSum?, to end: Checkpoint,
        against earlier: Checkpoint?
    ) throws(AuditFailure) {
        self.log = log
        self.earlier = earlier
        expected = end
        segments = SegmentCheck(log, from: start.size)
        // Read after the checkpoint: a payload that goes meanwhile is named by then or by the next verification.
        prunings = try log.prunings()
        self.pruned = start.size == 0 ? PrunedSum() : pruned
        if let earlier, earlier.size > expected.size || earlier.origin != log.origin { faults.append(.truncated) }
        if let earlier, earlier.size == 0, earlier.root != MerkleHash.empty { faults.append(.forked) }
        guard start.size > 0 else { return }
        guard
            start.size <= expected.size, let edge = try Self.edge(of: start.size, log), edge.frontier.root == start.root
        else {
            faults.append(.rootMismatch)
            isAtStart = false
            return
        }
        (frontier, tiles) = edge
        if let earlier, earlier.size <= start.size, earlier.size > 0,
            try Self.edge(of: earlier.size, log)?.frontier.root != earlier.root
        {
            faults.append(.forked)
        }
    }

    private static func edge(
        of size: Int64, _ log: AuditLog
    ) throws(AuditFailure) -> (frontier: MerkleFrontier, tiles: TileBuilder)? {
        do throws(AuditFailure) {
            return try Sequencer.edge(of: size, log.store)
        } catch {
            guard error == .damaged else { throw error }
            return nil
        }
    }

    mutating func take(
        _ leaf: StoredLeaf, event: (LoggedEvent) throws(AuditFailure) -> Void
    ) throws(AuditFailure) {
        var opened: AuditEvent?
        if leaf.isPruned, prunings.cover(leaf.index) {
            pruned?.add(leaf.index, log.keys)
            prunedHere += 1
        } else {
            do throws(AuditFailure) { opened = try log.keys.open(leaf: leaf.leaf, payload: leaf.payload) } catch {
                guard error == .damaged else { throw error }
                // Pruned meanwhile: the log says so by now.
                let isGone = leaf.isPruned ? try log.isPruned(leaf.index) : false
                if !isGone { faults.append(.altered(leaf.index)) }
            }
        }
        if let opened { try event(LoggedEvent(index: leaf.index, event: opened)) }
        if let fault = try segments.take(leaf.index, opened) { faults.append(fault) }
        let hash = MerkleHash.leaf(leaf.leaf)
        frontier.append(hash)
        for tile in tiles.append(hash) where try log.stored(tile) != tile.hashes {
            faults.append(.tile(level: tile.level, number: tile.number))
        }
        if let earlier, earlier.size == frontier.size, earlier.root != frontier.root { faults.append(.forked) }
    }

    mutating func finish() {
        guard frontier.size == expected.size else { return }
        if frontier.root != expected.root { faults.append(.rootMismatch) }
        // Sums are over the whole log; a part of it cannot be held against them.
        if let pruned, faults.isEmpty, pruned != prunings.sum { faults.append(.pruned) }
    }

    var reach: VerificationReach {
        VerificationReach(
            position: LogPosition(size: frontier.size, root: frontier.root), isWhole: faults.isEmpty,
            pruned: pruned ?? PrunedSum())
    }

    var result: AuditVerification {
        AuditVerification(
            checkpoint: expected, leaves: frontier.size, pruned: pruned?.count ?? prunedHere, faults: faults)
    }
}

/// Holds a sealed search segment against the events that it is to find.
///
/// Every event must be findable by its kind, day, actor, patients and records. It may be by facets that a later version
/// added, and by nothing else.
private struct SegmentCheck {
    private let log: AuditLog
    private let count: Int64
    private let first: Int64
    private var required: Set<Entry> = []
    private var allowed: Set<Entry> = []
    /// Places of which nothing is known any more.
    private var unknown: Set<Int64> = []

    struct Entry: Hashable {
        let token: Int64
        let place: Int64
    }

    init(_ log: AuditLog, from start: Int64) {
        self.log = log
        count = log.index.segmentCount
        // A segment of which only the end is seen is not judged.
        first = (start + AuditIndex.segmentSize - 1) / AuditIndex.segmentSize
    }

    mutating func take(_ index: Int64, _ event: AuditEvent?) throws(AuditFailure) -> AuditVerification.Fault? {
        let (segment, place) = (index / AuditIndex.segmentSize, index % AuditIndex.segmentSize)
        guard segment >= first, segment < count else { return nil }
        if let event {
            let basic = log.keys.basicTokens(of: event)
            for token in basic { required.insert(Entry(token: token, place: place)) }
            for token in log.keys.tokens(of: event) where !basic.contains(token) {
                allowed.insert(Entry(token: token, place: place))
            }
        } else {
            unknown.insert(place)
        }
        guard place == AuditIndex.segmentSize - 1 else { return nil }
        defer { (required, allowed, unknown) = ([], [], []) }
        return try isTrue(segment) ? nil : .segment(segment)
    }

    private func isTrue(_ segment: Int64) throws(AuditFailure) -> Bool {
        guard let directory = try chunk(segment, 0).map(SealedSegment.directory) else { return false }
        var found = 0
        var last: Entry?
        for number in directory.indices {
            guard let content = try chunk(segment, Int64(number + 1)) else { return false }
            let entries = SealedSegment.entries(content)
            guard entries.first?.token == directory[number] else { return false }
            for (token, place) in entries {
                let entry = Entry(token: token, place: place)
                // In order, or a look-up would pass it by.
                if let last, (last.token, last.place) >= (token, place) { return false }
                last = entry
                if required.contains(entry) {
                    found += 1
                } else if !allowed.contains(entry), !unknown.contains(place) {
                    return false
                }
            }
        }
        return found == required.count
    }

    private func chunk(_ segment: Int64, _ number: Int64) throws(AuditFailure) -> [UInt8]? {
        let sealed: [UInt8]?
        do throws(StorageFailure) {
            sealed = try log.store.auditChunk(segment: segment, chunk: number)
        } catch {
            throw .storage
        }
        return sealed.flatMap { try? log.keys.open($0, segment: segment, chunk: number) }
    }
}
