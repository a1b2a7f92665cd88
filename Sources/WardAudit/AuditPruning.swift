import WardCore
import WardCrypto
import WardStorage

/// Which payloads the log says it let go of.
///
/// Each event of kind ``AuditEventKind/auditPruned`` names a range of leaves, how many of them lost their payload, and
/// a keyed sum over their numbers. A payload that is gone outside of every range is a fault by its number; one inside
/// of a range, of a leaf that was to stay, by the sums.
struct Prunings: Sendable {
    private var ranges: [Range<Int64>] = []
    private(set) var sum = PrunedSum()

    init() {}

    /// Reads every pruning that the log tells of.
    init(_ index: AuditIndex, _ store: any SealedStore, _ keys: AuditKeys) throws(AuditFailure) {
        for number in try index.leaves(carrying: .kind(.auditPruned), keys) {
            let leaf: StoredLeaf?
            do throws(StorageFailure) { leaf = try store.leaves(from: number, limit: 1).first } catch { throw .storage }
            guard let leaf, leaf.index == number else { throw .damaged }
            if let note = try keys.open(leaf: leaf.leaf, payload: leaf.payload).query.flatMap({ PruningNote($0) }) {
                add(note)
            }
        }
        join()
    }

    /// By halving: a log of ten million pruned events has ten thousand of these ranges.
    func cover(_ index: Int64) -> Bool {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound <= index { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].contains(index)
    }

    private mutating func add(_ note: PruningNote) {
        ranges.append(note.range)
        sum.add(note.sum)
    }

    /// In order, and those joined that touch or overlap.
    private mutating func join() {
        var joined: [Range<Int64>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = joined.last, range.lowerBound <= last.upperBound {
                joined[joined.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                joined.append(range)
            }
        }
        ranges = joined
    }
}

/// Number and keyed sum of some leaves.
public struct PrunedSum: Hashable, Sendable {
    private(set) var count: Int64 = 0
    private var sum = DigestSum()

    public init() {}

    /// 40 bytes: the number, and the sum.
    public var bytes: [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: count >> Int64(56 - 8 * $0)) } + sum.bytes
    }

    public init?(bytes: [UInt8]) {
        guard bytes.count == 40, let sum = DigestSum(bytes: Array(bytes[8...])) else { return nil }
        self.init(count: bytes[..<8].reduce(0) { $0 << 8 | Int64($1) }, sum: sum)
    }

    fileprivate init(count: Int64, sum: DigestSum) {
        self.count = count
        self.sum = sum
    }

    mutating func add(_ index: Int64, _ keys: AuditKeys) {
        count += 1
        sum.add(keys.token.tag(Array("pruned".utf8), Array(String(index).utf8)))
    }

    mutating func add(_ other: PrunedSum) {
        count += other.count
        sum.add(other.sum)
    }

    fileprivate var text: String { "\(count) \(base64URL(sum.bytes))" }
}

/// What one pruning let go of, as its event's query holds it.
struct PruningNote: Sendable {
    let range: Range<Int64>
    let sum: PrunedSum

    init(range: Range<Int64>, sum: PrunedSum) {
        self.range = range
        self.sum = sum
    }

    var text: String { "\(range.lowerBound) \(range.upperBound) \(sum.text)" }

    init?(_ text: String) {
        let parts = text.split(separator: " ")
        guard
            parts.count == 4, let first = Int64(parts[0]), let end = Int64(parts[1]), first >= 0, first <= end,
            let count = Int64(parts[2]), let bytes = base64URLDecoded(String(parts[3])),
            let sum = DigestSum(bytes: bytes)
        else { return nil }
        self.init(range: first..<end, sum: PrunedSum(count: count, sum: sum))
    }
}

extension AuditIndex {
    /// Every leaf with a facet, newest first.
    func leaves(
        carrying facet: AuditFacet, _ keys: AuditKeys, before: Int64 = .max, limit: Int = .max
    ) throws(AuditFailure) -> [Int64] {
        var found: [Int64] = []
        try walk([keys.token(facet)], before: before) { index throws(AuditFailure) in
            guard found.count < limit else { return false }
            found.append(index)
            return true
        }
        return found
    }
}

extension AuditLog {
    /// Everything that was ever pruned.
    func prunings() throws(AuditFailure) -> Prunings { try Prunings(index, store, keys) }

    /// Everything that was ever pruned, as one number and one sum.
    public func prunedSum() throws(AuditFailure) -> PrunedSum { try prunings().sum }

    /// Whether the log says that this leaf's payload is gone.
    func isPruned(_ index: Int64) throws(AuditFailure) -> Bool { try prunings().cover(index) }
}
