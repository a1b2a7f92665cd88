/// A parsed JSON document: one flat list of nodes over the original bytes (RFC 8259).
///
/// Nothing is converted. Numbers keep every character (`1.0` is not `1.00`), members keep their order, strings stay
/// escaped until somebody asks for text. Refused: duplicate keys, invalid UTF-8, lone surrogates, control characters,
/// a byte-order mark, trailing bytes, and whatever goes beyond ``JSONLimits``.
///
/// Work with node indexes in loops (no reference counting), and with ``JSONValue`` where clarity matters more.
public struct JSONTape: Sendable {
    /// The text as it came.
    public let bytes: [UInt8]
    let nodes: [JSONNode]

    init(bytes: [UInt8], nodes: [JSONNode]) {
        self.bytes = bytes
        self.nodes = nodes
    }

    /// The outermost value.
    public var root: JSONValue { JSONValue(tape: self, index: 0) }

    /// Index of the outermost value.
    public static let rootIndex = 0

    public func kind(_ index: Int) -> JSONKind { nodes[index].kind }

    /// Index of the first node after `index` and everything inside it.
    public func end(_ index: Int) -> Int { Int(nodes[index].end) }

    /// Bytes of the node in the source: of a string without its quotes, of an object with its braces.
    public func range(_ index: Int) -> Range<Int> {
        let node = nodes[index]
        return Int(node.offset)..<Int(node.offset + node.length)
    }

    /// Whether a string contains escape sequences, so that its bytes are not yet its text.
    public func isEscaped(_ index: Int) -> Bool { nodes[index].isEscaped }

    /// Text of a string or key, unescaped; for other kinds the source bytes.
    public func text(_ index: Int) -> String {
        let node = nodes[index]
        let slice = bytes[range(index)]
        return node.isEscaped ? unescaped(slice) : String(decoding: slice, as: UTF8.self)
    }

    /// Whether the string or key equals `name`, without building a String in the usual case.
    public func equals(_ index: Int, _ name: StaticString) -> Bool {
        if nodes[index].isEscaped { return text(index) == "\(name)" }
        let slice = range(index)
        guard slice.count == name.utf8CodeUnitCount else { return false }
        return name.withUTF8Buffer { wanted in
            for offset in 0..<slice.count where unsafe bytes[slice.lowerBound + offset] != wanted[offset] {
                return false
            }
            return true
        }
    }

    /// Index of the value of member `name`, or nil. An object's children alternate key, value.
    public func member(_ object: Int, _ name: StaticString) -> Int? {
        guard nodes[object].kind == .object else { return nil }
        var key = object + 1
        let limit = end(object)
        while key < limit {
            if equals(key, name) { return key + 1 }
            key = end(key + 1)
        }
        return nil
    }

    /// As ``member(_:_:)`` for a name known only at run time.
    public func member(_ object: Int, named name: String) -> Int? {
        guard nodes[object].kind == .object else { return nil }
        var key = object + 1
        let limit = end(object)
        while key < limit {
            let slice = range(key)
            if nodes[key].isEscaped ? text(key) == name : name.utf8.elementsEqual(bytes[slice]) { return key + 1 }
            key = end(key + 1)
        }
        return nil
    }

    /// Calls `body` with the index of each key and its value, in source order.
    public func forEachMember<Failure: Error>(
        _ object: Int, _ body: (_ key: Int, _ value: Int) throws(Failure) -> Void
    ) throws(Failure) {
        guard nodes[object].kind == .object else { return }
        var key = object + 1
        let limit = end(object)
        while key < limit {
            try body(key, key + 1)
            key = end(key + 1)
        }
    }

    /// Calls `body` with the index of each element, in source order.
    public func forEachElement<Failure: Error>(
        _ array: Int, _ body: (_ element: Int) throws(Failure) -> Void
    ) throws(Failure) {
        guard nodes[array].kind == .array else { return }
        var element = array + 1
        let limit = end(array)
        while element < limit {
            try body(element)
            element = end(element)
        }
    }

    /// Source bytes from `range`, for splicing.
    public func slice(_ range: Range<Int>) -> ArraySlice<UInt8> { bytes[range] }

    /// Source range of a node including a string's quotes.
    public func quotedRange(_ index: Int) -> Range<Int> {
        let inner = range(index)
        return nodes[index].kind == .string ? inner.lowerBound - 1..<inner.upperBound + 1 : inner
    }
}

/// What a node is. A key is a string.
public enum JSONKind: UInt8, Sendable {
    case object, array, string, number, `true`, `false`, null
}

/// Sixteen bytes a value: place and size in the source, and where its subtree ends.
struct JSONNode: Sendable {
    var offset: UInt32
    var length: UInt32
    var end: UInt32
    var kind: JSONKind
    var isEscaped: Bool
}

/// One value of a tape, for code that reads few of them.
public struct JSONValue: Sendable {
    public let tape: JSONTape
    public let index: Int

    public init(tape: JSONTape, index: Int) {
        self.tape = tape
        self.index = index
    }

    public var kind: JSONKind { tape.kind(index) }

    /// The member `name` of an object.
    public subscript(name: StaticString) -> JSONValue? {
        tape.member(index, name).map { JSONValue(tape: tape, index: $0) }
    }

    /// Text of a string; nil for other kinds.
    public var string: String? { kind == .string ? tape.text(index) : nil }

    /// Elements of an array; empty for other kinds.
    /// An integer literal that fits 64 bits.
    public var integer: Int64? { kind == .number ? Int64(tape.text(index)) : nil }

    public var elements: [JSONValue] {
        var found: [JSONValue] = []
        tape.forEachElement(index) { found.append(JSONValue(tape: tape, index: $0)) }
        return found
    }

    /// Keys and values of an object in source order; empty for other kinds.
    public var members: [(key: String, value: JSONValue)] {
        var found: [(key: String, value: JSONValue)] = []
        tape.forEachMember(index) { key, value in
            found.append((key: tape.text(key), value: JSONValue(tape: tape, index: value)))
        }
        return found
    }
}

/// Undoes JSON escapes; the parser has checked that they are well formed.
func unescaped(_ slice: ArraySlice<UInt8>) -> String {
    var text: [UInt8] = []
    text.reserveCapacity(slice.count)
    var index = slice.startIndex
    func hex(_ at: Int) -> UInt32 {
        (0..<4).reduce(0) { sum, offset in sum << 4 | UInt32(hexDigit(slice[at + offset]) ?? 0) }
    }
    while index < slice.endIndex {
        guard slice[index] == 0x5C else {
            text.append(slice[index])
            index += 1
            continue
        }
        let escape = slice[index + 1]
        index += 2
        switch escape {
        case 0x62: text.append(0x08)
        case 0x66: text.append(0x0C)
        case 0x6E: text.append(0x0A)
        case 0x72: text.append(0x0D)
        case 0x74: text.append(0x09)
        case 0x75:
            var scalar = hex(index)
            index += 4
            if scalar >> 10 == 0x36 {
                scalar = 0x10000 + (scalar & 0x3FF) << 10 + (hex(index + 2) & 0x3FF)
                index += 6
            }
            text.append(contentsOf: Unicode.Scalar(scalar).map { Array(String(Character($0)).utf8) } ?? [])
        default: text.append(escape)
        }
    }
    return String(decoding: text, as: UTF8.self)
}

func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
}
