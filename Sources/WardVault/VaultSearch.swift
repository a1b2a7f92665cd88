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
        let narrowed = narrowing(query, frame.access)
        if let parameter = hiddenParameter(of: narrowed, frame.access) {
            var event = frame.event
            event.outcome = .denied
            event.decision = "parameter-not-granted"
            throw .refused(try await append(event), code: parameter)
        }
        do throws(VaultFailure) {
            return try await firstPage(of: narrowed, type: type, pageSize: pageSize, frame: &frame)
        } catch {
            throw try await accounted(error, frame.event)
        }
    }

    private func firstPage(
        of query: SearchQuery, type: ResourceType?, pageSize: Int, frame: inout SearchFrame
    ) async throws(VaultFailure) -> SearchAnswer {
        var event = frame.event
        var finder = RecordFinder(self, frame.access)
        let (resolved, hits): (SearchQuery, [SearchHit])
        do throws(VaultFailure) {
            resolved = try await finder.resolved(query)
            hits = try await finder.found(resolved)
        } catch {
            frame.event.candidates = finder.opened
            throw error
        }
        event.candidates += finder.leftOut
        let result = SearchPages.Result(
            query: resolved, type: type, hits: hits, total: query.total == SearchTotal.none ? nil : hits.count,
            pageSize: pageSize, principal: frame.principal, expires: .now().adding(seconds: SearchPages.lifetime))
        let handle = pageSize > 0 && hits.count > pageSize ? pages.keep(result) : nil
        return try await release(result, handle: handle, offset: 0, isFixed: false, frame: &frame, event: event)
    }

    /// A further page of an earlier search; the link came with the page before.
    public func page(
        _ link: String, type: ResourceType?, with grant: consuming AccessGrant<Search>
    ) async throws(VaultFailure) -> SearchAnswer {
        var frame = SearchFrame(grant, self)
        guard let (handle, result, offset) = pages.result(of: link, principal: frame.principal), result.type == type
        else { throw .pageExpired }
        frame.event.query = result.query.asked
        let event = frame.event
        do throws(VaultFailure) {
            return try await release(
                result, handle: handle, offset: offset, isFixed: true, frame: &frame, event: event)
        } catch {
            throw try await accounted(error, frame.event)
        }
    }

    /// - Parameter isFixed: the result was found by an earlier request.
    func release(
        _ result: SearchPages.Result, handle: Locator?, offset: Int, isFixed: Bool,
        frame: inout SearchFrame, event: AuditEvent
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
        var page = SearchPage(records: records, shown: shown, event: event)
        do throws(VaultFailure) {
            try await addIncluded(to: &page, from: matches, query: result.query, access: frame.access)
        } catch {
            frame.event.candidates = page.event.candidates + page.records.count
            throw error
        }
        (records, event) = (page.records, page.event)
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

    /// Records that match a query and may be found, opened; for preconditions and conditional references.
    func matches(
        _ query: SearchQuery, access: RecordAccess, limit: Int
    ) throws(VaultFailure) -> (records: [(body: RecordBody, version: Int64)], candidates: Int) {
        var records: [(body: RecordBody, version: Int64)] = []
        var candidates = 0
        // Conditions are not tied to other records; one that were would match nothing.
        guard !query.isTied else { throw .notGranted }
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

    func residual(for types: [ResourceType], _ access: RecordAccess) -> SearchResidual {
        let permitted = Set(types).filter { access.outlook(.search, on: $0).isPermitted }
        return .byType(Dictionary(uniqueKeysWithValues: permitted.map { ($0, .always) }))
    }

    /// Whether a record matches, and may be found by what the query asks of it.
    private func isVisible(
        _ body: RecordBody, _ query: SearchQuery, _ access: RecordAccess
    ) throws(VaultFailure) -> Bool {
        guard isMatch(body, query) else { return false }
        return try mayFind(body, query, access)
    }

    /// Whether a record may be found by what the query asks of it.
    func mayFind(_ body: RecordBody, _ query: SearchQuery, _ access: RecordAccess) throws(VaultFailure) -> Bool {
        guard let plan = query.plan(for: body.type) else { return false }
        let decision = try access.decide(.search, on: body)
        return decision.isSearchable(plan.parameters, of: body.type) && decision.shown(body) != nil
    }

    /// The exact test on the opened record.
    func isMatch(_ body: RecordBody, _ query: SearchQuery) -> Bool {
        if query.plan(for: body.type)?.criterion == .always { return !body.isDeleted }
        return matchingValues(body, query) != nil
    }

    /// The values of the opened record, if it passes the exact test.
    func matchingValues(_ body: RecordBody, _ query: SearchQuery) -> [IndexedValue]? {
        guard !body.isDeleted, let plan = query.plan(for: body.type), let tape = try? JSONTape(parsing: body.json)
        else { return nil }
        let values = SearchExtractor.values(of: tape, at: JSONTape.rootIndex, type: body.type, ownBase: ownBase)
        let locators = keys.locators
        let isMatch = SearchMatcher.matches(values, of: searched(body), plan.criterion) { type, id in
            locators.locator(type: type, id: id)
        }
        return isMatch ? values : nil
    }

    /// What search asks of a record besides its values.
    func searched(_ body: RecordBody) -> SearchedRecord {
        SearchedRecord(type: body.type, id: body.id, lastUpdated: body.lastUpdated)
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

/// A record on a page whose references may be followed.
struct SearchMatch {
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
