/// One value that a resource has under one search parameter, as the index needs it (FHIR R4 search.html).
public struct IndexedValue: Hashable, Sendable {
    /// ``SearchParameter/number``.
    public let parameter: UInt16
    public let value: SearchValue

    public init(parameter: UInt16, value: SearchValue) {
        self.parameter = parameter
        self.value = value
    }
}

/// What search compares. Produced by ``SearchExtractor``; texts are as written in the resource (no folding yet).
public enum SearchValue: Hashable, Sendable {
    /// `code`, `boolean`, Coding, or one coding of a CodeableConcept. `texts` are display and concept text, for `:text`.
    /// Within a CodeableConcept without codings, `code` and `system` are nil and only the text is there.
    case token(system: String?, code: String?, texts: [String])
    /// An Identifier; `types` are the codings of `Identifier.type`, for `:of-type`.
    case identifier(system: String?, value: String?, types: [TokenPair])
    /// ContactPoint.value under a token parameter.
    case contact(value: String)
    /// A literal reference to a resource type and id (relative, or absolute below the server's own base).
    case reference(type: ResourceType, id: String, version: String?)
    /// A literal reference elsewhere: another server's URL, a urn, a canonical under a reference parameter.
    case externalReference(String)
    /// Reference.identifier (logical reference).
    case logicalReference(type: ResourceType?, system: String?, value: String?)
    /// uri, url, oid, uuid.
    case uri(String)
    /// canonical, with `|version` split off.
    case canonical(url: String, version: String?)
    case string(String)
    /// Closed interval in microseconds since 1970 UTC; a missing end is `Int64.min` or `Int64.max`.
    case date(low: Int64, high: Int64)
    /// Decimal text exactly as written.
    case number(String)
    /// Closed interval; nil is open. Quantity, Money, Age, Duration, Count, Distance have low = high.
    case quantity(low: String?, high: String?, system: String?, code: String?, unit: String?)
    /// One tuple of a composite parameter, in the order of its components; each component may hold several forms.
    case composite([[SearchValue]])
    /// A value is there but could not be read as the parameter's type: the record is always a candidate.
    case undecidable
}

/// `system|code`.
public struct TokenPair: Hashable, Sendable {
    public let system: String?
    public let code: String

    public init(system: String?, code: String) {
        self.system = system
        self.code = code
    }
}
