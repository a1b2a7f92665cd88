public import WardFHIR
import WardVault

extension Clinic {
    /// `POST Type/$validate` and `POST Type/id/$validate` (FHIR R4 resource-operation-validate.html): what storing the
    /// resource would say of it. Nothing that is stored is looked at.
    public func validate(_ type: ResourceType, _ id: String?, _ request: ClinicRequest) async -> ClinicAnswer {
        await answering {
            let tape = try JSONTape(parsing: request.body)
            var node = JSONTape.rootIndex
            var (mode, profile) = (String?.none, String?.none)
            if tape.root["resourceType"]?.string == "Parameters",
                let parts = tape.root["parameter"]?.elements,
                type.name != "Parameters" || parts.contains(where: { $0["name"]?.string == "resource" })
            {
                var inner: Int?
                for part in parts {
                    switch part["name"]?.string {
                    case "resource": inner = part["resource"]?.index
                    case "mode": mode = part["valueCode"]?.string
                    case "profile": profile = (part["valueUri"] ?? part["valueCanonical"])?.string
                    default: break
                    }
                }
                guard let inner else {
                    guard mode == "delete" else {
                        throw Rejection(400, "required", "there is no resource to validate", expression: "resource")
                    }
                    return Self.valid("whether it can be deleted is decided when it is")
                }
                node = inner
            }
            for pair in request.parameters {
                switch pair.name {
                case "mode": mode = pair.value
                case "profile": profile = pair.value
                case "_format", "_pretty": break
                default: throw Rejection(400, "not-supported", "unknown parameter of $validate", expression: pair.name)
                }
            }
            guard mode.map({ ["create", "update", "delete", "profile"].contains($0) }) ?? true else {
                throw Rejection(400, "value", "create, update, delete or profile", expression: "mode")
            }
            var issues = ResourceValidator.validate(tape, at: node, expecting: type)
                .map(OperationOutcome.Issue.init)
            if mode == "update" {
                let own = tape.member(node, "id").map { tape.text($0) }
                if own == nil || id != nil && own != id {
                    issues.append(
                        OperationOutcome.Issue(
                            .error, "value", "the id in the body is not the id in the URL",
                            expression: "\(type.name).id"))
                }
            }
            if let profile, profile != "http://hl7.org/fhir/StructureDefinition/\(type.name)" {
                issues.append(
                    OperationOutcome.Issue(
                        .error, "not-supported", "this profile is not loaded; only base definitions are",
                        expression: "profile"))
            }
            guard issues.isEmpty else {
                return ClinicAnswer(status: 200, body: .plain(OperationOutcome(issues).json))
            }
            return Self.valid("valid against the base definition")
        }
    }

    private static func valid(_ text: StaticString) -> ClinicAnswer {
        let outcome = OperationOutcome([OperationOutcome.Issue(.information, "informational", text)])
        return ClinicAnswer(status: 200, body: .plain(outcome.json))
    }
}
