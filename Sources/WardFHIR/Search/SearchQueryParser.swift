/// Sorts the parameters of a request into control parameters and criteria.
struct SearchQueryParser {
    private let type: ResourceType?
    private let handling: SearchHandling
    private let context: SearchContext
    private var types: [ResourceType] = []
    private var criteria: [[SearchCriterion]] = []
    private var controls = SearchControls()
    private var unknown: [String] = []
    private var applied: [SearchPair] = []

    init(type: ResourceType?, handling: SearchHandling, context: SearchContext) {
        self.type = type
        self.handling = handling
        self.context = context
    }

    mutating func parse(_ parameters: [SearchPair]) throws(SearchQueryFailure) -> SearchQuery {
        guard parameters.count <= SearchQuery.limit else { throw .tooMany(parameter: "") }
        types = try searchedTypes(parameters)
        criteria = Array(repeating: [], count: types.count)
        for parameter in parameters where try take(parameter) { applied.append(parameter) }
        if handling == .strict, !unknown.isEmpty { throw .unknownParameters(unknown) }
        let plans = zip(types, criteria).map { type, criteria in
            SearchPlan(
                type: type, criterion: criteria.count == 1 ? criteria[0] : criteria.isEmpty ? .always : .all(criteria),
                sortParameters: controls.sort.map { Definitions.r4.searchParameter($0.code, of: type) }
                    .map { $0?.type == .date && $0?.code != "_lastUpdated" ? $0?.number : nil })
        }
        return SearchQuery(
            plans: plans, count: controls.count, sort: controls.sort, includes: controls.includes,
            reverseIncludes: controls.reverseIncludes, total: controls.total, ignoredParameters: unknown,
            appliedParameters: applied)
    }

    private func searchedTypes(_ parameters: [SearchPair]) throws(SearchQueryFailure) -> [ResourceType] {
        let lists = parameters.filter { $0.name == "_type" }
        if let type { return lists.isEmpty ? [type] : try failUnsupported("_type") }
        guard lists.count < 2 else { throw .repeated(parameter: "_type") }
        guard let list = lists.first else { return ResourceType.allCases }
        var result: Set<ResourceType> = []
        for name in list.value.split(separator: ",", omittingEmptySubsequences: false) {
            guard let type = ResourceType(name) else { throw .malformed(parameter: "_type", .type) }
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
        case "_has": throw .unsupported(parameter: pair.name, .reverseChaining)
        case "_summary", "_elements", "_text", "_content", "_list", "_filter", "_query", "_contained", "_containedType":
            throw .unsupported(parameter: code, .parameter)
        case "_count", "_sort", "_include", "_revinclude", "_total":
            try controls.take(code, modifier, pair.value, types: types)
            return true
        default: break
        }
        let parts = code.split(separator: ".", omittingEmptySubsequences: false)
        var found: [SearchParameter] = []
        for type in types {
            guard let parameter = Definitions.r4.searchParameter(String(parts[0]), of: type) else { break }
            found.append(parameter)
        }
        guard found.count == types.count, !types.isEmpty else {
            unknown.append(pair.name)
            return false
        }
        if parts.count > 1 || modifier?.contains(".") == true { throw .unsupported(parameter: pair.name, .chaining) }
        for (position, parameter) in found.enumerated() {
            let reader = SearchTermReader(parameter: parameter, name: pair.name, modifier: modifier, context: context)
            criteria[position].append(try reader.criterion(pair.value))
        }
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

    mutating func take(
        _ code: String, _ modifier: String?, _ value: String, types: [ResourceType]
    ) throws(SearchQueryFailure) {
        if let modifier {
            let isInclude = code == "_include" || code == "_revinclude"
            let feature: SearchFeature =
                isInclude && (modifier == "iterate" || modifier == "recurse") ? .iteration : .modifier
            throw .unsupported(parameter: code, feature)
        }
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
        case "_include": includes.append(try include(code, value))
        default: reverseIncludes.append(try include(code, value))
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
                    guard parameter.type == .date else { throw .unsupported(parameter: "_sort", .sortKey) }
                }
            }
            keys.append(SearchSortKey(code: code, isDescending: isDescending))
        }
        return keys
    }

    private func include(_ code: String, _ value: String) throws(SearchQueryFailure) -> SearchInclude {
        let parts = value.split(separator: ":", omittingEmptySubsequences: false)
        if parts.contains("*") { throw .unsupported(parameter: code, .wildcardInclude) }
        guard parts.count == 2 || parts.count == 3, let source = ResourceType(parts[0]),
            let parameter = Definitions.r4.searchParameter(String(parts[1]), of: source), parameter.type == .reference
        else { throw .malformed(parameter: code, .include) }
        guard parts.count == 3 else { return SearchInclude(source: source, parameter: parameter.number, target: nil) }
        guard let target = ResourceType(parts[2]), parameter.targets.contains(target) else {
            throw .malformed(parameter: code, .include)
        }
        return SearchInclude(source: source, parameter: parameter.number, target: target)
    }
}
