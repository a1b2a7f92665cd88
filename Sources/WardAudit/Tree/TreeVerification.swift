internal import Dispatch
import Synchronization
import WardCrypto
import WardStorage

extension AuditLog {
    /// Leaves that one thread takes at a time: 64 tiles.
    private static let stretch: Int64 = 16_384

    /// Derives the tree anew from the leaves and holds it against tiles and checkpoint, without opening any event.
    ///
    /// The quick part of ``verify(against:event:progress:)``: it shows leaves that were edited, lost, added or moved, and
    /// not whether the sealed events are still those that the leaves commit to. Works on all cores; holds 32 bytes for
    /// every 256 events.
    ///
    /// - Parameters:
    ///   - earlier: a checkpoint kept elsewhere; the log must be a continuation of it.
    ///   - progress: called with the number of leaves done, from any thread, one at a time.
    public func verifyTree(
        against earlier: Checkpoint? = nil, progress: @escaping @Sendable (Int64) -> Void = { _ in }
    ) throws(AuditFailure) -> AuditVerification {
        let expected = checkpoint
        let width = Int64(TileBuilder.width)
        let full = expected.size / width
        let stretches = Int((full * width + Self.stretch - 1) / Self.stretch)
        let found = Mutex((parts: [Int: TreePart](), done: Int64(0)))
        DispatchQueue.concurrentPerform(iterations: stretches) { number in
            let first = Int64(number) * Self.stretch
            let part = self.part(from: first, to: min(first + Self.stretch, full * width))
            found.withLock { found in
                found.parts[number] = part
                found.done += Int64(part.roots.count) * width
                progress(found.done)
            }
        }
        let parts = found.withLock { $0.parts }
        var faults: [AuditVerification.Fault] = []
        if let earlier, earlier.size > expected.size || earlier.origin != origin { faults.append(.truncated) }
        var (frontier, tiles) = (MerkleFrontier(), TileBuilder())
        for number in 0..<stretches {
            guard let part = parts[number] else { throw .storage }
            if let failure = part.failure { throw failure }
            faults += part.faults
            for root in part.roots {
                frontier.append(root, height: 8)
                for tile in tiles.append(root, level: 1) {
                    let stored = try self.stored(level: tile.level, number: tile.number)
                    if stored != tile.hashes { faults.append(.tile(level: tile.level, number: tile.number)) }
                }
            }
            if part.isCut {
                return AuditVerification(checkpoint: expected, leaves: frontier.size, pruned: 0, faults: faults)
            }
        }
        let rest = part(from: full * width, to: expected.size)
        if let failure = rest.failure { throw failure }
        faults += rest.faults
        for hash in rest.pending { frontier.append(hash) }
        progress(frontier.size)
        if frontier.size == expected.size, frontier.root != expected.root { faults.append(.rootMismatch) }
        // The tiles are those of the leaves by now, so that any earlier root follows from them.
        if faults.isEmpty, let earlier, try !self.tiles.holds(earlier) { faults.append(.forked) }
        return AuditVerification(checkpoint: expected, leaves: frontier.size, pruned: 0, faults: faults)
    }

    /// What a stretch of leaves adds up to.
    private struct TreePart: Sendable {
        var roots: [Digest] = []
        /// Hashes of leaves after the last full tile.
        var pending: [Digest] = []
        var faults: [AuditVerification.Fault] = []
        var failure: AuditFailure?
        var isCut = false
    }

    private func part(from first: Int64, to end: Int64) -> TreePart {
        var part = TreePart()
        var next = first
        var hashes: [Digest] = []
        hashes.reserveCapacity(TileBuilder.width)
        do throws(AuditFailure) {
            while next < end {
                let page = try entries(from: next, limit: Int(min(end - next, 2048)))
                guard !page.isEmpty else {
                    part.faults.append(.missing(next))
                    part.isCut = true
                    break
                }
                for leaf in page {
                    guard leaf.index == next else {
                        part.faults.append(.missing(next))
                        part.isCut = true
                        return part
                    }
                    next += 1
                    hashes.append(MerkleHash.leaf(leaf.leaf))
                    guard hashes.count == TileBuilder.width else { continue }
                    let number = (next - 1) / Int64(TileBuilder.width)
                    let stored = try self.stored(level: 0, number: number) ?? []
                    let isSame =
                        stored.count == TileBuilder.width * 32
                        && hashes.indices.allSatisfy { hashes[$0].isEqual(to: stored, at: $0 * 32) }
                    if !isSame { part.faults.append(.tile(level: 0, number: number)) }
                    part.roots.append(MerkleHash.root(ofPerfect: hashes))
                    hashes.removeAll(keepingCapacity: true)
                }
            }
        } catch {
            part.failure = error
        }
        part.pending = hashes
        return part
    }

    private func entries(from index: Int64, limit: Int) throws(AuditFailure) -> [StoredLeaf] {
        do throws(StorageFailure) { return try store.leafEntries(from: index, limit: limit) } catch { throw .storage }
    }

    private func stored(level: Int, number: Int64) throws(AuditFailure) -> [UInt8]? {
        do throws(StorageFailure) { return try store.tile(level: level, number: number) } catch { throw .storage }
    }
}
