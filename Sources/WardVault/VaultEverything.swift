import WardAudit
public import WardCore
public import WardFHIR
public import WardGate
import WardIndex
import WardPolicy
import WardStorage

/// What a `$everything` asks for (FHIR R4 patient-operation-everything.html, encounter-operation-everything.html).
public struct EverythingQuestion: Sendable {
    public let type: ResourceType
    public let id: String
    /// `_type`; nil for all.
    public let types: Set<ResourceType>?
    /// `_since`: records that changed then or later.
    public let since: Instant?
    /// `start` and `end` of care, in microseconds since 1970.
    public let care: ClosedRange<Int64>?
    /// Most records that are opened to answer it.
    package var openLimit = RecordFinder.openLimit
    /// The question as it was asked, for the log and the links.
    public let asked: [SearchPair]

    public init(
        type: ResourceType, id: String, types: Set<ResourceType>?, since: Instant?, care: ClosedRange<Int64>?,
        asked: [SearchPair]
    ) {
        self.type = type
        self.id = id
        self.types = types
        self.since = since
        self.care = care
        self.asked = asked
    }
}

extension Vault {
    /// Finds and releases the first page of everything about a patient or an encounter.
    ///
    /// The records of the compartment, and what they refer to outside of it. Each is opened and decided on before it
    /// counts: what may not be found by its reference is not found here either.
    ///
    /// - Throws: ``VaultFailure/notFound(_:)`` where the patient or encounter itself may not be seen.
    public func everything(
        _ question: EverythingQuestion, pageSize: Int, with grant: consuming AccessGrant<Search>
    ) async throws(VaultFailure) -> SearchAnswer {
        guard isReady else { throw .indexNotReady }
        var frame = SearchFrame(grant, self)
        let query = SearchQuery.everything(of: ResourceType.allCases, asked: question.asked)
        frame.event.query = query.asked
        do throws(VaultFailure) {
            let found = try await gathered(question, frame)
            guard let found else {
                var event = frame.event
                event.miss(question.type, question.id, version: 0)
                throw .notFound(try await append(event))
            }
            var event = frame.event
            event.candidates += found.hidden
            let result = SearchPages.Result(
                query: query, type: question.type, hits: found.hits, total: found.hits.count, pageSize: pageSize,
                principal: frame.principal, expires: .now().adding(seconds: SearchPages.lifetime))
            let handle = pageSize > 0 && found.hits.count > pageSize ? pages.keep(result) : nil
            return try await release(result, handle: handle, offset: 0, isFixed: false, frame: &frame, event: event)
        } catch {
            if error == .tooManyToDecide {
                frame.event.candidates = RecordFinder.openLimit
                frame.event.miss(question.type, question.id, version: 0)
            }
            throw try await accounted(error, frame.event)
        }
    }

    /// Nil where the focus is not there for who asks.
    private func gathered(
        _ question: EverythingQuestion, _ frame: SearchFrame
    ) async throws(VaultFailure) -> Gathered? {
        let access = frame.access
        let permitted = Set(ResourceType.allCases.filter { access.outlook(.search, on: $0).isPermitted })
        let residual = SearchResidual.byType(Dictionary(uniqueKeysWithValues: permitted.map { ($0, .always) }))
        let focus = keys.locators.locator(type: question.type, id: question.id)
        guard let hit = index.records(at: [focus], residual: residual).hits.first,
            let body = try openIfThere(try version(hit.record), at: focus), body.type == question.type
        else { return nil }
        let decision = try access.decide(.search, on: body)
        guard decision.isPermitted, decision.shown(body) != nil else { return nil }
        var found = Gathered()
        var references: Set<Locator> = []
        let inner = Self.inner(of: question.type)
        func admit(_ hit: SearchHit, _ body: RecordBody, _ decision: RecordDecision, isFocus: Bool) {
            let values = (try? JSONTape(parsing: body.json)).map {
                SearchExtractor.values(of: $0, at: JSONTape.rootIndex, type: body.type, ownBase: ownBase)
            }
            for each in values ?? [] {
                guard case .reference(let type, let id, _) = each.value, !inner.contains(type),
                    type != question.type, question.types?.contains(type) ?? true,
                    decision.isSearchable([each.parameter], of: body.type)
                else { continue }
                references.insert(keys.locators.locator(type: type, id: id))
            }
            guard question.types?.contains(body.type) ?? true else { return }
            if let since = question.since, body.lastUpdated < since { return }
            if !isFocus, let care = question.care, !isWithin(care, values ?? [], body.type, decision) { return }
            found.hits.append(hit)
        }
        admit(hit, body, decision, isFocus: true)
        var seen: Set<RecordNumber> = [hit.record]
        var opened = 0
        func count() async throws(VaultFailure) {
            opened += 1
            guard opened <= question.openLimit else { throw .tooManyToDecide }
            if opened.isMultiple(of: 256) { await Task.yield() }
        }
        for (type, parameters) in Self.parameters(into: question.type) where permitted.contains(type) {
            var candidates: [SearchHit] = []
            for parameter in parameters {
                candidates +=
                    index.referrers(
                        of: question.type, id: question.id, parameter: parameter, residual: residual
                    ).hits
            }
            for hit in candidates where seen.insert(hit.record).inserted {
                try await count()
                guard let body = try openIfThere(try version(hit.record), at: hit.locator) else { continue }
                // The index selected it; the opened record decides.
                let own = self.references(of: body, to: question, parameters)
                guard !own.isEmpty else { throw .damaged }
                let decision = try access.decide(.search, on: body)
                guard own.contains(where: { decision.isSearchable([$0], of: body.type) }), decision.shown(body) != nil
                else {
                    found.hidden += 1
                    continue
                }
                admit(hit, body, decision, isFocus: false)
            }
        }
        // What these refer to, but not what that refers to in turn.
        for hit in index.records(
            at: references.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }, residual: residual
        )
        .hits where seen.insert(hit.record).inserted {
            try await count()
            guard let body = try openIfThere(try version(hit.record), at: hit.locator) else { continue }
            let decision = try access.decide(.search, on: body)
            guard decision.isPermitted, decision.shown(body) != nil else {
                found.hidden += 1
                continue
            }
            if let since = question.since, body.lastUpdated < since { continue }
            found.hits.append(hit)
        }
        return found
    }

    /// Parameters of a record by which it refers to the focus.
    private func references(
        of body: RecordBody, to question: EverythingQuestion, _ parameters: [UInt16]
    ) -> [UInt16] {
        guard let tape = try? JSONTape(parsing: body.json) else { return [] }
        return SearchExtractor.values(of: tape, at: JSONTape.rootIndex, type: body.type, ownBase: ownBase).compactMap {
            guard case .reference(let type, let id, _) = $0.value, type == question.type, id == question.id,
                parameters.contains($0.parameter)
            else { return nil }
            return $0.parameter
        }
    }

    /// Whether a record is of that time; one whose date is not known, or may not be asked for, is.
    private func isWithin(
        _ care: ClosedRange<Int64>, _ values: [IndexedValue], _ type: ResourceType, _ decision: RecordDecision
    ) -> Bool {
        let codes = Self.careDates.compactMap { Definitions.r4.searchParameter($0, of: type) }
        guard let date = codes.first(where: { $0.type == .date }), decision.isSearchable([date.number], of: type) else {
            return true
        }
        var isDated = false
        for each in values where each.parameter == date.number {
            guard case .date(let low, let high) = each.value else { continue }
            isDated = true
            if low <= care.upperBound && high >= care.lowerBound { return true }
        }
        return !isDated
    }

    /// Search parameters that say when care was given; of each type the first that it has.
    private static let careDates = [
        "date", "period", "authoredon", "authored-on", "effective", "effective-time", "onset-date", "recorded-date",
        "whenhandedover", "whenprepared", "start-date", "started", "sent", "event-date", "created", "issued",
    ]

    /// Types that are themselves of the compartment, and so only come as members of it.
    private static func inner(of type: ResourceType) -> Set<ResourceType> {
        guard type.name == "Patient" else { return [] }
        return Set(ResourceType.allCases.filter { !Definitions.r4.patientCompartment(of: $0).isEmpty })
    }

    /// By type, the parameters that refer to the focus.
    private static func parameters(into focus: ResourceType) -> [(ResourceType, [UInt16])] {
        ResourceType.allCases.compactMap { type in
            let parameters =
                focus.name == "Patient"
                ? Definitions.r4.patientCompartment(of: type)
                : Definitions.r4.searchParameters(of: type).filter {
                    $0.type == .reference && $0.targets.contains(focus)
                }.map(\.number)
            return parameters.isEmpty ? nil : (type, parameters)
        }
    }
}

/// Hits in the order of the answer, and how many were found that are not in it.
private struct Gathered {
    var hits: [SearchHit] = []
    var hidden = 0
}
