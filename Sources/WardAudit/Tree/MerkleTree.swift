public import WardCrypto

/// Hashes of RFC 6962 §2.1: leaves and nodes are told apart by their first byte.
public enum MerkleHash {
    /// The root of a tree without leaves.
    public static let empty = sha256([])

    public static func leaf(_ data: [UInt8]) -> Digest { TreeHash.leaf(data) }

    public static func node(_ left: Digest, _ right: Digest) -> Digest { TreeHash.node(left, right) }

    /// The root over a power of two of equal subtrees, for full tiles.
    static func root(ofPerfect hashes: [Digest]) -> Digest {
        var row = hashes
        while row.count > 1 {
            // In place: each half row over the front of the one below.
            let half = row.count / 2
            for place in 0..<half { row[place] = node(row[2 * place], row[2 * place + 1]) }
            row.removeLast(row.count - half)
        }
        return row.first ?? empty
    }
}

/// The right edge of the tree: what is needed to append and to know the root.
///
/// Holds the roots of the perfect subtrees that make up the log so far (RFC 6962 §2.1: the largest power of two first).
public struct MerkleFrontier: Sendable {
    public private(set) var size: Int64 = 0
    private var subtrees: [(height: Int, hash: Digest)] = []

    public init() {}

    public mutating func append(_ leaf: Digest) { append(leaf, height: 0) }

    /// Appends a perfect subtree of 2^height leaves; the size so far must be a multiple of that.
    mutating func append(_ hash: Digest, height: Int) {
        var (hash, height) = (hash, height)
        size += 1 << Int64(height)
        while let last = subtrees.last, last.height == height {
            subtrees.removeLast()
            hash = MerkleHash.node(last.hash, hash)
            height += 1
        }
        subtrees.append((height: height, hash: hash))
    }

    public var root: Digest {
        guard var hash = subtrees.last?.hash else { return MerkleHash.empty }
        for subtree in subtrees.dropLast().reversed() { hash = MerkleHash.node(subtree.hash, hash) }
        return hash
    }
}

/// Collects hashes into tiles of 256 (C2SP tlog-tiles, height 8) and hands out each one that fills.
package struct TileBuilder: Sendable {
    package struct Tile: Sendable {
        package let level: Int
        package let number: Int64
        package let hashes: [UInt8]
    }

    package static let width = 256

    package init() {}

    /// Per level: hashes of the tile being filled, and how many are full before it.
    private var levels: [(pending: [Digest], full: Int64)] = []

    /// Adds a hash at a level; answers the tiles that this filled, lowest level first.
    package mutating func append(_ hash: Digest, level: Int = 0) -> [Tile] {
        while levels.count <= level { levels.append((pending: [], full: 0)) }
        levels[level].pending.append(hash)
        guard levels[level].pending.count == Self.width else { return [] }
        let hashes = levels[level].pending
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.width * 32)
        for hash in hashes { hash.append(to: &bytes) }
        let tile = Tile(level: level, number: levels[level].full, hashes: bytes)
        levels[level].pending.removeAll(keepingCapacity: true)
        levels[level].full += 1
        return [tile] + append(MerkleHash.root(ofPerfect: hashes), level: level + 1)
    }

    /// The tiles that are not full yet, lowest level first; a mirror keeps them as partial ones.
    package var edges: [Tile] {
        levels.enumerated().map { level, edge in
            Tile(level: level, number: edge.full, hashes: edge.pending.flatMap(\.bytes))
        }
    }

    /// How many tiles of a level are full, and the hashes of the one after them.
    func edge(level: Int) -> (full: Int64, pending: [Digest]) {
        level < levels.count ? (full: levels[level].full, pending: levels[level].pending) : (full: 0, pending: [])
    }

    /// Sets a level as it was at a restart.
    mutating func restore(level: Int, full: Int64, pending: [Digest]) {
        while levels.count <= level { levels.append((pending: [], full: 0)) }
        levels[level] = (pending: pending, full: full)
    }
}
