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
    ) throws(VaultFailure) {
        var (includes, reverseIncludes) = (query.includes, query.reverseIncludes)
        var ends = matches
        var added = 0
        while !ends.isEmpty, !includes.isEmpty || !reverseIncludes.isEmpty {
            let found = try included(ends, includes, reverseIncludes, access: access)
            ends = []
            for (hit, parameter) in found where page.shown.insert(hit.record).inserted {
                added += 1
                guard added <= Self.includeLimit else { throw .tooManyIncluded }
                let stored = try version(hit.record)
                guard let body = try openIfThere(stored, at: hit.locator) else { continue }
                let decision = try access.decide(.search, on: body)
                // What refers to a match tells so by the parameter; what a match refers to told it already.
                guard parameter.map({ decision.isSearchable([$0], of: body.type) }) ?? true,
                    let json = decision.shown(body)
                else {
                    page.event.candidates += 1
                    continue
                }
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

    /// Records one step from those, without their bodies, and the parameter of those that refer to them; hidden types
    /// are not among them.
    private func included(
        _ ends: [SearchMatch], _ includes: [SearchInclude], _ reverseIncludes: [SearchInclude], access: RecordAccess
    ) throws(VaultFailure) -> [(hit: SearchHit, parameter: UInt16?)] {
        let all = residual(for: ResourceType.allCases, access)
        let byType = Dictionary(grouping: ends, by: \.type)
        var found: [(hit: SearchHit, parameter: UInt16?)] = []
        for include in includes {
            let sources = (byType[include.source] ?? [])
                .filter { $0.decision.isSearchable([include.parameter], of: $0.type) }
            if sources.isEmpty { continue }
            let residual = include.target.map { self.residual(for: [$0], access) } ?? all
            let targets = index.targets(of: sources.map(\.hit.record), parameter: include.parameter)
            found += index.records(at: Array(targets), residual: residual).hits.map { (hit: $0, parameter: nil) }
            guard found.count <= Self.foundLimit else { throw .tooManyIncluded }
        }
        for include in reverseIncludes where access.outlook(.search, on: include.source).isPermitted {
            let residual = residual(for: [include.source], access)
            for end in ends where include.target == nil || include.target == end.type {
                let referrers = index.referrers(
                    of: end.type, id: end.id, parameter: include.parameter, residual: residual)
                found += referrers.hits.map { (hit: $0, parameter: include.parameter) }
                guard found.count <= Self.foundLimit else { throw .tooManyIncluded }
            }
        }
        return found
    }

    /// Records that includes may add to one page.
    private static let includeLimit = 10_000
    /// The same with those that several includes lead to.
    private static let foundLimit = 40_000
}
