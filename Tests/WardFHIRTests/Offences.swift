import WardFHIR

extension Offence {
    static let structure: [Offence] = [
        Offence(.wrongKind, "Resource", "[]"), Offence(.wrongKind, "Resource", "1"),
        Offence(.missingResourceType, "Resource", "{}"),
        Offence(.missingResourceType, "Resource", #"{"resourceType":1}"#),
        Offence(.unknownResourceType, "Resource", #"{"resourceType":"patient"}"#),
        Offence(.unknownResourceType, "Resource", #"{"resourceType":"DomainResource"}"#),
        Offence(.unknownResourceType, "Resource", #"{"resourceType":"HumanName","family":"x"}"#),
        patient(.unknownElement, "Patient", #""birthdate":"2000""#),
        patient(.unknownElement, "Patient", #""_contact":[{"id":"a"}]"#),
        patient(.unknownElement, "Patient.name[0]", #""name":[{"resourceType":"HumanName","text":"x"}]"#),
        patient(.unknownElement, "Patient", #""deceased":true"#),
        patient(.unknownElement, "Patient", #""deceasedString":"x""#),
        patient(
            .unknownElement, "Patient.text",
            #""text":{"status":"generated","div":"<div>x</div>","_div":{"id":"a"}}"#),
        patient(.arrayNotAllowed, "Patient.birthDate", #""birthDate":["2000"]"#),
        patient(.arrayNotAllowed, "Patient.maritalStatus", #""maritalStatus":[{"text":"x"}]"#),
        patient(.arrayRequired, "Patient.name", #""name":{"text":"x"}"#),
        patient(.arrayRequired, "Patient.name[0].given", #""name":[{"given":"x"}]"#),
        patient(.arrayRequired, "Patient.name[0].given", #""name":[{"given":["x"],"_given":{"id":"a"}}]"#),
        patient(.emptyArray, "Patient.name", #""name":[]"#),
        patient(.emptyArray, "Patient.name[0].given", #""name":[{"given":["x"],"_given":[]}]"#),
        patient(.emptyObject, "Patient.name[0]", #""name":[{}]"#),
        patient(.emptyObject, "Patient.birthDate", #""birthDate":"2000","_birthDate":{}"#),
        patient(.lengthMismatch, "Patient.name[0].given", #""name":[{"given":["x","y"],"_given":[{"id":"a"}]}]"#),
        patient(.nullNotAllowed, "Patient.birthDate", #""birthDate":null"#),
        patient(.nullNotAllowed, "Patient.name", #""name":null"#),
        patient(.nullNotAllowed, "Patient.name[1]", #""name":[{"text":"x"},null]"#),
        patient(.nullWithoutExtension, "Patient.name[0].given[1]", #""name":[{"given":["x",null]}]"#),
        patient(
            .nullWithoutExtension, "Patient.name[0].given[1]",
            #""name":[{"given":["x",null],"_given":[{"id":"a"},null]}]"#),
        patient(
            .nullWithoutExtension, "Patient.name[0].given[0]",
            #""name":[{"_given":[null,{"extension":[{"url":"u","valueCode":"c"}]}]}]"#),
        patient(.severalChoices, "Patient.deceased", #""deceasedBoolean":true,"deceasedDateTime":"2000""#),
        patient(
            .severalChoices, "Patient.deceased",
            #""deceasedBoolean":true,"_deceasedDateTime":{"extension":[{"url":"u","valueCode":"c"}]}"#),
        patient(
            .severalChoices, "Patient.deceased",
            #""_deceasedDateTime":{"extension":[{"url":"u","valueCode":"c"}]},"deceasedBoolean":true"#),
        patient(.wrongKind, "Patient.active", #""active":"true""#),
        patient(.wrongKind, "Patient.active", #""active":1"#),
        patient(.wrongKind, "Patient.birthDate", #""birthDate":2000"#),
        patient(.wrongKind, "Patient.name[0]", #""name":["x"]"#),
        patient(.wrongKind, "Patient.name[0].text", #""name":[{"text":{"value":"x"}}]"#),
        patient(.wrongKind, "Patient.birthDate", #""_birthDate":"x""#),
        patient(.wrongKind, "Patient.contained[0]", #""contained":["x"]"#),
        Offence(.missingElement, "Observation.status", #"{"resourceType":"Observation","code":{"text":"c"}}"#),
        Offence(.missingElement, "Observation.code", #"{"resourceType":"Observation","status":"final"}"#),
        patient(.missingElement, "Patient.communication[0].language", #""communication":[{"preferred":true}]"#),
        patient(.missingElement, "Patient.extension[0].url", #""extension":[{"valueCode":"c"}]"#),
        Offence(
            .missingElement, "Bundle.entry[0].resource.code",
            #"""
            {"resourceType":"Bundle","type":"collection",
            "entry":[{"resource":{"resourceType":"Observation","status":"final"}}]}
            """#),
        Offence(
            .unknownElement, "Parameters.parameter[0].part[0].resource",
            #"""
            {"resourceType":"Parameters","parameter":[{"name":"a","part":[{"name":"b","resource":
            {"resourceType":"Patient","x":1}}]}]}
            """#),
        Offence(
            .missingResourceType, "Bundle.entry[0].resource",
            #"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"id":"a"}}]}"#),
    ]

    static let formats: [Offence] =
        [
            patient(.emptyString, "Patient.name[0].text", #""name":[{"text":""}]"#),
            patient(.controlCharacter, "Patient.name[0].text", #""name":[{"text":"a\u0000b"}]"#),
            patient(.controlCharacter, "Patient.name[0].text", #""name":[{"text":"a\u001fb"}]"#),
            patient(.malformedID, "Patient.id", #""id":"a b""#), patient(.malformedID, "Patient.id", #""id":"a/b""#),
            patient(.malformedID, "Patient.id", #""id":"\#(String(repeating: "a", count: 65))""#),
            patient(.malformedElementID, "Patient.name[0].id", #""name":[{"id":"a b","text":"x"}]"#),
            value(.malformedBase64Binary, "valueBase64Binary", #""YQ""#),
            value(.malformedBase64Binary, "valueBase64Binary", #""YQ=a""#),
            value(.malformedBase64Binary, "valueBase64Binary", #""Y-_=""#),
            value(.malformedBase64Binary, "valueBase64Binary", #"" ""#),
            value(.malformedCode, "valueCode", #"" a""#), value(.malformedCode, "valueCode", #""a  b""#),
            value(.malformedCode, "valueCode", #""a ""#),
            patient(.codeNotInValueSet, "Patient.gender", #""gender":"m""#),
            patient(.codeNotInValueSet, "Patient.gender", #""gender":"Male""#),
            patient(.codeNotInValueSet, "Patient.name[0].use", #""name":[{"use":"home","text":"x"}]"#),
        ]
        + [
            "2000-02-30", "2001-02-29", "1900-02-29", "2000-13", "2000-00", "2000-1-1", "20000101", "0000",
            "2000-01-32",
            "2000-01-01T00:00:00Z", "2000-", "x",
        ]
        .map { patient(.malformedDate, "Patient.birthDate", #""birthDate":"\#($0)""#) }
        + [
            "2000-01-01T00:00:00", "2000-01-01T24:00:00Z", "2000-01-01T00:60:00Z", "2000-01-01T00:00Z",
            "2000-01-01T00:00:00.Z", "2000-01-01T00:00:00+14:01", "2000-01-01T00:00:00+1:00", "2000-01-01 00:00:00Z",
            "2000-01-01T00:00:61Z", "2000-01-01T00:00:00z", "2000-01-01T", "2000-01-01T00:00:00ZZ",
        ]
        .map { value(.malformedDateTime, "valueDateTime", #""\#($0)""#) }
        + ["2000-01-01", "2000", "2000-01-01T00:00:00"].map { value(.malformedInstant, "valueInstant", #""\#($0)""#) }
        + ["24:00:00", "1:00:00", "00:00", "00:00:00Z", "00:00:00.", "00:60:00"]
        .map { value(.malformedTime, "valueTime", #""\#($0)""#) }
        + ["1.0", "1e3", "-0", "2147483648", "-2147483649", "99999999999999999999"]
        .map { value(.malformedInteger, "valueInteger", $0) }
        + ["0", "-1", "2147483648", "1.5"].map { value(.malformedPositiveInt, "valuePositiveInt", $0) }
        + ["-1", "2147483648", "0.0"].map { value(.malformedUnsignedInt, "valueUnsignedInt", $0) }
        + ["urn:oid:3.1", "urn:oid:1", "urn:oid:1.02", "1.2.3", "urn:oid:1.2.", "urn:oid:1..2"]
        .map { value(.malformedOID, "valueOid", #""\#($0)""#) }
        + [
            "urn:uuid:C757873D-EC9A-4326-A141-556F43239520", "c757873d-ec9a-4326-a141-556f43239520",
            "urn:uuid:c757873d-ec9a-4326-a141-556f4323952", "urn:uuid:c757873dec9a-4326-a141-556f432395200",
        ]
        .map { value(.malformedUUID, "valueUuid", #""\#($0)""#) }
        + ["valueUri", "valueUrl", "valueCanonical"].map { value(.malformedURI, $0, #""http://a b""#) }
        + ["valueInteger", "valueDecimal", "valuePositiveInt", "valueUnsignedInt", "valueBoolean"]
        .map { value(.wrongKind, $0, #""1""#) }
        + [
            "valueCode", "valueDate", "valueDateTime", "valueUri", "valueId", "valueMarkdown", "valueString",
            "valueTime",
        ]
        .map { value(.wrongKind, $0, "1") }
}
