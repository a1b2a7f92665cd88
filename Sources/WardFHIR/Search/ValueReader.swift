/// Reads search values from elements (FHIR R4 search.html#ptypes).
struct ValueReader {
    let tape: JSONTape
    /// Index of the resource that the elements belong to.
    let resource: Int
    let ownBase: [UInt8]?
    let zoneOffsetMinutes: Int

    func read(_ extraction: Extraction, _ value: Int, into values: inout [SearchValue]) {
        switch extraction {
        case .tokenCoding: readCoding(value, conceptText: nil, into: &values)
        case .tokenConcept: readConcept(value, into: &values)
        case .tokenIdentifier: readIdentifier(value, into: &values)
        case .tokenContact: if let text = string(value, "value") { values.append(.contact(value: text)) }
        case .tokenPrimitive:
            withPrimitive(value, into: &values) { .token(system: nil, code: $0, texts: []) }
        case .reference: readReference(value, into: &values)
        case .referenceCanonical: readCanonical(value, isReference: true, into: &values)
        case .referenceURI: readLiteral(value, into: &values)
        case .referenceResource: readResource(value, into: &values)
        case .string: withPrimitive(value, into: &values) { .string($0) }
        case .stringName: readParts(value, Self.nameParts, into: &values)
        case .stringAddress: readParts(value, Self.addressParts, into: &values)
        case .date: values.append(interval(value).map { .date(low: $0.low, high: $0.high) } ?? .undecidable)
        case .datePeriod: readPeriod(value, into: &values)
        case .dateTiming: readTiming(value, into: &values)
        case .number: values.append(number(value).map { .number($0) } ?? .undecidable)
        case .quantity: readQuantity(value, into: &values)
        case .quantityMoney: readMoney(value, into: &values)
        case .quantityRange: readRange(value, into: &values)
        case .quantitySampled: readSampled(value, into: &values)
        case .uri: withPrimitive(value, into: &values) { .uri($0) }
        case .canonical: readCanonical(value, isReference: false, into: &values)
        case .undecidable: values.append(.undecidable)
        }
    }

    /// As above for what an expression yielded.
    func read(_ item: FHIRPathItem, _ type: SearchParameterType, into values: inout [SearchValue]) {
        switch (item, type) {
        case (.node(let node), _):
            guard let value = node.value, let elementType = node.type,
                let extraction = Extraction(type, elementType)
            else { return }
            read(extraction, value, into: &values)
        case (_, .token): if let text = item.text { values.append(.token(system: nil, code: text, texts: [])) }
        case (_, .string): if let text = item.text { values.append(.string(text)) }
        default: values.append(.undecidable)
        }
    }

    func holds(_ condition: ExtractionProgram.Condition, _ value: Int) -> Bool {
        switch condition {
        case .member(let key, let wanted):
            guard let member = tape.member(value, named: key) else { return false }
            return tape.kind(member) == .string && tape.text(member) == wanted
        case .resolves(let wanted):
            guard tape.kind(value) == .object else { return false }
            switch ReferenceTarget(reference: value, in: tape, containers: [resource]) {
            case .elsewhere(let type): return Definitions.r4.type(type, isKindOf: wanted)
            case .contained(let index):
                guard let type = FHIRPathEvaluator.resourceType(tape, index) else { return false }
                return Definitions.r4.type(type, isKindOf: wanted)
            case .unknown: return false
            }
        }
    }

    /// Text of the string member `name`.
    func string(_ object: Int, _ name: StaticString) -> String? {
        guard let member = tape.member(object, name), tape.kind(member) == .string else { return nil }
        return tape.text(member)
    }

    /// Text of a number, to the character.
    func number(_ value: Int) -> String? { tape.kind(value) == .number ? tape.text(value) : nil }

    func interval(_ value: Int) -> (low: Int64, high: Int64)? {
        guard tape.kind(value) == .string else { return nil }
        return FHIRDate.interval(bytes: tape.slice(tape.range(value)), zoneOffsetMinutes: zoneOffsetMinutes)
    }

    private func withPrimitive(_ value: Int, into values: inout [SearchValue], _ make: (String) -> SearchValue) {
        switch tape.kind(value) {
        case .object, .array: values.append(.undecidable)
        case .null: return
        default: values.append(make(tape.text(value)))
        }
    }

    /// The named string members, elements of arrays one by one.
    private func readParts(_ object: Int, _ names: [StaticString], into values: inout [SearchValue]) {
        tape.forEachMember(object) { key, value in
            guard names.contains(where: { tape.equals(key, $0) }) else { return }
            if tape.kind(value) == .string { values.append(.string(tape.text(value))) }
            tape.forEachElement(value) { element in
                if tape.kind(element) == .string { values.append(.string(tape.text(element))) }
            }
        }
    }

    private static let nameParts: [StaticString] = ["family", "given", "prefix", "suffix", "text"]
    private static let addressParts: [StaticString] = [
        "line", "city", "district", "state", "postalCode", "country", "text",
    ]
}
