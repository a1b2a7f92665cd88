/// Cuts an expression into tokens (FHIRPath N1, lexical elements).
struct FHIRPathLexer {
    private let bytes: [UInt8]
    private var at = 0

    init(_ text: String) {
        bytes = Array(text.utf8)
    }

    /// All tokens, the last being ``FHIRPathToken/Kind/end``.
    mutating func tokens() throws(FHIRPathFailure) -> [FHIRPathToken] {
        var found: [FHIRPathToken] = []
        while true {
            try skipSpaceAndComments()
            let start = at
            guard at < bytes.count else {
                found.append(FHIRPathToken(kind: .end, offset: at))
                return found
            }
            found.append(FHIRPathToken(kind: try next(), offset: start))
        }
    }

    private func peek(_ distance: Int = 0) -> UInt8 { at + distance < bytes.count ? bytes[at + distance] : 0 }

    private func failure(_ fault: FHIRPathSyntaxFault) -> FHIRPathFailure { .syntax(fault, offset: at) }

    private mutating func skipSpaceAndComments() throws(FHIRPathFailure) {
        while at < bytes.count {
            switch (peek(), peek(1)) {
            case (0x20, _), (0x09, _), (0x0A, _), (0x0D, _):
                at += 1
            case (0x2F, 0x2F):
                while at < bytes.count, peek() != 0x0A, peek() != 0x0D { at += 1 }
            case (0x2F, 0x2A):
                at += 2
                while peek() != 0x2A || peek(1) != 0x2F {
                    at += 1
                    guard at < bytes.count else { throw failure(.unterminated) }
                }
                at += 2
            default:
                return
            }
        }
    }

    private mutating func next() throws(FHIRPathFailure) -> FHIRPathToken.Kind {
        switch peek() {
        case 0x27:
            return .string(try quoted(0x27))
        case 0x60:
            return .delimitedName(try quoted(0x60))
        case 0x30...0x39:
            return number()
        case 0x40:
            return .temporal(try temporal())
        case 0x24:
            at += 1
            return .special(name())
        case 0x25:
            at += 1
            switch peek() {
            case 0x27: return .variable(try quoted(0x27))
            case 0x60: return .variable(try quoted(0x60))
            case let byte where isNameStart(byte): return .variable(name())
            default: throw failure(.badCharacter)
            }
        case let byte where isNameStart(byte):
            return .name(name())
        default:
            return .symbol(try symbol())
        }
    }

    private func isNameStart(_ byte: UInt8) -> Bool {
        (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x5F
    }

    private func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private mutating func name() -> String {
        let start = at
        while isNameStart(peek()) || isDigit(peek()) { at += 1 }
        return String(decoding: bytes[start..<at], as: UTF8.self)
    }

    private mutating func symbol() throws(FHIRPathFailure) -> String {
        let pair = [peek(), peek(1)]
        for known in ["<=", ">=", "!=", "!~"] where known.utf8.elementsEqual(pair) {
            at += 2
            return known
        }
        let single = peek()
        guard ".,()[]{}+-*/&|<>=~".utf8.contains(single) else { throw failure(.badCharacter) }
        at += 1
        return String(decoding: [single], as: UTF8.self)
    }

    private mutating func number() -> FHIRPathToken.Kind {
        let start = at
        while isDigit(peek()) { at += 1 }
        if peek() == 0x2E, isDigit(peek(1)) {
            at += 1
            while isDigit(peek()) { at += 1 }
            return .decimal(String(decoding: bytes[start..<at], as: UTF8.self))
        }
        let digits = String(decoding: bytes[start..<at], as: UTF8.self)
        if peek() == 0x4C, !isNameStart(peek(1)), !isDigit(peek(1)) { at += 1 }
        return .integer(digits)
    }

    private mutating func quoted(_ quote: UInt8) throws(FHIRPathFailure) -> String {
        at += 1
        var text: [UInt8] = []
        while true {
            guard at < bytes.count else { throw failure(.unterminated) }
            let byte = peek()
            if byte == quote {
                at += 1
                return String(decoding: text, as: UTF8.self)
            }
            if byte == 0x5C {
                try escape(into: &text)
            } else {
                text.append(byte)
                at += 1
            }
        }
    }

    private mutating func escape(into text: inout [UInt8]) throws(FHIRPathFailure) {
        let escape = peek(1)
        switch escape {
        case 0x22, 0x27, 0x2F, 0x5C, 0x60: text.append(escape)
        case 0x66: text.append(0x0C)
        case 0x6E: text.append(0x0A)
        case 0x72: text.append(0x0D)
        case 0x74: text.append(0x09)
        case 0x75:
            var unit: UInt32 = 0
            for distance in 2..<6 {
                guard let digit = hexDigit(peek(distance)) else { throw failure(.badEscape) }
                unit = unit << 4 | UInt32(digit)
            }
            guard let scalar = Unicode.Scalar(unit) else { throw failure(.badEscape) }
            text += Array(String(Character(scalar)).utf8)
            at += 4
        default: throw failure(.badEscape)
        }
        at += 2
    }

    /// `@2014-01-25T14:30:14.559+02:00` and its shorter forms, `@T14:30`.
    private mutating func temporal() throws(FHIRPathFailure) -> FHIRTemporal {
        let start = at
        at += 1
        var kind = FHIRTemporal.Kind.time
        if peek() == 0x54 {
            at += 1
            takeTime()
        } else {
            kind = .date
            while isDigit(peek()) { at += 1 }
            while peek() == 0x2D, isDigit(peek(1)) {
                at += 1
                while isDigit(peek()) { at += 1 }
            }
            if peek() == 0x54 {
                kind = .dateTime
                at += 1
                takeTime()
                takeZone()
            }
        }
        let text = bytes[(start + (kind == .time ? 2 : 1))..<at]
        guard let value = FHIRTemporal(kind, bytes: text) else { throw .syntax(.badDate, offset: start) }
        return value
    }

    private mutating func takeTime() {
        while isDigit(peek()) || (peek() == 0x3A && isDigit(peek(1))) { at += 1 }
        guard peek() == 0x2E, isDigit(peek(1)) else { return }
        at += 1
        while isDigit(peek()) { at += 1 }
    }

    private mutating func takeZone() {
        if peek() == 0x5A {
            at += 1
        } else if peek() == 0x2B || peek() == 0x2D, isDigit(peek(1)), isDigit(peek(2)), peek(3) == 0x3A {
            at += 4
            while isDigit(peek()) { at += 1 }
        }
    }
}

/// One token and where it starts.
struct FHIRPathToken {
    enum Kind: Hashable {
        case name(String), delimitedName(String), variable(String), special(String)
        case string(String), integer(String), decimal(String), temporal(FHIRTemporal)
        case symbol(String)
        case end
    }

    let kind: Kind
    let offset: Int
}
