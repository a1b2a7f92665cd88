public import WardCore
public import WardFHIR

/// Turns what the extractor found into an index card.
public struct IndexCardBuilder: Sendable {
    private let keys: IndexKeys
    private let locators: LocatorKey
    private let extractorVersion: UInt16

    public init(keys: IndexKeys, locators: LocatorKey, extractorVersion: UInt16) {
        self.keys = keys
        self.locators = locators
        self.extractorVersion = extractorVersion
    }

    /// The card of one version.
    public func card(type: ResourceType, lastUpdated: Instant, values: [IndexedValue]) -> IndexCard {
        var draft = CardDraft(keys: keys, locators: locators)
        for value in values { draft.add(value) }
        return IndexCard(
            type: type, lastUpdated: lastUpdated, epoch: keys.epoch, extractorVersion: extractorVersion,
            tokens: distinct(draft.tokens), links: distinct(draft.links), dates: distinct(draft.dates),
            numbers: distinct(draft.numbers), quantities: distinct(draft.quantities), pairs: distinct(draft.pairs),
            texts: distinct(draft.texts),
            codes: distinct(draft.codes), present: distinct(draft.present), undecided: distinct(draft.undecided))
    }

    /// Folded strings longer than this are left to the re-check.
    static let textLimit = 4096
    /// Uris with more segments than this are left to the re-check.
    static let segmentLimit = 64
}

private func distinct<Element: Comparable>(_ list: [Element]) -> [Element] {
    var result: [Element] = []
    result.reserveCapacity(list.count)
    for element in list.sorted() where result.last != element { result.append(element) }
    return result
}

/// A card being filled.
private struct CardDraft {
    let keys: IndexKeys
    let locators: LocatorKey
    var tokens: [Int64] = []
    var links: [CardLink] = []
    var dates: [CardDate] = []
    var numbers: [CardNumber] = []
    var quantities: [CardQuantity] = []
    var pairs: [CardPair] = []
    var texts: [CardText] = []
    var codes: [CardCode] = []
    var present: [UInt16] = []
    var undecided: [UInt16] = []

    init(keys: IndexKeys, locators: LocatorKey) {
        self.keys = keys
        self.locators = locators
    }

    mutating func add(_ indexed: IndexedValue) {
        guard let parameter = Definitions.r4.searchParameter(number: indexed.parameter) else { return }
        if parameter.code == "_id" || parameter.code == "_lastUpdated" { return }
        let number = parameter.number
        if present.last != number { present.append(number) }
        switch indexed.value {
        case .undecidable: undecided.append(number)
        case .date(let low, let high): dates.append(CardDate(parameter: number, low: low, high: high))
        case .number(let text): addNumber(text, number)
        case .quantity(let low, let high, let system, let code, let unit):
            let unit = QuantityUnit(system: system, code: code, unit: unit)
            if let entry = quantity(low, high, unit, number) {
                quantities.append(entry)
            } else {
                undecided.append(number)
            }
        case .string(let text) where parameter.type != .token: addText(text, number)
        case .composite(let tuple): addComposite(tuple, parameter)
        case let value: addEquality(value, parameter)
        }
    }

    private mutating func addEquality(_ value: SearchValue, _ parameter: SearchParameter) {
        let number = parameter.number
        switch value {
        case .token(let system, let code, let displays):
            for text in displays { addText(text, number) }
            if parameter.isLowCardinality {
                let folded = code.map { SearchFold.canonical(SearchFold.foldedCode($0)) }
                if system != nil || folded != nil { addCode(system, folded, number) }
                return
            }
            addCode(system, nil, number)
        case .identifier(let system, _, _), .logicalReference(_, let system, _): addCode(system, nil, number)
        case .reference(let type, let id, _):
            links.append(CardLink(parameter: number, target: locators.locator(type: type, id: id)))
        default: break
        }
        let forms = value.forms(under: parameter.type)
        guard forms.count <= IndexCardBuilder.segmentLimit else { return undecided.append(number) }
        for form in forms { tokens.append(keys.token(form, of: parameter)) }
    }

    private mutating func addCode(_ system: String?, _ code: String?, _ number: UInt16) {
        guard system != nil || code != nil else { return }
        codes.append(CardCode(parameter: number, system: system.map(SearchFold.canonical), code: code))
    }

    private mutating func addText(_ text: String, _ number: UInt16) {
        let folded = SearchFold.folded(text)
        guard folded.utf8.count <= IndexCardBuilder.textLimit else { return undecided.append(number) }
        texts.append(CardText(parameter: number, folded: folded))
    }

    private mutating func addNumber(_ text: String, _ number: UInt16) {
        guard let key = key(text) else { return undecided.append(number) }
        numbers.append(CardNumber(parameter: number, low: key, high: key))
    }

    private func quantity(_ low: String?, _ high: String?, _ unit: QuantityUnit, _ number: UInt16) -> CardQuantity? {
        let lowKey = low.map(key) ?? -.infinity
        let highKey = high.map(key) ?? .infinity
        guard let lowKey, let highKey else { return nil }
        let canonical = QuantityUnit(
            system: unit.system.map(SearchFold.canonical), code: unit.code.map(SearchFold.canonical),
            unit: unit.unit.map(SearchFold.canonical))
        return CardQuantity(parameter: number, low: lowKey, high: highKey, unit: canonical)
    }

    /// Zero has one key: -0 and 0 are the same number.
    private func key(_ text: String) -> Double? {
        ExactDecimal(text).flatMap(NumberTest.key).map { $0 == 0 ? 0 : $0 }
    }

    /// Pair tokens where both components are equalities, (token, key) entries where the second is a quantity; else the
    /// first component's token alone, which leaves the rest to the re-check.
    private mutating func addComposite(_ tuple: [[SearchValue]], _ parameter: SearchParameter) {
        guard tuple.count == parameter.components.count, !tuple.joined().contains(.undecidable) else {
            return undecided.append(parameter.number)
        }
        let forms = zip(tuple, parameter.components).map { values, component in
            let type = Definitions.r4.searchParameter(number: component.parameter)?.type ?? .token
            return values.flatMap { $0.forms(under: type) }
        }
        guard let first = forms.first else { return }
        let leading = first.map { keys.token(TokenForm(first: $0), of: parameter) }
        guard tuple.count == 2 else {
            tokens += leading
            return
        }
        for case .quantity(let low, let high, let system, let code, let unit) in tuple[1] {
            let unit = QuantityUnit(system: system, code: code, unit: unit)
            guard let entry = quantity(low, high, unit, parameter.number) else {
                return undecided.append(parameter.number)
            }
            pairs += leading.map { CardPair(first: $0, second: entry) }
        }
        let isAmount = tuple[1].allSatisfy { if case .quantity = $0 { true } else { false } }
        if !isAmount { tokens += leading }
        for left in first {
            for right in forms[1] { tokens.append(keys.token(TokenForm(pair: left, right), of: parameter)) }
        }
    }
}
