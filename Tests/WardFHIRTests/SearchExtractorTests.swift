import Testing
import WardCore
import WardFHIR

@Suite struct `Search extraction` {
    private static let base = "https://ward.example/fhir"

    private func values(
        _ code: String, _ json: String, type name: String = "Observation", zone: Int = 0
    ) throws -> [SearchValue] {
        let type = try #require(ResourceType(name))
        let parameter = try #require(Definitions.r4.searchParameter(code, of: type))
        let tape = try tape("{\"resourceType\":\"\(name)\"," + json + "}")
        return SearchExtractor.values(of: tape, type: type, ownBase: Self.base, zoneOffsetMinutes: zone)
            .filter { $0.parameter == parameter.number }.map(\.value)
    }

    private func date(_ low: String?, _ high: String?) throws -> SearchValue {
        var bounds = (Int64.min, Int64.max)
        if let low { bounds.0 = try #require(FHIRDate.interval(low)).low }
        if let high { bounds.1 = try #require(FHIRDate.interval(high)).high }
        return .date(low: bounds.0, high: bounds.1)
    }

    @Test func `reads tokens`() throws {
        let code = #""code":{"coding":[{"system":"s","code":"c","display":"d"},{"code":"e"}],"text":"t"}"#
        #expect(
            try values("code", code) == [
                .token(system: "s", code: "c", texts: ["d", "t"]), .token(system: nil, code: "e", texts: ["t"]),
            ])
        #expect(try values("code", #""code":{"text":"t"}"#) == [.token(system: nil, code: nil, texts: ["t"])])
        #expect(
            try values("code", #""code":{"coding":[{}],"text":"t"}"#) == [
                .token(system: nil, code: nil, texts: ["t"])
            ])
        #expect(try values("code", #""code":{}"#) == [])
        #expect(try values("status", #""status":"final""#) == [.token(system: nil, code: "final", texts: [])])
        #expect(
            try values("active", #""active":false"#, type: "Patient") == [
                .token(system: nil, code: "false", texts: [])
            ])
        #expect(try values("_id", #""id":"a.b-1""#) == [.token(system: nil, code: "a.b-1", texts: [])])
        #expect(
            try values("_tag", #""meta":{"tag":[{"system":"s","code":"c"}]}"#) == [
                .token(system: "s", code: "c", texts: [])
            ])
        #expect(
            try values("class", #""class":{"system":"s","code":"AMB"}"#, type: "Encounter") == [
                .token(system: "s", code: "AMB", texts: [])
            ])
    }

    @Test func `reads identifiers and contact points`() throws {
        let identifier = #"{"system":"s","value":"v","type":{"coding":[{"system":"t","code":"MR"},{"display":"x"}]}}"#
        #expect(
            try values("identifier", "\"identifier\":[\(identifier),{\"use\":\"old\"},{\"value\":\"w\"}]") == [
                .identifier(system: "s", value: "v", types: [TokenPair(system: "t", code: "MR")]),
                .identifier(system: nil, value: "w", types: []),
            ])
        let telecom = #""telecom":[{"system":"phone","value":"1"},{"system":"email","value":"a@b"},{"value":"3"}]"#
        #expect(
            try values("telecom", telecom, type: "Patient") == [
                .contact(value: "1"), .contact(value: "a@b"), .contact(value: "3"),
            ])
        #expect(try values("phone", telecom, type: "Patient") == [.contact(value: "1")])
        #expect(try values("email", telecom, type: "Patient") == [.contact(value: "a@b")])
    }

    @Test(
        arguments: [
            ("Patient/1", "Patient", "1", nil), ("Patient/1/_history/2", "Patient", "1", "2"),
            ("https://ward.example/fhir/Group/g-1.x", "Group", "g-1.x", nil),
            ("https://ward.example/fhir/Patient/1/_history/3", "Patient", "1", "3"),
        ] as [(String, String, String, String?)])
    func `reads local references`(text: String, type: String, id: String, version: String?) throws {
        let expected = SearchValue.reference(type: try #require(ResourceType(type)), id: id, version: version)
        #expect(try values("subject", "\"subject\":{\"reference\":\"\(text)\"}") == [expected])
    }

    @Test(arguments: [
        "https://ward.example/fhirPatient/1", "https://ward.example/fhir2/Patient/1",
        "https://other.example/fhir/Patient/1",
        "http://ward.example/fhir/Patient/1", "https://ward.example/fhir/Nothing/1", "urn:uuid:1", "Nothing/1",
        "patient/1",
        "Patient", "Patient/", "/Patient/1", "Patient/a b", "Patient/1/", "Patient/1/_history", "Patient/1/_history/",
        "Patient/1/2", "Patient/1#x", "Patient?identifier=1", "Patient/" + String(repeating: "a", count: 65),
        "Patient/1/_history/1/2", "Resource/1",
    ])
    func `takes other references as external`(text: String) throws {
        #expect(try values("subject", "\"subject\":{\"reference\":\"\(text)\"}") == [.externalReference(text)])
    }

    @Test func `reads logical and escaped references and skips contained ones`() throws {
        let patient = try #require(ResourceType("Patient"))
        #expect(try values("subject", ##""subject":{"reference":"#p"}"##) == [])
        #expect(try values("subject", ##""subject":{"display":"p"}"##) == [])
        #expect(
            try values("subject", ##""subject":{"reference":"\u0050atient\/1"}"##) == [
                .reference(type: patient, id: "1", version: nil)
            ])
        let logical = ##""subject":{"type":"Patient","identifier":{"system":"s","value":"v"}}"##
        #expect(try values("subject", logical) == [.logicalReference(type: patient, system: "s", value: "v")])
        #expect(try values("patient", logical) == [.logicalReference(type: patient, system: "s", value: "v")])
        #expect(try values("patient", ##""subject":{"identifier":{"value":"v"}}"##) == [])
    }

    @Test func `tells the patient from other subjects`() throws {
        let patient = try #require(ResourceType("Patient"))
        #expect(
            try values("patient", #""subject":{"reference":"Patient/1"}"#) == [
                .reference(type: patient, id: "1", version: nil)
            ])
        #expect(try values("patient", #""subject":{"reference":"Group/1"}"#) == [])
        #expect(
            try values("patient", #""subject":{"reference":"https://o/fhir/Patient/1"}"#) == [
                .externalReference("https://o/fhir/Patient/1")
            ])
        #expect(try values("patient", #""subject":{"reference":"urn:uuid:1"}"#) == [])
    }

    @Test func `reads strings, names and addresses in parts`() throws {
        let name =
            #""name":[{"use":"official","family":"F","given":["G","H"],"prefix":["Dr"],"suffix":["X"],"text":"T"}]"#
        #expect(try values("name", name, type: "Patient") == ["F", "G", "H", "Dr", "X", "T"].map { .string($0) })
        #expect(try values("given", name, type: "Patient") == [.string("G"), .string("H")])
        let address = #""address":[{"use":"home","line":["L","M"],"city":"C","postalCode":"P","text":"T"}]"#
        #expect(try values("address", address, type: "Patient") == ["L", "M", "C", "P", "T"].map { .string($0) })
        #expect(
            try values("given", #""name":[{"given":[null,"G"],"_given":[{"id":"1"},null]}]"#, type: "Patient") == [
                .string("G")
            ])
        #expect(try values("value-string", #""valueString":"a\u00e9\n""#) == [.string("aé\n")])
        #expect(try values("value-string", #""valueCodeableConcept":{"text":"t"}"#) == [.string("t")])
    }

    @Test func `reads dates and periods`() throws {
        #expect(try values("date", #""effectiveDateTime":"2015-02""#) == [date("2015-02", "2015-02")])
        #expect(
            try values("date", #""effectiveInstant":"2015-02-07T13:28:17.239+02:00""#) == [
                date("2015-02-07T11:28:17.239Z", "2015-02-07T11:28:17.239Z")
            ])
        #expect(try values("date", #""effectivePeriod":{"start":"2015","end":"2016-01"}"#) == [date("2015", "2016-01")])
        #expect(try values("date", #""effectivePeriod":{"start":"2015"}"#) == [date("2015", nil)])
        #expect(try values("date", #""effectivePeriod":{"end":"2015"}"#) == [date(nil, "2015")])
        #expect(try values("date", #""effectivePeriod":{}"#) == [])
        #expect(try values("date", #""effectivePeriod":{"start":"2016","end":"2015"}"#) == [.undecidable])
        #expect(try values("date", #""effectivePeriod":{"start":"x"}"#) == [.undecidable])
        #expect(try values("date", #""effectiveDateTime":"2016-12-31T23:59:60Z""#) == [.undecidable])
        #expect(try values("date", #""effectiveDateTime":5"#) == [.undecidable])
        #expect(try values("date", #""_effectiveDateTime":{"id":"1"}"#) == [])
        #expect(
            try values("birthdate", #""birthDate":"1970-01-01""#, type: "Patient", zone: 60) == [
                .date(low: -3_600_000_000, high: 82_799_999_999)
            ])
        #expect(
            try values("_lastUpdated", #""meta":{"lastUpdated":"2015-01-01T00:00:00Z"}"#) == [
                date("2015-01-01T00:00:00Z", "2015-01-01T00:00:00Z")
            ])
    }

    @Test func `reads timings by their outer limits`() throws {
        let open = SearchValue.date(low: .min, high: .max)
        #expect(try values("date", #""effectiveTiming":{"event":["2016","2015"]}"#) == [date("2015", "2016")])
        #expect(
            try values("date", #""effectiveTiming":{"repeat":{"boundsPeriod":{"start":"2015"}}}"#) == [
                date("2015", nil)
            ])
        #expect(
            try values("date", #""effectiveTiming":{"event":["2014"],"repeat":{"boundsPeriod":{"end":"2015"}}}"#) == [
                date(nil, "2015")
            ])
        #expect(try values("date", #""effectiveTiming":{"repeat":{"frequency":1}}"#) == [open])
        #expect(try values("date", #""effectiveTiming":{"event":["2014"],"repeat":{"frequency":1}}"#) == [open])
        #expect(try values("date", #""effectiveTiming":{"event":["x"]}"#) == [.undecidable])
        #expect(try values("date", #""effectiveTiming":{"code":{"text":"BID"}}"#) == [])
    }

    @Test func `reads numbers and quantities to the character`() throws {
        #expect(
            try values("probability", #""prediction":[{"probabilityDecimal":0.50}]"#, type: "RiskAssessment") == [
                .number("0.50")
            ])
        #expect(
            try values("probability", #""prediction":[{"probabilityRange":{}}]"#, type: "RiskAssessment") == [
                .undecidable
            ])
        func quantity(_ json: String) throws -> [SearchValue] { try values("value-quantity", json) }
        #expect(
            try quantity(#""valueQuantity":{"value":1.50,"unit":"u","system":"s","code":"c"}"#) == [
                .quantity(low: "1.50", high: "1.50", system: "s", code: "c", unit: "u")
            ])
        #expect(
            try quantity(#""valueQuantity":{"value":5,"comparator":"<"}"#) == [
                .quantity(low: nil, high: "5", system: nil, code: nil, unit: nil)
            ])
        #expect(
            try quantity(#""valueQuantity":{"value":5,"comparator":">="}"#) == [
                .quantity(low: "5", high: nil, system: nil, code: nil, unit: nil)
            ])
        #expect(try quantity(#""valueQuantity":{"value":5,"comparator":"~"}"#) == [.undecidable])
        #expect(try quantity(#""valueQuantity":{"value":"5"}"#) == [.undecidable])
        #expect(try quantity(#""valueQuantity":{"unit":"u"}"#) == [])
        #expect(
            try quantity(
                #""valueSampledData":{"origin":{"value":1.5,"unit":"u"},"factor":0.5,"lowerLimit":-4,"data":"2 E L 6"}"#
            ) == [
                .quantity(low: "-0.5", high: "4.5", system: nil, code: nil, unit: "u")
            ])
        #expect(try quantity(#""valueSampledData":{"origin":{"value":1},"data":"2 x"}"#) == [.undecidable])
        #expect(
            try values("totalgross", #""totalGross":{"value":40.2,"currency":"EUR"}"#, type: "Invoice") == [
                .quantity(low: "40.2", high: "40.2", system: "urn:iso:std:iso:4217", code: "EUR", unit: nil)
            ])
        let range = #""onsetRange":{"low":{"value":1,"unit":"a"},"high":{"value":2,"unit":"a"}}"#
        #expect(
            try values("onset-age", range, type: "Condition") == [
                .quantity(low: "1", high: "2", system: nil, code: nil, unit: "a")
            ])
        let mixed = #""onsetRange":{"low":{"value":1,"unit":"a"},"high":{"value":2,"unit":"mo"}}"#
        #expect(try values("onset-age", mixed, type: "Condition") == [.undecidable])
    }

    @Test func `reads uris and canonicals`() throws {
        #expect(try values("url", #""url":"http://x""#, type: "ValueSet") == [.uri("http://x")])
        #expect(
            try values("_profile", #""meta":{"profile":["http://x|2"]}"#) == [.canonical(url: "http://x", version: "2")]
        )
        #expect(try values("_source", #""meta":{"source":"urn:s"}"#) == [.uri("urn:s")])
        let map = #""sourceCanonical":"http://c","targetUri":"http://u""#
        #expect(try values("source-uri", map, type: "ConceptMap") == [])
        #expect(try values("target-uri", map, type: "ConceptMap") == [.externalReference("http://u")])
        let questionnaire = try #require(ResourceType("Questionnaire"))
        #expect(
            try values(
                "questionnaire", "\"questionnaire\":\"\(Self.base)/Questionnaire/q|1\"", type: "QuestionnaireResponse")
                == [
                    .reference(type: questionnaire, id: "q", version: nil),
                    .externalReference(Self.base + "/Questionnaire/q|1"),
                    .canonical(url: Self.base + "/Questionnaire/q", version: "1"),
                ])
    }

    @Test func `reads composites element by element`() throws {
        let components = #"""
            "code":{"text":"top"},"component":[{"code":{"text":"a"},"valueQuantity":{"value":1}},
            {"code":{"text":"b"},"valueQuantity":{"value":2}},{"code":{"text":"c"}},{"valueQuantity":{"value":3}}]
            """#
        func pair(_ text: String, _ value: String) -> SearchValue {
            .composite([
                [.token(system: nil, code: nil, texts: [text])],
                [.quantity(low: value, high: value, system: nil, code: nil, unit: nil)],
            ])
        }
        #expect(try values("component-code-value-quantity", components) == [pair("a", "1"), pair("b", "2")])
        #expect(try values("combo-code-value-quantity", components) == [pair("a", "1"), pair("b", "2")])
        #expect(try values("code-value-quantity", components) == [])
        #expect(
            try values("code-value-quantity", #""code":{"text":"a"},"valueQuantity":{"value":1}"#) == [pair("a", "1")])
        let sequence = #""referenceSeq":{"chromosome":{"text":"1"}},"variant":[{"start":3,"end":4},{"start":5}]"#
        #expect(
            try values("chromosome-variant-coordinate", sequence, type: "MolecularSequence") == [
                .composite([[.token(system: nil, code: nil, texts: ["1"])], [.number("3")], [.number("4")]])
            ])
    }

    @Test(arguments: [
        ("", "false"), (#""deceasedBoolean":false,"#, "false"), (#""deceasedBoolean":true,"#, "true"),
        (#""deceasedDateTime":"2020","#, "true"),
    ])
    func `evaluates what is more than a path`(json: String, deceased: String) throws {
        #expect(
            try values("deceased", json + #""active":true"#, type: "Patient") == [
                .token(system: nil, code: deceased, texts: [])
            ])
    }

    @Test func `finds escaped keys and takes the first entry of a bundle only`() throws {
        #expect(try values("status", #""\u0073tatus":"final""#) == [.token(system: nil, code: "final", texts: [])])
        let entry =
            #""entry":[{"resource":{"resourceType":"Composition","id":"1"}},"#
            + #"{"resource":{"resourceType":"Composition","id":"2"}}]"#
        #expect(
            try values("composition", entry, type: "Bundle") == [
                .reference(type: try #require(ResourceType("Composition")), id: "1", version: nil)
            ])
    }

    @Test func `reads a resource within another document`() throws {
        let bundle = try tape(#"{"entry":[{"resource":{"resourceType":"Patient","id":"x","gender":"male"}}]}"#)
        let entry = try #require(bundle.member(0, "entry"))
        let index = try #require(bundle.member(entry + 1, "resource"))
        let patient = try #require(ResourceType("Patient"))
        let found = SearchExtractor.values(of: bundle, at: index, type: patient, ownBase: nil).map(\.value)
        #expect(found.contains(.token(system: nil, code: "male", texts: [])))
        #expect(found.contains(.token(system: nil, code: "x", texts: [])))
    }

    @Test func `gives no value twice`() throws {
        let category = #""category":[{"text":"a"},{"text":"a"},{"text":"b"}]"#
        #expect(try values("category", category).count == 2)
        let many = (0..<200).map { "{\"text\":\"\($0 % 150)\"}" }.joined(separator: ",")
        #expect(try values("category", "\"category\":[\(many)]").count == 150)
    }

    @Test func `has a program for every search parameter of every type`() {
        for type in ResourceType.allCases {
            #expect(SearchExtractor.unreadableParameters(of: type).isEmpty, "\(type.name)")
        }
    }
}
