import WardCore
public import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardVault

extension Clinic {
    /// `GET Type/_history` and `GET _history` (FHIR R4 http.html#history), with `_since`, `_at` and `_count`.
    ///
    /// - Parameter type: nil for all types of which the caller may see the history.
    public func history(_ type: ResourceType?, _ request: ClinicRequest) async -> ClinicAnswer {
        await answering {
            var parameters = request.parameters
            let form = try ResultForm(taking: &parameters, type: type)
            guard !form.isCount else {
                throw Rejection(
                    400, "not-supported", "the versions of many records are not counted", expression: "_summary")
            }
            let page = parameters.first { $0.name == "_page" }?.value
            guard page == nil || parameters.count == 1 else {
                throw Rejection(400, "invalid", "a page link stands alone", expression: "_page")
            }
            let asked =
                try page == nil
                ? question(type, parameters)
                : HistoryQuestion(
                    type: type, since: nil, at: nil, count: 1)
            let grant = try await gate.authorize(
                InstanceHistory.self, on: GrantSubject(types: type.map { [$0] } ?? readable(by: request)),
                principal: request.principal, source: request.source)
            let url = type.map { "\(base)/\($0.name)/_history" } ?? "\(base)/_history"
            let query = parameters.map { "\(percentEncoded($0.name))=\(percentEncoded($0.value))" }.joined(
                separator: "&")
            let (disclosure, next, _) = try await vault.history(
                asked, from: page, asked: "\(type?.name ?? "")/_history?\(page == nil ? query : "_page")", with: grant)
            let body = disclosure.viewed(as: form.view).framed { writer, place in
                writer.beginBundle("history", total: nil)
                let own = query + form.suffix
                var links = [("self", own.isEmpty ? url : "\(url)?\(own)")]
                if let next { links.append(("next", "\(url)?_page=\(next)\(form.suffix)")) }
                writer.links(links)
                guard !disclosure.records.isEmpty else { return writer.endObject() }
                writer.key("entry")
                writer.beginArray()
                for (index, record) in disclosure.records.enumerated() {
                    writer.beginObject()
                    writer.member("fullUrl", "\(base)/\(record.type.name)/\(record.id)")
                    if !record.isDeleted {
                        writer.key("resource")
                        place(&writer, index)
                    }
                    writer.version(record)
                    writer.endObject()
                }
                writer.endArray()
                writer.endObject()
            }
            return ClinicAnswer(status: 200, body: .released(body))
        }
    }

    /// Types whose history may be possible for who asks; all, where none is, so that the refusal names its rule.
    private func readable(by request: ClinicRequest) -> [ResourceType] {
        let filter = gate.filter(explaining: request.principal.standpoint(at: .now()))
        let types = ResourceType.allCases.filter { filter.outlook(.history, on: $0).isPermitted }
        return types.isEmpty ? Array(ResourceType.allCases) : types
    }

    private func question(_ type: ResourceType?, _ parameters: [SearchPair]) throws -> HistoryQuestion {
        var (count, since, at) = (Self.defaultPageSize, Int64?.none, ClosedRange<Int64>?.none)
        var seen: Set<String> = []
        for pair in parameters where pair.name != "_format" && pair.name != "_pretty" {
            guard seen.insert(pair.name).inserted else {
                throw Rejection(400, "invalid", "this parameter may be given once only", expression: pair.name)
            }
            switch pair.name {
            case "_count":
                guard let value = Int(pair.value), (1...Self.largestPage).contains(value) else {
                    throw Rejection(400, "value", "a number from 1 to 1000", expression: "_count")
                }
                count = value
            case "_since", "_at":
                guard let interval = FHIRDate.interval(pair.value), interval.low <= interval.high else {
                    throw Rejection(400, "value", "a date or an instant", expression: pair.name)
                }
                if pair.name == "_at" { at = interval.low...interval.high } else { since = interval.low }
            default: throw Rejection(400, "not-supported", "unknown history parameter", expression: pair.name)
            }
        }
        return HistoryQuestion(type: type, since: since, at: at, count: count)
    }
}

extension JSONWriter {
    /// How a version came to be: the request, and what was answered to it.
    mutating func version(_ record: DisclosedRecord) {
        key("request")
        beginObject()
        member("method", record.isDeleted ? "DELETE" : "PUT")
        member("url", "\(record.type.name)/\(record.id)")
        endObject()
        key("response")
        beginObject()
        member("status", record.isDeleted ? "204" : record.version == 1 ? "201" : "200")
        member("etag", entityTag(record.version))
        member("lastModified", record.lastUpdated.text)
        endObject()
    }
}
