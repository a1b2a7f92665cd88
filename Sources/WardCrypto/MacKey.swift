internal import Crypto
internal import FoundationEssentials
public import WardCore

/// HMAC-SHA-256 with its key state computed once: a token costs one copy of it, not a key setup.
public struct MacKey: Sendable {
    private let state: HMAC<SHA256>

    public init(_ material: KeyMaterial) {
        state = HMAC<SHA256>(key: material.key)
    }

    /// HMAC over the parts, each framed by its length.
    public func tag(_ parts: [UInt8]...) -> Digest {
        var hash = state
        var framed: [UInt8] = []
        framed.reserveCapacity(parts.reduce(0) { $0 + $1.count + 4 })
        for part in parts { frame(part, into: &framed) }
        hash.update(data: framed)
        return digest(hash.finalize())
    }

    /// HMAC over bytes that are framed already (or are one part only, never mixed with framed input under one key).
    public func tag(ofWhole bytes: [UInt8]) -> Digest {
        var hash = state
        hash.update(data: bytes)
        return digest(hash.finalize())
    }
}

/// 256 bits of a hash or MAC.
public struct Digest: Hashable, Sendable {
    public let word0: UInt64
    public let word1: UInt64
    public let word2: UInt64
    public let word3: UInt64

    /// Reads 32 bytes, big endian; nil for any other length.
    public init?(bytes: [UInt8]) {
        self.init(bytes: bytes[...])
    }

    /// As ``init(bytes:)`` for a part of an array.
    public init?(bytes: ArraySlice<UInt8>) {
        guard bytes.count == 32 else { return nil }
        var words: [4 of UInt64] = .init(repeating: 0)
        for (index, byte) in bytes.enumerated() { words[index / 8] = words[index / 8] << 8 | UInt64(byte) }
        self.init(words[0], words[1], words[2], words[3])
    }

    init(_ word0: UInt64, _ word1: UInt64, _ word2: UInt64, _ word3: UInt64) {
        self.word0 = word0
        self.word1 = word1
        self.word2 = word2
        self.word3 = word3
    }

    /// 32 bytes, big endian.
    public var bytes: [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(32)
        append(to: &output)
        return output
    }

    public func append(to output: inout [UInt8]) {
        append(word0, to: &output)
        append(word1, to: &output)
        append(word2, to: &output)
        append(word3, to: &output)
    }

    private func append(_ word: UInt64, to output: inout [UInt8]) {
        for index in 0..<8 { output.append(UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * index))) }
    }

    /// The first 64 bits, signed, as SQL engines store integers.
    public var token: Int64 { Int64(bitPattern: word0) }

    /// The first 128 bits.
    public var locator: Locator { Locator(high: word0, low: word1) }
}

/// SHA-256 (FIPS 180-4) over the concatenated parts.
public func sha256(_ parts: [UInt8]...) -> Digest {
    var hash = SHA256()
    for part in parts { hash.update(data: part) }
    return digest(hash.finalize())
}

/// SHA-256 of what comes in many parts and is not held.
public struct RunningHash {
    private var hash = SHA256()

    public init() {}

    public mutating func update(_ bytes: [UInt8]) { hash.update(data: bytes) }

    /// Of what came so far.
    public var digest: Digest { WardCrypto.digest(hash.finalize()) }
}

private func digest(_ value: some ContiguousBytes) -> Digest {
    unsafe value.withUnsafeBytes { bytes in
        func word(_ index: Int) -> UInt64 {
            UInt64(bigEndian: unsafe bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
        }
        return Digest(word(0), word(1), word(2), word(3))
    }
}
