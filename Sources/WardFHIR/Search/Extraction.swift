/// How the values of one search parameter are read from elements of one type (FHIR R4 search.html#table).
enum Extraction: Hashable, Sendable {
    case tokenCoding, tokenConcept, tokenIdentifier, tokenContact, tokenPrimitive
    case reference, referenceCanonical, referenceURI, referenceResource
    case string, stringName, stringAddress
    case date, datePeriod, dateTiming
    case number
    case quantity, quantityMoney, quantityRange, quantitySampled
    case uri, canonical
    /// There is a value that ``SearchValue`` has no form for.
    case undecidable

    /// Nil where the parameter's type has no meaning for such elements, so that they are no values.
    init?(_ parameter: SearchParameterType, _ type: TypeID) {
        let r4 = Definitions.r4
        let name = r4.typeName(type)
        let found: Extraction? =
            switch parameter {
            case .token: Self.token(name, r4.isPrimitive(type))
            case .reference: Self.reference(name, isResource: r4.isResource(type))
            case .string: Self.string(name, r4.primitiveKind(of: type))
            case .date: Self.date(name)
            case .number:
                ["decimal", "integer", "positiveInt", "unsignedInt"].contains(name)
                    ? .number : name == "Range" || name == "Quantity" ? .undecidable : nil
            case .quantity: Self.quantity(name)
            case .uri: ["uri", "url", "oid", "uuid"].contains(name) ? .uri : name == "canonical" ? .canonical : nil
            case .composite, .special: nil
            }
        guard let found else { return nil }
        self = found
    }

    private static func token(_ name: String, _ isPrimitive: Bool) -> Extraction? {
        switch name {
        case "Coding": .tokenCoding
        case "CodeableConcept": .tokenConcept
        case "Identifier": .tokenIdentifier
        case "ContactPoint": .tokenContact
        default: isPrimitive ? .tokenPrimitive : nil
        }
    }

    private static func reference(_ name: String, isResource: Bool) -> Extraction? {
        switch name {
        case "Reference": .reference
        case "canonical": .referenceCanonical
        case "uri", "url", "oid", "uuid": .referenceURI
        default: isResource ? .referenceResource : nil
        }
    }

    private static func string(_ name: String, _ primitive: PrimitiveKind?) -> Extraction? {
        switch (name, primitive) {
        case ("HumanName", _): .stringName
        case ("Address", _): .stringAddress
        case (_, .string?), (_, .markdown?), (_, .code?), (_, .id?): .string
        default: nil
        }
    }

    private static func date(_ name: String) -> Extraction? {
        switch name {
        case "date", "dateTime", "instant": .date
        case "Period": .datePeriod
        case "Timing": .dateTiming
        default: nil
        }
    }

    private static func quantity(_ name: String) -> Extraction? {
        switch name {
        case "Quantity", "SimpleQuantity", "Age", "Duration", "Count", "Distance": .quantity
        case "Money": .quantityMoney
        case "MoneyQuantity": .quantity
        case "Range": .quantityRange
        case "SampledData": .quantitySampled
        default: nil
        }
    }
}
