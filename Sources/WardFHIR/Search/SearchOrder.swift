/// Sorts opened records by the values they have (FHIR R4 search.html#sort): lowest value ascending, highest descending,
/// without a value last, ties newest first.
public struct SearchOrder {
    private let query: SearchQuery
    private var rows: [(values: [SearchSortValue?], number: Int64)] = []

    public init(_ query: SearchQuery) {
        self.query = query
    }

    /// Adds a record.
    ///
    /// - Parameter number: its place in the order of commits.
    public mutating func add(_ values: [IndexedValue], of record: SearchedRecord, number: Int64) {
        let parameters = query.plan(for: record.type)?.sortParameters ?? []
        let row = zip(query.sort, parameters).map { key, parameter -> SearchSortValue? in
            if key.code == "_lastUpdated" { return .whole(number) }
            if key.code == "_id" { return .text(record.id) }
            let found = values.lazy.filter { $0.parameter == parameter }
                .compactMap { SearchSortValue($0.value, isDescending: key.isDescending) }
            return key.isDescending ? found.max() : found.min()
        }
        rows.append((values: row, number: number))
    }

    /// Positions of the records in the order in which they were added, sorted.
    public func sorted() -> [Int] {
        rows.indices.sorted { left, right in
            for (position, key) in query.sort.enumerated() {
                switch (rows[left].values[position], rows[right].values[position]) {
                case (nil, nil): continue
                case (nil, _): return false
                case (_, nil): return true
                case (let first?, let second?):
                    if first != second { return key.isDescending ? second < first : first < second }
                }
            }
            return rows[left].number > rows[right].number
        }
    }
}

/// What a value sorts by.
enum SearchSortValue: Comparable {
    case whole(Int64)
    case decimal(ExactDecimal)
    case text(String)

    /// Nil where there is nothing to compare.
    init?(_ value: SearchValue, isDescending: Bool) {
        let text: String?
        switch value {
        case .date(let low, let high):
            self = .whole(isDescending ? high : low)
            return
        case .number(let text):
            guard let number = ExactDecimal(text) else { return nil }
            self = .decimal(number)
            return
        case .quantity(let low, let high, let system, let code, _):
            guard let number = (isDescending ? high ?? low : low ?? high).flatMap({ ExactDecimal($0) }) else {
                return nil
            }
            self = .decimal(UnitTable.basic(number, system: system, code: code) ?? number)
            return
        case .string(let string): text = SearchFold.folded(string)
        case .token(_, let code, let texts):
            text = code.map(SearchFold.foldedCode) ?? texts.first.map(SearchFold.folded)
        case .identifier(_, let value, _): text = value
        case .contact(let value): text = SearchFold.foldedCode(value)
        case .reference(let type, let id, _): text = "\(type.name)/\(id)"
        case .externalReference(let reference): text = reference
        case .logicalReference(_, _, let value): text = value
        case .uri(let uri): text = uri
        case .canonical(let url, _): text = url
        case .composite, .undecidable: text = nil
        }
        guard let text else { return nil }
        self = .text(text)
    }

    static func < (left: SearchSortValue, right: SearchSortValue) -> Bool {
        switch (left, right) {
        case (.whole(let first), .whole(let second)): first < second
        case (.decimal(let first), .decimal(let second)): first < second
        case (.text(let first), .text(let second)): first.utf8.lexicographicallyPrecedes(second.utf8)
        case (.whole, _): true
        case (.decimal, .text): true
        case (.decimal, .whole), (.text, _): false
        }
    }

    static func == (left: SearchSortValue, right: SearchSortValue) -> Bool { !(left < right) && !(right < left) }
}

extension SearchQuery {
    /// Whether records must be opened to be sorted: by something else than commit order and dates.
    public var isSortedByValues: Bool {
        for key in sort {
            if key.code == "_lastUpdated" { return false }
            for plan in plans {
                guard Definitions.r4.searchParameter(key.code, of: plan.type)?.type == .date else { return true }
            }
        }
        return false
    }
}
