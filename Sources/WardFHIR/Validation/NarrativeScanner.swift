/// Checks the XHTML of a narrative (FHIR R4 narrative.html): one well-formed `div` with formatting elements only.
///
/// An allow-list, stricter than a browser: no comments that HTML reads differently, no CDATA, no instructions, no
/// prefixes, so that what was checked is what a browser will see.
struct NarrativeScanner {
    private let text: [UInt8]
    private var at = 0
    private var open: [ArraySlice<UInt8>] = []
    private var hasContent = false
    private var isForbidden = false

    private init(_ text: [UInt8]) { self.text = text }

    /// First offence of the text, if there is one; the text is unescaped JSON.
    static func offence(in text: [UInt8]) -> ValidationRule? {
        var scanner = NarrativeScanner(text)
        guard scanner.document() else { return .narrativeMalformed }
        if scanner.isForbidden { return .narrativeForbidden }
        return scanner.hasContent ? nil : .narrativeEmpty
    }

    private mutating func document() -> Bool {
        guard PrimitiveFormat.starts(text.span, with: "<div"), tag() else { return false }
        guard let root = open.first, root.elementsEqual("div".utf8) else { return false }
        while !open.isEmpty {
            guard at < text.count else { return false }
            switch text[at] {
            case 0x3C: guard tag() else { return false }
            case 0x26: guard let entity = entity(), hasEffect(entity) else { return false }
            default:
                if !PrimitiveFormat.isSpace(text[at]) { hasContent = true }
                guard isCharacter(text[at]) else { return false }
                at += 1
            }
        }
        return at == text.count
    }

    private mutating func hasEffect(_ character: UInt32) -> Bool {
        if character > 0x20 { hasContent = true }
        return true
    }

    /// XML 1.0 section 2.2, as far as one byte shows it.
    private func isCharacter(_ byte: UInt8) -> Bool {
        byte >= 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D
    }

    private mutating func tag() -> Bool {
        at += 1
        guard at < text.count else { return false }
        switch text[at] {
        case 0x21: return comment()
        case 0x2F: return endTag()
        default: return startTag()
        }
    }

    /// `<!-- … -->` without `--` inside and without the openings that HTML takes for an end.
    private mutating func comment() -> Bool {
        guard at + 3 <= text.count, text[at + 1] == 0x2D, text[at + 2] == 0x2D else { return false }
        at += 3
        if at < text.count, text[at] == 0x3E || text[at] == 0x2D { return false }
        while at + 2 < text.count {
            if text[at] == 0x2D, text[at + 1] == 0x2D {
                guard text[at + 2] == 0x3E else { return false }
                at += 3
                return true
            }
            guard isCharacter(text[at]) else { return false }
            at += 1
        }
        return false
    }

    private mutating func endTag() -> Bool {
        at += 1
        guard let name = name(), open.last == name else { return false }
        open.removeLast()
        skipSpace()
        return take(0x3E)
    }

    private mutating func startTag() -> Bool {
        guard let name = name() else { return false }
        if !NarrativeVocabulary.elements.contains(name) { isForbidden = true }
        if name.elementsEqual("img".utf8) { hasContent = true }
        var attributes: [ArraySlice<UInt8>] = []
        while true {
            let hadSpace = skipSpace()
            guard at < text.count else { return false }
            if take(0x3E) {
                open.append(name)
                return open.count <= 256
            }
            if take(0x2F) { return take(0x3E) && !open.isEmpty }
            guard hadSpace, attributes.count < 64, let attribute = self.name(), !attributes.contains(attribute) else {
                return false
            }
            attributes.append(attribute)
            skipSpace()
            guard take(0x3D) else { return false }
            skipSpace()
            guard let value = attributeValue() else { return false }
            if !NarrativeVocabulary.allows(attribute, value) { isForbidden = true }
        }
    }

    /// Text of a quoted value with its references resolved.
    private mutating func attributeValue() -> [UInt8]? {
        guard at < text.count, text[at] == 0x22 || text[at] == 0x27 else { return nil }
        let quote = text[at]
        var value: [UInt8] = []
        at += 1
        while at < text.count {
            let byte = text[at]
            if byte == quote {
                at += 1
                return value
            }
            if byte == 0x26 {
                guard let character = entity() else { return nil }
                value += Array(String(Character(Unicode.Scalar(character) ?? " ")).utf8)
                continue
            }
            guard byte != 0x3C, isCharacter(byte) else { return nil }
            value.append(byte)
            at += 1
        }
        return nil
    }

    /// `&lt;`, `&#60;`, `&#x3c;`, or a name of HTML, whose character does not matter here.
    private mutating func entity() -> UInt32? {
        at += 1
        let start = at
        while at < text.count, text[at] != 0x3B, at - start < 12 { at += 1 }
        let reference = text[start..<at]
        guard take(0x3B), let first = reference.first else { return nil }
        if first == 0x23 {
            let isHex = reference.dropFirst().first == 0x78
            let digits = String(decoding: reference.dropFirst(isHex ? 2 : 1), as: UTF8.self)
            guard digits.utf8.allSatisfy({ hexDigit($0) != nil }), let value = UInt32(digits, radix: isHex ? 16 : 10),
                Unicode.Scalar(value) != nil, value >= 0x20 || value == 9 || value == 10 || value == 13
            else { return nil }
            return value
        }
        guard PrimitiveFormat.isLetter(first),
            reference.allSatisfy({ PrimitiveFormat.isLetter($0) || PrimitiveFormat.isDigit($0) })
        else { return nil }
        if reference.elementsEqual("nbsp".utf8) { return 0x20 }
        return NarrativeVocabulary.entities[String(decoding: reference, as: UTF8.self)] ?? 0xFFFD
    }

    private mutating func name() -> ArraySlice<UInt8>? {
        let start = at
        while at < text.count {
            let byte = text[at]
            let isLater = PrimitiveFormat.isDigit(byte) || byte == 0x2D || byte == 0x3A || byte == 0x2E
            guard PrimitiveFormat.isLetter(byte) || byte == 0x5F || (at > start && isLater) else { break }
            at += 1
        }
        return at > start ? text[start..<at] : nil
    }

    @discardableResult private mutating func skipSpace() -> Bool {
        let start = at
        while at < text.count, PrimitiveFormat.isSpace(text[at]) { at += 1 }
        return at > start
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard at < text.count, text[at] == byte else { return false }
        at += 1
        return true
    }
}
