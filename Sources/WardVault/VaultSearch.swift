import WardAudit
import WardCore
public import WardFHIR
public import WardGate
import WardIdentity
import WardIndex
import WardPolicy
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
        var frame = SearchFrame(grant, self)
        frame.event.query = query.asked
        if let parameter = hiddenParameter(of: query, frame.access) {
            var event = frame.event
            event.outcome = .denied
            event.decision = "parameter-not-granted"
            throw .refused(try await append(event), code: parameter)
        }
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
        let found = index.evaluate(query, residual: residual(for: query.plans.map(\.type), frame.access))
        let doubtful = try doubtful(query, frame.access)
        var hits = found.hits
        if found.unsureCount > 0 || doubtful != .none {
            hits = []
            var opened = 0
            for hit in found.hits {
                if hit.isSure, !doubtful.contains(hit) {
                    hits.append(hit)
                    continue
                }
                opened += 1
                guard opened <= Self.openLimit else { throw .tooManyToDecide }
                if opened.isMultiple(of: 256) { await Task.yield() }
                if let body = try openIfThere(try version(hit.record), at: hit.locator),
                    try isVisible(body, query, frame.access)
                {
                    hits.append(hit)
                } else {
                    event.candidates += 1
                }
            }
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
        var frame = SearchFrame(grant, self)
        guard let (handle, result, offset) = pages.result(of: link, principal: frame.principal), result.type == type
        else { throw .pageExpired }
        frame.event.query = result.query.asked
        do throws(VaultFailure) {
            return try await release(
                result, handle: handle, offset: offset, isFixed: true, frame: frame, event: frame.event)
        } catch {
            throw try await accounted(error, frame.event)
        }
    }

    /// - Parameter isFixed: the result was found by an earlier request.
    func release(
        _ result: SearchPages.Result, handle: Locator?, offset: Int, isFixed: Bool, frame: SearchFrame,
        event: AuditEvent
    ) async throws(VaultFailure) -> SearchAnswer {
        var event = event
        var records: [DisclosedRecord] = []
        var shown: Set<RecordNumber> = []
        var matches: [SearchMatch] = []
        for hit in result.hits.dropFirst(offset).prefix(result.pageSize) {
            // Deleted or no longer permitted since it was found: left out, also on the way back to the first page.
            if isFixed, try !isStillOpen(hit, .search, frame.access) { continue }
            let stored = try version(hit.record)
            // Destroyed since it was found.
            guard let body = try openIfThere(stored, at: hit.locator) else { continue }
            // The index selected it; the opened record decides. A disagreement is damage, never a shorter answer.
            guard isMatch(body, result.query) else { throw .damaged }
            let decision = try frame.access.decide(.search, on: body)
            guard let plan = result.query.plan(for: body.type), decision.isSearchable(plan.parameters, of: body.type),
                let json = decision.shown(body)
            else {
                event.candidates += 1
                continue
            }
            shown.insert(hit.record)
            matches.append(SearchMatch(hit: hit, type: body.type, id: body.id, decision: decision))
            records.append(DisclosedRecord(body, version: stored.version, decision, json: json))
            event.add(body, version: stored.version)
            event.note(decision)
        }
        for (hit, parameter) in try included(matches, query: result.query, access: frame.access)
        where shown.insert(hit.record).inserted {
            let stored = try version(hit.record)
            guard let body = try openIfThere(stored, at: hit.locator) else { continue }
            let decision = try frame.access.decide(.search, on: body)
            // What refers to a match tells so by the parameter; what a match refers to told it already.
            guard parameter.map({ decision.isSearchable([$0], of: body.type) }) ?? true,
                let json = decision.shown(body)
            else {
                event.candidates += 1
                continue
            }
            records.append(DisclosedRecord(body, version: stored.version, mode: .include, decision, json: json))
            event.add(body, version: stored.version)
            event.note(decision)
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

    /// Whether the record that was found earlier is there, and may be seen as it is now: a version of before does not
    /// show what is hidden today.
    func isStillOpen(
        _ hit: SearchHit, _ action: Action, _ access: RecordAccess
    ) throws(VaultFailure) -> Bool {
        guard let current = index.record(for: hit.locator) else { return false }
        if current == hit.record { return true }
        guard let body = try openIfThere(try version(current), at: hit.locator) else { return false }
        return try access.decide(action, on: body).isPermitted
    }

    /// Records that `_include` and `_revinclude` add to a page, without their bodies, and the parameter of those that
    /// refer to a match; hidden types are not among them.
    private func included(
        _ matches: [SearchMatch], query: SearchQuery, access: RecordAccess
    ) throws(VaultFailure) -> [(hit: SearchHit, parameter: UInt16?)] {
        guard !query.includes.isEmpty || !query.reverseIncludes.isEmpty else { return [] }
        let all = residual(for: ResourceType.allCases, access)
        var found: [(hit: SearchHit, parameter: UInt16?)] = []
        for include in query.includes {
            let residual = include.target.map { self.residual(for: [$0], access) } ?? all
            let sources = matches.filter {
                $0.type == include.source && $0.decision.isSearchable([include.parameter], of: $0.type)
            }
            let targets = sources.flatMap { index.links(of: $0.hit.record, parameter: include.parameter) }
            found += index.records(at: targets, residual: residual).hits.map { (hit: $0, parameter: nil) }
        }
        for include in query.reverseIncludes {
            let residual = residual(for: [include.source], access)
            for match in matches where include.target == nil || include.target == match.type {
                let referrers = index.referrers(
                    of: match.type, id: match.id, parameter: include.parameter, residual: residual)
                found += referrers.hits.map { (hit: $0, parameter: include.parameter) }
            }
            guard found.count <= Self.includeLimit else { throw .tooManyIncluded }
        }
        return found
    }

    /// Records that one search may open to decide on them.
    static let openLimit = 50_000
    private static let includeLimit = 10_000

    /// Records that match a query and may be found, opened; for preconditions and conditional references.
    func matches(
        _ query: SearchQuery, access: RecordAccess, limit: Int
    ) throws(VaultFailure) -> (records: [(body: RecordBody, version: Int64)], candidates: Int) {
        var records: [(body: RecordBody, version: Int64)] = []
        var candidates = 0
        for hit in index.evaluate(query, residual: residual(for: query.plans.map(\.type), access)).hits {
            let stored = try version(hit.record)
            guard let body = try openIfThere(stored, at: hit.locator) else { continue }
            candidates += 1
            guard try isVisible(body, query, access) else { continue }
            records.append((body: body, version: stored.version))
            if records.count >= limit { break }
        }
        return (records, candidates)
    }

    private func residual(for types: [ResourceType], _ access: RecordAccess) -> SearchResidual {
        let permitted = Set(types).filter { access.outlook(.search, on: $0).isPermitted }
        return .byType(Dictionary(uniqueKeysWithValues: permitted.map { ($0, .always) }))
    }

    /// Whether a record matches, and may be found by what the query asks of it.
    private func isVisible(
        _ body: RecordBody, _ query: SearchQuery, _ access: RecordAccess
    ) throws(VaultFailure) -> Bool {
        guard isMatch(body, query), let plan = query.plan(for: body.type) else { return false }
        let decision = try access.decide(.search, on: body)
        return decision.isSearchable(plan.parameters, of: body.type) && decision.shown(body) != nil
    }

    /// The exact test on the opened record.
    func isMatch(_ body: RecordBody, _ query: SearchQuery) -> Bool {
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
    var event: AuditEvent
    let access: RecordAccess
    let principal: String

    init<Leave: Interaction>(_ grant: consuming AccessGrant<Leave>, _ vault: Vault) {
        access = RecordAccess(grant.residual, vault)
        principal = grant.principal.id
        event = grant.event(.success, time: .now())
    }
}

extension SearchQuery {
    /// The search as it was asked, for the log: what fits with the records of a page into a leaf.
    var asked: String {
        let text = appliedParameters.map { "\(percentEncoded($0.name))=\(percentEncoded($0.value))" }
            .joined(separator: "&")
        return text.utf8.count <= 4096 ? text : "\(text.prefix(4096))..."
    }
}

/// A record on a page that matched by itself.
private struct SearchMatch {
    let hit: SearchHit
    let type: ResourceType
    let id: String
    let decision: RecordDecision
}

extension AuditEvent {
    mutating func add(_ body: RecordBody, version: Int64) {
        let owners = positions(of: body.patients)
        records.append(AuditedRecord(type: body.type, id: body.id, version: version, owners: owners))
    }
}
