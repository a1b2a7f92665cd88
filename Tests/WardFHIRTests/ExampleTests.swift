import Testing
import WardFHIR

@Suite(FHIRData.isPresent) struct `Real resources` {
    private func issues(_ bytes: [UInt8]) throws -> [ValidationIssue] {
        ResourceValidator.validate(try JSONTape(parsing: bytes))
    }

    private func summary(_ issues: [ValidationIssue]) -> Set<String> {
        Set(issues.map { "\($0.rule) " + withoutPositions($0.expression) })
    }

    private func withoutPositions(_ expression: String) -> String {
        var isInside = false
        return expression.filter { character in
            if character == "[" { isInside = true }
            defer { if character == "]" { isInside = false } }
            return !isInside
        }
    }

    @Test func `of HL7 are valid except those known to be wrong`() throws {
        let files = try FHIRData.files("hl7-r4-examples")
        for file in files {
            let known = InvalidExamples.issues[String(file.name.dropLast(".json".count))] ?? []
            #expect(try summary(issues(file.bytes)) == known, "\(file.name)")
        }
        #expect(files.isEmpty || files.count == 5299)
    }

    @Test func `of Synthea are all valid`() throws {
        for file in try FHIRData.files("synthea-blaze-2021") {
            #expect(try summary(issues(file.bytes)) == [], "\(file.name)")
        }
    }

    @Test(arguments: ["hl7-r4-examples", "synthea-blaze-2021"])
    func `are checked at a useful speed`(folder: String) throws {
        let clock = ContinuousClock()
        var (parsing, validating, count, size) = (Duration.zero, Duration.zero, 0, 0)
        for file in try FHIRData.files(folder) {
            var tape: JSONTape?
            parsing += try clock.measure { tape = try JSONTape(parsing: file.bytes) }
            let parsed = try #require(tape)
            validating += clock.measure { count += ResourceValidator.validate(parsed).count }
            size += file.bytes.count
        }
        print("\(folder): \(size) bytes, parsed in \(parsing), validated in \(validating), \(count) issues")
    }
}

@Suite struct `Validation time` {
    private let observation = Array(
        """
        {"resourceType":"Observation","id":"f001","meta":{"versionId":"1","lastUpdated":"2024-05-01T10:00:00Z",\
        "profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-lab"]},\
        "identifier":[{"use":"official","system":"http://example.org/observations","value":"6323"}],"status":"final",\
        "category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category",\
        "code":"laboratory","display":"Laboratory"}],"text":"Laboratory"}],"code":{"coding":[{\
        "system":"http://loinc.org","code":"15074-8","display":"Glucose in Blood"}],"text":"Glucose"},\
        "subject":{"reference":"Patient/f001","display":"P. van de Heuvel"},"encounter":{"reference":"Encounter/e1"},\
        "effectivePeriod":{"start":"2013-04-02T09:30:10+01:00","end":"2013-04-03T09:30:10+01:00"},\
        "issued":"2013-04-03T15:30:10+01:00","performer":[{"reference":"Practitioner/f005","display":"A. Langeveld"}],\
        "valueQuantity":{"value":6.3,"unit":"mmol/l","system":"http://unitsofmeasure.org","code":"mmol/L"},\
        "interpretation":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation",\
        "code":"H","display":"High"}]}],"note":[{"authorReference":{"reference":"Practitioner/f005"},\
        "time":"2013-04-03T15:30:10+01:00","text":"repeat fasting"}],"referenceRange":[{"low":{"value":3.1,\
        "unit":"mmol/l","system":"http://unitsofmeasure.org","code":"mmol/L"},"high":{"value":6.2,"unit":"mmol/l",\
        "system":"http://unitsofmeasure.org","code":"mmol/L"}}],"component":[{"code":{"coding":[{\
        "system":"http://loinc.org","code":"1-8"}]},"valueString":"one"},{"code":{"text":"two"},"valueInteger":2}]}
        """.utf8)

    @Test func `of one Observation is measured`() throws {
        let clock = ContinuousClock()
        let definitions = clock.measure { _ = Definitions.r4 }
        let tape = try JSONTape(parsing: observation)
        #expect(ResourceValidator.validate(tape) == [])
        let rounds = 2000
        let parsing = try clock.measure { for _ in 0..<rounds { _ = try JSONTape(parsing: observation) } }
        let validating = clock.measure { for _ in 0..<rounds { _ = ResourceValidator.validate(tape) } }
        print(
            "definitions \(definitions); \(observation.count) bytes: parse \(parsing / rounds),",
            "validate \(validating / rounds)")
    }
}
