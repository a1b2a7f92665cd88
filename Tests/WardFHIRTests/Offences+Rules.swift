import WardFHIR

extension Offence {
    /// A Patient with these contained resources that refers to `#a`.
    private static func contained(_ rule: ValidationRule, _ expression: String, _ json: String) -> Offence {
        patient(rule, expression, ##""contained":[\##(json)],"managingOrganization":{"reference":"#a"}"##)
    }

    /// A Patient whose organization is this literal reference.
    private static func literal(_ rule: ValidationRule, _ reference: String) -> Offence {
        patient(rule, "Patient.managingOrganization", #""managingOrganization":{"reference":"\#(reference)"}"#)
    }

    static let references: [Offence] = [
        literal(.wrongTargetType, "Patient/1"),
        literal(.wrongTargetType, "Patient/1/_history/2"),
        patient(
            .wrongTargetType, "Patient.managingOrganization",
            #""managingOrganization":{"type":"Patient","display":"x"}"#),
        contained(.wrongTargetType, "Patient.managingOrganization", #"{"resourceType":"Patient","id":"a"}"#),
        observation(
            .wrongTargetType, "Observation.performer[1]",
            #"""
            "performer":[{"reference":"Patient/1"},{"reference":"Encounter/1"}]
            """#),
        patient(
            .referenceTypeMismatch, "Patient.managingOrganization",
            #""managingOrganization":{"type":"Organization","reference":"Patient/1"}"#),
        literal(.malformedReference, "organization/1"),
        literal(.malformedReference, "Organization"),
        literal(.malformedReference, "Organization/"),
        literal(.malformedReference, "/Organization/1"),
        literal(.malformedReference, "Organization/a_b"),
        literal(.malformedReference, "Organization/1/_history/"),
        literal(.malformedReference, "Organization/1/2/3"),
        literal(.malformedReference, "Organization?identifier=1"),
        literal(.unresolvedContained, "#a"),
        literal(.unresolvedContained, "#"),
        Offence(
            .unresolvedContained, "Bundle.entry[1].resource.managingOrganization",
            #"""
            {"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","contained":[
            {"resourceType":"Organization","id":"a"}],"managingOrganization":{"reference":"#a"}}},
            {"resource":{"resourceType":"Patient","managingOrganization":{"reference":"#a"}}}]}
            """#),
        contained(
            .containedWithoutID, "Patient.contained[1]",
            #"""
            {"resourceType":"Organization","id":"a"},{"resourceType":"Organization","name":"x"}
            """#),
        contained(
            .containedNotReferenced, "Patient.contained[1]",
            #"""
            {"resourceType":"Organization","id":"a"},{"resourceType":"Organization","id":"b"}
            """#),
        contained(
            .duplicateContainedID, "Patient.contained[1]",
            #"""
            {"resourceType":"Organization","id":"a"},{"resourceType":"Organization","id":"a"}
            """#),
        contained(
            .containedWithMeta, "Patient.contained[0]",
            #"""
            {"resourceType":"Organization","id":"a","meta":{"versionId":"1"}}
            """#),
        contained(
            .containedWithMeta, "Patient.contained[0]",
            #"""
            {"resourceType":"Organization","id":"a","meta":{"lastUpdated":"2000-01-01T00:00:00Z"}}
            """#),
        contained(
            .containedWithSecurity, "Patient.contained[0]",
            #"""
            {"resourceType":"Organization","id":"a","meta":{"security":[{"code":"R"}]}}
            """#),
        contained(
            .nestedContained, "Patient.contained[0].contained[0]",
            #"""
            {"resourceType":"Organization","id":"a","contained":[{"resourceType":"Patient","id":"b"}]}
            """#),
        contained(.unknownElement, "Patient.contained[0]", #"{"resourceType":"Organization","id":"a","x":1}"#),
    ]

    static let invariants: [Offence] =
        [
            patient(.elementWithoutContent, "Patient.name[0]", #""name":[{"id":"a"}]"#),
            patient(.elementWithoutContent, "Patient.birthDate", #""_birthDate":{"id":"a"}"#),
            patient(.extensionValue, "Patient.extension[0]", #""extension":[{"url":"u"}]"#),
            patient(
                .extensionValue, "Patient.extension[0]",
                #""extension":[{"url":"u","valueCode":"c","extension":[{"url":"v","valueCode":"c"}]}]"#),
            patient(
                .extensionValue, "Patient.birthDate.extension[0]",
                #""birthDate":"2000","_birthDate":{"extension":[{"url":"u"}]}"#),
            patient(
                .unknownElement, "Patient.extension[0]",
                #""extension":[{"url":"u","_url":{"id":"a"},"valueCode":"c"}]"#),
            observation(.quantityCodeWithoutSystem, "Observation.value", #""valueQuantity":{"value":1,"code":"kg"}"#),
            Offence(
                .quantityCodeWithoutSystem, "Condition.onset",
                #"{"resourceType":"Condition","subject":{"reference":"Patient/1"},"onsetAge":{"value":1,"code":"a"}}"#),
            observation(
                .comparatorNotAllowed, "Observation.referenceRange[0].low",
                #""referenceRange":[{"low":{"value":1,"comparator":"<"}}]"#),
            observation(
                .codeNotInValueSet, "Observation.value.comparator",
                #""valueQuantity":{"value":1,"comparator":"="}"#),
            patient(.attachmentWithoutContentType, "Patient.photo[0]", #""photo":[{"data":"YQ=="}]"#),
            patient(.contactPointWithoutSystem, "Patient.telecom[0]", #""telecom":[{"value":"1"}]"#),
            condition(#"{"text":"active"}"#), condition(#"{"coding":[{"code":"active"}]}"#),
            condition(#"{"coding":[{"system":"http://example.org","code":"active"}]}"#),
            condition(
                #"{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"on"}]}"#),
        ]
        + [
            ("2000-01-02", "2000-01-01"), ("2001", "2000"), ("2000-02", "2000-01"), ("2000-02", "2000-01-15"),
            ("2000-01-01T00:00:01Z", "2000-01-01T00:00:00Z"), ("2000-01-01T00:00:00Z", "2000-01-01T00:00:00+00:01"),
            ("2000-01-01T00:00:00.002Z", "2000-01-01T00:00:00.001Z"), ("2000-01-03", "2000-01-01T10:00:00Z"),
            ("2000-01-03T00:00:00Z", "2000-01-01"),
        ].map { start, end in
            patient(
                .periodOrder, "Patient.name[0].period", #""name":[{"period":{"start":"\#(start)","end":"\#(end)"}}]"#)
        }

    private static func condition(_ status: String) -> Offence {
        Offence(
            .codeNotInValueSet, "Condition.clinicalStatus",
            #"{"resourceType":"Condition","subject":{"reference":"Patient/1"},"clinicalStatus":\#(status)}"#)
    }

    static let narratives: [Offence] =
        [
            "text", "<p>text</p>", " <div>text</div>", "<divx>text</divx>", "<div>text", "<div>text</p>",
            "<div>text</div>x", "<div>text</div><div>more</div>", "<div><p>text</div></p>", "<div><b>text</div>",
            "<div>a & b</div>", "<div>a &amp b</div>", "<div>&#0;x</div>", "<div>&#xD800;x</div>", "<div>&#;x</div>",
            "<div a=b>text</div>", "<div class>text</div>", "<div class=\"a\" class=\"b\">text</div>",
            "<div class=\"a\"id=\"b\">text</div>", "<div class=\"<\">text</div>", "<div><![CDATA[text]]></div>",
            "<div><?php x ?>text</div>", "<div><!DOCTYPE x>text</div>", "<div><!-- a -- b -->text</div>",
            "<div><!--> text --></div>", "<div>text<!-- </div>", "<div>text< /div>", "<div>text</ div>", "<div/>",
            "<div>a<1/></div>",
        ].map { narrative(.narrativeMalformed, $0) }
        + [
            "<div><script>x</script></div>", "<div><SCRIPT>x</SCRIPT></div>", "<div><iframe src=\"a\">x</iframe></div>",
            "<div><style>x</style></div>", "<div><object>x</object></div>", "<div><form>x</form></div>",
            "<div><svg>x</svg></div>", "<div><input/>x</div>", "<div><link href=\"a\"/>x</div>",
            "<div onclick=\"x()\">x</div>", "<div><img src=\"a\" onerror=\"x()\"/></div>",
            "<div><a href=\"javascript:x()\">x</a></div>", "<div><a href=\" JavaScript:x()\">x</a></div>",
            "<div><a href=\"java&#x09;script:x()\">x</a></div>", "<div><a href=\"&#106;avascript:x()\">x</a></div>",
            "<div><a href=\"javascript&colon;x()\">x</a></div>", "<div><a href=\"data:text/html,x\">x</a></div>",
            "<div><img src=\"data:text/html,x\"/></div>", "<div><a href=\"vbscript:x\">x</a></div>",
            "<div style=\"background:url(http://a/b)\">x</div>", "<div style=\"width:expression(x)\">x</div>",
            "<div style=\"background:u\\\\72l(x)\">x</div>", "<div xmlns=\"http://www.w3.org/2000/svg\">x</div>",
            "<div style=\"background:url(data:image/png,x) url('//a/b')\">x</div>",
            "<div style=\"width: Expression (x)\">x</div>", "<div style=\"a/**/b\">x</div>",
            "<div style=\"@import 'a'\">x</div>", "<div style=\"behavior: a\">x</div>",
            "<div style=\"-moz-binding: a\">x</div>", "<div style=\"background: image-set('a' 1x)\">x</div>",
            "<div style=\"background: javascript:x\">x</div>",
            "<div xlink:href=\"a\">x</div>", "<div><body>x</body></div>", "<div><font>x</font></div>",
        ].map { narrative(.narrativeForbidden, $0) }
        + ["<div></div>", "<div> \n </div>", "<div><p>&#32;&nbsp;</p><br/></div>"]
        .map { narrative(.narrativeEmpty, $0) }
}
