import WardCore
import WardCrypto

/// Writes numbers big endian and bytes with their length.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func reserve(_ count: Int) { bytes.reserveCapacity(count) }

    mutating func byte(_ value: UInt8) { bytes.append(value) }

    mutating func number(_ value: Int64) {
        for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }

    mutating func raw(_ value: [UInt8]) { bytes += value }

    mutating func blob(_ value: [UInt8]) {
        let count = UInt32(value.count)
        for shift in stride(from: UInt32(24), through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: count >> shift))
        }
        bytes += value
    }

    mutating func locator(_ value: Locator) {
        number(Int64(bitPattern: value.high))
        number(Int64(bitPattern: value.low))
    }

    mutating func digest(_ value: Digest) { value.append(to: &bytes) }

    mutating func text(_ value: String) { blob(Array(value.utf8)) }

    mutating func clear() { bytes.removeAll(keepingCapacity: true) }
}

/// Reads what ``ByteWriter`` wrote; every read is checked.
struct ByteReader {
    struct Malformed: Error {}

    private let bytes: [UInt8]
    private(set) var place = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    var isAtEnd: Bool { place == bytes.count }

    mutating func raw(_ count: Int) throws(Malformed) -> [UInt8] {
        guard count >= 0, count <= bytes.count - place else { throw Malformed() }
        defer { place += count }
        return Array(bytes[place..<place + count])
    }

    mutating func byte() throws(Malformed) -> UInt8 {
        guard place < bytes.count else { throw Malformed() }
        defer { place += 1 }
        return bytes[place]
    }

    mutating func number() throws(Malformed) -> Int64 {
        guard bytes.count - place >= 8 else { throw Malformed() }
        var value: Int64 = 0
        for offset in place..<place + 8 { value = value << 8 | Int64(bytes[offset]) }
        place += 8
        return value
    }

    mutating func blob() throws(Malformed) -> [UInt8] {
        guard bytes.count - place >= 4 else { throw Malformed() }
        var count = 0
        for offset in place..<place + 4 { count = count << 8 | Int(bytes[offset]) }
        place += 4
        return try raw(count)
    }

    mutating func locator() throws(Malformed) -> Locator {
        let high = try number()
        return Locator(high: UInt64(bitPattern: high), low: UInt64(bitPattern: try number()))
    }

    mutating func digest() throws(Malformed) -> Digest {
        guard let digest = Digest(bytes: try raw(32)) else { throw Malformed() }
        return digest
    }

    mutating func text() throws(Malformed) -> String {
        let bytes = try blob()
        guard let text = String(validating: bytes, as: UTF8.self) else { throw Malformed() }
        return text
    }

    /// A count of things of at least `size` bytes each, so that no count asks for more than there is.
    mutating func count(of size: Int) throws(Malformed) -> Int {
        let count = try number()
        guard count >= 0, count <= Int64((bytes.count - place) / size) else { throw Malformed() }
        return Int(count)
    }
}
