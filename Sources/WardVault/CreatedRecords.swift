import WardCore
import WardFHIR
import WardIndex
import WardStorage

/// What a transaction creates, searchable before it is written: a later If-None-Exist of the same transaction finds it
/// as if the entries were carried out one after the other (FHIR R4 http.html#trules).
struct CreatedRecords {
    private let index: SealedIndex
    private let cards: IndexCardBuilder
    private let locators: LocatorKey
    private let ownBase: String
    private var values: [RecordNumber: (record: SearchedRecord, values: [IndexedValue])] = [:]

    init(keys: VaultKeys, ownBase: String) {
        let indexKeys = IndexKeys(root: keys.index, epoch: 1)
        index = SealedIndex(keys: indexKeys, locators: keys.locators)
        cards = IndexCardBuilder(keys: indexKeys, locators: keys.locators, extractorVersion: 1)
        locators = keys.locators
        self.ownBase = ownBase
    }

    /// Adds what change number `entry` creates.
    mutating func add(
        _ change: RecordChange, entry: Int, now: Instant, replacing replacements: [(range: Range<Int>, text: String)]
    ) throws(VaultFailure) {
        guard let resource = change.resource else { return }
        let json = ResourceRewriter.rewritten(
            resource.tape, at: resource.index, id: change.id, versionId: "1", lastUpdated: now,
            replacing: replacements)
        guard let tape = try? JSONTape(parsing: json) else { throw .damaged }
        let found = SearchExtractor.values(of: tape, at: JSONTape.rootIndex, type: change.type, ownBase: ownBase)
        let number = RecordNumber(Int64(entry) + 1)
        values[number] = (SearchedRecord(type: change.type, id: change.id, lastUpdated: now), found)
        let card = cards.card(type: change.type, lastUpdated: now, values: found)
        index.apply([.add(number, locators.locator(type: change.type, id: change.id), card)])
    }

    /// Numbers of the changes that create what a search finds; at most two.
    func matches(_ query: SearchQuery) -> [Int] {
        guard !values.isEmpty else { return [] }
        let found = index.evaluate(query, residual: .unrestricted).hits.lazy.filter { hit in
            guard let (record, values) = values[hit.record], let plan = query.plan(for: record.type) else {
                return false
            }
            return SearchMatcher.matches(values, of: record, plan.criterion)
        }
        return found.prefix(2).map { Int($0.record.value - 1) }
    }
}
