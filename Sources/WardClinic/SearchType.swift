public import WardFHIR
import WardGate
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

    func searchStored(_ type: ResourceType, _ request: ClinicRequest) async -> ClinicAnswer {
        await answering {
            var parameters = request.parameters
            let form = try ResultForm(taking: &parameters, type: type)
            if let link = parameters.first(where: { $0.name == "_page" }) {
                guard parameters.count == 1, !form.isCount else {
                    throw Rejection(400, "invalid", "a page link stands alone", expression: "_page")
                }
                let grant = try await gate.authorize(
                    Search.self, on: GrantSubject(types: [type]), principal: request.principal, source: request.source)
                return bundle(
                    try await vault.page(link.value, type: type, with: grant), url: "\(base)/\(type.name)", form)
            }
            let query = try SearchQuery.parse(
                type: type, parameters: parameters, handling: request.preference.handling ?? .strict,
                context: searchContext())
            // Types a client names are decided on by name; targets it does not name are filtered record by record.
            let named = [type] + query.includes.compactMap(\.target) + query.reverseIncludes.map(\.source)
            let grant = try await gate.authorize(
                Search.self, on: GrantSubject(types: named), principal: request.principal, source: request.source)
            let answer = try await vault.search(
                query, type: type,
                pageSize: form.isCount ? 0 : min(query.count ?? Self.defaultPageSize, Self.largestPage), with: grant)
            return bundle(answer, url: "\(base)/\(type.name)", form)
        }
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
