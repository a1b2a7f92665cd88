import Synchronization
import WardCore
import WardCrypto
import WardStorage

/// Finds events by person, patient, record, kind or day among millions, without a readable index on disk.
///
/// Tokens of the newest leaves are in memory; every 16,384 leaves they are written, sorted and sealed, as one segment of
/// 16 KB chunks. Chunk 0 of a segment holds the first token of each further chunk.
final class AuditIndex: Sendable {
    static let segmentSize: Int64 = 16_384
    private static let entriesPerChunk = 1_365

    private struct State {
        /// First tokens of the chunks of each full segment.
        var directories: [[Int64]] = []
        var tail: [Int64: [Int64]] = [:]
        /// Tokens in log order of the leaves after the last full segment.
        var recent: [(index: Int64, tokens: [Int64])] = []
    }

    private let state = Mutex(State())
    private let store: any SealedStore
    private let keys: AuditKeys

    /// Reads the segment directories and opens the leaves after the last full segment.
    init(store: any SealedStore, keys: AuditKeys) throws(AuditFailure) {
        self.store = store
        self.keys = keys
        do {
            let size = try store.leafCount()
            var directories: [[Int64]] = []
            while let sealed = try store.auditChunk(segment: Int64(directories.count), chunk: 0) {
                directories.append(integers(try keys.open(sealed, segment: Int64(directories.count), chunk: 0)))
            }
            let first = Int64(directories.count) * Self.segmentSize
            guard first <= size else { throw AuditFailure.damaged }
            var recent: [(index: Int64, tokens: [Int64])] = []
            while first + Int64(recent.count) < size {
                let page = try store.leaves(from: first + Int64(recent.count), limit: 1000)
                guard !page.isEmpty else { throw AuditFailure.damaged }
                for leaf in page {
                    let event = try keys.open(leaf: leaf.leaf, payload: leaf.payload)
                    recent.append((index: leaf.index, tokens: keys.tokens(of: event)))
                }
            }
            state.withLock { $0.directories = directories }
            add(recent)
        } catch let failure as AuditFailure {
            throw failure
        } catch {
            throw .storage
        }
    }

    /// Makes committed leaves findable.
    func add(_ leaves: [(index: Int64, tokens: [Int64])]) {
        state.withLock { state in
            for leaf in leaves {
                state.recent.append(leaf)
                for token in leaf.tokens { state.tail[token, default: []].append(leaf.index) }
            }
            while state.recent.count >= Self.segmentSize,
                let directory = Self.chunks(of: state.recent.prefix(Int(Self.segmentSize)))?.directory
            {
                state.directories.append(directory)
                state.recent.removeFirst(Int(Self.segmentSize))
                state.tail = [:]
                for leaf in state.recent {
                    for token in leaf.tokens { state.tail[token, default: []].append(leaf.index) }
                }
            }
        }
    }

    /// Writes the segments that `added`, not yet committed, fills; part of the transaction that adds those leaves.
    func writeFullSegments(
        after added: [(index: Int64, tokens: [Int64])], _ transaction: any StoreTransaction
    ) throws(StorageFailure) {
        let (recent, count) = state.withLock { state in
            state.recent.count + added.count >= Self.segmentSize ? (state.recent, state.directories.count) : ([], 0)
        }
        guard recent.count + added.count >= Self.segmentSize else { return }
        var pending = (recent + added)[...]
        var segment = Int64(count)
        while pending.count >= Self.segmentSize {
            guard let (directory, chunks) = Self.chunks(of: pending.prefix(Int(Self.segmentSize))) else { return }
            for (number, content) in ([bytes(directory)] + chunks).enumerated() {
                guard let sealed = try? keys.seal(content, segment: segment, chunk: Int64(number)) else {
                    throw .engine(0)
                }
                try transaction.putAuditChunk(segment: segment, chunk: Int64(number), sealed: sealed)
            }
            pending = pending.dropFirst(Int(Self.segmentSize))
            segment += 1
        }
    }

    /// Leaf indexes that carry all of `tokens`, newest first, below `before`, at most `limit`.
    func leaves(with tokens: [Int64], before: Int64, limit: Int) throws(AuditFailure) -> [Int64] {
        let (directories, tail) = state.withLock { state in
            (state.directories, tokens.map { state.tail[$0] ?? [] })
        }
        var found = Self.common(tail).filter { $0 < before }.reversed().prefix(limit).map { $0 }
        for segment in directories.indices.reversed() {
            if found.count >= limit { break }
            var lists: [[Int64]] = []
            for token in tokens {
                lists.append(try postings(token, segment: Int64(segment), directory: directories[segment]))
                if lists.last?.isEmpty ?? true { break }
            }
            guard lists.count == tokens.count else { continue }
            found += Self.common(lists).filter { $0 < before }.reversed().prefix(limit - found.count)
        }
        return found
    }

    private func postings(_ token: Int64, segment: Int64, directory: [Int64]) throws(AuditFailure) -> [Int64] {
        // A token may start in the chunk before the first one that begins with it.
        let next = directory.firstIndex { $0 >= token } ?? directory.count
        var chunk = max(next - 1, 0)
        var found: [Int64] = []
        while chunk < directory.count, directory[chunk] <= token {
            let sealed: [UInt8]?
            do { sealed = try store.auditChunk(segment: segment, chunk: Int64(chunk + 1)) } catch { throw .storage }
            guard let sealed else { throw .damaged }
            let content = try keys.open(sealed, segment: segment, chunk: Int64(chunk + 1))
            var offset = 0
            while offset + 12 <= content.count {
                if integer(content, offset) == token {
                    let place = Int64(integer(content, offset + 4) & 0xFFFF_FFFF)
                    found.append(segment * Self.segmentSize + place)
                }
                offset += 12
            }
            chunk += 1
        }
        return found
    }

    /// Sorted intersection of sorted lists.
    private static func common(_ lists: [[Int64]]) -> [Int64] {
        guard let shortest = lists.min(by: { $0.count < $1.count }) else { return [] }
        let sets = lists.filter { $0.count > shortest.count || $0 != shortest }.map(Set.init)
        return shortest.filter { index in sets.allSatisfy { $0.contains(index) } }
    }

    /// Sorted (token, place in segment) entries, cut into chunks, and each chunk's first token.
    private static func chunks(
        of leaves: ArraySlice<(index: Int64, tokens: [Int64])>
    ) -> (directory: [Int64], chunks: [[UInt8]])? {
        guard let first = leaves.first?.index else { return nil }
        var entries = leaves.flatMap { leaf in leaf.tokens.map { (token: $0, place: leaf.index - first) } }
        entries.sort { $0.token != $1.token ? $0.token < $1.token : $0.place < $1.place }
        var directory: [Int64] = []
        var chunks: [[UInt8]] = []
        for start in stride(from: 0, to: entries.count, by: entriesPerChunk) {
            let slice = entries[start..<min(start + entriesPerChunk, entries.count)]
            directory.append(slice.first?.token ?? 0)
            var content: [UInt8] = []
            content.reserveCapacity(slice.count * 12)
            for entry in slice {
                content += bytes([entry.token])
                content += bytes([entry.place]).suffix(4)
            }
            chunks.append(content)
        }
        return (directory, chunks)
    }
}

extension AuditKeys {
    func seal(_ content: [UInt8], segment: Int64, chunk: Int64) throws(SealFailure) -> [UInt8] {
        try self.segment.seal(content, boundTo: context(segment: segment, chunk: chunk))
    }

    func open(_ sealed: [UInt8], segment: Int64, chunk: Int64) throws(AuditFailure) -> [UInt8] {
        do throws(SealFailure) {
            return try self.segment.open(sealed, boundTo: context(segment: segment, chunk: chunk))
        } catch {
            throw .damaged
        }
    }

    private func context(segment: Int64, chunk: Int64) -> [UInt8] {
        Array("ward/audit-segment/1".utf8) + withBytes(of: tenant.number) + bytes([segment, chunk])
    }
}

private func bytes(_ integers: [Int64]) -> [UInt8] {
    integers.flatMap { value in (0..<8).map { UInt8(truncatingIfNeeded: value >> Int64(56 - 8 * $0)) } }
}

private func integer(_ bytes: [UInt8], _ offset: Int) -> Int64 {
    bytes[offset..<offset + 8].reduce(Int64(0)) { $0 << 8 | Int64($1) }
}

private func integers(_ bytes: [UInt8]) -> [Int64] {
    stride(from: 0, to: bytes.count - 7, by: 8).map { integer(bytes, $0) }
}
