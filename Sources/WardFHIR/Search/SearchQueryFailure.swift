/// Why a search request cannot be answered. Names parameters, never their values.
public enum SearchQueryFailure: Error, Hashable, Sendable {
    /// Parameters that the type does not have, all of them (`Prefer: handling=strict`).
    case unknownParameters([String])
    /// Something of FHIR search that this server does not offer.
    case unsupported(parameter: String, SearchFeature)
    /// The value is not what the parameter takes.
    case malformed(parameter: String, SearchValueForm)
    /// A control parameter that may be given once only.
    case repeated(parameter: String)
    /// More parameters, or more alternatives in one value, than ``SearchQuery/limit``.
    case tooMany(parameter: String)
    /// More steps in a chain than ``SearchTie/depthLimit``.
    case tooDeep(parameter: String)
    /// The untyped steps of a chain lead to more types than ``SearchTie/planLimit``.
    case tooManyTypes(parameter: String)
}

extension SearchQueryFailure {
    /// Whether it is about how much is asked.
    var isLimit: Bool {
        switch self {
        case .tooMany, .tooDeep, .tooManyTypes: true
        case .unknownParameters, .unsupported, .malformed, .repeated: false
        }
    }
}

/// Parts of FHIR search that are refused by name.
public enum SearchFeature: String, Hashable, Sendable {
    /// A chain or `_has` where it is not followed: by something that is no reference, in a condition.
    case chaining
    case reverseChaining
    /// A modifier that the parameter's type has no meaning for, or that is not offered.
    case modifier
    /// `:iterate`.
    case iteration
    /// `_include=*`.
    case wildcardInclude
    /// A parameter of the specification that is not offered: `_text`, `_content`, `_list`, `_filter`, `_query`...
    case parameter
    /// Sorting by something other than `_lastUpdated` or a date.
    case sortKey
}

/// What a value was expected to be.
public enum SearchValueForm: String, Hashable, Sendable {
    case boolean, composite, count, date, id, include, nonEmpty, number, quantity, reference, sortKey, token, total,
        type,
        uri
}
