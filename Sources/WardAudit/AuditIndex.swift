internal import Dispatch
import Synchronization
import WardCore
import WardCrypto
import WardStorage

/// Finds events by person, patient, record, kind or day among millions, without a readable index on disk.
///
/// Tokens of the newest leaves are in memory, one generation for every 16,384 leaves. A full generation is sorted and
/// sealed away from the path of commits, and written a few chunks per commit as a segment of 16 KB chunks. Chunk 0 of a
/// segment holds the first token of each further chunk; it is written last, so that a segment without it is not there
/// yet and is built again from the leaves.
final class AuditIndex: Sendable {
    static let segmentSize: Int64 = 16_384
    /// Chunks that one commit carries along: about a millisecond of work.
    static let chunksPerCommit = 8

    private struct State {
        /// First tokens of the chunks of each segment on disk.
        var directories: [[Int64]] = []
        /// The leaves after those, by segment they will be in; the last one grows.
        var generations: [Generation] = []
        var progress = Progress.idle

        /// The oldest generation, if it is full and nothing is on its way.
        mutating func takeFull() -> Generation? {
            guard case .idle = progress, let oldest = generations.first, oldest.count == segmentSize else {
                return nil
            }
            progress = .building
            return oldest
        }
    }

    /// How far the oldest generation is on its way to disk.
    private enum Progress {
        case idle
        case building
        case writing(SealedSegment, written: Int)
    }

    private let state = Mutex(State())
    private let store: any SealedStore
    private let keys: AuditKeys
    private let queue = DispatchQueue(label: "ward.audit.index", qos: .utility)

    /// Reads the segment directories and opens the leaves after the last segment.
    init(store: any SealedStore, keys: AuditKeys) throws(AuditFailure) {
        self.store = store
        self.keys = keys
        do {
            let size = try store.leafCount()
            var directories: [[Int64]] = []
            while let sealed = try store.auditChunk(segment: Int64(directories.count), chunk: 0) {
                // Of a version that found by fewer facets: as if it were not there, and built again.
                if keys.isOfEarlierVersion(sealed, segment: Int64(directories.count)) { break }
                directories.append(
                    SealedSegment.directory(try keys.open(sealed, segment: Int64(directories.count), chunk: 0)))
            }
            let first = Int64(directories.count) * Self.segmentSize
            guard first <= size else { throw AuditFailure.damaged }
            state.withLock { $0.directories = directories }
            var next = first
            var pruned: [Int64] = []
            while next < size {
                let page = try store.leaves(from: next, limit: 1000)
                guard page.first?.index == next, page.last?.index == next + Int64(page.count) - 1 else {
                    throw AuditFailure.damaged
                }
                add(
                    try page.map { leaf in
                        let tokens =
                            try leaf.isPruned ? [] : keys.tokens(of: keys.open(leaf: leaf.leaf, payload: leaf.payload))
                        return (index: leaf.index, tokens: tokens)
                    })
                pruned += page.filter(\.isPruned).map(\.index)
                next += Int64(page.count)
            }
            if !pruned.isEmpty {
                let prunings = try Prunings(self, store, keys)
                guard pruned.allSatisfy(prunings.cover) else { throw AuditFailure.damaged }
            }
        } catch let failure as AuditFailure {
            throw failure
        } catch {
            throw .storage
        }
    }

    /// Number of segments that are whole on disk.
    var segmentCount: Int64 { state.withLock { Int64($0.directories.count) } }

    /// Makes committed leaves findable.
    func add(_ leaves: [PlacedLeaf]) { add(leaves.map { (index: $0.index, tokens: $0.tokens) }) }

    private func add(_ leaves: [(index: Int64, tokens: [Int64])]) {
        let full: Generation? = state.withLock { state in
            for leaf in leaves {
                let segment = leaf.index / Self.segmentSize
                if state.generations.last?.segment != segment {
                    state.generations.append(Generation(segment: segment))
                }
                state.generations[state.generations.count - 1].add(leaf.index, leaf.tokens)
            }
            return state.takeFull()
        }
        if let full { build(full) }
    }

    private func build(_ generation: Generation) {
        queue.async { [self] in
            let segment = SealedSegment(generation, keys)
            state.withLock { $0.progress = segment.map { .writing($0, written: 0) } ?? .idle }
        }
    }

    /// Chunks that the next commit is to carry; what comes of it is told by ``finish(_:)``.
    func pendingChunks() -> PendingChunks? {
        state.withLock { state in
            guard case .writing(let segment, let written) = state.progress else { return nil }
            return PendingChunks(segment: segment, first: written, count: Self.chunksPerCommit)
        }
    }

    /// Notes that a commit with `chunks` is on disk.
    func finish(_ chunks: PendingChunks) {
        let (done, full): (Generation?, Generation?) = state.withLock { state in
            guard case .writing(let segment, let written) = state.progress, written == chunks.first else {
                return (nil, nil)
            }
            guard chunks.isLast else {
                state.progress = .writing(segment, written: chunks.end)
                return (nil, nil)
            }
            state.progress = .idle
            state.directories.append(segment.directory)
            let done = state.generations.removeFirst()
            return (done, state.takeFull())
        }
        // Letting go of a hundred thousand lists takes a while; not on the path of commits.
        if let done { queue.async { withExtendedLifetime(done) {} } }
        if let full { build(full) }
    }

    /// Walks the leaves that may carry all of `tokens`, newest first, below `before`, until `body` says stop.
    ///
    /// A leaf that is handed over carries the rarest of the tokens for certain; where a list of another is longer to
    /// read than the leaves are to open, the caller finds out.
    ///
    /// - Parameter lowest: nothing below it is wanted.
    func walk(
        _ tokens: [Int64], before: Int64, from lowest: Int64 = 0,
        _ body: (Int64) throws(AuditFailure) -> Bool
    ) throws(AuditFailure) {
        let (directories, recent) = state.withLock { state in
            (state.directories, state.generations.map { generation in tokens.map { generation.postings($0) } })
        }
        for lists in recent.reversed() {
            for index in Self.common(lists).reversed() where index < before {
                guard index >= lowest, try body(index) else { return }
            }
        }
        var segment = min(directories.count, Int(clamping: max(before, 0) / Self.segmentSize + 1)) - 1
        while segment >= 0, Int64(segment + 1) * Self.segmentSize > lowest {
            let found = try candidates(tokens, segment: Int64(segment), directory: directories[segment])
            for index in found.reversed() where index < before {
                guard index >= lowest, try body(index) else { return }
            }
            segment -= 1
        }
    }

    private func candidates(
        _ tokens: [Int64], segment: Int64, directory: [Int64]
    ) throws(AuditFailure) -> [Int64] {
        let ranges = tokens.map { (token: $0, chunks: Self.chunks(of: $0, directory)) }
            .sorted { $0.chunks.count < $1.chunks.count }
        guard let rarest = ranges.first else { return [] }
        var found = try postings(rarest.token, rarest.chunks, segment: segment)
        for (token, chunks) in ranges.dropFirst() {
            if found.isEmpty { return [] }
            if chunks.count > found.count { continue }
            found = Self.common([found, try postings(token, chunks, segment: segment)])
        }
        return found
    }

    /// The chunks, by place in the directory, that may hold a token.
    private static func chunks(of token: Int64, _ directory: [Int64]) -> Range<Int> {
        func first(_ isPast: (Int64) -> Bool) -> Int {
            var (low, high) = (0, directory.count)
            while low < high {
                let middle = (low + high) / 2
                if isPast(directory[middle]) { high = middle } else { low = middle + 1 }
            }
            return low
        }
        // It may start in the chunk before the first one that begins with it.
        let start = max(first { $0 >= token } - 1, 0)
        return start..<max(start, first { $0 > token })
    }

    private func postings(_ token: Int64, _ chunks: Range<Int>, segment: Int64) throws(AuditFailure) -> [Int64] {
        var found: [Int64] = []
        for chunk in chunks {
            let sealed: [UInt8]?
            do { sealed = try store.auditChunk(segment: segment, chunk: Int64(chunk + 1)) } catch { throw .storage }
            guard let sealed else { throw .damaged }
            let content = try keys.open(sealed, segment: segment, chunk: Int64(chunk + 1))
            found += SealedSegment.places(of: token, in: content).map { segment * Self.segmentSize + $0 }
        }
        return found
    }

    /// Sorted intersection of sorted lists.
    private static func common(_ lists: [[Int64]]) -> [Int64] {
        guard let shortest = lists.min(by: { $0.count < $1.count }) else { return [] }
        if lists.count == 1 { return shortest }
        let sets = lists.filter { $0.count > shortest.count || $0 != shortest }.map(Set.init)
        return shortest.filter { index in sets.allSatisfy { $0.contains(index) } }
    }
}

/// Some chunks of a segment, to be written in one transaction.
struct PendingChunks: Sendable {
    fileprivate let segment: SealedSegment
    fileprivate let first: Int
    fileprivate let end: Int

    fileprivate init(segment: SealedSegment, first: Int, count: Int) {
        self.segment = segment
        self.first = first
        end = min(first + count, segment.chunks.count)
    }

    fileprivate var isLast: Bool { end == segment.chunks.count }

    func write(_ transaction: any StoreTransaction) throws(StorageFailure) {
        for place in first..<end {
            try transaction.putAuditChunk(
                segment: segment.number, chunk: Int64(place + 1), sealed: segment.chunks[place])
        }
        if isLast { try transaction.putAuditChunk(segment: segment.number, chunk: 0, sealed: segment.head) }
    }
}
