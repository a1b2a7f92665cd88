import WardAudit
import WardClinic
import WardFHIR
import WardIdentity
import WardVault
import WardWeb

extension Clinic {
    /// Patients for pages on which somebody chooses one: found as that person, by the interactions that everybody uses.
    var patientFinder: PatientFinder {
        PatientFinder(
            named: { text, principal, source in
                guard let type = ResourceType("Patient") else { return nil }
                let words = text.split(whereSeparator: \.isWhitespace).prefix(5)
                let parameters = words.map { SearchPair(name: "name", value: Self.literal($0)) }
                guard !parameters.isEmpty else { return [] }
                let answer = await search(
                    type,
                    ClinicRequest(
                        principal: principal, source: source,
                        parameters: parameters + [SearchPair(name: "_count", value: "20")]))
                return answer.lines { root in (root["entry"]?.elements ?? []).compactMap { $0["resource"] } }
            },
            known: { id, principal, source in
                guard let type = ResourceType("Patient"), Self.isID(id) else { return nil }
                let answer = await read(type, id, ClinicRequest(principal: principal, source: source))
                return answer.lines { [$0] }?.first
            })
    }

    /// A word of a name without meaning for search (FHIR R4 search.html#escaping).
    private static func literal(_ word: Substring) -> String {
        word.reduce(into: "") { text, letter in
            if ["\\", ",", "$", "|"].contains(letter) { text.append("\\") }
            text.append(letter)
        }
    }
}

extension ClinicAnswer {
    /// Patients of a released answer; nil for a refusal.
    fileprivate func lines(_ resources: (JSONValue) -> [JSONValue]) -> [PatientLine]? {
        guard status == 200, case .released(let released) = body else { return nil }
        return released.exposed { bytes in
            guard let root = (try? JSONTape(parsing: copy bytes))?.root else { return nil }
            return resources(root).compactMap(PatientLine.init(resource:))
        }
    }
}

extension PatientLine {
    /// Nil for what is no patient, and for a patient whose name may not be seen.
    fileprivate init?(resource: JSONValue) {
        guard resource["resourceType"]?.string == "Patient", let id = resource["id"]?.string else { return nil }
        let names = resource["name"]?.elements ?? []
        guard let name = names.first(where: { $0["use"]?.string == "official" }) ?? names.first else { return nil }
        let parts = (name["given"]?.elements ?? []).compactMap(\.string) + [name["family"]?.string].compactMap { $0 }
        let text = name["text"]?.string ?? parts.joined(separator: " ")
        guard !text.isEmpty else { return nil }
        self.init(id: id, name: text, birthDate: resource["birthDate"]?.string)
    }
}
