/// Resources at the edges of what R4 allows.
enum Valid {
    private static func patient(_ members: String) -> String { #"{"resourceType":"Patient",\#(members)}"# }

    private static func value(_ key: String, _ json: String) -> String {
        patient(#""extension":[{"url":"http://example.org/e","\#(key)":\#(json)}]"#)
    }

    private static func narrative(_ html: String) -> String {
        patient(#""text":{"status":"generated","div":"\#(html.replacing("\"", with: "\\\""))"}"#)
    }

    static let resources: [String] =
        [
            #"{"resourceType":"Patient"}"#,
            #"{"id":"a","resourceType":"Patient"}"#,
            #"{"\u0072esourceType":"Pat\u0069ent","birth\u0044ate":"2000"}"#,
            patient(#""birthDate":"2000-02-29","_birthDate":{"id":"a"}"#),
            patient(#""_birthDate":{"extension":[{"url":"u","valueCode":"unknown"}]}"#),
            patient(#""name":[{"given":["x",null],"_given":[null,{"extension":[{"url":"u","valueCode":"c"}]}]}]"#),
            patient(#""name":[{"_given":[{"extension":[{"url":"u","valueCode":"c"}]}]}]"#),
            patient(#""deceasedBoolean":true,"_deceasedBoolean":{"id":"a"}"#),
            patient(#""_deceasedBoolean":{"id":"a"},"deceasedBoolean":true"#),
            patient(#""extension":[{"url":"u","extension":[{"url":"v","valueString":"x"}]}]"#),
            patient(#""extension":[{"url":"u","_valueString":{"extension":[{"url":"v","valueCode":"c"}]}}]"#),
            patient(#""modifierExtension":[{"url":"http://example.org/unknown","valueCode":"c"}]"#),
            patient(
                ##""contained":[{"resourceType":"Organization","id":"a"}],"managingOrganization":{"reference":"#a"}"##),
            patient(
                ##""contained":[{"resourceType":"Provenance","id":"a","target":[{"reference":"#"}],"##
                    + ##""recorded":"2000-01-01T00:00:00Z","agent":[{"who":{"reference":"#"}}]}]"##),
            patient(#""managingOrganization":{"reference":"http://example.org/Patient/1"}"#),
            patient(#""managingOrganization":{"reference":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}"#),
            patient(#""managingOrganization":{"reference":"Organization/1/_history/2","type":"Organization"}"#),
            patient(#""name":[{"period":{"start":"2000-01-15","end":"2000-01"}}]"#),
            patient(#""name":[{"period":{"start":"2000-01-02","end":"2000-01-01T20:00:00Z"}}]"#),
            patient(#""name":[{"period":{"start":"2000-01-01T00:00:00Z","end":"2000"}}]"#),
            patient(#""name":[{"text":"tab\t, line\n, \u0041 and \ud83d\ude00"}]"#),
            #"{"resourceType":"Observation","_status":{"extension":[{"url":"u","valueCode":"c"}]},"code":{"text":"c"}}"#,
            #"{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Patient","#
                + #""managingOrganization":{"reference":"Organization?identifier=1"}}}]}"#,
            #"{"resourceType":"Condition","subject":{"display":"x"},"clinicalStatus":{"coding":["#
                + #"{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}]}}"#,
        ] + ["0001", "9999-12-31", "2000-02-29", "2400-02-29", "2000-01"].map { patient(#""birthDate":"\#($0)""#) }
        + [
            "2000", "2000-01", "2000-01-01", "2000-01-01T23:59:60Z", "2000-01-01T00:00:00.123456789012+14:00",
            "2000-01-01T00:00:00-13:59",
        ].map { value("valueDateTime", #""\#($0)""#) }
        + ["0", "-1", "2147483647", "-2147483648"].map { value("valueInteger", $0) }
        + ["0", "-0.0", "1.00", "1e-400", "123456789012345678901234567890"].map { value("valueDecimal", $0) }
        + ["00:00:00", "23:59:60.5"].map { value("valueTime", #""\#($0)""#) }
        + ["YQ==", "Y Q = =", "YWJj", "YWJj\\nYWI="].map { value("valueBase64Binary", #""\#($0)""#) }
        + [
            "<div>x</div>", "<div xmlns=\"http://www.w3.org/1999/xhtml\">x<br/></div>", "<div><img src='a.png'/></div>",
            "<div><img src=\"data:image/png;base64,AA==\" alt=\"\"/></div>", "<div>&lt;&amp;&#233;&#xe9;&nbsp;</div>",
            "<div><!-- x --><a href=\"https://a/?b=c#d\">x</a><a name=\"n\">y</a></div >",
            "<div style=\"background: url(data:image/png;base64,AA==)\">x</div>", "<div><a href=\"a/b:c\">x</a></div>",
            "<div><a href=\"mailto:a@b\">x</a></div>",
        ].map(narrative)
}
