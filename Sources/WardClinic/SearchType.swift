import WardCore
public import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardVault

extension Clinic {
    /// `GET Type?...` and `POST Type/_search` (FHIR R4 search.html).
    public func search(_ type: ResourceType, _ request: ClinicRequest) async -> ClinicAnswer {
        guard type.name == "AuditEvent" else { return await searchStored(type, request) }
        return await answering {
            if let answer = try await searchLogged(type, request) { return answer }
            return await searchStored(type, request)
        }
    }

    /// `GET ?_type=...` and `POST _search`: every type, or those of `_type` (FHIR R4 http.html#search).
    public func searchSystem(_ request: ClinicRequest) async -> ClinicAnswer {
        await search(within: SearchScope(type: nil, compartment: nil), request)
    }

    /// `GET Patient/23/Observation?...` and `GET Patient/23/*?...` (FHIR R4 http.html#vsearch, compartmentdefinition.html).
    public func search(
        _ type: ResourceType?, inCompartmentOf owner: ResourceType, _ id: String, _ request: ClinicRequest
    ) async -> ClinicAnswer {
        await answering {
            guard let compartment = SearchCompartment(owner, id) else {
                throw Rejection(404, "not-supported", "this type has no compartments, or that is no logical id")
            }
            guard type.map(compartment.holds) ?? true else {
                throw Rejection(404, "not-supported", "resources of this type are not in such a compartment")
            }
            return await search(within: SearchScope(type: type, compartment: compartment), request)
        }
    }

    func searchStored(_ type: ResourceType, _ request: ClinicRequest) async -> ClinicAnswer {
        await search(within: SearchScope(type: type, compartment: nil), request)
    }

    private func search(within scope: SearchScope, _ request: ClinicRequest) async -> ClinicAnswer {
        await answering {
            var parameters = request.parameters
            let form = try ResultForm(taking: &parameters, type: scope.type)
            if let link = parameters.first(where: { $0.name == "_page" }) {
                guard parameters.count == 1, !form.isCount else {
                    throw Rejection(400, "invalid", "a page link stands alone", expression: "_page")
                }
                let grant = try await gate.authorize(
                    Search.self, on: GrantSubject(types: scope.type.map { [$0] } ?? searchable(by: request.principal)),
                    principal: request.principal, source: request.source)
                return bundle(
                    try await vault.page(link.value, type: scope.type, with: grant), url: base + scope.path, form)
            }
            let query = try SearchQuery.parse(
                type: scope.type, parameters: parameters, handling: request.preference.handling ?? .strict,
                context: searchContext(), compartment: scope.compartment)
            let isListed = parameters.contains { $0.name == "_type" }
            let searched =
                scope.type == nil && !isListed
                ? searchable(by: request.principal) : query.plans.map(\.type)
            // Types a client names are decided on by name; targets it does not name are filtered record by record.
            let named = searched + query.namedTypes
            let grant = try await gate.authorize(
                Search.self, on: GrantSubject(types: named), principal: request.principal, source: request.source)
            let answer = try await vault.search(
                query, type: scope.type,
                pageSize: form.isCount ? 0 : min(query.count ?? Self.defaultPageSize, Self.largestPage), with: grant)
            return bundle(answer, url: base + scope.path, form)
        }
    }

    /// Types that a search over all leaves to somebody; all where there is none, so that it is refused.
    private func searchable(by principal: Principal) -> [ResourceType] {
        let filter = gate.filter(explaining: principal.standpoint(at: .now()))
        let types = ResourceType.allCases.filter { filter.outlook(.search, on: $0).isPermitted }
        return types.isEmpty ? ResourceType.allCases : types
    }

    static let defaultPageSize = 50
    static let largestPage = 1000

    func bundle(_ answer: SearchAnswer, url: String, _ form: ResultForm) -> ClinicAnswer {
        let applied = (answer.query.appliedParameters + form.pairs).map {
            "\(percentEncoded($0.name))=\(percentEncoded($0.value))"
        }
        let body = answer.disclosure.viewed(as: form.view).framed { writer, place in
            writer.beginBundle("searchset", total: answer.total)
            var links = [("self", applied.isEmpty ? url : "\(url)?\(applied.joined(separator: "&"))")]
            if let next = answer.next { links.append(("next", "\(url)?_page=\(next)\(form.suffix)")) }
            if let previous = answer.previous { links.append(("previous", "\(url)?_page=\(previous)\(form.suffix)")) }
            writer.links(links)
            guard !answer.disclosure.records.isEmpty || !answer.query.ignoredParameters.isEmpty else {
                return writer.endObject()
            }
            writer.key("entry")
            writer.beginArray()
            for (index, record) in answer.disclosure.records.enumerated() {
                writer.beginObject()
                writer.member("fullUrl", "\(base)/\(record.type.name)/\(record.id)")
                writer.key("resource")
                place(&writer, index)
                writer.search(record.mode, isForeign: record.type.name == "AuditEvent")
                writer.endObject()
            }
            writer.ignored(answer.query.ignoredParameters)
            writer.endArray()
            writer.endObject()
        }
        return ClinicAnswer(status: 200, body: .released(body))
    }
}

/// Where a search looks.
private struct SearchScope {
    /// Nil: every type.
    let type: ResourceType?
    let compartment: SearchCompartment?

    /// Below the base.
    var path: String {
        let owner = compartment.map { "/\($0.owner.name)/\($0.id)" } ?? ""
        return owner + (type.map { "/\($0.name)" } ?? (compartment == nil ? "" : "/*"))
    }
}

extension JSONWriter {
    /// An OperationOutcome entry that names what a lenient search left out.
    fileprivate mutating func ignored(_ parameters: [String]) {
        guard !parameters.isEmpty else { return }
        beginObject()
        key("resource")
        OperationOutcome(
            parameters.map { OperationOutcome.Issue(.warning, "not-supported", "parameter ignored", expression: $0) }
        ).write(into: &self)
        key("search")
        beginObject()
        member("mode", SearchMode.outcome.rawValue)
        endObject()
        endObject()
    }
}
