public import WardCore

/// Other records that one must be tied to: the far end of a chain or of `_has` (FHIR R4 search.html#chaining, #has).
public struct SearchTie: Hashable, Sendable {
    /// What the records there must satisfy, once for each type.
    public let plans: [SearchPlan]
    /// Whether the request names the type there, so that policy decides on it by name.
    public let isNamed: Bool
    /// The parameter as given; what failures name.
    public let name: String

    public init(plans: [SearchPlan], isNamed: Bool, name: String) {
        self.plans = plans
        self.isNamed = isNamed
        self.name = name
    }

    /// Most ties from the record that is asked for to the last one of a chain.
    public static let depthLimit = 8
    /// Most types that the untyped steps of one parameter may lead to, counted over all of its steps.
    public static let planLimit = 500
    /// The same with types that do not have what is asked.
    static let visitLimit = 2_000
    static let visitLimitOfRequest = 20_000
}

/// Records by where they lie: what a tie came down to.
public struct RecordSet: Hashable, Sendable {
    public let locators: Set<Locator>

    public init(_ locators: Set<Locator>) {
        self.locators = locators
    }
}

extension SearchCriterion {
    /// Whether something in it must be looked up in other records before it can be decided.
    public var isTied: Bool {
        switch self {
        case .chain, .reverseChain, .codes: true
        case .all(let parts), .any(let parts): parts.contains(where: \.isTied)
        case .not(let part): part.isTied
        case .always, .never, .types, .id, .lastUpdated, .missing, .matches, .linked, .among: false
        }
    }

    /// The ties in it, and those within them.
    public var ties: [SearchTie] {
        switch self {
        case .chain(_, let tie), .reverseChain(_, let tie): [tie] + tie.plans.flatMap(\.criterion.ties)
        case .all(let parts), .any(let parts): parts.flatMap(\.ties)
        case .not(let part): part.ties
        case .always, .never, .types, .id, .lastUpdated, .missing, .matches, .linked, .among, .codes: []
        }
    }

    /// A parameter as given that makes it tied; nil if nothing does.
    public var tiedName: String? {
        switch self {
        case .chain(_, let tie), .reverseChain(_, let tie): tie.name
        case .codes(_, _, let name): name
        case .all(let parts), .any(let parts): parts.lazy.compactMap(\.tiedName).first
        case .not(let part): part.tiedName
        case .always, .never, .types, .id, .lastUpdated, .missing, .matches, .linked, .among: nil
        }
    }

    /// How many records and codes its sets name.
    public var setSize: Int {
        switch self {
        case .linked(_, let set), .among(let set): set.locators.count
        case .matches(_, .codes(let set)): set.pairs.count
        case .all(let parts), .any(let parts): parts.reduce(0) { $0 + $1.setSize }
        case .not(let part): part.setSize
        default: 0
        }
    }
}

extension SearchQuery {
    /// Whether other records must be looked up first.
    public var isTied: Bool { plans.contains { $0.criterion.isTied } }

    /// A parameter as given that needs other records; nil if none does.
    public var tiedName: String? { plans.lazy.compactMap(\.criterion.tiedName).first }

    /// Types that the request names for other records than its matches: policy decides on each by name.
    public var namedTypes: [ResourceType] {
        let tied = plans.flatMap(\.criterion.ties).filter(\.isNamed).flatMap(\.plans).map(\.type)
        return Set(tied + includes.compactMap(\.target) + reverseIncludes.filter(\.isNamed).map(\.source)).sorted()
    }

    /// The same request with other criteria.
    public func with(plans: [SearchPlan]) -> SearchQuery {
        SearchQuery(
            plans: plans, count: count, sort: sort, includes: includes, reverseIncludes: reverseIncludes, total: total,
            ignoredParameters: ignoredParameters, appliedParameters: appliedParameters, compartment: compartment)
    }

    /// Records of one type, for the far end of a tie.
    public static func tied(_ plan: SearchPlan) -> SearchQuery {
        SearchQuery(
            plans: [plan], count: nil, sort: [], includes: [], reverseIncludes: [], total: nil, ignoredParameters: [],
            appliedParameters: [])
    }
}
