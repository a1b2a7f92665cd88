extension SearchQuery {
    /// All records of some types, newest first; for exports.
    public static func everything(of types: [ResourceType]) -> SearchQuery {
        SearchQuery(
            plans: types.map { SearchPlan(type: $0, criterion: .always, sortParameters: []) }, count: nil, sort: [],
            includes: [], reverseIncludes: [], total: nil, ignoredParameters: [], appliedParameters: [])
    }
}
