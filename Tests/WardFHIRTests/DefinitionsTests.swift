import Testing
import WardFHIR

@Suite struct `The definitions table` {
    private let r4 = Definitions.r4

    private func id(_ name: String) throws -> TypeID { try #require(r4.typeID(named: name)) }

    @Test func `knows the 146 resource types in alphabetical order`() {
        #expect(ResourceType.allCases.count == 146)
        #expect(r4.typeNames == r4.typeNames.sorted())
        #expect(ResourceType.allCases.allSatisfy { ResourceType($0.name) == $0 })
        #expect(ResourceType("Patient"[...])?.name == "Patient")
    }

    @Test(arguments: ["", "patient", "Patients", "Resource", "DomainResource", "Element", "Patient.contact", "string"])
    func `takes no other name for a resource type`(name: String) {
        #expect(ResourceType(name) == nil)
    }

    @Test(arguments: [
        ("Patient", "DomainResource"), ("DomainResource", "Resource"), ("Bundle", "Resource"), ("Age", "Quantity"),
        ("code", "string"), ("canonical", "uri"), ("positiveInt", "integer"), ("Patient.contact", "BackboneElement"),
        ("BackboneElement", "Element"), ("Timing.repeat", "Element"), ("Dosage", "BackboneElement"),
    ])
    func `knows base types`(name: String, base: String) throws {
        #expect(try r4.baseType(of: id(name)) == id(base))
    }

    @Test(arguments: [
        ("Observation", "valueQuantity", "value", "Quantity", false),
        ("Observation", "valueDateTime", "value", "dateTime", false),
        ("Observation", "referenceRange", "referenceRange", "Observation.referenceRange", true),
        ("Observation.component", "referenceRange", "referenceRange", "Observation.referenceRange", true),
        ("Patient", "id", "id", "id", false), ("Patient", "contained", "contained", "Resource", true),
        ("Patient.contact", "modifierExtension", "modifierExtension", "Extension", true),
        ("date", "extension", "extension", "Extension", true), ("Narrative", "div", "div", "xhtml", false),
        ("Age", "value", "value", "decimal", false), ("Extension", "valueBase64Binary", "value", "base64Binary", false),
    ])
    func `resolves JSON keys`(type: String, key: String, name: String, value: String, isCollection: Bool) throws {
        let match = try #require(r4.element(key, of: id(type)))
        #expect(r4.elementName(match.element) == name)
        #expect(r4.typeName(match.type) == value)
        #expect(match.isCollection == isCollection)
    }

    @Test(arguments: [
        ("Observation", "value"), ("Observation", "valueAddress"), ("Observation", "valuequantity"), ("Patient", ""),
        ("Patient", "_birthDate"), ("Patient", "resourceType"), ("Bundle", "text"), ("Element", "modifierExtension"),
        ("Patient", "contact.name"), ("Patient", "birthdate"),
    ])
    func `knows no other keys`(type: String, key: String) throws {
        #expect(try r4.element(key, of: id(type)) == nil)
    }

    @Test func `lists the types of a choice`() throws {
        let value = try #require(r4.element(named: "value", of: id("Observation")))
        #expect(value.isChoice && value.isSummary && !value.isRequired && !value.isCollection && !value.isModifier)
        #expect(
            value.types.map(r4.typeName) == [
                "Quantity", "CodeableConcept", "string", "boolean", "integer", "Range", "Ratio", "SampledData", "time",
                "dateTime", "Period",
            ])
        #expect(try r4.element(named: "valueQuantity", of: id("Observation")) == nil)
        #expect(try r4.elements(of: id("Patient")).map(\.name).prefix(3) == ["id", "meta", "implicitRules"])
    }

    @Test func `numbers search parameters by position`() {
        #expect(r4.searchParameters.enumerated().allSatisfy { Int($1.number) == $0 })
        #expect(r4.searchParameter(number: .max) == nil)
        for type in ResourceType.allCases {
            let codes = r4.searchParameters(of: type).map(\.code)
            #expect(codes == codes.sorted() && Set(codes).count == codes.count && codes.contains("_id"))
        }
    }

    @Test(arguments: [
        ("Patient", "birthdate", SearchParameterType.date, "Patient.birthDate", false),
        ("Patient", "gender", .token, "Patient.gender", true), ("Patient", "active", .token, "Patient.active", true),
        ("Patient", "_id", .token, "Patient.id", false), ("Condition", "code", .token, "Condition.code", false),
        ("Patient", "deceased", .token, "Patient.deceased.exists() and Patient.deceased != false", true),
        ("InsurancePlan", "name", .string, "InsurancePlan.name | InsurancePlan.alias", false),
        ("MedicationRequest", "code", .token, "(MedicationRequest.medication as CodeableConcept)", false),
        ("Patient", "_content", .special, "", false),
        ("Bundle", "_lastUpdated", .date, "Bundle.meta.lastUpdated", false),
    ])
    func `cuts search parameters down to one base`(
        base: String, code: String, kind: SearchParameterType, expression: String, isLow: Bool
    ) throws {
        let type = try #require(ResourceType(base))
        let parameter = try #require(r4.searchParameter(code, of: type))
        #expect(parameter.type == kind)
        #expect(parameter.expression == expression)
        #expect(parameter.isLowCardinality == isLow)
        #expect(parameter.base.name == base)
    }

    @Test func `resolves components and targets`() throws {
        let observation = try #require(ResourceType("Observation"))
        let composite = try #require(r4.searchParameter("code-value-date", of: observation))
        #expect(composite.components.map { r4.searchParameter(number: $0.parameter)?.code } == ["code", "value-date"])
        #expect(composite.components.last?.expression == "value.as(dateTime) | value.as(Period)")
        let patient = try #require(r4.searchParameter("patient", of: observation))
        #expect(patient.targets.map(\.name) == ["Patient"])
        #expect(r4.searchParameter("birthdate", of: observation) == nil)
        for parameter in r4.searchParameters {
            let bases = parameter.components.map { r4.searchParameter(number: $0.parameter)?.base }
            #expect(bases.allSatisfy { $0 == parameter.base })
            #expect((parameter.type == .composite) == (parameter.components.count > 1))
        }
    }

    @Test(arguments: [
        ("Observation", ["subject", "performer"]), ("Patient", ["link"]), ("Organization", []), ("Binary", []),
        ("AllergyIntolerance", ["patient", "recorder", "asserter"]),
    ])
    func `knows the patient compartment`(type: String, codes: [String]) throws {
        let numbers = r4.patientCompartment(of: try #require(ResourceType(type)))
        #expect(numbers.map { r4.searchParameter(number: $0)?.code } == codes)
    }

}
