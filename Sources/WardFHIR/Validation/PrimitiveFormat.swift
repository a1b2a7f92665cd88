/// Formats of the primitive types (FHIR R4 datatypes.html#primitive), over bytes without quotes and escapes.
enum PrimitiveFormat {
    /// Longest string in characters.
    static let stringLimit = 1024 * 1024

    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) }

    static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

    static func isLetter(_ byte: UInt8) -> Bool { byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A }

    /// `\S*`: also url and canonical.
    static func isURI(_ text: Span<UInt8>) -> Bool {
        for index in text.indices where isSpace(text[index]) { return false }
        return true
    }

    /// `[^\s]+(\s[^\s]+)*`
    static func isCode(_ text: Span<UInt8>) -> Bool {
        var wasSpace = true
        for index in text.indices {
            let space = isSpace(text[index])
            if space && wasSpace { return false }
            wasSpace = space
        }
        return !wasSpace
    }

    /// `[A-Za-z0-9\-\.]{1,64}`
    static func isID(_ text: Span<UInt8>) -> Bool {
        guard text.count >= 1, text.count <= 64 else { return false }
        for index in text.indices {
            let byte = text[index]
            guard isLetter(byte) || isDigit(byte) || byte == 0x2D || byte == 0x2E else { return false }
        }
        return true
    }

    /// `urn:oid:[0-2](\.(0|[1-9][0-9]*))+`
    static func isOID(_ text: Span<UInt8>) -> Bool {
        guard starts(text, with: "urn:oid:"), text.count > 10, text[8] >= 0x30, text[8] <= 0x32 else { return false }
        var index = 9
        while index < text.count {
            guard text[index] == 0x2E, index + 1 < text.count, isDigit(text[index + 1]) else { return false }
            let first = text[index + 1]
            index += 2
            while index < text.count, isDigit(text[index]) {
                if first == 0x30 { return false }
                index += 1
            }
        }
        return true
    }

    /// `urn:uuid:` and 8-4-4-4-12 hexadecimal digits in lower case.
    static func isUUID(_ text: Span<UInt8>) -> Bool {
        guard starts(text, with: "urn:uuid:"), text.count == 45 else { return false }
        for index in 9..<45 {
            let byte = text[index]
            let isDash = index == 17 || index == 22 || index == 27 || index == 32
            guard isDash ? byte == 0x2D : isDigit(byte) || (byte >= 0x61 && byte <= 0x66) else { return false }
        }
        return true
    }

    /// RFC 4648 section 4, white space allowed between characters.
    static func isBase64(_ text: Span<UInt8>) -> Bool {
        var digits = 0
        var padding = 0
        for index in text.indices {
            let byte = text[index]
            if isSpace(byte) { continue }
            if byte == 0x3D {
                padding += 1
            } else {
                let isDigit = isLetter(byte) || isDigit(byte) || byte == 0x2B || byte == 0x2F
                guard padding == 0, isDigit else { return false }
                digits += 1
            }
        }
        return digits > 0 && padding <= 2 && (digits + padding) % 4 == 0
    }

    /// A JSON number without fraction and exponent within bounds; `-0` is none.
    static func isInteger(_ text: Span<UInt8>, from lowest: Int64, to highest: Int64) -> Bool {
        let isNegative = text.count > 0 && text[0] == 0x2D
        let start = isNegative ? 1 : 0
        guard text.count > start, text.count <= start + 10 else { return false }
        var value: Int64 = 0
        for index in start..<text.count {
            guard isDigit(text[index]) else { return false }
            value = value * 10 + Int64(text[index] & 15)
        }
        if isNegative, value == 0 { return false }
        value = isNegative ? -value : value
        return value >= lowest && value <= highest
    }

    /// No code points below 32 except tab, line feed, carriage return.
    static func hasControlCharacter(_ text: Span<UInt8>) -> Bool {
        for index in text.indices where text[index] < 0x20 {
            let byte = text[index]
            if byte != 0x09 && byte != 0x0A && byte != 0x0D { return true }
        }
        return false
    }

    /// Whether the text has more characters than a string may have.
    static func isTooLong(_ text: Span<UInt8>) -> Bool {
        guard text.count > stringLimit else { return false }
        var characters = 0
        for index in text.indices where text[index] & 0xC0 != 0x80 { characters += 1 }
        return characters > stringLimit
    }

    static func starts(_ text: Span<UInt8>, with prefix: StaticString) -> Bool {
        let count = prefix.utf8CodeUnitCount
        guard text.count >= count else { return false }
        for index in 0..<count where unsafe text[index] != prefix.utf8Start[index] { return false }
        return true
    }

    static func equals(_ text: Span<UInt8>, _ wanted: StaticString) -> Bool {
        text.count == wanted.utf8CodeUnitCount && starts(text, with: wanted)
    }
}
