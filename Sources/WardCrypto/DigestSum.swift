/// A multiset of keyed digests as their sum modulo 2^256: what it holds can be added and taken away in any order.
///
/// MSet-Add-Hash (Clarke et al., "Incremental Multiset Hash Functions", ASIACRYPT 2003, §5): sound while the digests are
/// made with a key and the sum itself is shown to nobody who could choose the members.
public struct DigestSum: Hashable, Sendable {
    private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    public init() {}

    /// Reads 32 bytes, big endian; nil for any other length.
    public init?(bytes: [UInt8]) {
        guard let digest = Digest(bytes: bytes) else { return nil }
        words = (digest.word0, digest.word1, digest.word2, digest.word3)
    }

    public mutating func add(_ digest: Digest) {
        add(digest.word0, digest.word1, digest.word2, digest.word3, carry: false)
    }

    public mutating func add(_ other: DigestSum) {
        add(other.words.0, other.words.1, other.words.2, other.words.3, carry: false)
    }

    public mutating func remove(_ digest: Digest) {
        // Two's complement.
        add(~digest.word0, ~digest.word1, ~digest.word2, ~digest.word3, carry: true)
    }

    /// 32 bytes, big endian.
    public var bytes: [UInt8] { Digest(words.0, words.1, words.2, words.3).bytes }

    private mutating func add(_ first: UInt64, _ second: UInt64, _ third: UInt64, _ fourth: UInt64, carry: Bool) {
        var carry = carry
        words.3 = Self.sum(words.3, fourth, &carry)
        words.2 = Self.sum(words.2, third, &carry)
        words.1 = Self.sum(words.1, second, &carry)
        words.0 = Self.sum(words.0, first, &carry)
    }

    private static func sum(_ left: UInt64, _ right: UInt64, _ carry: inout Bool) -> UInt64 {
        let (partial, first) = left.addingReportingOverflow(right)
        let (whole, second) = partial.addingReportingOverflow(carry ? 1 : 0)
        carry = first || second
        return whole
    }

    public static func == (left: DigestSum, right: DigestSum) -> Bool { left.words == right.words }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.3)
    }
}
