/// Sorts the parameters of a request into control parameters and criteria.
struct SearchQueryParser {
    private let type: ResourceType?
    private let handling: SearchHandling
    private let context: SearchContext
    private let compartment: SearchCompartment?
    private var types: [ResourceType] = []
    private var criteria: [[SearchCriterion]] = []
    private var controls = SearchControls()
    private var unknown: [String] = []
    private var applied: [SearchPair] = []
    /// Steps of chains that were tried.
    private var visited = 0

    init(
        type: ResourceType?, handling: SearchHandling, context: SearchContext, compartment: SearchCompartment? = nil
    ) {
        self.compartment = compartment
        self.type = type
        self.handling = handling
        self.context = context
    }

    mutating func parse(_ parameters: [SearchPair]) throws(SearchQueryFailure) -> SearchQuery {
        guard parameters.count <= SearchQuery.limit else { throw .tooMany(parameter: "") }
        types = try searchedTypes(parameters)
        criteria = types.map { type in compartment.map { [$0.criterion(for: type)] } ?? [] }
        for parameter in parameters where try take(parameter) { applied.append(parameter) }
        if handling == .strict, !unknown.isEmpty { throw .unknownParameters(unknown) }
        let plans = zip(types, criteria).map { type, criteria in
            SearchPlan(
                type: type, criterion: criteria.count == 1 ? criteria[0] : criteria.isEmpty ? .always : .all(criteria),
                sortParameters: controls.sort.map { key in
                    key.code == "_lastUpdated" || key.code == "_id"
                        ? nil : Definitions.r4.searchParameter(key.code, of: type)?.number
                })
        }
        return SearchQuery(
            plans: plans, count: controls.count, sort: controls.sort, includes: controls.includes,
            reverseIncludes: controls.reverseIncludes, total: controls.total, ignoredParameters: unknown,
            appliedParameters: applied, compartment: compartment)
    }

    private func searchedTypes(_ parameters: [SearchPair]) throws(SearchQueryFailure) -> [ResourceType] {
        let lists = parameters.filter { $0.name == "_type" }
        if let type { return lists.isEmpty ? [type] : try failUnsupported("_type") }
        guard lists.count < 2 else { throw .repeated(parameter: "_type") }
        guard let list = lists.first else {
            return ResourceType.allCases.filter { compartment?.holds($0) ?? true }
        }
        var result: Set<ResourceType> = []
        for name in list.value.split(separator: ",", omittingEmptySubsequences: false) {
            guard let type = ResourceType(name) else { throw .malformed(parameter: "_type", .type) }
            guard compartment?.holds(type) ?? true else { throw .malformed(parameter: "_type", .type) }
            result.insert(type)
        }
        return result.sorted()
    }

    private func failUnsupported<Result>(_ name: String) throws(SearchQueryFailure) -> Result {
        throw .unsupported(parameter: name, .parameter)
    }

    /// Whether the parameter counts among the applied ones.
    private mutating func take(_ pair: SearchPair) throws(SearchQueryFailure) -> Bool {
        let (code, modifier) = split(pair.name)
        switch code {
        case "_format", "_pretty": return false
        case "_type": return true
        case "_summary", "_elements", "_text", "_content", "_filter", "_query", "_containedType":
            throw .unsupported(parameter: code, .parameter)
        // Contained resources are not found by themselves, which is what false asks for (search.html#contained).
        case "_contained":
            guard pair.name == code, pair.value == "false" else { throw .unsupported(parameter: code, .parameter) }
            return true
        case "_list":
            guard pair.name == code else { throw .unsupported(parameter: pair.name, .modifier) }
            let listed = try SearchTieReader.listed(in: pair.value)
            for position in criteria.indices { criteria[position].append(listed) }
            return true
        case "_count", "_sort", "_include", "_revinclude", "_total":
            try controls.take(code, modifier, pair.value, types: types)
            return true
        default: break
        }
        var found: [SearchCriterion] = []
        for type in types {
            var reader = SearchTieReader(name: pair.name, context: context, visited: visited)
            let criterion = try reader.criterion(pair.name[...], of: type, value: pair.value)
            visited += reader.visitCount
            guard let criterion else { break }
            found.append(criterion)
        }
        guard found.count == types.count, !types.isEmpty else {
            unknown.append(pair.name)
            return false
        }
        for (position, criterion) in found.enumerated() { criteria[position].append(criterion) }
        return true
    }

    private func split(_ name: String) -> (code: String, modifier: String?) {
        guard let colon = name.firstIndex(of: ":") else { return (name, nil) }
        return (String(name[..<colon]), String(name[name.index(after: colon)...]))
    }
}

/// Parameters that say how to answer, not what to find.
struct SearchControls {
    private(set) var count: Int?
    private(set) var sort: [SearchSortKey] = []
    private(set) var includes: [SearchInclude] = []
    private(set) var reverseIncludes: [SearchInclude] = []
    private(set) var total: SearchTotal?
    private var knownIncludes: Set<SearchInclude> = []
    private var knownReverseIncludes: Set<SearchInclude> = []

    /// Ways of a request to included records, wildcards written out.
    private static let includeLimit = 2_000

    mutating func take(
        _ code: String, _ modifier: String?, _ value: String, types: [ResourceType]
    ) throws(SearchQueryFailure) {
        // Earlier versions of FHIR called it recurse.
        let isInclude = code == "_include" || code == "_revinclude"
        let isIterated = isInclude && (modifier == "iterate" || modifier == "recurse")
        guard modifier == nil || isIterated else { throw .unsupported(parameter: code, .modifier) }
        switch code {
        case "_count":
            guard count == nil else { throw .repeated(parameter: code) }
            guard value.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let number = Int(value) else {
                throw .malformed(parameter: code, .count)
            }
            count = number
        case "_total":
            guard total == nil else { throw .repeated(parameter: code) }
            guard let wanted = SearchTotal(rawValue: value) else { throw .malformed(parameter: code, .total) }
            total = wanted
        case "_sort":
            guard sort.isEmpty else { throw .repeated(parameter: code) }
            sort = try sortKeys(value, types)
        default:
            let reader = SearchIncludeReader(name: code, isIterated: isIterated, types: types)
            // Each once: repeating one asks for nothing more.
            if code == "_include" {
                includes += try reader.forward(value).filter { knownIncludes.insert($0).inserted }
            } else {
                reverseIncludes += try reader.reverse(value).filter { knownReverseIncludes.insert($0).inserted }
            }
            guard knownIncludes.count + knownReverseIncludes.count <= Self.includeLimit else {
                throw .tooMany(parameter: code)
            }
        }
    }

    private func sortKeys(_ value: String, _ types: [ResourceType]) throws(SearchQueryFailure) -> [SearchSortKey] {
        var keys: [SearchSortKey] = []
        for item in value.split(separator: ",", omittingEmptySubsequences: false) {
            let isDescending = item.hasPrefix("-")
            let code = String(isDescending ? item.dropFirst() : item)
            guard !code.isEmpty, keys.count < 10 else { throw .malformed(parameter: "_sort", .sortKey) }
            if code != "_lastUpdated" {
                for type in types {
                    guard let parameter = Definitions.r4.searchParameter(code, of: type) else {
                        throw .malformed(parameter: "_sort", .sortKey)
                    }
                    guard parameter.type != .composite, parameter.type != .special else {
                        throw .unsupported(parameter: "_sort", .sortKey)
                    }
                }
            }
            keys.append(SearchSortKey(code: code, isDescending: isDescending))
        }
        return keys
    }
}
