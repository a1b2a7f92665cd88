extension SearchQuery {
    /// All records of some types, newest first; for exports and `$everything`.
    ///
    /// - Parameter asked: the parameters that it stands for.
    public static func everything(of types: [ResourceType], asked: [SearchPair] = []) -> SearchQuery {
        SearchQuery(
            plans: types.map { SearchPlan(type: $0, criterion: .always, sortParameters: []) }, count: nil, sort: [],
            includes: [], reverseIncludes: [], total: nil, ignoredParameters: [], appliedParameters: asked)
    }
}
