/// Reads the value of one search parameter of one type into a criterion.
struct SearchTermReader {
    let parameter: SearchParameter
    /// As given, with modifier: what failures name.
    let name: String
    let modifier: String?
    let context: SearchContext

    func criterion(_ value: String) throws(SearchQueryFailure) -> SearchCriterion {
        if modifier == "missing" {
            guard value == "true" || value == "false" else { throw .malformed(parameter: name, .boolean) }
            let isAlwaysThere = parameter.code == "_id" || parameter.code == "_lastUpdated"
            let missing: SearchCriterion = isAlwaysThere ? .never : .missing(parameter: parameter.number)
            return value == "true" ? missing : .not(missing)
        }
        if let modifier, ["in", "not-in", "above", "below"].contains(modifier), parameter.type == .token {
            return try codes(value, modifier)
        }
        let isNegated = modifier == "not"
        if isNegated, parameter.type != .token { throw .unsupported(parameter: name, .modifier) }
        let alternatives = SearchText.split(value, at: ",")
        guard alternatives.count <= SearchQuery.limit else { throw .tooMany(parameter: name) }
        var tests: [SearchCriterion] = []
        for alternative in alternatives { tests.append(contentsOf: try alternativeTests(alternative)) }
        guard tests.count <= SearchQuery.limit else { throw .tooMany(parameter: name) }
        let any: SearchCriterion = tests.count == 1 ? tests[0] : .any(tests)
        return isNegated ? .not(any) : any
    }

    private func codes(_ value: String, _ modifier: String) throws(SearchQueryFailure) -> SearchCriterion {
        guard !["_id", "_lastUpdated"].contains(parameter.code) else {
            throw .unsupported(parameter: name, .modifier)
        }
        var tests: [SearchCriterion] = []
        let alternatives = SearchText.split(value, at: ",")
        guard alternatives.count <= Self.codeSetLimit else { throw .tooMany(parameter: name) }
        for alternative in alternatives {
            let question: CodeQuestion
            if modifier == "in" || modifier == "not-in" {
                let text = SearchText.unescaped(alternative)
                guard text.contains(":") else { throw .malformed(parameter: name, .uri) }
                let parts = UriPath.versioned(text)
                question = .valueSet(url: parts?.url ?? text, version: parts?.version)
            } else {
                guard case .coded(let system, let code) = try tokenTest(alternative) else {
                    throw .malformed(parameter: name, .token)
                }
                question = modifier == "below" ? .below(system: system, code: code) : .above(system: system, code: code)
            }
            tests.append(.codes(parameter: parameter.number, question, name: name))
        }
        let any: SearchCriterion = tests.count == 1 ? tests[0] : .any(tests)
        return modifier == "not-in" ? .not(any) : any
    }

    /// Value sets or codes that one parameter may name with `:in`, `:above` and the like.
    private static let codeSetLimit = 20

    private func alternativeTests(_ text: Substring) throws(SearchQueryFailure) -> [SearchCriterion] {
        guard !text.isEmpty else { throw .malformed(parameter: name, .nonEmpty) }
        if parameter.code == "_id" {
            guard modifier == nil || modifier == "not" else { throw .unsupported(parameter: name, .modifier) }
            return [.id(SearchText.unescaped(text))]
        }
        if parameter.code == "_lastUpdated" {
            guard modifier == nil else { throw .unsupported(parameter: name, .modifier) }
            return [.lastUpdated(try date(text))]
        }
        return try tests(text, of: parameter, modifier: modifier == "not" ? nil : modifier)
            .map { .matches(parameter: parameter.number, $0) }
    }

    /// The tests of one alternative; more than one when a literal can mean several things.
    private func tests(
        _ text: Substring, of parameter: SearchParameter, modifier: String?
    ) throws(SearchQueryFailure) -> [ValueTest] {
        switch parameter.type {
        case .token: return try token(text, parameter, modifier)
        case .reference: return try reference(text, parameter, modifier)
        case .string: return [try string(text, modifier)]
        case .uri: return [try uri(text, modifier)]
        default: break
        }
        guard modifier == nil else { throw .unsupported(parameter: name, .modifier) }
        switch parameter.type {
        case .date: return [.date(try date(text))]
        case .number: return [.number(try number(text, .number))]
        case .quantity: return [try quantity(text)]
        case .composite: return try composite(text, parameter)
        default: throw .unsupported(parameter: name, .parameter)
        }
    }

    private func token(
        _ text: Substring, _ parameter: SearchParameter, _ modifier: String?
    ) throws(SearchQueryFailure) -> [ValueTest] {
        switch modifier {
        case nil: return try tokenTest(text).resolved(under: parameter).map(ValueTest.token)
        case "text": return [.text(try words(text))]
        case "of-type", "ofType":
            let parts = SearchText.split(text, at: "|").map(SearchText.unescaped)
            guard parts.count == 3, !parts.contains("") else { throw .malformed(parameter: name, .token) }
            return [.typedIdentifier(typeSystem: parts[0], typeCode: parts[1], value: parts[2])]
        default: throw .unsupported(parameter: name, .modifier)
        }
    }

    private func tokenTest(_ text: Substring) throws(SearchQueryFailure) -> TokenTest {
        let parts = SearchText.split(text, at: "|").map(SearchText.unescaped)
        switch parts.count {
        case 1: return .code(parts[0])
        case 2 where parts[0].isEmpty && !parts[1].isEmpty: return .codeWithoutSystem(parts[1])
        case 2 where !parts[0].isEmpty && parts[1].isEmpty: return .system(parts[0])
        case 2 where !parts[0].isEmpty: return .coded(system: parts[0], code: parts[1])
        default: throw .malformed(parameter: name, .token)
        }
    }

    private func string(_ text: Substring, _ modifier: String?) throws(SearchQueryFailure) -> ValueTest {
        switch modifier {
        case nil: return .string(.startsWith, try words(text))
        case "contains": return .string(.contains, try words(text))
        case "exact": return .string(.exact, SearchText.unescaped(text))
        default: throw .unsupported(parameter: name, .modifier)
        }
    }

    /// Something must be left of it when accents and spaces do not count.
    private func words(_ text: Substring) throws(SearchQueryFailure) -> String {
        let words = SearchText.unescaped(text)
        guard !SearchFold.folded(words).isEmpty else { throw .malformed(parameter: name, .nonEmpty) }
        return words
    }

    private func uri(_ text: Substring, _ modifier: String?) throws(SearchQueryFailure) -> ValueTest {
        switch modifier {
        case nil: return .uri(.exact, SearchText.unescaped(text))
        case "below": return .uri(.below, SearchText.unescaped(text))
        case "above": return .uri(.above, SearchText.unescaped(text))
        default: throw .unsupported(parameter: name, .modifier)
        }
    }

    private func reference(
        _ text: Substring, _ parameter: SearchParameter, _ modifier: String?
    ) throws(SearchQueryFailure) -> [ValueTest] {
        if modifier == "identifier" { return [.logicalReference(try tokenTest(text))] }
        let literal = SearchText.unescaped(text)
        if let modifier {
            guard let type = ResourceType(modifier), parameter.targets.contains(type) else {
                throw .unsupported(parameter: name, .modifier)
            }
            guard isResourceID(literal) else { throw .malformed(parameter: name, .reference) }
            return [.reference(types: [type], id: literal, version: nil)]
        }
        if isResourceID(literal) {
            return [.reference(types: parameter.targets, id: literal, version: nil)]
        }
        let own = context.baseURL + "/"
        let isOwn = literal.hasPrefix(own)
        if let local = localReference(isOwn ? literal.dropFirst(own.count) : literal[...]) {
            return isOwn ? [local, .externalReference(literal)] : [local]
        }
        guard literal.contains(":") else { throw .malformed(parameter: name, .reference) }
        return [.externalReference(literal)]
    }

    private func localReference(_ text: Substring) -> ValueTest? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 || parts.count == 4 && parts[2] == "_history" && isResourceID(parts[3]),
            let type = ResourceType(parts[0]), isResourceID(parts[1])
        else { return nil }
        return .reference(types: [type], id: String(parts[1]), version: parts.count == 4 ? String(parts[3]) : nil)
    }

    private func date(_ text: Substring) throws(SearchQueryFailure) -> DateTest {
        let (prefix, literal) = prefixed(SearchText.unescaped(text))
        guard let interval = FHIRDate.interval(literal, zoneOffsetMinutes: context.zoneOffsetMinutes) else {
            throw .malformed(parameter: name, .date)
        }
        return DateTest(prefix, low: interval.low, high: interval.high, now: context.now)
    }

    private func number(
        _ text: some StringProtocol, _ form: SearchValueForm
    ) throws(SearchQueryFailure) -> NumberTest {
        let (prefix, literal) = prefixed(String(text))
        guard let decimal = ExactDecimal(literal), let test = NumberTest(prefix, decimal) else {
            throw .malformed(parameter: name, form)
        }
        return test
    }

    private func quantity(_ text: Substring) throws(SearchQueryFailure) -> ValueTest {
        let parts = SearchText.split(text, at: "|").map(SearchText.unescaped)
        guard parts.count == 1 || parts.count == 3 else { throw .malformed(parameter: name, .quantity) }
        let number = try number(parts[0], .quantity)
        guard parts.count == 3 else { return .quantity(number, .any) }
        switch (parts[1].isEmpty, parts[2].isEmpty) {
        case (true, true): return .quantity(number, .any)
        case (true, false): return .quantity(number, .codeOrUnit(parts[2]))
        case (false, true): return .quantity(number, .system(parts[1]))
        case (false, false): return .quantity(number, .coded(system: parts[1], code: parts[2]))
        }
    }

    /// Every combination of the meanings of the parts.
    private func composite(_ text: Substring, _ parameter: SearchParameter) throws(SearchQueryFailure) -> [ValueTest] {
        let parts = SearchText.split(text, at: "$")
        guard parts.count == parameter.components.count, !parts.contains(where: \.isEmpty) else {
            throw .malformed(parameter: name, .composite)
        }
        var combinations: [[ValueTest]] = [[]]
        for (part, component) in zip(parts, parameter.components) {
            guard let definition = Definitions.r4.searchParameter(number: component.parameter) else {
                throw .unsupported(parameter: name, .parameter)
            }
            let tests = try tests(part, of: definition, modifier: nil)
            combinations = combinations.flatMap { combination in tests.map { combination + [$0] } }
        }
        return combinations.map(ValueTest.composite)
    }

    private func prefixed(_ text: String) -> (SearchPrefix, Substring) {
        guard let prefix = SearchPrefix(rawValue: String(text.prefix(2))) else { return (.eq, text[...]) }
        return (prefix, text.dropFirst(2))
    }
}

extension TokenTest {
    /// The same test on an element of type `code`, which carries no system: its required binding implies one, so
    /// `system|code` asks for the code if that system has it, and `system|` for any code of that system. `|code` finds
    /// such an element, too, as it has no system property (FHIR R4 search.html#token).
    ///
    /// Resolved here and not in the index, so cards hold what the record says, and cards of any age can be asked.
    fileprivate func resolved(under parameter: SearchParameter) -> [TokenTest] {
        switch self {
        case .code, .codeWithoutSystem: return [self]
        case .system(let system):
            let codes = Definitions.r4.impliedCodes(of: parameter, system: system)
            return codes.isEmpty ? [self] : codes.map(TokenTest.codeWithoutSystem)
        case .coded(let system, let code):
            let folded = SearchFold.foldedCode(code)
            let isImplied = Definitions.r4.impliedCodes(of: parameter, system: system)
                .contains { SearchFold.foldedCode($0) == folded }
            return [isImplied ? .codeWithoutSystem(code) : self]
        }
    }
}

/// Separators and their escapes in search values (FHIR R4 search.html#escaping).
enum SearchText {
    /// Parts between unescaped separators; still escaped.
    static func split(_ text: some StringProtocol, at separator: Unicode.Scalar) -> [Substring] {
        let scalars = Substring(text).unicodeScalars
        var parts: [Substring] = []
        var start = scalars.startIndex
        var index = start
        while index < scalars.endIndex {
            if scalars[index] == "\\" {
                index = scalars.index(after: index)
                if index == scalars.endIndex { break }
            } else if scalars[index] == separator {
                parts.append(Substring(scalars[start..<index]))
                start = scalars.index(after: index)
            }
            index = scalars.index(after: index)
        }
        parts.append(Substring(scalars[start...]))
        return parts
    }

    /// `\,` `\$` `\|` `\\` become the character; other backslashes stay.
    static func unescaped(_ text: some StringProtocol) -> String {
        var output = String.UnicodeScalarView()
        var isEscaped = false
        for scalar in text.unicodeScalars {
            if isEscaped {
                if scalar != "," && scalar != "$" && scalar != "|" && scalar != "\\" { output.append("\\") }
                output.append(scalar)
                isEscaped = false
            } else if scalar == "\\" {
                isEscaped = true
            } else {
                output.append(scalar)
            }
        }
        if isEscaped { output.append("\\") }
        return String(output)
    }
}

/// FHIR R4 datatypes.html#id.
func isResourceID(_ text: some StringProtocol) -> Bool {
    let bytes = text.utf8
    return (1...64).contains(bytes.count)
        && bytes.allSatisfy {
            switch $0 {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E: true
            default: false
            }
        }
}
