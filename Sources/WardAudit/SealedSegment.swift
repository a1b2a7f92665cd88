import WardCore
import WardCrypto

/// The tokens of the leaves of one segment to be, in memory.
struct Generation: Sendable {
    let segment: Int64
    private(set) var count: Int64 = 0
    /// Leaf indexes, ascending, by token.
    private(set) var tokens: [Int64: [Int64]] = [:]

    init(segment: Int64) {
        self.segment = segment
    }

    mutating func add(_ index: Int64, _ tokens: [Int64]) {
        count += 1
        for token in tokens { self.tokens[token, default: []].append(index) }
    }

    func postings(_ token: Int64) -> [Int64] { tokens[token] ?? [] }
}

/// A full generation, sorted, cut into chunks and sealed.
///
/// A chunk is a run of entries of 12 bytes: token (8, big endian) and place of the leaf in the segment (4).
struct SealedSegment: Sendable {
    let number: Int64
    /// First token of each chunk.
    let directory: [Int64]
    /// The directory, sealed: chunk 0.
    let head: [UInt8]
    /// Chunks 1 and further.
    let chunks: [[UInt8]]

    private static let entriesPerChunk = 1_365
    private static let entrySize = 12

    /// Nil if a chunk cannot be sealed.
    init?(_ generation: Generation, _ keys: AuditKeys) {
        number = generation.segment
        var directory: [Int64] = []
        var chunks: [[UInt8]] = []
        var content: [UInt8] = []
        let first = generation.segment * AuditIndex.segmentSize
        func seal() -> Bool {
            guard let sealed = try? keys.seal(content, segment: generation.segment, chunk: Int64(chunks.count + 1))
            else { return false }
            chunks.append(sealed)
            content.removeAll(keepingCapacity: true)
            return true
        }
        for token in generation.tokens.keys.sorted() {
            for index in generation.postings(token) {
                if content.isEmpty { directory.append(token) }
                append(UInt64(bitPattern: token), bytes: 8, to: &content)
                append(UInt64(index - first), bytes: 4, to: &content)
                if content.count == Self.entriesPerChunk * Self.entrySize, !seal() { return nil }
            }
        }
        if !content.isEmpty, !seal() { return nil }
        var head: [UInt8] = []
        for token in directory { append(UInt64(bitPattern: token), bytes: 8, to: &head) }
        guard let sealed = try? keys.seal(head, segment: generation.segment, chunk: 0) else { return nil }
        self.directory = directory
        self.head = sealed
        self.chunks = chunks
    }

    /// First tokens of the chunks, from an opened chunk 0.
    static func directory(_ content: [UInt8]) -> [Int64] {
        stride(from: 0, to: content.count - 7, by: 8).map { Int64(bitPattern: integer(content, $0, bytes: 8)) }
    }

    /// What an opened chunk holds, in its order.
    static func entries(_ content: [UInt8]) -> [(token: Int64, place: Int64)] {
        stride(from: 0, to: content.count - (entrySize - 1), by: entrySize).map { offset in
            (
                token: Int64(bitPattern: integer(content, offset, bytes: 8)),
                place: Int64(integer(content, offset + 8, bytes: 4))
            )
        }
    }

    /// Places in the segment of the leaves that carry `token`, ascending, from an opened chunk.
    static func places(of token: Int64, in content: [UInt8]) -> [Int64] {
        let count = content.count / entrySize
        func entry(_ place: Int) -> Int64 { Int64(bitPattern: integer(content, place * entrySize, bytes: 8)) }
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if entry(middle) < token { low = middle + 1 } else { high = middle }
        }
        var found: [Int64] = []
        while low < count, entry(low) == token {
            found.append(Int64(integer(content, low * entrySize + 8, bytes: 4)))
            low += 1
        }
        return found
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

    /// Whether a directory is one of version 1.
    func isOfEarlierVersion(_ sealed: [UInt8], segment: Int64) -> Bool {
        (try? self.segment.open(sealed, boundTo: context(segment: segment, chunk: 0, version: 1))) != nil
    }

    private func context(segment: Int64, chunk: Int64, version: UInt8 = 2) -> [UInt8] {
        var context = Array("ward/audit-segment/".utf8) + [0x30 + version] + withBytes(of: tenant.number)
        append(UInt64(bitPattern: segment), bytes: 8, to: &context)
        append(UInt64(bitPattern: chunk), bytes: 8, to: &context)
        return context
    }
}

/// The low `bytes` bytes of `value`, big endian.
private func append(_ value: UInt64, bytes: Int, to output: inout [UInt8]) {
    for place in (0..<bytes).reversed() { output.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * place))) }
}

private func integer(_ content: [UInt8], _ offset: Int, bytes: Int) -> UInt64 {
    var value: UInt64 = 0
    for place in offset..<offset + bytes { value = value << 8 | UInt64(content[place]) }
    return value
}
