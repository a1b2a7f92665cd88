import Testing
import WardCore
import WardFHIR

@Suite struct `The FHIRPath parser` {
    @Test(
        arguments: [
            ("", FHIRPathSyntaxFault.unexpectedEnd), ("2 +", .unexpectedEnd), ("a.", .unexpectedEnd),
            ("a..b", .unexpected),
            (".a", .unexpected), ("a b", .unexpected), ("(a", .unexpectedEnd), ("a)", .unexpected),
            ("a[", .unexpectedEnd),
            ("a[]", .unexpected), ("a[1", .unexpectedEnd), ("f(", .unexpectedEnd), ("f(,)", .unexpected),
            ("f(a,)", .unexpected), ("f(a b)", .unexpected), ("{a}", .unexpected), ("{", .unexpectedEnd),
            ("a = ", .unexpectedEnd), ("= a", .unexpected), ("a ! b", .badCharacter), ("a; b", .badCharacter),
            ("a # b", .badCharacter), ("é", .badCharacter), ("a \u{00A0} b", .badCharacter), ("'a", .unterminated),
            ("`a", .unterminated), ("/* a", .unterminated), ("'\\x'", .badEscape), ("'\\u12'", .badEscape),
            ("'\\ud800'", .badEscape), ("%", .badCharacter), ("% a", .badCharacter), ("$that", .unexpected),
            ("$", .unexpected), ("a.$index", .unexpected), ("and", .unexpected), ("a.and", .unexpected),
            ("a and", .unexpectedEnd), ("true.or", .unexpected), ("a is", .unexpectedEnd), ("a is 'b'", .unexpected),
            ("a is b.c.d", .unexpected), ("a as 1", .unexpected), ("is(1)", .unexpected), ("a.is()", .unexpected),
            ("a.ofType(b, c)", .unexpected), ("a.as(b.c.d)", .unexpected), ("1.", .unexpectedEnd),
            ("1.a.2", .unexpected),
            ("@", .badDate), ("@T", .badDate), ("@2014-13", .badDate), ("@2014-02-30", .badDate), ("@14", .badDate),
            ("@2014-1", .badDate), ("@2014-01-01T25", .badDate), ("@2014-01-01T10:60", .badDate),
            ("@T10:00:61", .badDate),
            ("@2014-01-01T10:00+15:00", .badDate), ("@2014-01T10", .badDate), ("@0000", .badDate),
            ("9223372036854775808", .badNumber), ("999999999999999999999999999999999999999.5", .badNumber),
        ] as [(String, FHIRPathSyntaxFault)])
    func `refuses what the grammar does not have`(text: String, fault: FHIRPathSyntaxFault) {
        #expect { try FHIRPathExpression(text) } throws: { error in
            guard case .syntax(let found, _)? = error as? FHIRPathFailure else { return false }
            return found == fault
        }
    }

    @Test(arguments: ["(", "a.", "-", "a|", "a[", "f(", "a+"])
    func `refuses endless nesting`(part: String) {
        #expect { try FHIRPathExpression(String(repeating: part, count: 200) + "a") } throws: { error in
            guard case .syntax(.tooDeep, _)? = error as? FHIRPathFailure else { return false }
            return true
        }
        #expect(throws: FHIRPathFailure.syntax(.tooLong, offset: 16_384)) {
            try FHIRPathExpression(String(repeating: " ", count: 16_385))
        }
    }

    @Test func `says where`() {
        #expect(throws: FHIRPathFailure.syntax(.unexpected, offset: 4)) { try FHIRPathExpression("a + * b") }
    }

    @Test(arguments: [
        "a", "Patient.name.given", "`a b`.c", "contains", "a.contains.in.is.as", "a.as(b).is(System.String)",
        "%resource.a",
        "%`vs-x`", "%'ext-y'", "{}", "a | b | c", "((a))", "a[0][1]", "@2014", "@2014T",
        "@2014-01-01T10:00:00.123+02:00",
        "@T10", "4 days", "4.5 'mg'", "1L", "'\\'\\\\\\/\\`\\n\\u00e9'", "a // comment", "/* c */ a", "$this.a", "-a.b",
        "a is FHIR.`Patient`", "iif(a, b)", "f().g(1, 2)", "a implies b or c and d", "year", "day.month",
    ])
    func `reads the grammar`(text: String) throws {
        _ = try FHIRPathExpression(text)
    }
}

@Suite struct `A FHIRPath evaluation` {
    private static let patient = #"""
        {"resourceType":"Patient","id":"p","active":true,
         "contained":[{"resourceType":"Organization","id":"o","name":"Org"},{"resourceType":"Practitioner","id":"g"}],
         "name":[{"use":"official","family":"Grey","_family":{"extension":[{"url":"http://x","valueString":"own"}]},
         "given":["Ann",null,"Bea"],"_given":[null,{"extension":[{"url":"http://y","valueCode":"c"}]}]},
         {"use":"usual","given":["A"]}],"birthDate":"1974-12-25","_gender":{"id":"g1"},
         "managingOrganization":{"reference":"#o"},"deceasedDateTime":"2020-01-01T10:00:00Z","multipleBirthInteger":2,
         "generalPractitioner":[{"reference":"Practitioner/1"},{"reference":"http://e/fhir/Organization/2/_history/1"},
         {"reference":"urn:uuid:1"},{"type":"PractitionerRole","identifier":{"value":"1"}},{"reference":"#nothing"}]}
        """#

    private func evaluate(_ text: String, strict: Bool = false) throws -> [String] {
        let tape = try tape(Self.patient)
        let options = FHIRPathOptions(now: Instant(microseconds: 1_700_000_000_000_000), isStrict: strict)
        return try FHIRPathExpression(text).evaluate(on: tape, options: options).map {
            $0.text(in: tape) ?? "<\($0.typeName ?? "?")>"
        }
    }

    @Test(
        arguments: [
            ("id", ["p"]), ("Patient.id", ["p"]), ("Resource.id", ["p"]), ("DomainResource.id", ["p"]),
            ("Observation.id", []),
            ("name.given", ["Ann", "<string>", "Bea", "A"]), ("name.given.extension.value", ["c"]),
            ("name.family.extension('http://x').value", ["own"]), ("name.family.hasExtension('http://y')", ["false"]),
            ("gender", ["<code>"]), ("gender.id", ["g1"]), ("gender.hasValue()", ["false"]),
            ("gender.exists()", ["true"]),
            ("deceased", ["2020-01-01T10:00:00Z"]), ("deceasedDateTime", []), ("deceased is dateTime", ["true"]),
            ("deceased.ofType(boolean)", []), ("multipleBirth + 1", ["3"]), ("multipleBirth is integer", ["true"]),
            ("name[1].given", ["A"]), ("name[2]", []), ("name[-1]", []), ("name.count()", ["2"]),
            ("name.where(use = 'usual').given", ["A"]), ("name.exists(family = 'Grey')", ["true"]),
            ("managingOrganization.resolve().name", ["Org"]),
            ("managingOrganization.resolve() is Organization", ["true"]),
            ("generalPractitioner.where(resolve() is Practitioner).reference", ["Practitioner/1"]),
            ("generalPractitioner.where(resolve() is Organization).count()", ["1"]),
            ("generalPractitioner.where(resolve() is PractitionerRole).identifier.value", ["1"]),
            ("generalPractitioner.where(resolve() is Resource).count()", ["3"]), ("contained.id", ["o", "g"]),
            ("contained.where($this is Practitioner).id", ["g"]), ("name.type().name", ["HumanName", "HumanName"]),
            ("birthDate + 1 month", ["1975-01-25"]), ("birthDate = @1974-12", []), ("birthDate > @1974-11", ["true"]),
            ("@2012-02-29 + 1 year", ["2013-02-28"]), ("@2024-01-31 + 1 month", ["2024-02-29"]),
            ("@T23:30 + 1 hour", ["00:30"]), ("@2024-12-31T23:59:59Z + 1 second", ["2025-01-01T00:00:00Z"]),
            ("0.1 + 0.2 = 0.3", ["true"]), ("1.10 * 3", ["3.30"]), ("10 / 4", ["2.5"]), ("7 div 2", ["3"]),
            ("-7 mod 3", ["-1"]),
            ("1 / 0", []), ("9223372036854775807 + 1", []), ("2.power(100)", []), ("1 'mg' = 1.0 'mg'", ["true"]),
            ("7 days = 1 week", ["true"]), ("now()", ["2023-11-14T22:13:20.000Z"]), ("today()", ["2023-11-14"]),
            ("'é'.length()", ["1"]), ("'abc'.substring(1, 1)", ["b"]), ("'abc'.matches('b')", ["true"]),
            ("{} and false", ["false"]), ("{} and true", []), ("{} or true", ["true"]), ("false implies {}", ["true"]),
            ("true and 'x'", ["true"]), ("(1 | 2 | 2).count()", ["2"]), ("1 in (1 | 2)", ["true"]),
            ("{} in (1 | 2)", []),
            ("name.select(use & '!')", ["official!", "usual!"]), ("iif(active, 'y', 'n')", ["y"]),
            ("(1 | 2 | 3).aggregate($this + $total, 0)", ["6"]), ("name.repeat(given).count()", ["4"]),
            ("%resource.id", ["p"]), ("'5'.toInteger() + 1", ["6"]), ("'1.50'.toDecimal()", ["1.50"]),
        ] as [(String, [String])])
    func `gives`(text: String, expected: [String]) throws {
        #expect(try evaluate(text) == expected)
    }

    @Test(arguments: [
        ("memberOf('http://x')", FHIRPathFailure.unsupported("memberOf")), ("nonsense()", .unsupported("nonsense")),
        ("conformsTo('http://x')", .unsupported("conformsTo")), ("1 'mg' = 1 'kg'", .unsupported("unit conversion")),
        ("generalPractitioner.resolve().name", .unsupported("content of a resolved reference")),
        ("generalPractitioner.resolve().exists()", .unsupported("content of a resolved reference")),
        ("'a'.replaceMatches('a', '$1')", .unsupported("replaceMatches with groups")),
        ("'a'.matches('[')", .unsupported("matches with this pattern")), ("%nothing", .unknownVariable("%nothing")),
        ("$index", .unknownVariable("$index")), ("id is Human", .unknownType("Human")),
        ("name is HumanName", .notSingle("is")), ("-'a'", .wrongType("-")),
        ("name.given < 'a'", .notSingle("<")), ("1 < 'a'", .wrongType("<")), ("1 + 'a'", .wrongType("+")),
        ("active + 1", .wrongType("+")), ("name[0] + 1", .wrongType("+")), ("name.single()", .notSingle("single")),
        ("name.not()", .notSingle("not")), ("count(1)", .wrongArguments("count")),
        ("where()", .wrongArguments("where")),
        ("birthDate + 1 'mg'", .wrongType("date arithmetic")), ("@T10 + 1 year", .wrongType("time arithmetic")),
        ("iif('a', 1)", .wrongType("iif")), ("name.take('a')", .wrongType("take")),
        ("(1|2|3|4|5|6|7|8|9|0).select(%big).select(%big)", .unknownVariable("%big")),
    ])
    func `fails by name`(text: String, failure: FHIRPathFailure) {
        #expect(throws: failure) { try evaluate(text) }
    }

    @Test func `refuses unknown elements only when strict`() throws {
        #expect(try evaluate("name.given1") == [])
        #expect(throws: FHIRPathFailure.unknownElement("given1")) { try evaluate("name.given1", strict: true) }
        #expect(try evaluate("name as HumanName").count == 2)
        #expect(throws: FHIRPathFailure.notSingle("as")) { try evaluate("name as HumanName", strict: true) }
        #expect(throws: FHIRPathFailure.unknownElement("deceasedDateTime")) {
            try evaluate("deceasedDateTime", strict: true)
        }
    }

    @Test func `stops at the cost limit`() {
        let nest = (0..<12).reduce("1") { inner, _ in "%d.select(\(inner))" }
        let digits = (0..<10).map { FHIRPathItem.integer($0) }
        let options = FHIRPathOptions(now: Instant(microseconds: 0), variables: ["d": digits])
        #expect(throws: FHIRPathFailure.tooCostly) {
            try FHIRPathExpression(nest).evaluate(on: try tape(Self.patient), options: options)
        }
    }
}
