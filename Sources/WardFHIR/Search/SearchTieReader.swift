/// Reads one parameter, its chain and its `_has` into a criterion (FHIR R4 search.html#chaining, search.html#has).
struct SearchTieReader {
    /// As given; what failures name.
    let name: String
    let context: SearchContext
    private var planCount = 0
    /// Steps tried, also those that lead nowhere: names that branch at every step would have no end.
    private(set) var visitCount = 0
    /// Steps that may still be tried.
    private let visitLimit: Int

    /// - Parameter visited: steps that other parameters of the request tried, or the same for other types.
    init(name: String, context: SearchContext, visited: Int = 0) {
        visitLimit = min(SearchTie.visitLimit, SearchTie.visitLimitOfRequest - visited)
        self.name = name
        self.context = context
    }

    /// The criterion for records of one type; nil if the type, or nothing at the end of the chain, has such a parameter.
    mutating func criterion(
        _ text: Substring, of type: ResourceType, value: String, depth: Int = 0
    ) throws(SearchQueryFailure) -> SearchCriterion? {
        guard depth <= SearchTie.depthLimit else { throw .tooDeep(parameter: name) }
        if depth > 0 { visitCount += 1 }
        guard visitCount <= visitLimit else { throw .tooManyTypes(parameter: name) }
        if text.hasPrefix("_has:") { return try reverse(text, of: type, value: value, depth: depth) }
        guard let dot = text.firstIndex(of: ".") else { return try term(text, of: type, value: value) }
        let (code, target) = Self.split(text[..<dot])
        guard let parameter = Definitions.r4.searchParameter(String(code), of: type) else { return nil }
        guard parameter.type == .reference else { throw .unsupported(parameter: name, .chaining) }
        var targets = parameter.targets
        if let target {
            guard let named = ResourceType(target), targets.contains(named) else {
                throw .malformed(parameter: name, .type)
            }
            targets = [named]
        }
        let rest = text[text.index(after: dot)...]
        var plans: [SearchPlan] = []
        var refusal: SearchQueryFailure?
        for type in targets {
            do throws(SearchQueryFailure) {
                guard let criterion = try criterion(rest, of: type, value: value, depth: depth + 1) else { continue }
                plans.append(try plan(type, criterion))
            } catch {
                // Without a type named, those of which it can be asked are enough.
                guard target == nil, !error.isLimit else { throw error }
                refusal = refusal ?? error
            }
        }
        if plans.isEmpty { if let refusal { throw refusal } else { return nil } }
        return .chain(parameter: parameter.number, SearchTie(plans: plans, isNamed: target != nil, name: name))
    }

    /// `_has:Source:reference:rest`.
    private mutating func reverse(
        _ text: Substring, of type: ResourceType, value: String, depth: Int
    ) throws(SearchQueryFailure) -> SearchCriterion? {
        let parts = text.split(separator: ":", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 4, let source = ResourceType(parts[1]) else { throw .malformed(parameter: name, .type) }
        guard let parameter = Definitions.r4.searchParameter(String(parts[2]), of: source) else { return nil }
        guard parameter.type == .reference else { throw .unsupported(parameter: name, .reverseChaining) }
        guard parameter.targets.contains(type) else { throw .malformed(parameter: name, .type) }
        guard let inner = try criterion(parts[3], of: source, value: value, depth: depth + 1) else { return nil }
        // What it is found by counts as asked for, so that a hidden reference is not followed back.
        let plan = try plan(source, .all([.not(.missing(parameter: parameter.number)), inner]))
        return .reverseChain(parameter: parameter.number, SearchTie(plans: [plan], isNamed: true, name: name))
    }

    /// `_list`: what a List of this server names (FHIR R4 lists.html).
    static func listed(in value: String) throws(SearchQueryFailure) -> SearchCriterion {
        guard isResourceID(value) else { throw .malformed(parameter: "_list", .id) }
        guard let list = ResourceType("List"), let item = Definitions.r4.searchParameter("item", of: list) else {
            throw .unsupported(parameter: "_list", .parameter)
        }
        let criterion = SearchCriterion.all([.id(value), .not(.missing(parameter: item.number))])
        let plan = SearchPlan(type: list, criterion: criterion, sortParameters: [])
        return .reverseChain(parameter: item.number, SearchTie(plans: [plan], isNamed: true, name: "_list"))
    }

    private mutating func plan(
        _ type: ResourceType, _ criterion: SearchCriterion
    ) throws(SearchQueryFailure) -> SearchPlan {
        planCount += 1
        guard planCount <= SearchTie.planLimit else { throw .tooManyTypes(parameter: name) }
        return SearchPlan(type: type, criterion: criterion, sortParameters: [])
    }

    private func term(
        _ text: Substring, of type: ResourceType, value: String
    ) throws(SearchQueryFailure) -> SearchCriterion? {
        let (code, modifier) = Self.split(text)
        if ["_text", "_content", "_query", "_filter"].contains(code) {
            throw .unsupported(parameter: name, .parameter)
        }
        guard let parameter = Definitions.r4.searchParameter(String(code), of: type) else { return nil }
        return try SearchTermReader(
            parameter: parameter, name: name, modifier: modifier.map(String.init), context: context
        ).criterion(value)
    }

    private static func split(_ text: Substring) -> (code: Substring, modifier: Substring?) {
        guard let colon = text.firstIndex(of: ":") else { return (text, nil) }
        return (text[..<colon], text[text.index(after: colon)...])
    }
}
