/// A JSON value under construction.
///
/// Members that are ``absent`` are left out when an object is written.
enum JSON: Sendable {
    case absent
    case string(String)
    case integer(Int)
    case decimal(Decimal)
    case bool(Bool)
    case array([JSON])
    case object([(String, JSON)])
}

/// A number with a fixed count of decimal places, since binary fractions would not do.
///
/// 7.20 is `units` 720 and `places` 2.
struct Decimal: Hashable, Sendable {
    let units: Int
    let places: Int

    init(_ units: Int, places: Int = 0) {
        self.units = units
        self.places = places
    }

    var text: String {
        guard places > 0 else { return String(units) }
        let digits = String(units.magnitude)
        let padded = String(repeating: "0", count: max(0, places + 1 - digits.count)) + digits
        return (units < 0 ? "-" : "") + padded.dropLast(places) + "." + padded.suffix(places)
    }
}

extension JSON: ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral {
    init(stringLiteral value: String) { self = .string(value) }
    init(integerLiteral value: Int) { self = .integer(value) }
    init(booleanLiteral value: Bool) { self = .bool(value) }
}

extension JSON: ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral {
    init(arrayLiteral elements: JSON...) { self = .array(elements) }
    init(dictionaryLiteral elements: (String, JSON)...) { self = .object(elements) }

    /// An array, or nothing when there are no elements: FHIR R4 forbids empty arrays (json.html).
    static func list(_ elements: [JSON]) -> JSON { elements.isEmpty ? .absent : .array(elements) }

    /// Members of an object; none for other values.
    var members: [(String, JSON)] {
        if case .object(let members) = self { members } else { [] }
    }
}

extension JSON {
    /// Appends the compact text (RFC 8259).
    func write(into output: inout [UInt8]) {
        switch self {
        case .absent: output += "null".utf8
        case .string(let text): writeString(text, into: &output)
        case .integer(let number): output += String(number).utf8
        case .decimal(let number): output += number.text.utf8
        case .bool(let value): output += (value ? "true" : "false").utf8
        case .array(let elements):
            output.append(0x5B)
            for (index, element) in elements.enumerated() {
                if index > 0 { output.append(0x2C) }
                element.write(into: &output)
            }
            output.append(0x5D)
        case .object(let members):
            output.append(0x7B)
            var isFirst = true
            for (name, value) in members {
                if case .absent = value { continue }
                if !isFirst { output.append(0x2C) }
                isFirst = false
                writeString(name, into: &output)
                output.append(0x3A)
                value.write(into: &output)
            }
            output.append(0x7D)
        }
    }
}

private func writeString(_ text: String, into output: inout [UInt8]) {
    output.append(0x22)
    for byte in text.utf8 {
        switch byte {
        case 0x22, 0x5C: output += [0x5C, byte]
        case 0x0A: output += [0x5C, 0x6E]
        case 0..<0x20:
            let hex = String(byte, radix: 16)
            output += ("\\u" + String(repeating: "0", count: 4 - hex.utf8.count) + hex).utf8
        default: output.append(byte)
        }
    }
    output.append(0x22)
}

/// Base64 with padding (RFC 4648 section 4).
func base64(_ text: String) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    let bytes = Array(text.utf8)
    var output: [UInt8] = []
    output.reserveCapacity((bytes.count + 2) / 3 * 4)
    for start in stride(from: 0, to: bytes.count, by: 3) {
        let group = bytes[start..<min(start + 3, bytes.count)]
        var bits = group.reduce(0) { $0 << 8 | Int($1) }
        bits <<= 8 * (3 - group.count)
        for position in 0..<4 {
            output.append(position <= group.count ? alphabet[bits >> (18 - 6 * position) & 63] : 0x3D)
        }
    }
    return String(decoding: output, as: UTF8.self)
}
