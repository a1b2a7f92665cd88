public import WardCore

/// The exact test of a criterion on an opened record: decides what the index only suspects.
public enum SearchMatcher {
    /// Whether the record certainly matches. A value that cannot be judged does not match, under `not` neither.
    ///
    /// - Parameters:
    ///   - values: all values the record has, as the extractor gave them.
    ///   - locating: for criteria that name records by where they lie; without it they are not to be known.
    public static func matches(
        _ values: [IndexedValue], of record: SearchedRecord, _ criterion: SearchCriterion, locating: Locating? = nil
    ) -> Bool {
        verdict(values, of: record, criterion, locating) == .yes
    }

    /// Where a record lies.
    public typealias Locating = (ResourceType, String) -> Locator

    static func verdict(
        _ values: [IndexedValue], of record: SearchedRecord, _ criterion: SearchCriterion, _ locating: Locating?
    ) -> SearchVerdict {
        switch criterion {
        case .always: .yes
        case .never: .no
        case .all(let parts): parts.lazy.map { verdict(values, of: record, $0, locating) }.min() ?? .yes
        case .any(let parts): parts.lazy.map { verdict(values, of: record, $0, locating) }.max() ?? .no
        case .not(let part): verdict(values, of: record, part, locating).negated
        case .chain, .reverseChain, .codes: .unsure
        case .among(let set):
            locating.map { SearchVerdict(set.locators.contains($0(record.type, record.id))) } ?? .unsure
        case .linked(let parameter, let set):
            values.lazy.filter { $0.parameter == parameter }.map { value in
                switch value.value {
                case .reference(let type, let id, _):
                    locating.map { SearchVerdict(set.locators.contains($0(type, id))) } ?? .unsure
                case .undecidable: .unsure
                default: .no
                }
            }.max() ?? .no
        case .types(let types): SearchVerdict(types.contains(record.type))
        case .id(let id): SearchVerdict(record.id == id)
        case .lastUpdated(let test):
            SearchVerdict(test.matches(low: record.lastUpdated.microseconds, high: record.lastUpdated.microseconds))
        case .missing(let parameter): SearchVerdict(!values.contains { $0.parameter == parameter })
        case .matches(let parameter, let test):
            values.lazy.filter { $0.parameter == parameter }.map { test.verdict(on: $0.value) }.max() ?? .no
        }
    }
}

/// What search asks of a record besides its values.
public struct SearchedRecord: Hashable, Sendable {
    public let type: ResourceType
    public let id: String
    public let lastUpdated: Instant

    public init(type: ResourceType, id: String, lastUpdated: Instant) {
        self.type = type
        self.id = id
        self.lastUpdated = lastUpdated
    }
}

extension ValueTest {
    /// The test on one value.
    public func verdict(on value: SearchValue) -> SearchVerdict {
        if value == .undecidable { return .unsure }
        switch self {
        case .token(let test): return SearchVerdict(test.matches(value))
        case .typedIdentifier(let system, let code, let wanted):
            guard case .identifier(_, let text, let types) = value, text == wanted else { return .no }
            let folded = SearchFold.foldedCode(code)
            return SearchVerdict(types.contains { $0.system == system && SearchFold.foldedCode($0.code) == folded })
        case .codes(let set):
            switch value {
            case .token(let system, let code, _): return SearchVerdict(set.contains(system: system, code: code))
            case .uri(let text), .string(let text): return SearchVerdict(set.contains(system: nil, code: text))
            default: return .no
            }
        case .text(let wanted):
            guard case .token(_, _, let texts) = value else { return .no }
            return SearchVerdict(texts.contains { StringTest.startsWith.matches($0, wanted) })
        case .reference(let types, let wanted, let wantedVersion):
            guard case .reference(let type, let id, let version) = value else { return .no }
            return SearchVerdict(
                id == wanted && types.contains(type) && (wantedVersion == nil || version == wantedVersion))
        case .externalReference(let wanted):
            switch value {
            case .externalReference(let text): return SearchVerdict(text == wanted)
            default: return SearchVerdict(UriTest.exact.matches(value, wanted))
            }
        case .logicalReference(let test):
            guard case .logicalReference(_, let system, let text) = value else { return .no }
            return SearchVerdict(test.matches(system: system, code: text) { $0 })
        case .string(let test, let wanted):
            guard case .string(let text) = value else { return .no }
            return SearchVerdict(test.matches(text, wanted))
        case .date(let test):
            guard case .date(let low, let high) = value else { return .no }
            return SearchVerdict(test.matches(low: low, high: high))
        case .number(let test):
            guard case .number(let text) = value else { return .no }
            return Self.verdict(test, low: text, high: text)
        case .quantity(let test, let unitTest):
            guard case .quantity(let low, let high, let system, let code, let unit) = value else { return .no }
            if unitTest.matches(system: system, code: code, unit: unit) {
                return Self.verdict(test, low: low, high: high)
            }
            return Self.converted(test, unitTest, low: low, high: high, system: system, code: code)
        case .uri(let test, let wanted): return SearchVerdict(test.matches(value, wanted))
        case .composite(let tests):
            guard case .composite(let tuple) = value, tuple.count == tests.count else { return .no }
            return zip(tests, tuple).map { test, forms in forms.map(test.verdict).max() ?? .no }.min() ?? .no
        }
    }

    /// The test in the unit of the dimension, where both sides have one; exact, as its factors are.
    private static func converted(
        _ test: NumberTest, _ unitTest: UnitTest, low: String?, high: String?, system: String?, code: String?
    ) -> SearchVerdict {
        guard let asked = unitTest.unit, let unit = UnitTable.unit(system: system, code: code),
            unit.isComparable(with: asked)
        else { return .no }
        func basic(_ text: String) -> ExactDecimal? { ExactDecimal(text).flatMap(unit.basic) }
        let (lowValue, highValue) = (low.flatMap(basic), high.flatMap(basic))
        guard let test = test.scaled(by: asked.factor), (low == nil) == (lowValue == nil),
            (high == nil) == (highValue == nil)
        else { return .unsure }
        return SearchVerdict(test.matches(low: lowValue, high: highValue))
    }

    private static func verdict(_ test: NumberTest, low: String?, high: String?) -> SearchVerdict {
        let lowValue = low.flatMap { ExactDecimal($0) }
        let highValue = high.flatMap { ExactDecimal($0) }
        if (low != nil && lowValue == nil) || (high != nil && highValue == nil) { return .unsure }
        return SearchVerdict(test.matches(low: lowValue, high: highValue))
    }
}

extension TokenTest {
    /// Codes are compared without case, identifiers with it; a contact has no system to ask for.
    fileprivate func matches(_ value: SearchValue) -> Bool {
        switch value {
        case .token(let system, let code, _): matches(system: system, code: code, SearchFold.foldedCode)
        case .identifier(let system, let text, _): matches(system: system, code: text) { $0 }
        case .contact(let text):
            if case .code(let wanted) = self {
                SearchFold.foldedCode(text) == SearchFold.foldedCode(wanted)
            } else {
                false
            }
        case .string(let text), .uri(let text): matches(system: nil, code: text, SearchFold.foldedCode)
        default: false
        }
    }

    fileprivate func matches(system: String?, code: String?, _ fold: (String) -> String) -> Bool {
        switch self {
        case .code(let wanted): code.map(fold) == fold(wanted)
        case .codeWithoutSystem(let wanted): system == nil && code.map(fold) == fold(wanted)
        case .system(let wanted): system == wanted
        case .coded(let wantedSystem, let wanted): system == wantedSystem && code.map(fold) == fold(wanted)
        }
    }
}

extension StringTest {
    /// Whether `text` passes against `wanted`.
    public func matches(_ text: String, _ wanted: String) -> Bool {
        switch self {
        case .exact: text == wanted
        case .startsWith: SearchFold.folded(text).utf8.starts(with: SearchFold.folded(wanted).utf8)
        case .contains: SearchFold.contains(SearchFold.folded(text), SearchFold.folded(wanted))
        }
    }
}

extension SearchFold {
    /// Whether a folded text contains another, by bytes.
    public static func contains(_ folded: String, _ part: String) -> Bool {
        let text = Array(folded.utf8)
        let wanted = Array(part.utf8)
        guard let first = wanted.first else { return true }
        guard text.count >= wanted.count else { return false }
        return (0...(text.count - wanted.count)).contains { start in
            text[start] == first && text[start..<(start + wanted.count)].elementsEqual(wanted)
        }
    }
}

extension UriTest {
    /// Whether a uri or canonical passes against `wanted`, which may end in `|version`.
    fileprivate func matches(_ value: SearchValue, _ wanted: String) -> Bool {
        switch value {
        case .uri(let text): matches(text, wanted)
        case .canonical(let url, let version):
            matches(url, wanted) || UriPath.versioned(wanted).map { $0.url == url && $0.version == version } ?? false
        default: false
        }
    }

    private func matches(_ text: String, _ wanted: String) -> Bool {
        switch self {
        case .exact: text == wanted
        case .below: UriPath.prefixes(of: text).contains(UriPath.trimmed(wanted))
        case .above: UriPath.prefixes(of: wanted).contains(text)
        }
    }
}

/// The hierarchy of uris: segments of the path, and of a urn.
public enum UriPath {
    /// The uri itself and every prefix that ends before a `/` after the authority; in a urn before `:` and `.`.
    public static func prefixes(of uri: String) -> [String] {
        let bytes = Array(uri.utf8)
        let isURN = uri.utf8.starts(with: "urn:".utf8)
        var start = 4
        if !isURN {
            start = 1
            for index in bytes.indices.dropLast(2) where bytes[index...].starts(with: "://".utf8) {
                start = index + 3
                break
            }
        }
        var result = [uri]
        for index in bytes.indices.dropFirst(start) {
            let isCut = isURN ? bytes[index] == 0x3A || bytes[index] == 0x2E : bytes[index] == 0x2F
            if isCut { result.append(String(decoding: bytes[..<index], as: UTF8.self)) }
        }
        return result
    }

    /// Without a slash at the end.
    public static func trimmed(_ uri: String) -> String { uri.hasSuffix("/") ? String(uri.dropLast()) : uri }

    /// `url|version` apart; nil without a version.
    public static func versioned(_ text: String) -> (url: String, version: String)? {
        guard let bar = text.lastIndex(of: "|") else { return nil }
        return (String(text[..<bar]), String(text[text.index(after: bar)...]))
    }
}
