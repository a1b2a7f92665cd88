/// Reads the values of `_include` and `_revinclude`, wildcards written out (FHIR R4 search.html#include).
struct SearchIncludeReader {
    /// `_include` or `_revinclude`.
    let name: String
    let isIterated: Bool
    /// Types that are searched.
    let types: [ResourceType]

    /// `Source:parameter[:Target]`, `Source:*[:Target]`, `*`.
    func forward(_ value: String) throws(SearchQueryFailure) -> [SearchInclude] {
        // What is included may be of any type, and so may go on from there.
        if value == "*" { return (isIterated ? ResourceType.allCases : types).flatMap { all(of: $0) { _ in true } } }
        return try listed(value) { _ in true }
    }

    /// The same from the other end: only what can refer to a searched type.
    func reverse(_ value: String) throws(SearchQueryFailure) -> [SearchInclude] {
        func refersHere(_ parameter: SearchParameter) -> Bool { types.contains(where: parameter.targets.contains) }
        if value == "*" {
            guard !isIterated else { throw .unsupported(parameter: name, .iteration) }
            return ResourceType.allCases.flatMap { all(of: $0, where: refersHere) }
        }
        return try listed(value) { isIterated || refersHere($0) }
    }

    private func listed(
        _ value: String, where isWanted: (SearchParameter) -> Bool
    ) throws(SearchQueryFailure) -> [SearchInclude] {
        let parts = value.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2 || parts.count == 3, let source = ResourceType(parts[0]) else {
            throw .malformed(parameter: name, .include)
        }
        let target = parts.count == 3 ? ResourceType(parts[2]) : nil
        guard parts.count == 2 || target != nil else { throw .malformed(parameter: name, .include) }
        if parts[1] == "*" { return all(of: source, target: target, where: isWanted) }
        guard let parameter = Definitions.r4.searchParameter(String(parts[1]), of: source),
            parameter.type == .reference, target.map(parameter.targets.contains) ?? true
        else { throw .malformed(parameter: name, .include) }
        return [
            SearchInclude(source: source, parameter: parameter.number, target: target, isIterated: isIterated)
        ]
    }

    private func all(
        of source: ResourceType, target: ResourceType? = nil, where isWanted: (SearchParameter) -> Bool
    ) -> [SearchInclude] {
        Definitions.r4.searchParameters(of: source)
            .filter { $0.type == .reference && isWanted($0) && (target.map($0.targets.contains) ?? true) }
            .map {
                SearchInclude(
                    source: source, parameter: $0.number, target: target, isIterated: isIterated, isNamed: false)
            }
    }
}
