/// One search parameter of one resource type, from the official definitions.
public struct SearchParameter: Sendable {
    /// Position in ``Definitions/searchParameters``; what index cards store.
    public let number: UInt16
    /// The type it is asked of: `Patient` for `Patient?name=`.
    public let base: ResourceType
    /// The name in queries: `birthdate`, `_lastUpdated`.
    public let code: String
    public let type: SearchParameterType
    /// FHIRPath, already cut down to this base type.
    public let expression: String
    /// Allowed targets of a reference parameter.
    public let targets: [ResourceType]
    /// Components of a composite: number of the component parameter, and its FHIRPath relative to the composite's own.
    public let components: [SearchComponent]
    /// Boolean, or a `code` with a required binding of few values: never a token on disk (docs/leakage.md).
    public let isLowCardinality: Bool
    /// Value set of the required binding, where all values are elements of type `code` under the same one.
    let valueSet: Int?

    init(
        number: UInt16, base: ResourceType, code: String, type: SearchParameterType, expression: String,
        targets: [ResourceType], components: [SearchComponent], isLowCardinality: Bool, valueSet: Int?
    ) {
        self.number = number
        self.base = base
        self.code = code
        self.type = type
        self.expression = expression
        self.targets = targets
        self.components = components
        self.isLowCardinality = isLowCardinality
        self.valueSet = valueSet
    }
}

/// FHIR R4 `SearchParameter.type`.
public enum SearchParameterType: String, Sendable {
    case composite, date, number, quantity, reference, special, string, token, uri
}

/// One part of a composite search parameter.
public struct SearchComponent: Sendable {
    /// ``SearchParameter/number`` of the parameter of the same base that defines type and meaning.
    public let parameter: UInt16
    /// FHIRPath, evaluated on each element that the composite's expression yields.
    public let expression: String

    public init(parameter: UInt16, expression: String) {
        self.parameter = parameter
        self.expression = expression
    }
}
