import Testing
import WardFHIR
import WardPolicy

@Suite struct `Labels of a record` {
    private static let act = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    private static let confidentiality = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"

    private func labels(_ json: String) throws -> LabelSet {
        Policy().labels(of: try JSONTape(parsing: Array(json.utf8)))
    }

    private func record(_ system: String, _ code: String) -> String {
        #"{"resourceType":"Basic","meta":{"security":[{"system":"\#(system)","code":"\#(code)"}]}}"#
    }

    @Test(
        arguments: [
            (act, "42CFRPart2", .part2), (act, "ETHUD", .part2), (act, "SUD", .part2), (act, "PSYTHPN", .psychotherapy),
            (confidentiality, "R", .restricted), (confidentiality, "V", .restricted),
            ("urn:ward:security-label", "self-pay", .selfPay),
            // What is not understood is restricted.
            (act, "HIV", .restricted), (act, "sud", .restricted), (act, "", .restricted),
            (confidentiality, "r", .restricted), (confidentiality, "X", .restricted),
            ("urn:other", "R", .restricted), ("", "R", .restricted), ("urn:x", "PSYTHPN", .restricted),
            // As STU3 and C-CDA name the systems.
            ("http://hl7.org/fhir/v3/Confidentiality", "R", .restricted),
            ("http://hl7.org/fhir/v3/ActCode", "SUD", .part2),
            ("urn:oid:2.16.840.1.113883.5.4", "PSYTHPN", .psychotherapy),
        ] as [(String, String, LabelSet)])
    func `are read from their codes`(system: String, code: String, label: LabelSet) throws {
        #expect(try labels(record(system, code)) == label)
    }

    @Test(arguments: [
        (confidentiality, "N"), (confidentiality, "U"), ("urn:oid:2.16.840.1.113883.5.25", "N"),
        ("http://terminology.hl7.org/CodeSystem/v3-ActReason", "HTEST"),
        ("http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "SUBSETTED"),
    ])
    func `are not made of other codes`(system: String, code: String) throws {
        let found = try labels(record(system, code))
        #expect(found.isDisjoint(with: [.part2, .psychotherapy, .restricted, .selfPay]))
    }

    @Test func `add up, those of resources inside included`() throws {
        let inner = record(Self.act, "PSYTHPN")
        let bundle = """
            {"resourceType":"Bundle","meta":{"security":[{"system":"\(Self.confidentiality)","code":"R"},
             {"system":"\(Self.act)","code":"SUD"}]},"entry":[{"resource":\(inner)}]}
            """
        #expect(try labels(bundle) == [.restricted, .part2, .psychotherapy])
        #expect(try labels(#"{"resourceType":"Basic","meta":{}}"#).isEmpty)
        #expect(try labels(#"{"meta":{"security":[{"system":"\#(Self.act)","code":"SUD"}]}}"#).isEmpty)
    }
}
