import WardCore
import WardCrypto
public import WardFHIR
import WardGate
import WardVault

extension Clinic {
    /// `GET Type/id/_history` (FHIR R4 http.html#history): newest first, deletions among them.
    public func history(_ type: ResourceType, _ id: String, _ request: ClinicRequest) async -> ClinicAnswer {
        await answering {
            var (count, offset) = (50, 0)
            var parameters = request.parameters
            let form = try ResultForm(taking: &parameters, type: type)
            for pair in parameters {
                switch pair.name {
                case "_count":
                    guard let value = Int(pair.value), (1...1000).contains(value) else {
                        throw Rejection(400, "value", "a number from 1 to 1000", expression: "_count")
                    }
                    count = value
                case "_offset":
                    // Bounded, since the links of the page are computed from it.
                    guard let value = Int(pair.value), (0...1_000_000_000).contains(value) else {
                        throw Rejection(400, "value", "a number from 0 to 1000000000", expression: "_offset")
                    }
                    offset = value
                case "_format", "_pretty": break
                default: throw Rejection(400, "not-supported", "unknown history parameter", expression: pair.name)
                }
            }
            let grant = try await gate.authorize(
                InstanceHistory.self, on: GrantSubject(type: type, id: id), principal: request.principal,
                source: request.source)
            let (disclosure, total) = try await vault.history(offset: offset, limit: count, with: grant)
            let url = "\(base)/\(type.name)/\(id)"
            if form.isCount { return counted(disclosure, total, "\(url)/_history?_summary=count") }
            let body = disclosure.viewed(as: form.view).framed { writer, place in
                writer.beginBundle("history", total: total)
                var links = [("self", "\(url)/_history?_count=\(count)&_offset=\(offset)\(form.suffix)")]
                if offset + count < total {
                    links.append(("next", "\(url)/_history?_count=\(count)&_offset=\(offset + count)\(form.suffix)"))
                }
                writer.links(links)
                writer.key("entry")
                writer.beginArray()
                for (index, record) in disclosure.records.enumerated() {
                    writer.beginObject()
                    writer.member("fullUrl", url)
                    if !record.isDeleted {
                        writer.key("resource")
                        place(&writer, index)
                    }
                    writer.key("request")
                    writer.beginObject()
                    writer.member("method", record.isDeleted ? "DELETE" : "PUT")
                    writer.member("url", "\(type.name)/\(id)")
                    writer.endObject()
                    writer.key("response")
                    writer.beginObject()
                    writer.member("status", record.isDeleted ? "204" : record.version == 1 ? "201" : "200")
                    writer.member("etag", entityTag(record.version))
                    writer.member("lastModified", record.lastUpdated.text)
                    writer.endObject()
                    writer.endObject()
                }
                writer.endArray()
                writer.endObject()
            }
            return ClinicAnswer(status: 200, body: .released(body))
        }
    }
}

extension Clinic {
    /// `_summary=count` of a history.
    func counted(_ disclosure: Disclosure, _ total: Int, _ url: String) -> ClinicAnswer {
        let body = disclosure.framed { writer, _ in
            writer.beginBundle("history", total: total)
            writer.links([("self", url)])
            writer.endObject()
        }
        return ClinicAnswer(status: 200, body: .released(body))
    }
}

extension JSONWriter {
    /// Opens a Bundle up to its links.
    mutating func beginBundle(_ type: String, total: Int?) {
        beginObject()
        member("resourceType", "Bundle")
        member("id", randomUUID())
        member("type", type)
        if let total { member("total", total) }
    }

    mutating func links(_ links: [(relation: String, url: String)]) {
        key("link")
        beginArray()
        for link in links {
            beginObject()
            member("relation", link.relation)
            member("url", link.url)
            endObject()
        }
        endArray()
    }
}
