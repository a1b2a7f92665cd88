/// How large and deep a document may be.
public struct JSONLimits: Sendable {
    /// Bytes of the whole text.
    public var size: Int
    /// Nesting of objects and arrays.
    public var depth: Int

    public init(size: Int, depth: Int) {
        self.size = size
        self.depth = depth
    }

    /// One resource or a large transaction: 128 MiB, 64 levels (`docs/limits.md`).
    public static let standard = JSONLimits(size: 128 << 20, depth: 64)
}

/// Why a text is not JSON that Ward takes; `offset` counts bytes. Never carries the text.
public struct JSONFailure: Error, Hashable, Sendable {
    public enum Reason: String, Sendable {
        case badEscape = "invalid escape sequence"
        case badNumber = "invalid number"
        case badUTF8 = "invalid UTF-8"
        case controlCharacter = "control character in a string"
        case duplicateKey = "duplicate key"
        case tooDeep = "nested too deeply"
        case tooLarge = "too large"
        case trailingBytes = "unexpected bytes after the value"
        case unexpected = "unexpected character"
        case unexpectedEnd = "unexpected end"
    }

    public let reason: Reason
    public let offset: Int
}

extension JSONTape {
    /// Parses and checks the whole text.
    ///
    /// - Throws: ``JSONFailure`` with the first offence and its byte offset.
    public init(parsing bytes: [UInt8], limits: JSONLimits = .standard) throws(JSONFailure) {
        guard bytes.count <= limits.size, bytes.count < Int(UInt32.max) else {
            throw JSONFailure(reason: .tooLarge, offset: limits.size)
        }
        do {
            _ = try UTF8Span(validating: bytes.span)
        } catch {
            throw JSONFailure(reason: .badUTF8, offset: 0)
        }
        var parser = JSONParser(bytes, limits: limits)
        let nodes = try parser.document()
        self.init(bytes: bytes, nodes: nodes)
    }
}

/// A recursive-descent reader over checked bytes; recursion is bounded by the depth limit.
private struct JSONParser {
    let bytes: [UInt8]
    let limits: JSONLimits
    var nodes: [JSONNode] = []
    var at = 0
    var depth = 0

    init(_ bytes: [UInt8], limits: JSONLimits) {
        self.bytes = bytes
        self.limits = limits
        nodes.reserveCapacity(bytes.count / 8)
    }

    mutating func document() throws(JSONFailure) -> [JSONNode] {
        try value()
        skipSpace()
        guard at == bytes.count else { throw failure(.trailingBytes) }
        return nodes
    }

    private func failure(_ reason: JSONFailure.Reason) -> JSONFailure { JSONFailure(reason: reason, offset: at) }

    private mutating func skipSpace() {
        while at < bytes.count {
            let byte = bytes[at]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            at += 1
        }
    }

    private mutating func value() throws(JSONFailure) {
        skipSpace()
        guard at < bytes.count else { throw failure(.unexpectedEnd) }
        switch bytes[at] {
        case 0x7B: try object()
        case 0x5B: try array()
        case 0x22: try string()
        case 0x74: try literal("true", .true)
        case 0x66: try literal("false", .false)
        case 0x6E: try literal("null", .null)
        case 0x2D, 0x30...0x39: try number()
        default: throw failure(.unexpected)
        }
    }

    private mutating func object() throws(JSONFailure) {
        let index = try enter(.object)
        skipSpace()
        if at < bytes.count, bytes[at] == 0x7D { return leave(index) }
        while true {
            skipSpace()
            guard at < bytes.count else { throw failure(.unexpectedEnd) }
            guard bytes[at] == 0x22 else { throw failure(.unexpected) }
            try string()
            try expect(0x3A)
            try value()
            skipSpace()
            guard at < bytes.count else { throw failure(.unexpectedEnd) }
            if bytes[at] == 0x7D { break }
            try expect(0x2C)
        }
        leave(index)
        try refuseDuplicateKeys(of: index)
    }

    private mutating func array() throws(JSONFailure) {
        let index = try enter(.array)
        skipSpace()
        if at < bytes.count, bytes[at] == 0x5D { return leave(index) }
        while true {
            try value()
            skipSpace()
            guard at < bytes.count else { throw failure(.unexpectedEnd) }
            if bytes[at] == 0x5D { break }
            try expect(0x2C)
        }
        leave(index)
    }

    private mutating func enter(_ kind: JSONKind) throws(JSONFailure) -> Int {
        depth += 1
        guard depth <= limits.depth else { throw failure(.tooDeep) }
        nodes.append(JSONNode(offset: UInt32(at), length: 0, end: 0, kind: kind, isEscaped: false))
        at += 1
        return nodes.count - 1
    }

    private mutating func leave(_ index: Int) {
        at += 1
        depth -= 1
        nodes[index].length = UInt32(at) - nodes[index].offset
        nodes[index].end = UInt32(nodes.count)
    }

    private mutating func expect(_ byte: UInt8) throws(JSONFailure) {
        skipSpace()
        guard at < bytes.count else { throw failure(.unexpectedEnd) }
        guard bytes[at] == byte else { throw failure(.unexpected) }
        at += 1
    }

    private mutating func literal(_ word: StaticString, _ kind: JSONKind) throws(JSONFailure) {
        let count = word.utf8CodeUnitCount
        guard at + count <= bytes.count else { throw failure(.unexpectedEnd) }
        for offset in 0..<count where unsafe bytes[at + offset] != word.utf8Start[offset] { throw failure(.unexpected) }
        leaf(kind, from: at, to: at + count)
        at += count
    }

    private mutating func leaf(_ kind: JSONKind, from: Int, to: Int, isEscaped: Bool = false) {
        let end = UInt32(nodes.count + 1)
        nodes.append(
            JSONNode(offset: UInt32(from), length: UInt32(to - from), end: end, kind: kind, isEscaped: isEscaped))
    }

    private mutating func string() throws(JSONFailure) {
        at += 1
        let start = at
        var isEscaped = false
        while at < bytes.count {
            let byte = bytes[at]
            if byte == 0x22 {
                leaf(.string, from: start, to: at, isEscaped: isEscaped)
                at += 1
                return
            }
            if byte == 0x5C {
                isEscaped = true
                try escape()
            } else if byte < 0x20 {
                throw failure(.controlCharacter)
            } else {
                at += 1
            }
        }
        throw failure(.unexpectedEnd)
    }

    private mutating func escape() throws(JSONFailure) {
        guard at + 1 < bytes.count else { throw failure(.unexpectedEnd) }
        switch bytes[at + 1] {
        case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74:
            at += 2
        case 0x75:
            let unit = try codeUnit(at + 2)
            at += 6
            if unit >> 10 == 0x37 { throw failure(.badEscape) }
            if unit >> 10 == 0x36 {
                guard at + 1 < bytes.count, bytes[at] == 0x5C, bytes[at + 1] == 0x75 else { throw failure(.badEscape) }
                guard try codeUnit(at + 2) >> 10 == 0x37 else { throw failure(.badEscape) }
                at += 6
            }
        default:
            throw failure(.badEscape)
        }
    }

    private func codeUnit(_ start: Int) throws(JSONFailure) -> UInt32 {
        guard start + 4 <= bytes.count else { throw failure(.unexpectedEnd) }
        var unit: UInt32 = 0
        for offset in 0..<4 {
            guard let digit = hexDigit(bytes[start + offset]) else { throw failure(.badEscape) }
            unit = unit << 4 | UInt32(digit)
        }
        return unit
    }

    private mutating func number() throws(JSONFailure) {
        let start = at
        if bytes[at] == 0x2D { at += 1 }
        guard let first = digit() else { throw failure(.badNumber) }
        if first == 0x30, digit() != nil { throw failure(.badNumber) }
        while digit() != nil {}
        if at < bytes.count, bytes[at] == 0x2E {
            at += 1
            guard digit() != nil else { throw failure(.badNumber) }
            while digit() != nil {}
        }
        if at < bytes.count, bytes[at] | 0x20 == 0x65 {
            at += 1
            if at < bytes.count, bytes[at] == 0x2B || bytes[at] == 0x2D { at += 1 }
            guard digit() != nil else { throw failure(.badNumber) }
            while digit() != nil {}
        }
        leaf(.number, from: start, to: at)
    }

    private mutating func digit() -> UInt8? {
        guard at < bytes.count, bytes[at] >= 0x30, bytes[at] <= 0x39 else { return nil }
        at += 1
        return bytes[at - 1]
    }

    /// RFC 8259 leaves duplicate names undefined, and two readers that differ on them are a way past a check.
    private func refuseDuplicateKeys(of object: Int) throws(JSONFailure) {
        var keys: [Int] = []
        var key = object + 1
        while key < Int(nodes[object].end) {
            keys.append(key)
            key = Int(nodes[key + 1].end)
        }
        if keys.count > 16 {
            var seen = Set<String>(minimumCapacity: keys.count)
            for key in keys where !seen.insert(text(key)).inserted {
                throw JSONFailure(reason: .duplicateKey, offset: Int(nodes[key].offset))
            }
            return
        }
        for (position, key) in keys.enumerated() {
            for earlier in keys[..<position] where sameText(earlier, key) {
                throw JSONFailure(reason: .duplicateKey, offset: Int(nodes[key].offset))
            }
        }
    }

    private func sameText(_ left: Int, _ right: Int) -> Bool {
        let (first, second) = (nodes[left], nodes[right])
        if first.isEscaped || second.isEscaped { return text(left) == text(right) }
        guard first.length == second.length else { return false }
        for offset in 0..<Int(first.length)
        where bytes[Int(first.offset) + offset] != bytes[Int(second.offset) + offset] { return false }
        return true
    }

    private func text(_ key: Int) -> String {
        let node = nodes[key]
        var slice: [UInt8] = []
        for offset in 0..<Int(node.length) { slice.append(bytes[Int(node.offset) + offset]) }
        return node.isEscaped ? unescaped(slice[...]) : String(decoding: slice, as: UTF8.self)
    }
}
