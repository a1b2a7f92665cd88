import Testing
import WardCore
import WardFHIR
import WardPolicy

/// A policy's profiles by the role that has them.
struct Fields {
    let policy = Policy()

    func profiles(_ role: Role, _ name: String) throws -> FieldProfileSet {
        let type = try #require(ResourceType(name))
        let question = AccessQuestion(
            action: .read, type: type, roles: [role],
            purpose: role == .patient ? .patientRequest : .operations, facts: RecordFacts())
        return policy.decide(question).profiles
    }

    func filtered(_ json: String, for role: Role) throws -> String {
        let tape = try JSONTape(parsing: Array(json.utf8))
        _ = try ResourceValidator.validated(tape)
        let type = try #require(tape.root["resourceType"]?.string)
        let filter = try #require(policy.filter(for: try profiles(role, type)))
        let bytes = try filter.filtered(tape)
        let issues = ResourceValidator.validate(try JSONTape(parsing: bytes))
        #expect(issues.isEmpty, "\(issues)")
        return String(decoding: bytes, as: UTF8.self)
    }

    static let marks =
        #""security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}],"#
        + #""tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]"#
    static let meta = #""meta":{\#(marks)}"#
}

@Suite struct `A field profile` {
    private let fields = Fields()

    @Test func `keeps what the front desk needs, to the character`() throws {
        let json = """
            {"resourceType":"Patient","id":"p","text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\">HIV</div>"},
             "maritalStatus":{"text":"secret"},"name":[{"family":"M\\u00fcller","given":["A","B"]}],"multipleBirthInteger":2,
             "birthDate":"1970-01-01","deceasedBoolean":false,"photo":[{"title":"secret"}],
             "contact":[{"name":{"text":"C"},"relationship":[{"text":"wife"}]}]}
            """
        #expect(
            try fields.filtered(json, for: .frontDesk)
                == #"{"resourceType":"Patient","id":"p",\#(Fields.meta),"name":[{"family":"M\u00fcller","given":["A","B"]}],"#
                + #""birthDate":"1970-01-01","deceasedBoolean":false,"#
                + #""contact":[{"name":{"text":"C"},"relationship":[{"text":"wife"}]}]}"#)
    }

    @Test func `keeps version, time, source and profile of meta, and no display of a label`() throws {
        let json = """
            {"resourceType":"Patient","meta":{"versionId":"3","lastUpdated":"2024-01-01T00:00:00Z","source":"urn:a",
             "profile":["urn:p"],"extension":[{"url":"urn:x","valueString":"secret"}],
             "security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"N","display":"secret"},
              {"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"PSYTHPN"},
              {"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"HIV"}],
             "tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"SUD"},{"system":"urn:t","code":"t"}]}}
            """
        let result = try fields.filtered(json, for: .frontDesk)
        #expect(
            result.contains(
                #""versionId":"3","lastUpdated":"2024-01-01T00:00:00Z","source":"urn:a","profile":["urn:p"]"#))
        #expect(
            result.contains(#"v3-Confidentiality","code":"N"}"#) && result.contains(#"{"system":"urn:t","code":"t"}"#))
        for hidden in ["secret", "PSYTHPN", "HIV", "SUD\""] { #expect(!result.contains(hidden)) }
    }

    @Test func `drops extensions and what is empty without them`() throws {
        let json = """
            {"resourceType":"Patient","extension":[{"url":"urn:x","valueString":"secret"}],
             "_birthDate":{"extension":[{"url":"urn:x","valueString":"secret"}]},"birthDate":"1970-01-01",
             "name":[{"extension":[{"url":"urn:x","valueString":"secret"}]},
              {"given":["A",null,"C"],"_given":[null,{"extension":[{"url":"urn:x","valueString":"secret"}]},
               {"id":"secret"}],"_family":{"extension":[{"url":"urn:x","valueString":"secret"}]}}],
             "telecom":[{"extension":[{"url":"urn:x","valueString":"secret"}]}],
             "_gender":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason",
              "valueCode":"unknown"}]}}
            """
        #expect(
            try fields.filtered(json, for: .frontDesk)
                == #"{"resourceType":"Patient",\#(Fields.meta),"birthDate":"1970-01-01","name":[{"given":["A","C"]}],"#
                + #""_gender":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","#
                + #""valueCode":"unknown"}]}}"#)
    }

    @Test func `marks required values of which nothing stays`() throws {
        let json = """
            {"resourceType":"Appointment","_status":{"extension":[{"url":"urn:x","valueString":"secret"}]},
             "participant":[{"status":"accepted","actor":{"reference":"#c"}}],"comment":"secret",
             "contained":[{"resourceType":"Device","id":"c","lotNumber":"secret"}],
             "reasonCode":[{"text":"secret"}],"description":"secret","patientInstruction":"secret",
             "supportingInformation":[{"reference":"Condition/secret"}]}
            """
        let result = try fields.filtered(json, for: .frontDesk)
        #expect(!result.contains("secret") && !result.contains("#c"))
        #expect(
            result.contains(#""_status":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent"#))
        #expect(result.hasSuffix(#""participant":[{"status":"accepted"}]}"#))
    }

    @Test func `keeps contained resources that it knows and that are still referred to, cut down`() throws {
        let json = """
            {"resourceType":"Appointment","status":"booked","participant":[{"status":"accepted","actor":{"reference":"#p"}}],
             "reasonReference":[{"reference":"#c"}],
             "contained":[{"resourceType":"Patient","id":"p","name":[{"family":"F"}],"maritalStatus":{"text":"secret"}},
              {"resourceType":"Condition","id":"c","code":{"text":"secret"},"subject":{"reference":"#p"}}]}
            """
        let result = try fields.filtered(json, for: .frontDesk)
        #expect(!result.contains("secret") && !result.contains("Condition"))
        #expect(result.hasSuffix(#""contained":[{"resourceType":"Patient","id":"p","name":[{"family":"F"}]}]}"#))
    }

    @Test func `shows billers codes and dates`() throws {
        let json = """
            {"resourceType":"Condition","subject":{"reference":"Patient/1"},"code":{"coding":[{"system":"urn:s","code":"E11"}]},
             "onsetDateTime":"2020-01-01","abatementString":"secret","note":[{"text":"secret"}],"severity":{"text":"secret"},
             "evidence":[{"code":[{"text":"secret"}]}],"bodySite":[{"text":"secret"}],"asserter":{"display":"secret"},
             "verificationStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-ver-status","code":"confirmed"}]}}
            """
        let result = try fields.filtered(json, for: .biller)
        #expect(
            !result.contains("secret") && result.contains("E11") && result.contains(#""onsetDateTime":"2020-01-01""#))
    }

    @Test(arguments: [
        #"{"resourceType":"Patient","modifierExtension":[{"url":"urn:x","valueBoolean":true}]}"#,
        #"{"resourceType":"Patient","contact":[{"name":{"text":"n"},"modifierExtension":[{"url":"urn:x","valueBoolean":true}]}]}"#,
    ])
    func `gives out nothing whose meaning would change`(json: String) throws {
        let filter = try #require(fields.policy.filter(for: try fields.profiles(.frontDesk, "Patient")))
        let tape = try JSONTape(parsing: Array(json.utf8))
        #expect(throws: FieldFilterFailure.modifierExtension) { try filter.filtered(tape) }
    }

    @Test(
        arguments: [
            (#"{"resourceType":"Observation","status":"final","code":{"text":"x"}}"#, .typeNotSelected),
            (#"{"resourceType":"Nothing"}"#, .notAResource), (#"{}"#, .notAResource), ("[]", .notAResource),
        ] as [(String, FieldFilterFailure)])
    func `gives out nothing that it does not know`(json: String, failure: FieldFilterFailure) throws {
        let filter = try #require(fields.policy.filter(for: try fields.profiles(.frontDesk, "Patient")))
        let tape = try JSONTape(parsing: Array(json.utf8))
        #expect(throws: failure) { try filter.filtered(tape) }
    }

    @Test func `is not needed for whole records, and nothing leaves under none`() throws {
        #expect(fields.policy.filter(for: .whole) == nil)
        let filter = try #require(fields.policy.filter(for: .nothing))
        let tape = try JSONTape(parsing: Array(#"{"resourceType":"Patient"}"#.utf8))
        #expect(throws: FieldFilterFailure.typeNotSelected) { try filter.filtered(tape) }
    }

    @Test func `adds up with another`() throws {
        let both = try fields.profiles(.frontDesk, "Patient").union(try fields.profiles(.biller, "Patient"))
        let patient = try #require(ResourceType("Patient"))
        let selection = try #require(fields.policy.selection(of: patient, under: both))
        #expect(selection.paths.contains("contact") && selection.paths.contains("link"))
        let condition = try #require(ResourceType("Condition"))
        #expect(fields.policy.selection(of: condition, under: both) != nil)
        #expect(fields.policy.selection(of: condition, under: try fields.profiles(.frontDesk, "Patient")) == nil)
    }

    @Test(
        arguments: [
            (
                "Patient", .frontDesk,
                "name family given birthdate phone email address-city identifier link _id _lastUpdated"
            ),
            ("Appointment", .frontDesk, "status date patient practitioner location service-type slot"),
            ("Condition", .biller, "code patient encounter onset-date clinical-status recorded-date"),
            ("Practitioner", .patient, "name family active communication"),
        ] as [(String, Role, String)])
    func `lets search by what it keeps`(type: String, role: Role, codes: String) throws {
        let found = fields.policy.searchableParameters(
            try #require(ResourceType(type)), under: try fields.profiles(role, type)
        ).map(\.code)
        for code in codes.split(separator: " ") { #expect(found.contains(String(code)), "\(code)") }
    }

    @Test(
        arguments: [
            ("Patient", .frontDesk, "_text _content _query _tag _security"),
            ("Appointment", .frontDesk, "reason-code reason-reference based-on supporting-info _tag"),
            (
                "Condition", .biller,
                "severity body-site evidence evidence-detail asserter stage category onset-info _text"
            ),
            ("Encounter", .biller, "reason-code reason-reference based-on episode-of-care special-arrangement"),
            ("Practitioner", .patient, "address address-city phone email telecom"),
            ("DiagnosticReport", .biller, "conclusion result media specimen based-on"),
            ("Observation", .frontDesk, "code patient _id"),
        ] as [(String, Role, String)])
    func `lets nobody search by what it hides`(type: String, role: Role, codes: String) throws {
        let found = fields.policy.searchableParameters(
            try #require(ResourceType(type)), under: try fields.profiles(role, type)
        ).map(\.code)
        for code in codes.split(separator: " ") { #expect(!found.contains(String(code)), "\(code)") }
    }

    @Test(
        arguments: [
            ("Patient", "nam", .unknownElement), ("Patient", "name.famly", .unknownElement),
            ("Patient", "", .unknownElement),
            ("Patient", "name.", .unknownElement), ("Patient", ".name", .unknownElement),
            ("Patient", "id", .notSelectable),
            ("Patient", "meta.tag", .notSelectable), ("Patient", "text", .notSelectable),
            ("Patient", "contained", .notSelectable), ("Patient", "extension", .notSelectable),
            ("Patient", "name.extension", .notSelectable), ("Patient", "modifierExtension", .notSelectable),
            ("Patient", "name[x]", .unknownElement), ("Patient", "deceasedString", .unknownElement),
            ("Patient", "deceasedBoolean.id", .unknownElement),
            ("Condition", "onsetDateTime[x]", .unknownElement), ("Condition", "onset.start", .unknownElement),
            ("Patient", "deceased.value", .unknownElement), ("Patient", "extension:", .unknownElement),
            ("Patient", "nothing.extension:urn:x", .unknownElement), ("Bundle", "type", .notSelectable),
            ("Parameters", "parameter", .notSelectable),
        ] as [(String, String, FieldPathFailure.Reason)])
    func `selects nothing by a wrong path`(type: String, path: String, reason: FieldPathFailure.Reason) throws {
        let type = try #require(ResourceType(type))
        #expect(throws: FieldPathFailure(position: 0, reason: reason)) { try FieldSelection(type, paths: [path]) }
    }

    @Test func `keeps one type of a choice`() throws {
        let type = try #require(ResourceType("Condition"))
        let (dates, texts) = (
            try FieldSelection(type, paths: ["onsetDateTime", "onsetPeriod"]),
            try FieldSelection(type, paths: ["onset[x]"])
        )
        func codes(_ selection: FieldSelection) -> [String] {
            selection.searchableParameters.map(\.code).filter { $0.hasPrefix("onset") }
        }
        #expect(codes(dates) == ["onset-date"] && codes(texts) == ["onset-age", "onset-date", "onset-info"])
        #expect(codes(try #require(dates.union(texts))) == codes(texts))
        #expect(codes(try #require(texts.union(dates))) == codes(texts))
        #expect(codes(try #require(try FieldSelection(type, paths: ["code"]).union(dates))) == ["onset-date"])
        let json = #"{"resourceType":"Condition","subject":{"display":"d"},"onsetString":"secret"}"#
        let result = try FieldFilter([dates]) { _, _ in false }.filtered(try JSONTape(parsing: Array(json.utf8)))
        #expect(!String(decoding: result, as: UTF8.self).contains("secret"))
        #expect(throws: FieldPathFailure(position: 1, reason: .repeated)) {
            try FieldSelection(type, paths: ["onsetDateTime", "onsetDateTime"])
        }
        #expect(throws: FieldPathFailure(position: 1, reason: .repeated)) {
            try FieldSelection(type, paths: ["onset[x]", "onsetDateTime"])
        }
    }

    @Test func `keeps extensions that it names`() throws {
        let type = try #require(ResourceType("Patient"))
        let paths = ["birthDate", "birthDate.extension:urn:time.of.birth", "extension:urn:a", "name.family", "active"]
        let filter = FieldFilter([try FieldSelection(type, paths: paths)]) { _, _ in false }
        let json = """
            {"resourceType":"Patient","extension":[{"url":"urn:b","valueString":"b"},{"url":"urn:a","valueString":"a"}],
             "birthDate":"1970-01-01","_birthDate":{"extension":[{"url":"urn:time.of.birth","valueDateTime":"1970-01-01T00:00:00Z"},
             {"url":"urn:c","valueString":"c"}]},"name":[{"family":"F","given":["G"]},{"given":["H"]}]}
            """
        #expect(
            String(decoding: try filter.filtered(try JSONTape(parsing: Array(json.utf8))), as: UTF8.self)
                == #"{"resourceType":"Patient",\#(Fields.meta),"extension":[{"url":"urn:a","valueString":"a"}],"#
                + #""birthDate":"1970-01-01","_birthDate":{"extension":[{"url":"urn:time.of.birth","#
                + #""valueDateTime":"1970-01-01T00:00:00Z"}]},"name":[{"family":"F"}]}"#)
    }
}
