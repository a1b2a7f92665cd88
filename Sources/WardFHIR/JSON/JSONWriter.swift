/// Appends JSON text to one growing buffer; commas are set by the writer.
public struct JSONWriter: Sendable {
    /// What was written so far.
    public private(set) var bytes: [UInt8] = []
    private var needsComma = false

    public init() {}

    public init(reservingCapacity capacity: Int) {
        bytes.reserveCapacity(capacity)
    }

    public mutating func beginObject() { open(0x7B) }
    public mutating func endObject() { close(0x7D) }
    public mutating func beginArray() { open(0x5B) }
    public mutating func endArray() { close(0x5D) }

    public mutating func key(_ name: String) {
        string(name)
        bytes.append(0x3A)
        needsComma = false
    }

    /// Appends a key that is quoted and escaped already.
    mutating func rawKey(_ quoted: ArraySlice<UInt8>) {
        raw(quoted)
        bytes.append(0x3A)
        needsComma = false
    }

    /// Appends members that are JSON already, without the braces around them.
    mutating func rawMembers(_ members: ArraySlice<UInt8>) { raw(members) }

    /// A place in the text to go back to.
    struct Mark {
        fileprivate let count: Int
        fileprivate let needsComma: Bool
    }

    var mark: Mark { Mark(count: bytes.count, needsComma: needsComma) }

    /// Takes back what was written since.
    mutating func rewind(to mark: Mark) {
        bytes.removeLast(bytes.count - mark.count)
        needsComma = mark.needsComma
    }

    public mutating func string(_ text: String) { string(text[...]) }

    public mutating func string(_ text: Substring) {
        separate()
        bytes.append(0x22)
        let utf8 = text.utf8
        if utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x22 && $0 != 0x5C }) {
            bytes.append(contentsOf: utf8)
        } else {
            for byte in utf8 { appendEscaped(byte) }
        }
        bytes.append(0x22)
        needsComma = true
    }

    private mutating func appendEscaped(_ byte: UInt8) {
        switch byte {
        case 0x22, 0x5C: bytes += [0x5C, byte]
        case 0x0A: bytes += [0x5C, 0x6E]
        case 0x0D: bytes += [0x5C, 0x72]
        case 0x09: bytes += [0x5C, 0x74]
        case 0..<0x20: bytes += [0x5C, 0x75, 0x30, 0x30, hexLetter(byte >> 4), hexLetter(byte & 15)]
        default: bytes.append(byte)
        }
    }

    public mutating func number(_ value: Int64) {
        separate()
        bytes.append(contentsOf: String(value).utf8)
        needsComma = true
    }

    public mutating func number(_ value: Int) { number(Int64(value)) }
    public mutating func bool(_ value: Bool) { raw(Array((value ? "true" : "false").utf8)) }
    public mutating func null() { raw(Array("null".utf8)) }

    /// Appends a value that is JSON already, for instance a stored resource.
    public mutating func raw(_ json: [UInt8]) { raw(json[...]) }

    /// As ``raw(_:)`` for a part of an array.
    public mutating func raw(_ json: ArraySlice<UInt8>) {
        separate()
        bytes += json
        needsComma = true
    }

    public mutating func member(_ name: String, _ text: String) {
        key(name)
        string(text)
    }

    public mutating func member(_ name: String, _ value: Int64) {
        key(name)
        number(value)
    }

    public mutating func member(_ name: String, _ value: Int) { member(name, Int64(value)) }

    private mutating func separate() {
        if needsComma { bytes.append(0x2C) }
    }

    private mutating func open(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }
}

private func hexLetter(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 0x30 + nibble : 0x57 + nibble }

extension JSONTape {
    /// Appends a value without insignificant white space; strings and numbers to the character.
    public func writeCompact(_ index: Int, into output: inout [UInt8]) {
        switch kind(index) {
        case .object:
            output.append(0x7B)
            var isFirst = true
            forEachMember(index) { key, value in
                if !isFirst { output.append(0x2C) }
                isFirst = false
                output += bytes[quotedRange(key)]
                output.append(0x3A)
                writeCompact(value, into: &output)
            }
            output.append(0x7D)
        case .array:
            output.append(0x5B)
            var isFirst = true
            forEachElement(index) { element in
                if !isFirst { output.append(0x2C) }
                isFirst = false
                writeCompact(element, into: &output)
            }
            output.append(0x5D)
        default:
            output += bytes[quotedRange(index)]
        }
    }
}

extension JSONTape {
    /// Appends a value to what `writer` writes, as ``writeCompact(_:into:)-(_,[UInt8])`` does.
    func writeCompact(_ index: Int, into writer: inout JSONWriter) {
        var bytes: [UInt8] = []
        writeCompact(index, into: &bytes)
        writer.raw(bytes)
    }
}
