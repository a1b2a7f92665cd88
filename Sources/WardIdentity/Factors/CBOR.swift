/// A CBOR data item (RFC 8949) as far as WebAuthn needs it.
///
/// Only the deterministic encoding is read (RFC 8949 §4.2.1, which is CTAP2's canonical form; WebAuthn §2.4 asks for it):
/// definite lengths, shortest arguments, map keys in ascending order of their bytes and so never twice. No tags, no
/// floating point, no undefined. One value has one encoding.
package indirect enum CBOR: Hashable, Sendable {
    case unsigned(UInt64)
    /// -1 - value.
    case negative(UInt64)
    case bytes([UInt8])
    case text(String)
    case array([CBOR])
    case map([CBORMember])
    case bool(Bool)
    case null

    /// Deepest nesting (CTAP 2.1 §8).
    package static let maximumDepth = 4
    /// Bytes of a whole item: an attestation object with a chain of certificates has a few thousand.
    package static let maximumSize = 65_536

    /// Reads one item that is all there is.
    package init(_ bytes: [UInt8]) throws(CBORFailure) {
        let (item, end) = try CBOR.prefix(of: bytes[...])
        guard end == bytes.endIndex else { throw .trailingBytes }
        self = item
    }

    /// Reads the item that `bytes` starts with, and says where it ends.
    package static func prefix(of bytes: ArraySlice<UInt8>) throws(CBORFailure) -> (item: CBOR, end: Int) {
        guard bytes.count <= maximumSize else { throw .tooLarge }
        var reader = CBORReader(bytes)
        let item = try reader.item(depth: 0)
        return (item, reader.at)
    }

    /// The value of a key; nil if there is none, or this is no map.
    package subscript(_ key: CBOR) -> CBOR? {
        guard case .map(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    /// An integer key or value.
    package static func integer(_ value: Int) -> CBOR {
        value < 0 ? .negative(UInt64(-1 - value)) : .unsigned(UInt64(value))
    }
}

/// One key and its value.
package struct CBORMember: Hashable, Sendable {
    package let key: CBOR
    package let value: CBOR

    package init(_ key: CBOR, _ value: CBOR) {
        self.key = key
        self.value = value
    }
}

/// Why bytes are not the CBOR that Ward reads.
public enum CBORFailure: Error, Hashable, Sendable {
    case badUTF8
    case duplicateKey
    case floatingPoint
    case indefiniteLength
    case notShortest
    case reserved
    case tag
    case tooDeep
    case tooLarge
    case trailingBytes
    case truncated
    case unsortedKeys
    /// `undefined`, or a simple value without meaning.
    case unknownSimpleValue
}

/// Recursion is bounded by the depth limit, memory by the input: every element takes at least one byte of it.
private struct CBORReader {
    let bytes: ArraySlice<UInt8>
    var at: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        at = bytes.startIndex
    }

    mutating func item(depth: Int) throws(CBORFailure) -> CBOR {
        let first = try byte()
        let (major, information) = (first >> 5, first & 31)
        if major == 7 { return try simple(information) }
        let argument = try argument(information)
        switch major {
        case 0: return .unsigned(argument)
        case 1: return .negative(argument)
        case 2: return .bytes(Array(try take(argument)))
        case 3:
            guard let text = String(validating: try take(argument), as: UTF8.self) else { throw .badUTF8 }
            return .text(text)
        case 4: return .array(try array(argument, depth: depth + 1))
        case 5: return .map(try map(argument, depth: depth + 1))
        default: throw .tag
        }
    }

    private mutating func array(_ count: UInt64, depth: Int) throws(CBORFailure) -> [CBOR] {
        guard depth <= CBOR.maximumDepth else { throw .tooDeep }
        guard count <= UInt64(remaining) else { throw .truncated }
        var items: [CBOR] = []
        for _ in 0..<count { items.append(try item(depth: depth)) }
        return items
    }

    private mutating func map(_ count: UInt64, depth: Int) throws(CBORFailure) -> [CBORMember] {
        guard depth <= CBOR.maximumDepth else { throw .tooDeep }
        guard count <= UInt64(remaining) / 2 else { throw .truncated }
        var members: [CBORMember] = []
        var last: ArraySlice<UInt8> = []
        for _ in 0..<count {
            let start = at
            let key = try item(depth: depth)
            let encoded = bytes[start..<at]
            // A key is never empty, so the first one comes after the empty slice.
            guard encoded != last else { throw .duplicateKey }
            guard last.lexicographicallyPrecedes(encoded) else { throw .unsortedKeys }
            last = encoded
            members.append(CBORMember(key, try item(depth: depth)))
        }
        return members
    }

    private mutating func simple(_ information: UInt8) throws(CBORFailure) -> CBOR {
        switch information {
        case 20: return .bool(false)
        case 21: return .bool(true)
        case 22: return .null
        case 25, 26, 27: throw .floatingPoint
        case 28, 29, 30: throw .reserved
        case 31: throw .indefiniteLength
        default: throw .unknownSimpleValue
        }
    }

    /// RFC 8949 §3: the value itself, or 1, 2, 4 or 8 bytes that follow.
    private mutating func argument(_ information: UInt8) throws(CBORFailure) -> UInt64 {
        let (count, smallest): (UInt64, UInt64)
        switch information {
        case 0..<24: return UInt64(information)
        case 24: (count, smallest) = (1, 24)
        case 25: (count, smallest) = (2, 1 << 8)
        case 26: (count, smallest) = (4, 1 << 16)
        case 27: (count, smallest) = (8, 1 << 32)
        case 31: throw .indefiniteLength
        default: throw .reserved
        }
        let value = try take(count).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard value >= smallest else { throw .notShortest }
        return value
    }

    private var remaining: Int { bytes.endIndex - at }

    private mutating func byte() throws(CBORFailure) -> UInt8 {
        guard at < bytes.endIndex else { throw .truncated }
        defer { at += 1 }
        return bytes[at]
    }

    private mutating func take(_ count: UInt64) throws(CBORFailure) -> ArraySlice<UInt8> {
        guard count <= UInt64(remaining) else { throw .truncated }
        defer { at += Int(count) }
        return bytes[at..<at + Int(count)]
    }
}
