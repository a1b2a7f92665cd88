import WardAudit
import WardCore
import WardFHIR
import WardIndex
import WardPolicy

/// Finds the records of one search that who asks may find, at either end of every chain.
///
/// Records at the far end of a chain or of `_has` are decided on as matches are: by what is asked of them. A hidden one
/// ties nothing, so that no answer, total or order tells of it.
struct RecordFinder {
    let vault: Vault
    let access: RecordAccess
    /// Records that were opened to decide on them.
    private(set) var opened = 0
    /// Those of them that are not found, each counted once however often it was opened.
    private var hidden: Set<RecordNumber> = []
    /// Records at the far ends.
    private var walked = 0
    /// What modifiers led to so far.
    var book = CodeBook()

    init(_ vault: Vault, _ access: RecordAccess) {
        self.vault = vault
        self.access = access
    }

    var leftOut: Int { hidden.count }

    /// The query with what it is tied to looked up.
    mutating func resolved(_ query: SearchQuery) async throws(VaultFailure) -> SearchQuery {
        guard query.isTied else { return query }
        try checkLookups(of: query)
        var plans: [SearchPlan] = []
        for plan in query.plans {
            guard access.outlook(.search, on: plan.type).isPermitted else {
                plans.append(SearchPlan(type: plan.type, criterion: .never, sortParameters: plan.sortParameters))
                continue
            }
            let coded = try await withCodes(plan.criterion)
            let criterion = try await resolved(coded, of: plan.type, among: nil)
            plans.append(SearchPlan(type: plan.type, criterion: criterion, sortParameters: plan.sortParameters))
        }
        return query.with(plans: plans)
    }

    /// Matches in the order of the query, of a query that ``resolved(_:)`` made.
    mutating func found(_ query: SearchQuery) async throws(VaultFailure) -> [SearchHit] {
        try await found(query, few: .max) ?? []
    }

    /// - Parameter few: nil is answered if more than that could match.
    private mutating func found(_ query: SearchQuery, few: Int) async throws(VaultFailure) -> [SearchHit]? {
        let types = query.plans.map(\.type)
        let found = vault.index.evaluate(query, residual: vault.residual(for: types, access))
        guard found.hits.count <= few else { return nil }
        let doubtful = try vault.doubtful(query, access)
        let needsValues = query.isSortedByValues
        if found.unsureCount == 0, doubtful == .none, !needsValues { return found.hits }
        var hits: [SearchHit] = []
        var order = SearchOrder(query)
        for hit in found.hits {
            if hit.isSure, !doubtful.contains(hit), !needsValues {
                hits.append(hit)
                continue
            }
            opened += 1
            guard opened <= Self.openLimit else { throw .tooManyToDecide }
            if opened.isMultiple(of: 256) { await Task.yield() }
            guard let body = try vault.openIfThere(try vault.version(hit.record), at: hit.locator),
                let values = needsValues
                    ? vault.matchingValues(body, query) : vault.isMatch(body, query) ? [] : nil,
                try vault.mayFind(body, query, access)
            else {
                hidden.insert(hit.record)
                continue
            }
            hits.append(hit)
            if needsValues { order.add(values, of: vault.searched(body), number: hit.record.value) }
        }
        return needsValues ? order.sorted().map { hits[$0] } : hits
    }

    /// Refuses a query that asks for too many far ends: by what it says alone, as what is there may be hidden.
    private func checkLookups(of query: SearchQuery) throws(VaultFailure) {
        var count = 0
        func permitted(_ plans: [SearchPlan]) -> [SearchPlan] {
            plans.filter { access.outlook(.search, on: $0.type).isPermitted }
        }
        for tie in permitted(query.plans).flatMap(\.criterion.ties) {
            count += permitted(tie.plans).count
            guard count <= Self.lookupLimit else { throw .tooManyTied(parameter: tie.name) }
        }
    }

    /// The criterion with the codes of its modifiers told, also at the far ends: before any record is looked at, so that
    /// what cannot be told is refused whatever there is.
    private mutating func withCodes(_ criterion: SearchCriterion) async throws(VaultFailure) -> SearchCriterion {
        guard criterion.isTied else { return criterion }
        switch criterion {
        case .codes(let number, let question, let name):
            guard let parameter = Definitions.r4.searchParameter(number: number) else { return .never }
            var sets = CodeSets(self, for: name)
            // What was opened counts also where it led to nothing.
            defer { self = sets.finder }
            return .matches(parameter: number, .codes(try await sets.codes(question, under: parameter)))
        case .all(let parts): return .all(try await withCodes(parts))
        case .any(let parts): return .any(try await withCodes(parts))
        case .not(let part): return .not(try await withCodes(part))
        case .chain(let parameter, let tie): return .chain(parameter: parameter, try await withCodes(tie))
        case .reverseChain(let parameter, let tie):
            return .reverseChain(parameter: parameter, try await withCodes(tie))
        case .always, .never, .types, .id, .lastUpdated, .missing, .matches, .linked, .among: return criterion
        }
    }

    private mutating func withCodes(_ parts: [SearchCriterion]) async throws(VaultFailure) -> [SearchCriterion] {
        var result: [SearchCriterion] = []
        for part in parts { result.append(try await withCodes(part)) }
        return result
    }

    private mutating func withCodes(_ tie: SearchTie) async throws(VaultFailure) -> SearchTie {
        var plans: [SearchPlan] = []
        for plan in tie.plans {
            plans.append(
                SearchPlan(
                    type: plan.type, criterion: try await withCodes(plan.criterion),
                    sortParameters: plan.sortParameters))
        }
        return SearchTie(plans: plans, isNamed: tie.isNamed, name: tie.name)
    }

    /// - Parameter candidates: all records that can match the whole and may be found, where they are few: nothing
    ///   further away than what these are tied to is looked at.
    private mutating func resolved(
        _ criterion: SearchCriterion, of type: ResourceType, among candidates: [SearchHit]?
    ) async throws(VaultFailure) -> SearchCriterion {
        switch criterion {
        case .all(let parts):
            let plain = parts.filter { !$0.isTied }
            var few = plain.count == parts.count ? nil : candidates
            if few == nil, plain.count < parts.count { few = try await self.candidates(plain, of: type) }
            if let few, few.isEmpty { return .never }
            var result = plain
            for part in parts where part.isTied { result.append(try await resolved(part, of: type, among: few)) }
            return .all(result)
        case .any(let parts):
            var result: [SearchCriterion] = []
            for part in parts { result.append(try await resolved(part, of: type, among: candidates)) }
            return .any(result)
        case .not(let part): return .not(try await resolved(part, of: type, among: nil))
        case .chain(let parameter, let tie):
            let ends = candidates.map { vault.index.targets(of: $0.map(\.record), parameter: parameter) }
            var found: Set<Locator> = []
            for plan in tie.plans {
                let hits = try await records(plan, within: ends.map { .among(RecordSet($0)) }, tie)
                found.formUnion(hits.map(\.locator))
                guard found.count <= Self.tieLimit else { throw .tooManyTied(parameter: tie.name) }
            }
            return .linked(parameter: parameter, RecordSet(found))
        case .reverseChain(let parameter, let tie):
            let ends = candidates.map { RecordSet(Set($0.map(\.locator))) }
            var found: Set<Locator> = []
            for plan in tie.plans {
                let within = ends.map { SearchCriterion.linked(parameter: parameter, $0) }
                let hits = try await records(plan, within: within, tie)
                found.formUnion(vault.index.targets(of: hits.map(\.record), parameter: parameter))
            }
            return .among(RecordSet(found))
        case .always, .never, .types, .id, .lastUpdated, .missing, .matches, .linked, .among, .codes: return criterion
        }
    }

    /// Records at the far end of a tie.
    private mutating func records(
        _ plan: SearchPlan, within ends: SearchCriterion?, _ tie: SearchTie
    ) async throws(VaultFailure) -> [SearchHit] {
        guard access.outlook(.search, on: plan.type).isPermitted else { return [] }
        var parts = if case .all(let parts) = plan.criterion { parts } else { [plan.criterion] }
        if let ends { parts.insert(ends, at: 0) }
        let criterion = try await resolved(.all(parts), of: plan.type, among: nil)
        let hits = try await found(
            .tied(SearchPlan(type: plan.type, criterion: criterion, sortParameters: [])))
        walked += hits.count
        guard hits.count <= Self.tieLimit, walked <= Self.walkLimit else {
            throw .tooManyTied(parameter: tie.name)
        }
        return hits
    }

    /// Records that can match, if there are few; of hidden ones nothing further is looked at, so that neither what is
    /// refused nor how long it takes tells of them.
    private mutating func candidates(
        _ plain: [SearchCriterion], of type: ResourceType
    ) async throws(VaultFailure) -> [SearchHit]? {
        guard !plain.isEmpty else { return nil }
        let query = SearchQuery.tied(SearchPlan(type: type, criterion: .all(plain), sortParameters: []))
        return try await found(query, few: Self.fewLimit)
    }

    /// Records that one search may open to decide on them or to sort them.
    static let openLimit = 50_000
    /// Records at the far end of one tie.
    private static let tieLimit = 100_000
    /// Far ends of one search, and records at all of them.
    private static let lookupLimit = 500
    private static let walkLimit = 1_000_000
    /// Candidates that are walked from instead of towards.
    private static let fewLimit = 5_000
}
