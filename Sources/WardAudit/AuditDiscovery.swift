import WardCore
public import WardCrypto
import WardFHIR
import WardStorage

/// One event with everything a stranger needs to check it without a key of the store.
public struct ProvenEvent: Sendable {
    public let index: Int64
    public let leaf: [UInt8]
    /// With the event's bytes, what the leaf's commitment was made of.
    public let salt: [UInt8]
    /// The event as it was sealed: JSON.
    public let event: [UInt8]
    /// The audit path of the leaf (RFC 6962 §2.1.1), lowest first.
    public let path: [Digest]
}

/// Events that concern one patient, with proofs against one checkpoint (docs/audit-retention.md says the format).
public struct Discovery: Sendable {
    public let patient: String
    /// The signed checkpoint that every proof leads to.
    public let checkpoint: String
    public let verifierKey: String
    public let events: [ProvenEvent]
    /// Events of the patient's that were let go of after their retention.
    public let pruned: Int

    /// A line of JSON for the whole and one for each event.
    public var lines: [[UInt8]] {
        var header = JSONWriter()
        header.beginObject()
        header.member("format", "ward-discovery/1")
        header.member("patient", patient)
        header.member("events", events.count)
        header.member("key", verifierKey)
        header.member("checkpoint", checkpoint)
        header.endObject()
        return [header.bytes]
            + events.map { proven in
                var writer = JSONWriter()
                writer.beginObject()
                writer.member("index", proven.index)
                writer.member("leaf", base64(proven.leaf))
                writer.member("salt", base64(proven.salt))
                writer.member("event", String(decoding: proven.event, as: UTF8.self))
                writer.key("path")
                writer.beginArray()
                for hash in proven.path { writer.string(base64(hash.bytes)) }
                writer.endArray()
                writer.endObject()
                return writer.bytes
            }
    }
}

extension AuditLog {
    /// Collects a patient's events, oldest first, with proofs.
    ///
    /// The caller appends the event of kind ``AuditEventKind/auditExported`` before it hands anything out.
    public func discover(patient: String) throws(AuditFailure) -> Discovery {
        let end = checkpoint
        guard let note = end.signed(with: keys.signing) else { throw .sealing }
        var prover = try TreeReader(store, size: end.size)
        let prunings = try self.prunings()
        var (events, pruned) = ([ProvenEvent](), 0)
        for number in try index.leaves(carrying: .patient(patient), keys, before: end.size).reversed() {
            guard let stored = try stored(from: number, limit: 1).first, stored.index == number else { throw .damaged }
            if stored.isPruned {
                guard prunings.cover(number) else { throw .damaged }
                pruned += 1
                continue
            }
            // Checks payload and commitment.
            _ = try keys.open(leaf: stored.leaf, payload: stored.payload)
            guard let salted = try? keys.payload.open(stored.payload, boundTo: keys.context) else { throw .damaged }
            events.append(
                ProvenEvent(
                    index: number, leaf: stored.leaf, salt: Array(salted.prefix(16)),
                    event: Array(salted.dropFirst(16)),
                    path: try prover.path(of: number)))
        }
        return Discovery(
            patient: patient, checkpoint: note, verifierKey: verifier.text, events: events, pruned: pruned)
    }
}

/// Audit paths from the stored tiles; each node is derived once.
private struct TreeReader {
    private let store: any SealedStore
    private let size: Int64
    private var tiles: [Int64: [Digest]] = [:]
    private var nodes: [Int64: [Int64: Digest]] = [:]

    init(_ store: any SealedStore, size: Int64) throws(AuditFailure) {
        self.store = store
        self.size = size
    }

    mutating func path(of index: Int64) throws(AuditFailure) -> [Digest] {
        try path(of: index, from: 0, count: size)
    }

    private mutating func path(of index: Int64, from start: Int64, count: Int64) throws(AuditFailure) -> [Digest] {
        guard count > 1 else { return [] }
        let left = Self.split(count)
        if index < start + left {
            return try path(of: index, from: start, count: left) + [try root(from: start + left, count: count - left)]
        }
        return try path(of: index, from: start + left, count: count - left) + [try root(from: start, count: left)]
    }

    /// The root over a range; ranges of a power of two are kept.
    private mutating func root(from start: Int64, count: Int64) throws(AuditFailure) -> Digest {
        if count == 1 { return try leaf(start) }
        if let known = nodes[count]?[start] { return known }
        let root: Digest
        if let whole = try perfect(from: start, count: count) {
            root = whole
        } else {
            let left = Self.split(count)
            root = MerkleHash.node(
                try self.root(from: start, count: left), try self.root(from: start + left, count: count - left))
        }
        nodes[count, default: [:]][start] = root
        return root
    }

    /// From the tile whose hashes make it up; nil if there is none yet, or the range is no power of two.
    private func perfect(from start: Int64, count: Int64) throws(AuditFailure) -> Digest? {
        guard count & (count - 1) == 0, count >= Int64(TileBuilder.width) else { return nil }
        let height = Int(count.trailingZeroBitCount)
        let level = (height - 1) / 8
        let width = Int64(1) << Int64(8 * level)
        let tile = start / width / Int64(TileBuilder.width)
        let stored: [UInt8]?
        do throws(StorageFailure) { stored = try store.tile(level: level, number: tile) } catch { throw .storage }
        guard let stored else { return nil }
        let hashes = try Sequencer.digests(of: stored)
        let first = Int(start / width % Int64(TileBuilder.width))
        return MerkleHash.root(ofPerfect: Array(hashes[first..<first + Int(count / width)]))
    }

    private mutating func leaf(_ index: Int64) throws(AuditFailure) -> Digest {
        let tile = index / Int64(TileBuilder.width)
        if tiles[tile] == nil {
            do throws(StorageFailure) {
                tiles[tile] = try store.leaves(from: tile * Int64(TileBuilder.width), limit: TileBuilder.width)
                    .map { MerkleHash.leaf($0.leaf) }
            } catch {
                throw .storage
            }
        }
        guard let hashes = tiles[tile], hashes.indices.contains(Int(index % Int64(TileBuilder.width))) else {
            throw .damaged
        }
        return hashes[Int(index % Int64(TileBuilder.width))]
    }

    /// The largest power of two smaller than `count`.
    private static func split(_ count: Int64) -> Int64 { 1 << Int64(63 - (count - 1).leadingZeroBitCount) }
}
