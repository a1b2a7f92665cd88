/// Tokens and references (FHIR R4 search.html#token, search.html#reference).
extension ValueReader {
    func readCoding(_ coding: Int, conceptText: String?, into values: inout [SearchValue]) {
        let (system, code, display) = (string(coding, "system"), string(coding, "code"), string(coding, "display"))
        guard system != nil || code != nil || display != nil else { return }
        var texts: [String] = []
        if let display { texts.append(display) }
        if let conceptText, conceptText != display { texts.append(conceptText) }
        values.append(.token(system: system, code: code, texts: texts))
    }

    func readConcept(_ concept: Int, into values: inout [SearchValue]) {
        let text = string(concept, "text")
        let count = values.count
        if let codings = tape.member(concept, "coding") {
            tape.forEachElement(codings) { readCoding($0, conceptText: text, into: &values) }
        }
        if values.count == count, let text { values.append(.token(system: nil, code: nil, texts: [text])) }
    }

    func readIdentifier(_ identifier: Int, into values: inout [SearchValue]) {
        let (system, value) = (string(identifier, "system"), string(identifier, "value"))
        guard system != nil || value != nil else { return }
        var types: [TokenPair] = []
        if let codings = tape.member(identifier, "type").flatMap({ tape.member($0, "coding") }) {
            tape.forEachElement(codings) { coding in
                guard let code = string(coding, "code") else { return }
                types.append(TokenPair(system: string(coding, "system"), code: code))
            }
        }
        values.append(.identifier(system: system, value: value, types: types))
    }

    func readReference(_ reference: Int, into values: inout [SearchValue]) {
        if let literal = tape.member(reference, "reference") { readLiteral(literal, into: &values) }
        guard let identifier = tape.member(reference, "identifier") else { return }
        let (system, value) = (string(identifier, "system"), string(identifier, "value"))
        guard system != nil || value != nil else { return }
        let type = string(reference, "type")?.split(separator: "/").last.flatMap { ResourceType($0) }
        values.append(.logicalReference(type: type, system: system, value: value))
    }

    /// The text of a literal reference, or of a uri under a reference parameter.
    func readLiteral(_ literal: Int, into values: inout [SearchValue]) {
        guard tape.kind(literal) == .string else { return }
        let text = tape.isEscaped(literal) ? Array(tape.text(literal).utf8)[...] : tape.slice(tape.range(literal))
        switch LiteralReference(text, ownBase: ownBase) {
        case .local(let type, let id, let version): values.append(.reference(type: type, id: id, version: version))
        case .contained: return
        case .external: values.append(.externalReference(String(decoding: text, as: UTF8.self)))
        }
    }

    /// A canonical under a reference parameter is found by its text, by its URL without version, and if it is one of
    /// ours, by type and id.
    func readCanonical(_ canonical: Int, isReference: Bool, into values: inout [SearchValue]) {
        guard tape.kind(canonical) == .string else { return }
        let text = tape.text(canonical)
        if text.utf8.first == 0x23 { return }
        let bar = text.utf8.firstIndex(of: 0x7C)
        let url = String(bar.map { text[..<$0] } ?? text[...])
        if isReference {
            if case .local(let type, let id, let version) = LiteralReference(url, ownBase: ownBase.map(Self.text)) {
                values.append(.reference(type: type, id: id, version: version))
            }
            values.append(.externalReference(text))
        }
        values.append(.canonical(url: url, version: bar.map { String(text[text.utf8.index(after: $0)...]) }))
    }

    /// `Bundle.entry[0].resource`: the resource that lies there.
    func readResource(_ resource: Int, into values: inout [SearchValue]) {
        guard let type = string(resource, "resourceType").flatMap({ ResourceType($0) }), let id = string(resource, "id")
        else { return }
        values.append(.reference(type: type, id: id, version: nil))
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
