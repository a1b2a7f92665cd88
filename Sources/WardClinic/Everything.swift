import WardCore
public import WardFHIR
import WardGate
import WardVault

extension Clinic {
    /// `GET Patient/id/$everything` and `GET Encounter/id/$everything`, with `_type`, `_since`, `_count`, and of a patient
    /// `start` and `end`.
    public func everything(_ type: ResourceType, _ id: String, _ request: ClinicRequest) async -> ClinicAnswer {
        await answering {
            var parameters = request.parameters
            let form = try ResultForm(taking: &parameters, type: nil)
            guard Self.isID(id) else { throw Rejection(404, "not-found", "there is no such resource") }
            let url = "\(base)/\(type.name)/\(id)/$everything"
            let subject = GrantSubject(types: [type])
            if let link = parameters.first(where: { $0.name == "_page" }) {
                guard parameters.count == 1, !form.isCount else {
                    throw Rejection(400, "invalid", "a page link stands alone", expression: "_page")
                }
                let grant = try await gate.authorize(
                    Search.self, on: subject, principal: request.principal, source: request.source)
                return bundle(try await vault.page(link.value, type: type, with: grant), url: url, form)
            }
            let (question, count) = try question(type, id, parameters)
            let grant = try await gate.authorize(
                Search.self, on: subject, principal: request.principal, source: request.source)
            let answer = try await vault.everything(question, pageSize: form.isCount ? 0 : count, with: grant)
            return bundle(answer, url: url, form)
        }
    }

    private func question(
        _ type: ResourceType, _ id: String, _ parameters: [SearchPair]
    ) throws -> (EverythingQuestion, Int) {
        var (count, types, since) = (Self.largestPage, Set<ResourceType>?.none, Instant?.none)
        var (start, end) = (Int64.min, Int64.max)
        var asked: [SearchPair] = []
        for pair in parameters where pair.name != "_format" && pair.name != "_pretty" {
            guard !asked.contains(where: { $0.name == pair.name }) else {
                throw Rejection(400, "invalid", "this parameter may be given once only", expression: pair.name)
            }
            asked.append(pair)
            switch pair.name {
            case "_count":
                guard let value = Int(pair.value), (1...Self.largestPage).contains(value) else {
                    throw Rejection(400, "value", "a number from 1 to 1000", expression: "_count")
                }
                count = value
            case "_type":
                types = try Set(
                    pair.value.split(separator: ",", omittingEmptySubsequences: false).map { name in
                        guard let type = ResourceType(name) else {
                            throw Rejection(400, "value", "names of resource types", expression: "_type")
                        }
                        return type
                    })
            case "_since": since = Instant(microseconds: try interval(pair).low)
            case "start" where type.name == "Patient": start = try interval(pair).low
            case "end" where type.name == "Patient": end = try interval(pair).high
            default: throw Rejection(400, "not-supported", "unknown parameter of $everything", expression: pair.name)
            }
        }
        guard start <= end else { throw Rejection(400, "value", "end is before start", expression: "end") }
        let care = start == .min && end == .max ? nil : start...end
        return (
            EverythingQuestion(type: type, id: id, types: types, since: since, care: care, asked: asked), count
        )
    }

    private func interval(_ pair: SearchPair) throws -> (low: Int64, high: Int64) {
        guard let interval = FHIRDate.interval(pair.value) else {
            throw Rejection(400, "value", "a date or an instant", expression: pair.name)
        }
        return interval
    }
}
