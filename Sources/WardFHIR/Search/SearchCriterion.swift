/// What a record must satisfy: the normalized form of a search, and of a policy's residual filter.
public indirect enum SearchCriterion: Hashable, Sendable {
    case always, never
    case all([SearchCriterion])
    case any([SearchCriterion])
    case not(SearchCriterion)
    /// The record is of one of these types.
    case types(Set<ResourceType>)
    /// `_id`.
    case id(String)
    /// `_lastUpdated`.
    case lastUpdated(DateTest)
    /// No value under the parameter with that number.
    case missing(parameter: UInt16)
    /// At least one value under the parameter with that number passes.
    case matches(parameter: UInt16, ValueTest)
    /// The parameter refers to a record of those (`subject.name`). To be resolved into ``linked(parameter:_:)``.
    case chain(parameter: UInt16, SearchTie)
    /// A record of those refers to this one by its parameter (`_has`). To be resolved into ``among(_:)``.
    case reverseChain(parameter: UInt16, SearchTie)
    /// A value is one of codes that ValueSets or CodeSystems of this store tell. To be resolved into a test on them.
    case codes(parameter: UInt16, CodeQuestion, name: String)
    /// The parameter refers to one of these records.
    case linked(parameter: UInt16, RecordSet)
    /// The record is one of these.
    case among(RecordSet)
}

/// What one value must satisfy. Texts are unescaped, not folded.
public indirect enum ValueTest: Hashable, Sendable {
    case token(TokenTest)
    /// `:of-type`, on identifiers.
    case typedIdentifier(typeSystem: String, typeCode: String, value: String)
    /// One of these codes.
    case codes(CodeSet)
    /// `:text`: display or concept text starts with it.
    case text(String)
    /// A resource here; any of the types. With a version, only references to that version.
    case reference(types: [ResourceType], id: String, version: String?)
    /// A URL that is not ours, a urn, or a canonical (also as `url|version`).
    case externalReference(String)
    /// `:identifier`.
    case logicalReference(TokenTest)
    case string(StringTest, String)
    case date(DateTest)
    case number(NumberTest)
    case quantity(NumberTest, UnitTest)
    case uri(UriTest, String)
    /// One test for each component, all on the same tuple.
    case composite([ValueTest])
}

/// The forms of a token literal (FHIR R4 search.html#token).
public enum TokenTest: Hashable, Sendable {
    /// `code`: any system or none.
    case code(String)
    /// `|code`: no system.
    case codeWithoutSystem(String)
    /// `system|`.
    case system(String)
    /// `system|code`.
    case coded(system: String, code: String)
}

/// How strings are compared.
public enum StringTest: Hashable, Sendable {
    case startsWith, contains, exact
}

/// How uris are compared; below and above go by whole path segments.
public enum UriTest: Hashable, Sendable {
    case exact, below, above
}

/// Unit part of a quantity literal.
public enum UnitTest: Hashable, Sendable {
    case any
    /// `number||code`: equals the code or the unit as displayed.
    case codeOrUnit(String)
    case coded(system: String, code: String)
    case system(String)

    /// The unit, if it is one that converts.
    public var unit: UnitTable.Unit? {
        guard case .coded(let system, let code) = self else { return nil }
        return UnitTable.unit(system: system, code: code)
    }

    /// Whether a quantity with this unit passes.
    public func matches(system: String?, code: String?, unit: String?) -> Bool {
        switch self {
        case .any: true
        case .codeOrUnit(let wanted): code == wanted || unit == wanted
        case .coded(let wantedSystem, let wantedCode): system == wantedSystem && code == wantedCode
        case .system(let wanted): system == wanted
        }
    }
}

/// Comparison prefixes (FHIR R4 search.html#prefix).
public enum SearchPrefix: String, CaseIterable, Sendable {
    case eq, ne, gt, lt, ge, le, sa, eb, ap
}
