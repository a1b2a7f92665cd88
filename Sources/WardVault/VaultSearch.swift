import WardAudit
import WardCore
public import WardFHIR
public import WardGate
import WardIdentity
import WardIndex
import WardStorage

/// One page of a search.
public struct SearchAnswer: Sendable {
    /// Matches first, then included records.
    public let disclosure: Disclosure
    /// Exact number of matches; nil if not asked for.
    public let total: Int?
    /// The query that was carried out; its values are PHI.
    public let query: SearchQuery
    /// Sealed texts of the further links, for `_page`.
    public let next: String?
    public let previous: String?
}

extension Vault {
    /// Finds, opens, checks again and releases the first page of a search (FHIR R4 http.html#search).
    ///
    /// - Parameters:
    ///   - type: nil for a search over all types of the query.
    ///   - pageSize: 0 for the number alone.
    public func search(
        _ query: SearchQuery, type: ResourceType?, pageSize: Int, with grant: consuming AccessGrant<Search>
    ) async throws(VaultFailure) -> SearchAnswer {
        guard isReady else { throw .indexNotReady }
        let frame = grant.frame(principal: grant.principal.id)
        do throws(VaultFailure) {
            return try await firstPage(of: query, type: type, pageSize: pageSize, frame: frame)
        } catch {
            throw try await accounted(error, frame.event)
        }
    }

    private func firstPage(
        of query: SearchQuery, type: ResourceType?, pageSize: Int, frame: SearchFrame
    ) async throws(VaultFailure) -> SearchAnswer {
        var event = frame.event
        let found = index.evaluate(query, residual: residual(for: query.plans.map(\.type), frame.permits))
        var hits = found.hits
        if found.unsureCount > 0 {
            var sure: [SearchHit] = []
            for hit in hits {
                if hit.isSure {
                    sure.append(hit)
                } else if try isMatch(hit, query, frame.permits) {
                    sure.append(hit)
                } else {
                    event.candidates += 1
                }
            }
            hits = sure
        }
        let result = SearchPages.Result(
            query: query, type: type, hits: hits, total: query.total == SearchTotal.none ? nil : hits.count,
            pageSize: pageSize, principal: frame.principal, expires: .now().adding(seconds: SearchPages.lifetime))
        let handle = pageSize > 0 && hits.count > pageSize ? pages.keep(result) : nil
        return try await release(result, handle: handle, offset: 0, isFixed: false, frame: frame, event: event)
    }

    /// A further page of an earlier search; the link came with the page before.
    public func page(
        _ link: String, type: ResourceType?, with grant: consuming AccessGrant<Search>
    ) async throws(VaultFailure) -> SearchAnswer {
        let frame = grant.frame(principal: grant.principal.id)
        guard let (handle, result, offset) = pages.result(of: link, principal: frame.principal), result.type == type
        else { throw .pageExpired }
        do throws(VaultFailure) {
            return try await release(
                result, handle: handle, offset: offset, isFixed: true, frame: frame, event: frame.event)
        } catch {
            throw try await accounted(error, frame.event)
        }
    }

    /// - Parameter isFixed: the result was found by an earlier request.
    private func release(
        _ result: SearchPages.Result, handle: Locator?, offset: Int, isFixed: Bool, frame: SearchFrame,
        event: AuditEvent
    ) async throws(VaultFailure) -> SearchAnswer {
        var event = event
        var records: [DisclosedRecord] = []
        var shown: Set<RecordNumber> = []
        var matches: [(hit: SearchHit, body: RecordBody)] = []
        for hit in result.hits.dropFirst(offset).prefix(result.pageSize) {
            // Deleted or no longer permitted since it was found: left out, also on the way back to the first page.
            if isFixed, index.record(for: hit.locator) == nil { continue }
            let stored = try version(hit.record)
            let body = try open(stored, at: hit.locator)
            guard frame.permits(body.type) else { continue }
            // The index selected it; the opened record decides. A disagreement is damage, never a shorter answer.
            guard isMatch(body, result.query) else { throw .damaged }
            shown.insert(hit.record)
            matches.append((hit: hit, body: body))
            records.append(DisclosedRecord(body, version: stored.version))
            event.add(body, version: stored.version)
        }
        for hit in try included(matches, query: result.query, permits: frame.permits)
        where shown.insert(hit.record).inserted {
            let stored = try version(hit.record)
            let body = try open(stored, at: hit.locator)
            guard frame.permits(body.type) else { throw .damaged }
            records.append(DisclosedRecord(body, version: stored.version, mode: .include))
            event.add(body, version: stored.version)
        }
        func link(_ target: Int) -> String? {
            handle.flatMap { pages.link($0, offset: target, principal: frame.principal) }
        }
        let end = offset + result.pageSize
        return SearchAnswer(
            disclosure: Disclosure(records: records, receipt: try await append(event)), total: result.total,
            query: result.query, next: end < result.hits.count ? link(end) : nil,
            previous: offset > 0 ? link(max(0, offset - result.pageSize)) : nil)
    }

    /// Records that `_include` and `_revinclude` add to a page, without their bodies; hidden types are not among them.
    private func included(
        _ matches: [(hit: SearchHit, body: RecordBody)], query: SearchQuery,
        permits: @Sendable (ResourceType) -> Bool
    ) throws(VaultFailure) -> [SearchHit] {
        guard !query.includes.isEmpty || !query.reverseIncludes.isEmpty else { return [] }
        let all = residual(for: ResourceType.allCases, permits)
        var found: [SearchHit] = []
        for include in query.includes {
            let residual = include.target.map { self.residual(for: [$0], permits) } ?? all
            let targets = matches.filter { $0.body.type == include.source }
                .flatMap { index.links(of: $0.hit.record, parameter: include.parameter) }
            found += index.records(at: targets, residual: residual).hits
        }
        for include in query.reverseIncludes {
            let residual = residual(for: [include.source], permits)
            for match in matches where include.target == nil || include.target == match.body.type {
                found +=
                    index.referrers(
                        of: match.body.type, id: match.body.id, parameter: include.parameter, residual: residual
                    ).hits
            }
            guard found.count <= Self.includeLimit else { throw .tooManyIncluded }
        }
        return found
    }

    private static let includeLimit = 10_000

    /// Records that match a query, opened; for preconditions and conditional references.
    func matches(
        _ query: SearchQuery, permitted: @Sendable (ResourceType) -> Bool, limit: Int
    ) throws(VaultFailure) -> (records: [(body: RecordBody, version: Int64)], candidates: Int) {
        var records: [(body: RecordBody, version: Int64)] = []
        var candidates = 0
        for hit in index.evaluate(query, residual: residual(for: query.plans.map(\.type), permitted)).hits {
            let stored = try version(hit.record)
            let body = try open(stored, at: hit.locator)
            candidates += 1
            guard permitted(body.type), isMatch(body, query) else { continue }
            records.append((body: body, version: stored.version))
            if records.count >= limit { break }
        }
        return (records, candidates)
    }

    private func residual(
        for types: [ResourceType], _ permits: @Sendable (ResourceType) -> Bool
    ) -> SearchResidual {
        .byType(Dictionary(uniqueKeysWithValues: Set(types).filter(permits).map { ($0, .always) }))
    }

    private func isMatch(
        _ hit: SearchHit, _ query: SearchQuery, _ permits: @Sendable (ResourceType) -> Bool
    ) throws(VaultFailure) -> Bool {
        let body = try open(try version(hit.record), at: hit.locator)
        return permits(body.type) && isMatch(body, query)
    }

    /// The exact test on the opened record.
    private func isMatch(_ body: RecordBody, _ query: SearchQuery) -> Bool {
        guard !body.isDeleted, let plan = query.plan(for: body.type) else { return false }
        if plan.criterion == .always { return true }
        guard let tape = try? JSONTape(parsing: body.json) else { return false }
        let values = SearchExtractor.values(of: tape, at: JSONTape.rootIndex, type: body.type, ownBase: ownBase)
        let record = SearchedRecord(type: body.type, id: body.id, lastUpdated: body.lastUpdated)
        return SearchMatcher.matches(values, of: record, plan.criterion)
    }
}

/// What a search needs of its grant.
struct SearchFrame: Sendable {
    let event: AuditEvent
    let permits: @Sendable (ResourceType) -> Bool
    let principal: String
}

extension AccessGrant {
    consuming func frame(principal: String) -> SearchFrame {
        SearchFrame(event: event(.success, time: .now()), permits: searchFilter, principal: principal)
    }
}

extension AuditEvent {
    mutating func add(_ body: RecordBody, version: Int64) {
        records.append(AuditedRecord(type: body.type, id: body.id, version: version))
        add(patients: body.patients)
    }
}
