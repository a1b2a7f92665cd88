public import WardCore

/// A search request, understood (FHIR R4 search.html). Made by ``parse(type:parameters:handling:context:)``.
public struct SearchQuery: Sendable {
    /// What to look for, once for each type searched; sorted by type.
    public let plans: [SearchPlan]
    /// Page size, if asked for; 0 asks for the count only.
    public let count: Int?
    /// Empty: newest first.
    public let sort: [SearchSortKey]
    public let includes: [SearchInclude]
    public let reverseIncludes: [SearchInclude]
    public let total: SearchTotal?
    /// Names of parameters that were ignored (`Prefer: handling=lenient`).
    public let ignoredParameters: [String]
    /// What was applied, in order, for the self link. Values as given: they are PHI.
    public let appliedParameters: [SearchPair]
    /// What the records must belong to; ``plans`` say it as well, first of all.
    public internal(set) var compartment: SearchCompartment?

    /// Most parameters of a request, and most alternatives of one value.
    public static let limit = 1000
}

/// The part of a query that concerns one type.
public struct SearchPlan: Hashable, Sendable {
    public let type: ResourceType
    public let criterion: SearchCriterion
    /// Parallel to ``SearchQuery/sort``: number of the parameter in this type; nil for `_lastUpdated`.
    public let sortParameters: [UInt16?]

    public init(type: ResourceType, criterion: SearchCriterion, sortParameters: [UInt16?]) {
        self.type = type
        self.criterion = criterion
        self.sortParameters = sortParameters
    }
}

/// One parameter of a request, URL-decoded.
public struct SearchPair: Hashable, Sendable {
    public let name: String
    public let value: String

    public init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// One key of `_sort`.
public struct SearchSortKey: Hashable, Sendable {
    /// `_lastUpdated` or a parameter that every type of the query has.
    public let code: String
    public let isDescending: Bool

    public init(code: String, isDescending: Bool) {
        self.code = code
        self.isDescending = isDescending
    }
}

/// `_include` or `_revinclude`: `Source:parameter[:Target]`.
public struct SearchInclude: Hashable, Sendable {
    public let source: ResourceType
    /// ``SearchParameter/number`` of a reference parameter of ``source``.
    public let parameter: UInt16
    public let target: ResourceType?
    /// `:iterate`: followed from included records as well.
    public let isIterated: Bool
    /// Whether source and parameter are named, and not meant by a wildcard.
    public let isNamed: Bool

    public init(
        source: ResourceType, parameter: UInt16, target: ResourceType?, isIterated: Bool = false, isNamed: Bool = true
    ) {
        self.source = source
        self.parameter = parameter
        self.target = target
        self.isIterated = isIterated
        self.isNamed = isNamed
    }
}

/// `_total`.
public enum SearchTotal: String, Sendable {
    case none, estimate, accurate
}

/// `Prefer: handling` (FHIR R4 search.html#errors).
public enum SearchHandling: String, Sendable {
    case strict, lenient
}

/// What a request's meaning depends on besides its parameters.
public struct SearchContext: Sendable {
    /// The server's own base, without a slash at the end.
    public let baseURL: String
    /// The one clock reading of the request.
    public let now: Instant
    /// The clinic's zone, for dates without one.
    public let zoneOffsetMinutes: Int

    public init(baseURL: String, now: Instant, zoneOffsetMinutes: Int) {
        self.baseURL = baseURL.hasSuffix("/") ? String(baseURL.dropLast()) : baseURL
        self.now = now
        self.zoneOffsetMinutes = zoneOffsetMinutes
    }
}

extension SearchQuery {
    /// Understands URL-decoded parameters.
    ///
    /// - Parameters:
    ///   - type: nil searches all types, or those of `_type`.
    ///   - compartment: what the records must belong to.
    public static func parse(
        type: ResourceType?, parameters: [SearchPair], handling: SearchHandling, context: SearchContext,
        compartment: SearchCompartment? = nil
    ) throws(SearchQueryFailure) -> SearchQuery {
        var parser = SearchQueryParser(type: type, handling: handling, context: context, compartment: compartment)
        return try parser.parse(parameters)
    }

    /// The plan for a type; nil if the query does not concern it.
    public func plan(for type: ResourceType) -> SearchPlan? { plans.first { $0.type == type } }
}
