public import WardCrypto

/// Inclusion and consistency proofs over leaf hashes (RFC 6962 §2.1.1 and §2.1.2).
public enum MerkleProof {
    /// The root over `leaves`.
    public static func root(_ leaves: ArraySlice<Digest>) -> Digest {
        guard leaves.count > 1 else { return leaves.first ?? MerkleHash.empty }
        let split = leaves.startIndex + splitPoint(leaves.count)
        return MerkleHash.node(root(leaves[..<split]), root(leaves[split...]))
    }

    /// The audit path of the leaf at `index`.
    public static func inclusion(of index: Int, in leaves: ArraySlice<Digest>) -> [Digest] {
        guard leaves.count > 1 else { return [] }
        let count = splitPoint(leaves.count)
        let split = leaves.startIndex + count
        return index < count
            ? inclusion(of: index, in: leaves[..<split]) + [root(leaves[split...])]
            : inclusion(of: index - count, in: leaves[split...]) + [root(leaves[..<split])]
    }

    /// That the first `old` of `leaves` are a prefix of all of them.
    public static func consistency(from old: Int, in leaves: ArraySlice<Digest>) -> [Digest] {
        old == 0 || old == leaves.count ? [] : subproof(old, leaves, isWhole: true)
    }

    private static func subproof(_ old: Int, _ leaves: ArraySlice<Digest>, isWhole: Bool) -> [Digest] {
        if old == leaves.count { return isWhole ? [] : [root(leaves)] }
        let count = splitPoint(leaves.count)
        let split = leaves.startIndex + count
        return old <= count
            ? subproof(old, leaves[..<split], isWhole: isWhole) + [root(leaves[split...])]
            : subproof(old - count, leaves[split...], isWhole: false) + [root(leaves[..<split])]
    }

    /// Checks an audit path without the other leaves.
    public static func verifies(
        _ proof: [Digest], leaf: Digest, index: Int64, size: Int64, root: Digest
    ) -> Bool {
        guard index >= 0, index < size else { return false }
        var (first, last, hash) = (index, size - 1, leaf)
        for sibling in proof {
            guard last != 0 else { return false }
            if first & 1 == 1 || first == last {
                hash = MerkleHash.node(sibling, hash)
                while first & 1 == 0, first != 0 {
                    first >>= 1
                    last >>= 1
                }
            } else {
                hash = MerkleHash.node(hash, sibling)
            }
            first >>= 1
            last >>= 1
        }
        return last == 0 && hash == root
    }

    /// Checks that a tree of `newSize` extends one of `oldSize` (RFC 9162 §2.1.4.2).
    public static func verifies(
        consistency proof: [Digest], oldSize: Int64, oldRoot: Digest, newSize: Int64, newRoot: Digest
    ) -> Bool {
        if oldSize == newSize { return proof.isEmpty && oldRoot == newRoot }
        if oldSize == 0 { return proof.isEmpty }
        let roots = roots(consistency: proof, oldSize: oldSize, oldRoot: oldRoot, newSize: newSize)
        return roots?.old == oldRoot && roots?.new == newRoot
    }

    /// Whether a proof leads to the new root from another old one: then the log has contradicted itself, and nobody
    /// handed out a wrong tile.
    public static func contradicts(
        consistency proof: [Digest], oldSize: Int64, oldRoot: Digest, newSize: Int64, newRoot: Digest
    ) -> Bool {
        guard let roots = roots(consistency: proof, oldSize: oldSize, oldRoot: oldRoot, newSize: newSize) else {
            return false
        }
        return roots.new == newRoot && roots.old != oldRoot
    }

    /// The two roots that a consistency proof leads to; nil for one of another shape.
    ///
    /// - Parameter oldRoot: needed where `oldSize` is a power of two, whose tree the proof leaves out.
    static func roots(
        consistency proof: [Digest], oldSize: Int64, oldRoot: Digest, newSize: Int64
    ) -> (old: Digest, new: Digest)? {
        guard oldSize > 0, oldSize < newSize, !proof.isEmpty else { return nil }
        var path = proof
        if oldSize & (oldSize - 1) == 0 { path.insert(oldRoot, at: 0) }
        var (first, last) = (oldSize - 1, newSize - 1)
        while first & 1 == 1 {
            first >>= 1
            last >>= 1
        }
        guard let start = path.first else { return nil }
        var (old, new) = (start, start)
        for hash in path.dropFirst() {
            guard last != 0 else { return nil }
            if first & 1 == 1 || first == last {
                old = MerkleHash.node(hash, old)
                new = MerkleHash.node(hash, new)
                while first & 1 == 0, first != 0 {
                    first >>= 1
                    last >>= 1
                }
            } else {
                new = MerkleHash.node(new, hash)
            }
            first >>= 1
            last >>= 1
        }
        return last == 0 ? (old, new) : nil
    }

    /// The largest power of two smaller than `count`.
    private static func splitPoint(_ count: Int) -> Int {
        1 << (Int.bitWidth - 1 - (count - 1).leadingZeroBitCount)
    }
}
