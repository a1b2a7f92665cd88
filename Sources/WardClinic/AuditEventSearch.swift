import WardAudit
import WardCore
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardVault

/// AuditEvent served from the log, beside records of that type that other systems stored here (FHIR R4 auditevent.html).
///
/// Whoever may read the log sees all of it; patients, and who acts for them, see who opened their record; everybody else
/// finds what is stored and nothing of the log. The look is in the log before anything is shown.
extension Clinic {
    /// How much of the log somebody reads.
    private enum LogView {
        case all
        case own(OwnLog)
    }

    /// Whether a request for a record means the log.
    static func isOfLog(_ type: ResourceType, _ id: String) -> Bool {
        type.name == "AuditEvent" && id.hasPrefix(AuditEventResource.idPrefix)
    }

    // MARK: Read

    /// `GET AuditEvent/log-INDEX-N`.
    func readLogged(_ id: String, _ request: ClinicRequest) async throws -> ClinicAnswer {
        guard let (index, place) = AuditEventResource.parsed(id), index < .max else {
            throw Rejection(404, "not-found", "there is no such event")
        }
        var query = AuditQuery()
        query.filter.also = { $0.index == index }
        let (principal, source) = (request.principal, request.source)
        let owned = principal.patients.compactMap { gate.ownLog(of: $0, principal) }
        if !gate.mayReadLog(principal), !owned.isEmpty {
            for own in owned {
                let reading = try await gate.readLog(
                    query, of: own, before: index + 1, limit: 1, looking: 1, asked: "_id=\(id)", principal: principal,
                    source: source)
                guard let logged = reading.page.events.first else { continue }
                // What is left of it is about one patient.
                if let whole = AuditEventResource(logged, place: 1, base: base), whole.id == id {
                    return ClinicAnswer(status: 200, body: .plain(whole.json), receipt: reading.receipt)
                }
            }
            throw Rejection(404, "not-found", "there is no such event")
        }
        let grant = try await gate.authorizeLog(principal, source: source)
        let reading = try await gate.readLog(
            query, before: index + 1, limit: 1, looking: 1, asked: "_id=\(id)", with: grant)
        guard let resource = reading.page.events.first.flatMap({ AuditEventResource($0, place: place, base: base) })
        else {
            return .failure(404, "not-found", "there is no such event", receipt: reading.receipt)
        }
        return ClinicAnswer(
            status: 200, body: .plain(resource.json),
            headers: [
                (name: "ETag", value: entityTag(1)), (name: "Last-Modified", value: httpDate(resource.lastUpdated)),
            ], receipt: reading.receipt)
    }

    // MARK: Search

    /// `GET AuditEvent?...`; nil where the log has no part in it.
    func searchLogged(_ type: ResourceType, _ request: ClinicRequest) async throws -> ClinicAnswer? {
        guard !request.parameters.contains(where: { $0.name == "_page" }) else { return nil }
        guard let view = logView(request) else { return nil }
        let cursors = request.parameters.filter { $0.name == "_log" }
        guard cursors.count < 2 else { throw Rejection(400, "invalid", "given once only", expression: "_log") }
        let cursor = try cursors.first.map { pair in
            guard let cursor = LogCursor(pair.value) else {
                throw Rejection(400, "value", "not a link of this search", expression: "_log")
            }
            return cursor
        }
        let parameters = request.parameters.filter { $0.name != "_log" }.map(Self.plain)
        let query = try SearchQuery.parse(
            type: type, parameters: parameters, handling: request.preference.handling ?? .strict,
            context: searchContext())
        // The log's part knows nothing of other records.
        if let name = query.tiedName {
            throw SearchQueryFailure.unsupported(parameter: name, .chaining)
        }
        guard query.sort.allSatisfy({ ($0.code == "date" || $0.code == "_lastUpdated") && $0.isDescending }) else {
            throw Rejection(400, "not-supported", "the log is read newest first", expression: "_sort")
        }
        let size = min(query.count ?? Self.defaultPageSize, Self.largestPage)
        var found = LogFound(events: [], next: nil, receipt: nil)
        if cursor != .end, size > 0 {
            found = try await logged(query, parameters, from: cursor, size: size, view, request)
        }
        let isStoredToo = gate.filter(explaining: request.principal.standpoint(at: .now())).outlook(.search, on: type)
            .isPermitted
        guard isStoredToo, found.next == nil, size == 0 || found.events.count < size else {
            let next = found.next ?? (isStoredToo ? LogCursor.end : nil)
            let body = framed(found.events, query, next: next)
            return ClinicAnswer(status: 200, body: .plain(body), receipt: found.receipt)
        }
        // Each part is newest first.
        let sorted =
            query.sort.isEmpty
            ? try SearchQuery.parse(
                type: type, parameters: parameters + [SearchPair(name: "_sort", value: "-date")],
                handling: request.preference.handling ?? .strict, context: searchContext()) : query
        return try await withStored(found, query, sorted, type, size: size - found.events.count, request)
    }

    private func logView(_ request: ClinicRequest) -> LogView? {
        if gate.mayReadLog(request.principal) { return .all }
        let asked = request.parameters.filter { $0.name == "patient" || $0.name == "patient:Patient" }
        let named = asked.isEmpty ? request.principal.patients : asked.compactMap { Self.id($0.value, "Patient") }
        // One record's accesses at a time: of somebody who acts for several they must say of whom.
        guard named.count == 1, let patient = named.first else { return nil }
        return gate.ownLog(of: patient, request.principal).map(LogView.own)
    }

    private struct LogFound {
        var events: [AuditEventResource]
        var next: LogCursor?
        var receipt: AuditReceipt?
    }

    private func logged(
        _ query: SearchQuery, _ parameters: [SearchPair], from cursor: LogCursor?, size: Int, _ view: LogView,
        _ request: ClinicRequest
    ) async throws(GateFailure) -> LogFound {
        guard let plan = query.plans.first else { return LogFound(events: [], next: nil, receipt: nil) }
        let hints = LogHints(parameters)
        let patient: String?
        if case .own(let own) = view { patient = own.patient } else { patient = hints.patient }
        let base = base
        let matching: @Sendable (LoggedEvent) -> [AuditEventResource] = { logged in
            AuditEventResource.all(logged, patient: patient, base: base).filter { $0.matches(plan, base: base) }
        }
        var wanted = hints.query
        wanted.filter.also = { !matching($0).isEmpty }
        let (before, shown): (Int64, Int?) =
            if case .at(let index, let place) = cursor { (index, place) } else { (.max, nil) }
        // An id tells its event: one is opened, and nothing lies further back.
        let first = hints.only.map { min($0, .max - 1) + 1 } ?? .max
        let asked = query.appliedParameters.map { "\(percentEncoded($0.name))=\(percentEncoded($0.value))" }
            .joined(separator: "&")
        let reading: LogReading
        switch view {
        case .all:
            let grant = try await gate.authorizeLog(request.principal, source: request.source)
            reading = try await gate.readLog(
                wanted, before: min(before, first), limit: size, looking: hints.only == nil ? Self.mostOpened : 1,
                asked: asked, with: grant)
        case .own(let own):
            reading = try await gate.readLog(
                wanted, of: own, before: min(before, first), limit: size,
                looking: hints.only == nil ? Self.mostOpened : 1, asked: asked, principal: request.principal,
                source: request.source)
        }
        let next = hints.only == nil ? reading.page.next : nil
        var found = LogFound(events: [], next: next.map { .at($0, place: nil) }, receipt: reading.receipt)
        for logged in reading.page.events {
            // The first event goes on where the page before ended within it.
            for resource in matching(logged) {
                if let shown, logged.index == before - 1, resource.place <= shown { continue }
                guard found.events.count < size else {
                    found.next = .at(logged.index + 1, place: found.events.last?.placeWithin(logged))
                    return found
                }
                found.events.append(resource)
            }
        }
        return found
    }

    /// Events that one page opens at most; what is further back comes with the next link.
    private static let mostOpened = 5000

    private func withStored(
        _ found: LogFound, _ query: SearchQuery, _ sorted: SearchQuery, _ type: ResourceType, size: Int,
        _ request: ClinicRequest
    ) async throws -> ClinicAnswer {
        let named = [type] + query.namedTypes
        let grant = try await gate.authorize(
            Search.self, on: GrantSubject(types: named), principal: request.principal, source: request.source)
        let stored = try await vault.search(sorted, type: type, pageSize: size, with: grant)
        let body = stored.disclosure.framed { writer, place in
            writer.beginBundle("searchset", total: nil)
            var links = [("self", address(query))]
            if let next = stored.next { links.append(("next", "\(base)/\(type.name)?_page=\(next)")) }
            writer.links(links)
            guard !found.events.isEmpty || !stored.disclosure.records.isEmpty else { return writer.endObject() }
            writer.key("entry")
            writer.beginArray()
            for event in found.events { writer.entry(event, base: base) }
            for (index, record) in stored.disclosure.records.enumerated() {
                writer.entry(
                    "\(base)/\(record.type.name)/\(record.id)", record.mode, isForeign: record.type == type
                ) { place(&$0, index) }
            }
            writer.endArray()
            writer.endObject()
        }
        return ClinicAnswer(status: 200, body: .released(body))
    }

    private func framed(_ events: [AuditEventResource], _ query: SearchQuery, next: LogCursor?) -> [UInt8] {
        var writer = JSONWriter(reservingCapacity: 512 + events.count * 3000)
        writer.beginBundle("searchset", total: nil)
        var links = [("self", address(query))]
        if let next { links.append(("next", address(query, further: "_log=\(next.text)"))) }
        writer.links(links)
        if !events.isEmpty {
            writer.key("entry")
            writer.beginArray()
            for event in events { writer.entry(event, base: base) }
            writer.endArray()
        }
        writer.endObject()
        return writer.bytes
    }

    private func address(_ query: SearchQuery, further: String? = nil) -> String {
        let pairs =
            query.appliedParameters.map { "\(percentEncoded($0.name))=\(percentEncoded($0.value))" }
            + [further].compactMap { $0 }
        return pairs.isEmpty ? "\(base)/AuditEvent" : "\(base)/AuditEvent?\(pairs.joined(separator: "&"))"
    }

    /// `agent=person/ID` and `agent=client/NAME` as the identifier that they are.
    private static func plain(_ pair: SearchPair) -> SearchPair {
        guard pair.name == "agent", pair.value.hasPrefix("person/") || pair.value.hasPrefix("client/") else {
            return pair
        }
        let values = pair.value.split(separator: ",").map { "\(AuditEventResource.actorSystem)|\($0)" }
        return SearchPair(name: "agent:identifier", value: values.joined(separator: ","))
    }

    /// The id in `ID` or `Type/ID`; nil for anything that is not one literal.
    static func id(_ value: String, _ type: String) -> String? {
        let id = value.hasPrefix("\(type)/") ? String(value.dropFirst(type.count + 1)) : value
        return isID(id) ? id : nil
    }
}

/// Where a page of the log goes on: the newest leaf that may still have something, and what of it was shown.
enum LogCursor: Hashable {
    case at(Int64, place: Int?)
    case end

    var text: String {
        switch self {
        case .at(let before, let place): "\(before)\(place.map { "-\($0)" } ?? "")"
        case .end: "end"
        }
    }

    init?(_ text: String) {
        if text == "end" {
            self = .end
            return
        }
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count < 3, let before = Int64(parts[0]), before >= 0 else { return nil }
        let place = parts.count == 2 ? Int(parts[1]) : nil
        guard parts.count == 1 || (place ?? -1) >= 0 else { return nil }
        self = .at(before, place: place)
    }
}

/// What of a search the log's own index can look up; everything is held against each event again.
private struct LogHints {
    var query = AuditQuery()
    var patient: String?
    /// The one event that can be meant.
    var only: Int64?

    init(_ parameters: [SearchPair]) {
        for pair in parameters where !pair.value.contains(",") && !pair.value.contains("\\") {
            switch pair.name {
            case "_id": if let index = AuditEventResource.parsed(pair.value)?.index { only = min(only ?? index, index) }
            case "patient", "patient:Patient": note(patient: Clinic.id(pair.value, "Patient"))
            case "entity":
                let parts = pair.value.split(separator: "/", omittingEmptySubsequences: false)
                guard parts.count == 2, let type = ResourceType(parts[0]), Clinic.isID(parts[1]) else { continue }
                if type.name == "Patient" {
                    query.facets.append(.patient(String(parts[1])))
                } else {
                    query.facets.append(.record(type: type, id: String(parts[1])))
                }
            case "agent:identifier":
                let prefix = "\(AuditEventResource.actorSystem)|"
                let name = String(pair.value.dropFirst(prefix.count))
                guard pair.value.hasPrefix(prefix), name.hasPrefix("person/") || name.hasPrefix("client/") else {
                    continue
                }
                query.facets.append(.actor(name))
            case "subtype":
                let code = pair.value.split(separator: "|").last.map(String.init) ?? ""
                let system = pair.value.contains("|") ? pair.value.prefix { $0 != "|" } : ""
                // Elsewhere the same word may mean several kinds.
                guard system == AuditEventResource.kindSystem, let kind = AuditEventKind(rawValue: code) else {
                    continue
                }
                query.facets.append(.kind(kind))
            case "address:exact": query.facets.append(.address(pair.value))
            case "outcome":
                switch pair.value {
                case "0": query.filter.isSuccess = true
                case "4": query.facets.append(.outcome(.denied))
                case "8": query.facets.append(.outcome(.failed))
                default: break
                }
            case "date", "_lastUpdated": note(date: pair.value)
            default: break
            }
        }
    }

    private mutating func note(patient id: String?) {
        guard let id else { return }
        patient = id
        query.facets.append(.patient(id))
    }

    /// Bounds that hold for certain.
    private mutating func note(date: String) {
        let prefix = date.prefix { $0.isLetter }
        guard let (low, high) = FHIRDate.interval(date.dropFirst(prefix.count)) else { return }
        let (start, end) = (Instant(microseconds: low), Instant(microseconds: high).adding(seconds: 1))
        if ["", "eq", "ge", "gt", "sa"].contains(prefix) { query.filter.from = max(query.filter.from ?? start, start) }
        if ["", "eq", "le", "lt", "eb"].contains(prefix) { query.filter.to = min(query.filter.to ?? end, end) }
    }
}

extension AuditEventResource {
    /// Whether a search means it, by the same test as for a stored record.
    fileprivate func matches(_ plan: SearchPlan, base: String) -> Bool {
        if plan.criterion == .always { return true }
        guard let tape = try? JSONTape(parsing: json) else { return false }
        let values = SearchExtractor.values(of: tape, at: JSONTape.rootIndex, type: plan.type, ownBase: base)
        return SearchMatcher.matches(
            values, of: SearchedRecord(type: plan.type, id: id, lastUpdated: lastUpdated), plan.criterion)
    }

    /// Its place, if it is one of `event`.
    fileprivate func placeWithin(_ event: LoggedEvent) -> Int? { event.index == logged.index ? place : nil }
}

extension JSONWriter {
    fileprivate mutating func entry(_ event: AuditEventResource, base: String) {
        entry("\(base)/AuditEvent/\(event.id)", .match) { event.write(into: &$0) }
    }

    fileprivate mutating func entry(
        _ url: String, _ mode: SearchMode, isForeign: Bool = false, _ resource: (inout JSONWriter) -> Void
    ) {
        beginObject()
        member("fullUrl", url)
        key("resource")
        resource(&self)
        search(mode, isForeign: isForeign)
        endObject()
    }

    /// `Bundle.entry.search`; an AuditEvent that another system stored says so, since its own content is not Ward's.
    mutating func search(_ mode: SearchMode, isForeign: Bool) {
        key("search")
        beginObject()
        if isForeign {
            key("extension")
            beginArray()
            beginObject()
            member("url", "urn:ward:audit-source")
            member("valueCode", "other-system")
            endObject()
            endArray()
        }
        member("mode", mode.rawValue)
        endObject()
    }
}
