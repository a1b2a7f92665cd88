extension ResourceWalker {
    /// A value of a primitive type: kind of JSON, format, and a required binding if there is one.
    mutating func primitive(_ node: Int, kind: PrimitiveKind, element: ElementRow) {
        let json = tape.kind(node)
        switch kind {
        case .boolean:
            if json != .true && json != .false { report(.wrongKind, at: node) }
        case .decimal:
            if json != .number { report(.wrongKind, at: node) }
        case .integer: integer(node, from: Int64(Int32.min), .malformedInteger)
        case .positiveInt: integer(node, from: 1, .malformedPositiveInt)
        case .unsignedInt: integer(node, from: 0, .malformedUnsignedInt)
        default:
            guard json == .string else { return report(.wrongKind, at: node) }
            if tape.range(node).isEmpty { return report(.emptyString, at: node) }
            if kind == .xhtml { return narrative(node) }
            let rule =
                tape.isEscaped(node)
                ? textOffence(tape.text(node).utf8Span.span, kind, element, isEscaped: true)
                : textOffence(tape.bytes.span.extracting(tape.range(node)), kind, element, isEscaped: false)
            if let rule { report(rule, at: node) }
            if kind == .uri || kind == .canonical || kind == .url { noteFragment(node) }
        }
    }

    private mutating func integer(_ node: Int, from lowest: Int64, _ rule: ValidationRule) {
        guard tape.kind(node) == .number else { return report(.wrongKind, at: node) }
        if !PrimitiveFormat.isInteger(
            tape.bytes.span.extracting(tape.range(node)), from: lowest, to: Int64(Int32.max))
        {
            report(rule, at: node)
        }
    }

    private mutating func narrative(_ node: Int) {
        let text = tape.isEscaped(node) ? Array(tape.text(node).utf8) : Array(tape.bytes[tape.range(node)])
        if let rule = NarrativeScanner.offence(in: text) { report(rule, at: node) }
    }

    private func textOffence(
        _ text: Span<UInt8>, _ kind: PrimitiveKind, _ element: ElementRow, isEscaped: Bool
    ) -> ValidationRule? {
        // The parser has refused control characters that are not escaped.
        if isEscaped, PrimitiveFormat.hasControlCharacter(text) { return .controlCharacter }
        if kind != .base64Binary, PrimitiveFormat.isTooLong(text) { return .tooLong }
        switch kind {
        case .base64Binary: return PrimitiveFormat.isBase64(text) ? nil : .malformedBase64Binary
        case .canonical, .uri, .url: return PrimitiveFormat.isURI(text) ? nil : .malformedURI
        case .code:
            guard PrimitiveFormat.isCode(text) else { return .malformedCode }
            guard let valueSet = element.valueSet else { return nil }
            let owner = CodeOwner.any(valueSet: valueSet)
            return definitions.codeTable.find(owner: owner, text) == nil ? .codeNotInValueSet : nil
        case .date:
            guard let date = CalendarFormat(text), date.precision != .time else { return .malformedDate }
            return nil
        case .dateTime: return CalendarFormat(text) == nil ? .malformedDateTime : nil
        case .id: return PrimitiveFormat.isID(text) ? nil : .malformedID
        case .instant: return CalendarFormat(text)?.precision == .time ? nil : .malformedInstant
        case .oid: return PrimitiveFormat.isOID(text) ? nil : .malformedOID
        case .string:
            if element.flags.contains(.plain), !PrimitiveFormat.isURI(text) { return .malformedElementID }
            return nil
        case .time: return CalendarFormat.isTime(text) ? nil : .malformedTime
        case .uuid: return PrimitiveFormat.isUUID(text) ? nil : .malformedUUID
        default: return nil
        }
    }
}
