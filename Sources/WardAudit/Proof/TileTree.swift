public import WardCrypto

/// One tile of the tree, or one bundle of entries (C2SP tlog-tiles).
public struct TilePlace: Hashable, Sendable {
    /// Nil for a bundle of entries.
    public let level: Int?
    public let number: Int64
    /// 256 for a full tile; fewer for the right edge.
    public let width: Int

    public static let full = 256

    /// - Returns: nil for numbers that no tree of this kind has.
    public init?(level: Int?, number: Int64, width: Int) {
        guard (0...63).contains(level ?? 0), number >= 0, number <= Int64.max >> 8, (1...Self.full).contains(width)
        else {
            return nil
        }
        self.level = level
        self.number = number
        self.width = width
    }

    /// Reads `0/x001/x234/067`, `entries/000.p/17` and the like: the one way to write each place.
    public init?(path: String) {
        var parts = path.utf8.split(separator: 0x2F, omittingEmptySubsequences: false).map { String(Substring($0)) }
        guard let first = parts.first, parts.count >= 2, parts.count <= 16 else { return nil }
        let level = first == "entries" ? nil : Int(first)
        guard level != nil || first == "entries" else { return nil }
        parts.removeFirst()
        var width = Self.full
        if parts.count >= 2, parts[parts.count - 2].hasSuffix(".p"), let last = parts.last {
            guard let partial = Int(last), partial < Self.full else { return nil }
            width = partial
            parts.removeLast()
            parts[parts.count - 1].removeLast(2)
        }
        var number: Int64 = 0
        for part in parts {
            let digits = part.hasPrefix("x") ? part.dropFirst() : Substring(part)
            guard digits.utf8.count == 3, let value = Int64(digits), value >= 0, number < 1 << 50 else { return nil }
            number = number * 1000 + value
        }
        self.init(level: level, number: number, width: width)
        // Leading zeros, signs and the like are another path for the same place.
        guard self.path.utf8.elementsEqual(path.utf8) else { return nil }
    }

    public var path: String {
        var digits = String(number)
        while digits.utf8.count % 3 != 0 { digits = "0" + digits }
        var groups: [String] = []
        var rest = Substring(digits)
        while !rest.isEmpty {
            groups.append(String(rest.prefix(3)))
            rest = rest.dropFirst(3)
        }
        let place = groups.dropLast().map { "x\($0)/" }.joined() + (groups.last ?? "")
        let name = level.map(String.init) ?? "entries"
        return "\(name)/\(place)" + (width == Self.full ? "" : ".p/\(width)")
    }
}

/// Roots and proofs of a tree of a given size, from its tiles alone.
public struct TileTree<Failure: Error> {
    public let size: Int64
    private let tile: (TilePlace) throws(Failure) -> [Digest]

    /// - Parameter tile: answers with exactly as many hashes as the place is wide.
    public init(size: Int64, tile: @escaping (TilePlace) throws(Failure) -> [Digest]) {
        self.size = max(size, 0)
        self.tile = tile
    }

    public func root() throws(Failure) -> Digest { size == 0 ? MerkleHash.empty : try root(0, size) }

    /// The audit path of a leaf (RFC 6962 §2.1.1); empty for an index outside.
    public func inclusion(of index: Int64) throws(Failure) -> [Digest] {
        guard index >= 0, index < size else { return [] }
        return try inclusion(of: index, 0, size)
    }

    /// That the first `old` leaves are a prefix of all of them (RFC 6962 §2.1.2).
    public func consistency(from old: Int64) throws(Failure) -> [Digest] {
        guard old > 0, old < size else { return [] }
        return try subproof(old, 0, size, isWhole: true)
    }

    private func inclusion(of index: Int64, _ start: Int64, _ end: Int64) throws(Failure) -> [Digest] {
        guard end - start > 1 else { return [] }
        let middle = start + split(end - start)
        return index < middle
            ? try inclusion(of: index, start, middle) + [try root(middle, end)]
            : try inclusion(of: index, middle, end) + [try root(start, middle)]
    }

    private func subproof(
        _ old: Int64, _ start: Int64, _ end: Int64, isWhole: Bool
    ) throws(Failure) -> [Digest] {
        if old == end { return isWhole ? [] : [try root(start, end)] }
        let middle = start + split(end - start)
        return old <= middle
            ? try subproof(old, start, middle, isWhole: isWhole) + [try root(middle, end)]
            : try subproof(old, middle, end, isWhole: false) + [try root(start, middle)]
    }

    private func root(_ start: Int64, _ end: Int64) throws(Failure) -> Digest {
        let count = end - start
        guard count & (count - 1) != 0 else { return try perfect(start, height: count.trailingZeroBitCount) }
        let middle = start + split(count)
        return MerkleHash.node(try root(start, middle), try root(middle, end))
    }

    /// The root over 2^height leaves from `start`, which is a multiple of that.
    private func perfect(_ start: Int64, height: Int) throws(Failure) -> Digest {
        let level = height / 8
        let first = start >> Int64(8 * level)
        let number = first / Int64(TilePlace.full)
        let there = size >> Int64(8 * level)
        let width = Int(min(there - number * Int64(TilePlace.full), Int64(TilePlace.full)))
        guard let place = TilePlace(level: level, number: number, width: width) else { return MerkleHash.empty }
        let hashes = try tile(place)
        let offset = Int(first % Int64(TilePlace.full))
        let count = 1 << (height % 8)
        // A tile that is too short makes a hash that proves nothing; whoever provides it has to check.
        guard hashes.count >= offset + count else { return MerkleHash.empty }
        return MerkleHash.root(ofPerfect: Array(hashes[offset..<offset + count]))
    }

    /// The largest power of two smaller than `count`.
    private func split(_ count: Int64) -> Int64 { 1 << Int64(Int64.bitWidth - 1 - (count - 1).leadingZeroBitCount) }
}

extension Digest {
    /// The hashes of a tile; nil unless there are exactly `width`.
    public static func tile(_ bytes: [UInt8], width: Int) -> [Digest]? {
        guard bytes.count == width * 32 else { return nil }
        return stride(from: 0, to: bytes.count, by: 32).compactMap { Digest(bytes: bytes[$0..<$0 + 32]) }
    }
}

/// The entries of a bundle: each with two bytes of length before it (C2SP tlog-tiles).
public enum EntryBundle {
    public static func encoded(_ entries: some Sequence<[UInt8]>) -> [UInt8] {
        var bytes: [UInt8] = []
        for entry in entries {
            bytes += [UInt8(truncatingIfNeeded: entry.count >> 8), UInt8(truncatingIfNeeded: entry.count)]
            bytes += entry
        }
        return bytes
    }

    /// Nil unless the bytes are exactly `width` entries.
    public static func entries(_ bytes: [UInt8], width: Int) -> [[UInt8]]? {
        var entries: [[UInt8]] = []
        var at = 0
        while at < bytes.count {
            guard at + 2 <= bytes.count else { return nil }
            let end = at + 2 + Int(bytes[at]) << 8 + Int(bytes[at + 1])
            guard end <= bytes.count else { return nil }
            entries.append(Array(bytes[(at + 2)..<end]))
            at = end
        }
        return entries.count == width ? entries : nil
    }
}
