internal import Synchronization
public import WardCore
public import WardFHIR

/// What a commit did to the records.
public enum IndexChange: Sendable {
    /// A version became current; an older one at the same locator goes by itself.
    case add(RecordNumber, Locator, IndexCard)
    /// A version ceased to be current: superseded, deleted, erased.
    case remove(RecordNumber)
}

/// One record that a search found.
public struct SearchHit: Hashable, Sendable {
    public let record: RecordNumber
    public let locator: Locator
    /// False: whether it matches is known only after ``SearchMatcher`` has seen the opened record.
    public let isSure: Bool
}

/// Records in the order of the query, at one instant.
public struct SearchResult: Hashable, Sendable {
    public let hits: [SearchHit]
    /// Hits that must be opened before they count.
    public let unsureCount: Int
}

/// What policy leaves open: the filter every record must pass, by type.
public enum SearchResidual: Hashable, Sendable {
    case unrestricted
    /// Types that are not named are forbidden.
    case byType([ResourceType: SearchCriterion])

    func criterion(for type: ResourceType) -> SearchCriterion {
        switch self {
        case .unrestricted: .always
        case .byType(let criteria): criteria[type] ?? .never
        }
    }
}

/// The search index of one tenant: record numbers out, never a value. Filled from index cards.
///
/// One critical section per call: a search sees one instant, and everything applied before it.
public final class SealedIndex: Sendable {
    private let keys: IndexKeys
    private let locatorKey: LocatorKey
    private let state = Mutex(IndexState())

    public init(keys: IndexKeys, locators: LocatorKey) {
        self.keys = keys
        locatorKey = locators
    }

    /// Takes over what a commit changed, all at once. Call in commit order; removals come after the adds they follow.
    public func apply(_ changes: [IndexChange]) {
        state.withLock { $0.apply(changes) }
    }

    /// Records that satisfy the query and the residual filter, or may: every record that does is among them.
    public func evaluate(_ query: SearchQuery, residual: SearchResidual) -> SearchResult {
        state.withLock { state in
            var all: [Hits] = []
            for plan in query.plans where state.liveCounts[Int(plan.type.code)] > 0 {
                let parts = [plan.criterion, residual.criterion(for: plan.type)].filter { $0 != .always }
                let hits = state.hits(parts.count == 1 ? parts[0] : .all(parts), of: plan.type, keys, locatorKey)
                if !hits.maybe.isEmpty { all.append(hits) }
            }
            // Types share no record.
            let joined =
                all.count == 1
                ? all[0] : Hits(maybe: all.flatMap(\.maybe).sorted(), unsure: all.flatMap(\.unsure).sorted())
            let found = state.live(joined)
            let order = state.ordered(found.maybe, by: query)
            return state.result(order, unsure: found.unsure)
        }
    }

    /// The current record at a locator.
    public func record(for locator: Locator) -> RecordNumber? {
        state.withLock { state in state.locators.slot(of: locator).map { RecordNumber(state.records[Int($0)]) } }
    }

    /// Current records at those locators that the residual filter lets through, or may: for `_include`.
    public func records(at locators: [Locator], residual: SearchResidual) -> SearchResult {
        state.withLock { state in
            let slots = Set(locators.compactMap(state.locators.slot)).sorted()
            return state.permitted(slots, residual, keys, locatorKey)
        }
    }

    /// Targets of a record's references under a parameter; whether they exist is not said.
    public func links(of record: RecordNumber, parameter: UInt16) -> [Locator] {
        state.withLock { state in
            guard let slot = state.slot(of: record), state.isLive[Int(slot)] else { return [] }
            return state.links[parameter]?.targets(of: slot).map { state.locators.locators[Int($0)] } ?? []
        }
    }

    /// Targets of many records' references under a parameter.
    public func targets(of records: [RecordNumber], parameter: UInt16) -> Set<Locator> {
        state.withLock { state in
            guard let column = state.links[parameter] else { return [] }
            var found: Set<Locator> = []
            for record in records {
                guard let slot = state.slot(of: record), state.isLive[Int(slot)] else { continue }
                for target in column.targets(of: slot) { found.insert(state.locators.locators[Int(target)]) }
            }
            return found
        }
    }

    /// Current records whose `parameter` refers to `type/id`: for `_revinclude`.
    public func referrers(
        of type: ResourceType, id: String, parameter: UInt16, residual: SearchResidual
    ) -> SearchResult {
        guard let definition = Definitions.r4.searchParameter(number: parameter) else {
            return SearchResult(hits: [], unsureCount: 0)
        }
        let token = keys.token(TokenForm(.reference, type.name, id), of: definition)
        return state.withLock { state in
            state.permitted(state.tokens.postings(token), residual, keys, locatorKey)
        }
    }

    /// Current records of a type.
    public func count(of type: ResourceType) -> Int {
        state.withLock { $0.liveCounts[Int(type.code)] }
    }

    /// Grows whenever a record of one of these types comes, changes or goes.
    public func revision(of types: [ResourceType]) -> UInt64 {
        state.withLock { state in types.reduce(0) { $0 + state.revisions[Int($1.code)] } }
    }

    /// Current records of all types.
    public var count: Int {
        state.withLock { $0.liveCounts.reduce(0, +) }
    }
}

extension IndexState {
    func live(_ hits: Hits) -> Hits {
        Hits(maybe: hits.maybe.filter { isLive[Int($0)] }, unsure: hits.unsure.filter { isLive[Int($0)] })
    }

    mutating func permitted(
        _ slots: [Slot], _ residual: SearchResidual, _ keys: IndexKeys, _ locatorKey: LocatorKey
    ) -> SearchResult {
        var found = Hits.none
        let types = Set(slots.map { typeCode($0) })
        for type in ResourceType.allCases where types.contains(type.code) {
            let criterion = residual.criterion(for: type)
            found = found.or(hits(criterion, of: type, keys, locatorKey).restricted(to: slots))
        }
        found = live(found)
        return result(found.maybe, unsure: found.unsure)
    }

    func result(_ order: [Slot], unsure: [Slot]) -> SearchResult {
        let opened = Set(unsure)
        let hits = order.map { slot in
            SearchHit(
                record: RecordNumber(records[Int(slot)]), locator: locator(slot),
                isSure: opened.isEmpty || !opened.contains(slot))
        }
        return SearchResult(hits: hits, unsureCount: unsure.count)
    }
}
