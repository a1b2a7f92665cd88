import WardAudit
import WardCore
import WardFHIR
import WardIndex
import WardPolicy
import WardStorage

/// What a page shows so far.
struct SearchPage {
    var records: [DisclosedRecord]
    var shown: Set<RecordNumber>
    var event: AuditEvent
}

extension Vault {
    /// Adds what `_include` and `_revinclude` lead to, and with `:iterate` what that leads to (search.html#include).
    ///
    /// Each record is decided on before anything is followed from it: what is hidden leads nowhere.
    func addIncluded(
        to page: inout SearchPage, from matches: [SearchMatch], query: SearchQuery, access: RecordAccess
    ) async throws(VaultFailure) {
        var (includes, reverseIncludes) = (query.includes, query.reverseIncludes)
        var ends = matches
        var added = 0
        var steps = 0
        while !ends.isEmpty, !includes.isEmpty || !reverseIncludes.isEmpty {
            let found = try await included(ends, includes, reverseIncludes, access: access, steps: &steps)
            ends = []
            for (hit, ways) in found where !page.shown.contains(hit.record) {
                added += 1
                guard added <= Self.includeLimit else { throw .tooManyIncluded }
                if added.isMultiple(of: 256) { await Task.yield() }
                let stored = try version(hit.record)
                guard let body = try openIfThere(stored, at: hit.locator) else { continue }
                let decision = try access.decide(.search, on: body)
                // What refers to a match tells so by the parameter; what a match refers to told it already.
                guard ways.contains(where: { $0.map { decision.isSearchable([$0], of: body.type) } ?? true }),
                    let json = decision.shown(body)
                else {
                    page.event.candidates += 1
                    continue
                }
                page.shown.insert(hit.record)
                ends.append(SearchMatch(hit: hit, type: body.type, id: body.id, decision: decision))
                page.records.append(
                    DisclosedRecord(body, version: stored.version, mode: .include, decision, json: json))
                page.event.add(body, version: stored.version)
                page.event.note(decision)
            }
            includes = includes.filter(\.isIterated)
            reverseIncludes = reverseIncludes.filter(\.isIterated)
        }
    }

    /// Records one step from those, without their bodies, each once, and the ways to it: the parameter by which it
    /// refers to one of those, nil if one of those refers to it; hidden types are not among them.
    private func included(
        _ ends: [SearchMatch], _ includes: [SearchInclude], _ reverseIncludes: [SearchInclude], access: RecordAccess,
        steps: inout Int
    ) async throws(VaultFailure) -> [(hit: SearchHit, ways: [UInt16?])] {
        let all = residual(for: ResourceType.allCases, access)
        let byType = Dictionary(grouping: ends, by: \.type)
        var found: [(hit: SearchHit, ways: [UInt16?])] = []
        var places: [RecordNumber: Int] = [:]
        var count = 0
        func add(_ hits: [SearchHit], _ way: UInt16?) throws(VaultFailure) {
            count += hits.count
            guard count <= Self.foundLimit else { throw .tooManyIncluded }
            for hit in hits {
                if let place = places[hit.record] {
                    if !found[place].ways.contains(way) { found[place].ways.append(way) }
                } else {
                    places[hit.record] = found.count
                    found.append((hit: hit, ways: [way]))
                }
            }
        }
        for include in includes {
            let sources = (byType[include.source] ?? [])
                .filter { $0.decision.isSearchable([include.parameter], of: $0.type) }
            if sources.isEmpty { continue }
            try await Self.take(sources.count, of: &steps)
            let residual = include.target.map { self.residual(for: [$0], access) } ?? all
            let targets = index.targets(of: sources.map(\.hit.record), parameter: include.parameter)
            try add(index.records(at: Array(targets), residual: residual).hits, nil)
        }
        for include in reverseIncludes where access.outlook(.search, on: include.source).isPermitted {
            let residual = residual(for: [include.source], access)
            let wanted = include.target.map { byType[$0] ?? [] } ?? ends
            try await Self.take(wanted.count, of: &steps)
            for end in wanted {
                let referrers = index.referrers(
                    of: end.type, id: end.id, parameter: include.parameter, residual: residual)
                try add(referrers.hits, include.parameter)
            }
        }
        return found
    }

    /// Counts records that are followed, whether something is found there or not.
    private static func take(_ count: Int, of steps: inout Int) async throws(VaultFailure) {
        steps += count
        guard steps <= stepLimit else { throw .tooManyIncluded }
        await Task.yield()
    }

    /// Records that includes may add to one page.
    private static let includeLimit = 10_000
    /// The same with those that several includes lead to.
    private static let foundLimit = 40_000
    /// Records that includes of one page may be followed from, counted for each include.
    private static let stepLimit = 500_000
}
