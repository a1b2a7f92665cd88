import Testing
import WardCore
import WardFHIR

private let now = Instant(microseconds: 0)

private func parsed(_ text: String) throws -> JSONTape { try JSONTape(parsing: Array(text.utf8)) }

private func patched(_ document: String, json patch: String) throws -> String {
    let patch = try RecordPatch(json: try parsed(patch))
    return String(decoding: try patch.applied(to: try parsed(document), now: now), as: UTF8.self)
}

private func reason(_ body: () throws -> String) -> PatchFailure.Reason? {
    do {
        _ = try body()
        return nil
    } catch {
        return (error as? PatchFailure)?.reason
    }
}

@Suite struct `A JSON Patch` {
    // RFC 6902 appendix A and its sections, in words of our own.
    @Test(arguments: [
        (#"{"foo":"bar"}"#, #"[{"op":"add","path":"/baz","value":"qux"}]"#, #"{"foo":"bar","baz":"qux"}"#),
        (#"{"foo":["bar","baz"]}"#, #"[{"op":"add","path":"/foo/1","value":"qux"}]"#, #"{"foo":["bar","qux","baz"]}"#),
        (#"{"a":[1]}"#, #"[{"op":"add","path":"/a/1","value":2}]"#, #"{"a":[1,2]}"#),
        (#"{"a":[1]}"#, #"[{"op":"add","path":"/a/-","value":[2,3]}]"#, #"{"a":[1,[2,3]]}"#),
        (#"{"a":1}"#, #"[{"op":"add","path":"/a","value":2}]"#, #"{"a":2}"#),
        (#"{"a":1}"#, #"[{"op":"add","path":"","value":[1]}]"#, "[1]"),
        (#"{"a":1}"#, #"[{"op":"add","path":"/","value":2}]"#, #"{"a":1,"":2}"#),
        (#"{"baz":"qux","foo":"bar"}"#, #"[{"op":"remove","path":"/baz"}]"#, #"{"foo":"bar"}"#),
        (#"{"foo":["bar","qux","baz"]}"#, #"[{"op":"remove","path":"/foo/1"}]"#, #"{"foo":["bar","baz"]}"#),
        (
            #"{"baz":"qux","foo":"bar"}"#, #"[{"op":"replace","path":"/baz","value":"boo"}]"#,
            #"{"baz":"boo","foo":"bar"}"#
        ),
        (#"{"a":[1,2]}"#, #"[{"op":"replace","path":"/a/0","value":null}]"#, #"{"a":[null,2]}"#),
        (#"{"a":1}"#, #"[{"op":"replace","path":"","value":{}}]"#, "{}"),
        (
            #"{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}"#,
            #"[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]"#,
            #"{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}"#
        ),
        (
            #"{"foo":["all","grass","cows","eat"]}"#, #"[{"op":"move","from":"/foo/1","path":"/foo/3"}]"#,
            #"{"foo":["all","cows","eat","grass"]}"#
        ),
        (#"{"a":1}"#, #"[{"op":"move","from":"/a","path":"/a"}]"#, #"{"a":1}"#),
        (#"{"a":{"b":1}}"#, #"[{"op":"copy","from":"/a","path":"/c"}]"#, #"{"a":{"b":1},"c":{"b":1}}"#),
        (#"{"a":{"b":1}}"#, #"[{"op":"copy","from":"","path":"/a/b"}]"#, #"{"a":{"b":{"a":{"b":1}}}}"#),
        (
            #"{"baz":"qux","foo":["a",2,"c"]}"#, #"[{"op":"test","path":"/foo/1","value":2}]"#,
            #"{"baz":"qux","foo":["a",2,"c"]}"#
        ),
        (
            #"{"a":{"x":1,"y":[2]}}"#, #"[{"op":"test","path":"/a","value":{"y":[2.0],"x":10e-1}}]"#,
            #"{"a":{"x":1,"y":[2]}}"#
        ),
        (#"{"a":"é"}"#, #"[{"op":"test","path":"/a","value":"\u00e9"}]"#, #"{"a":"é"}"#),
        (#"{"a":null}"#, #"[{"op":"test","path":"/a","value":null}]"#, #"{"a":null}"#),
        (#"{"/":9,"~1":10,"~":1}"#, #"[{"op":"test","path":"/~01","value":10}]"#, #"{"/":9,"~1":10,"~":1}"#),
        (#"{"/":9}"#, #"[{"op":"replace","path":"/~1","value":1}]"#, #"{"/":1}"#),
        (#"{"a":1}"#, #"[{"op":"add","path":"/b","value":2,"note":"ignored","from":7}]"#, #"{"a":1,"b":2}"#),
        (#"{"1":1}"#, #"[{"op":"add","path":"/01","value":2}]"#, #"{"1":1,"01":2}"#),
        (#"{"a":1.50}"#, "[]", #"{"a":1.50}"#),
        (
            #"{"a":[1,2]}"#,
            #"[{"op":"remove","path":"/a/0"},{"op":"add","path":"/a/-","value":3},{"op":"test","path":"/a","value":[2,3]}]"#,
            #"{"a":[2,3]}"#
        ),
    ])
    func `does what RFC 6902 says`(document: String, patch: String, expected: String) throws {
        #expect(try patched(document, json: patch) == expected)
    }

    @Test(arguments: [
        (#"{"q":{}}"#, #"[{"op":"add","path":"/a/b","value":1}]"#, PatchFailure.Reason.noSuchPath),
        (#"{"a":[1]}"#, #"[{"op":"add","path":"/a/2","value":1}]"#, .noSuchPath),
        (#"{"a":[1]}"#, #"[{"op":"add","path":"/a/01","value":1}]"#, .noSuchPath),
        (#"{"a":[1]}"#, #"[{"op":"add","path":"/a/-1","value":1}]"#, .noSuchPath),
        (#"{"a":[1]}"#, #"[{"op":"add","path":"/a/1e0","value":1}]"#, .noSuchPath),
        (#"{"a":[1]}"#, #"[{"op":"add","path":"/a/x","value":1}]"#, .noSuchPath),
        (#"{"a":[1]}"#, #"[{"op":"add","path":"/a/9999999999999999999","value":1}]"#, .noSuchPath),
        (#"{"a":1}"#, #"[{"op":"add","path":"/a/b","value":1}]"#, .noSuchPath),
        (#"{"a":[1]}"#, #"[{"op":"remove","path":"/a/-"}]"#, .noSuchPath),
        (#"{"a":[1]}"#, #"[{"op":"remove","path":"/a/1"}]"#, .noSuchPath),
        (#"{"a":1}"#, #"[{"op":"remove","path":"/b"}]"#, .noSuchPath),
        (#"{"a":1}"#, #"[{"op":"remove","path":""}]"#, .noSuchPath),
        (#"{"a":1}"#, #"[{"op":"replace","path":"/b","value":1}]"#, .noSuchPath),
        (#"{"a":[1]}"#, #"[{"op":"replace","path":"/a/-","value":1}]"#, .noSuchPath),
        (#"{"a":1}"#, #"[{"op":"move","from":"/b","path":"/c"}]"#, .noSuchPath),
        (#"{"a":{"b":1}}"#, #"[{"op":"move","from":"/a","path":"/a/b"}]"#, .intoItself),
        (#"{"a":1}"#, #"[{"op":"copy","from":"/b","path":"/c"}]"#, .noSuchPath),
        (#"{"a":1}"#, #"[{"op":"test","path":"/b","value":1}]"#, .noSuchPath),
        (#"{"a":1}"#, #"[{"op":"test","path":"/a","value":"1"}]"#, .testFailed),
        (#"{"a":true}"#, #"[{"op":"test","path":"/a","value":false}]"#, .testFailed),
        (#"{"a":[1,2]}"#, #"[{"op":"test","path":"/a","value":[2,1]}]"#, .testFailed),
        (#"{"a":{"b":1}}"#, #"[{"op":"test","path":"/a","value":{"b":1,"c":1}}]"#, .testFailed),
        (#"{"a":1}"#, #"[{"op":"test","path":"/a"}]"#, .missingValue),
        (#"{"a":1}"#, #"[{"op":"add","path":"/b"}]"#, .missingValue),
        (#"{"a":1}"#, #"[{"op":"replace","path":"/a"}]"#, .missingValue),
        (#"{"a":1}"#, #"[{"op":"add","value":1}]"#, .malformedPath),
        (#"{"a":1}"#, #"[{"op":"add","path":"a","value":1}]"#, .malformedPath),
        (#"{"a":1}"#, #"[{"op":"add","path":"/~2","value":1}]"#, .malformedPath),
        (#"{"a":1}"#, #"[{"op":"add","path":"/~","value":1}]"#, .malformedPath),
        (#"{"a":1}"#, #"[{"op":"add","path":null,"value":1}]"#, .malformedPath),
        (#"{"a":1}"#, #"[{"op":"copy","path":"/b"}]"#, .malformedPath),
        (#"{"a":1}"#, #"[{"op":"spam","path":"/a"}]"#, .unknownOperation),
        (#"{"a":1}"#, #"[{"path":"/a"}]"#, .unknownOperation),
        (#"{"a":1}"#, #"[{"op":"ADD","path":"/a","value":1}]"#, .unknownOperation),
        (#"{"a":1}"#, "[1]", .malformedOperation),
        (#"{"a":1}"#, "{}", .notAPatch),
        (#"{"a":1}"#, #"{"op":"remove","path":"/a"}"#, .notAPatch),
    ])
    func `refuses what cannot be done`(document: String, patch: String, expected: PatchFailure.Reason) throws {
        #expect(reason { try patched(document, json: patch) } == expected)
    }

    @Test func `names the operation that failed`() throws {
        let patch = #"[{"op":"add","path":"/b","value":1},{"op":"remove","path":"/c"}]"#
        #expect(throws: PatchFailure(operation: 1, reason: .noSuchPath)) { try patched(#"{"a":1}"#, json: patch) }
    }

    @Test func `that doubles what is there again and again is stopped`() throws {
        let step = #"{"op":"copy","from":"/a","path":"/a/-"}"#
        let start = #"{"a":["\#(String(repeating: "x", count: 1000))"]}"#
        let patch = "[" + Array(repeating: step, count: 1000).joined(separator: ",") + "]"
        #expect(reason { try patched(start, json: patch) } == .tooLarge)
        let wide = "[" + (0..<200).map { #"{"op":"copy","from":"/a","path":"/b\#($0)"}"# }.joined(separator: ",") + "]"
        let large = #"{"a":"\#(String(repeating: "x", count: 200_000))"}"#
        #expect(reason { try patched(large, json: wide) } == .tooLarge)
    }

    @Test func `that nests deeper and deeper is stopped`() throws {
        let steps = Array(repeating: #"{"op":"copy","from":"","path":"/a"}"#, count: 100).joined(separator: ",")
        #expect(reason { try patched(#"{"a":1}"#, json: "[\(steps)]") } == .tooLarge)
    }

    @Test func `of more than a thousand operations is refused`() throws {
        let steps = Array(repeating: #"{"op":"test","path":"/a","value":1}"#, count: 1001).joined(separator: ",")
        #expect(reason { try patched(#"{"a":1}"#, json: "[\(steps)]") } == .tooMany)
    }

    @Test func `leaves nothing empty in a resource`() throws {
        let patient = #"{"resourceType":"Patient","id":"1","name":[{"given":["A"]}]}"#
        #expect(
            try patched(patient, json: #"[{"op":"remove","path":"/name/0/given/0"}]"#)
                == #"{"resourceType":"Patient","id":"1"}"#)
    }

    @Test(.enabled(if: OfficialData.isThere)) func `passes the public cases`() throws {
        let bytes = try #require(OfficialData.bytes("fhir-test-cases/r4/patch/json-patch-tests.json"))
        var count = 0
        for each in try JSONTape(parsing: bytes).root.elements {
            guard let document = each["doc"], let patch = each["patch"] else { continue }
            func text(_ value: JSONValue) -> String {
                var bytes: [UInt8] = []
                value.tape.writeCompact(value.index, into: &bytes)
                return String(decoding: bytes, as: UTF8.self)
            }
            let result = try? patched(text(document), json: text(patch))
            if each["error"] != nil {
                #expect(result == nil, "\(each["comment"]?.string ?? "")")
            } else if let expected = each["expected"] {
                let test = #"[{"op":"test","path":"","value":\#(text(expected))}]"#
                #expect(
                    result.map { (try? patched($0, json: test)) != nil } == true, "\(each["comment"]?.string ?? "")")
            }
            count += 1
        }
        #expect(count > 10)
    }
}

@Suite struct `A FHIRPath Patch` {
    private func part(_ name: String, _ value: String) -> String { #"{"name":"\#(name)",\#(value)}"# }

    private func operation(_ kind: String, _ path: String, _ more: [(String, String)] = []) -> String {
        let parts =
            [part("type", #""valueCode":"\#(kind)""#), part("path", #""valueString":"\#(path)""#)]
            + more.map { part($0.0, $0.1) }
        return #"{"name":"operation","part":[\#(parts.joined(separator: ","))]}"#
    }

    private func patched(_ body: String, _ operations: [String], type: String = "Patient") throws -> String {
        let parameters = #"{"resourceType":"Parameters","parameter":[\#(operations.joined(separator: ","))]}"#
        let patch = try RecordPatch(parameters: try parsed(parameters))
        let head = #"{"resourceType":"\#(type)","#
        let result = String(decoding: try patch.applied(to: try parsed(head + body + "}"), now: now), as: UTF8.self)
        #expect(result.hasPrefix(#"{"resourceType":"\#(type)""#))
        return String(result.dropFirst(head.count).dropLast())
    }

    private static let ids = #""identifier":[{"value":"1"},{"value":"2"},{"value":"3"}]"#

    @Test func `changes primitives`() throws {
        let born = #""birthDate":"1920-01-01""#
        #expect(try patched(born, []) == born)
        let replace = operation("replace", "Patient.birthDate", [("value", #""valueDate":"1930-01-01""#)])
        #expect(try patched(born, [replace]) == #""birthDate":"1930-01-01""#)
        #expect(try patched(born + #","_birthDate":{"id":"x"}"#, [replace]) == #""birthDate":"1930-01-01""#)
        let other = #""active":true"#
        #expect(try patched(born + "," + other, [operation("delete", "Patient.birthDate")]) == other)
        #expect(try patched(other, [operation("delete", "Patient.birthDate")]) == other)
        let add = operation(
            "add", "Patient", [("name", #""valueString":"birthDate""#), ("value", #""valueDate":"1930-01-01""#)])
        #expect(try patched(other, [add]) == other + #","birthDate":"1930-01-01""#)
    }

    @Test func `changes lists`() throws {
        let value = #""valueIdentifier":{"value":"9"}"#
        let add = operation("add", "Patient", [("name", #""valueString":"identifier""#), ("value", value)])
        #expect(try patched(#""active":true"#, [add]) == #""active":true,"identifier":[{"value":"9"}]"#)
        #expect(try patched(#""identifier":[{"value":"1"}]"#, [add]) == #""identifier":[{"value":"1"},{"value":"9"}]"#)
        func insert(_ at: Int) -> String {
            operation("insert", "Patient.identifier", [("index", #""valueInteger":\#(at)"#), ("value", value)])
        }
        for at in 0...3 {
            var expected = ["1", "2", "3"]
            expected.insert("9", at: at)
            let list = expected.map { #"{"value":"\#($0)"}"# }.joined(separator: ",")
            #expect(try patched(Self.ids, [insert(at)]) == #""identifier":[\#(list)]"#)
        }
        for (from, to, expected) in [(0, 2, "231"), (2, 0, "312"), (1, 1, "123"), (0, 1, "213")] {
            let move = operation(
                "move", "Patient.identifier",
                [("source", #""valueInteger":\#(from)"#), ("destination", #""valueInteger":\#(to)"#)])
            let list = expected.map { #"{"value":"\#($0)"}"# }.joined(separator: ",")
            #expect(try patched(Self.ids, [move]) == #""identifier":[\#(list)]"#)
        }
        #expect(
            try patched(Self.ids, [operation("delete", "Patient.identifier[1]")])
                == #""identifier":[{"value":"1"},{"value":"3"}]"#)
        #expect(
            try patched(Self.ids, [operation("delete", "Patient.identifier.where(value = '3')")])
                == #""identifier":[{"value":"1"},{"value":"2"}]"#)
        #expect(
            try patched(
                Self.ids, [operation("replace", "Patient.identifier[0].value", [("value", #""valueString":"7""#)])])
                == #""identifier":[{"value":"7"},{"value":"2"},{"value":"3"}]"#)
    }

    @Test func `keeps ids and extensions of primitives beside their values`() throws {
        let names = #""name":[{"given":["A","B"],"_given":[null,{"id":"b"}]}]"#
        #expect(
            try patched(names, [operation("delete", "Patient.name.given[0]")])
                == #""name":[{"given":["B"],"_given":[{"id":"b"}]}]"#)
        let move = operation(
            "move", "Patient.name.given", [("source", #""valueInteger":1"#), ("destination", #""valueInteger":0"#)])
        #expect(try patched(names, [move]) == #""name":[{"given":["B","A"],"_given":[{"id":"b"},null]}]"#)
    }

    @Test func `makes elements of a type of their own out of parts, and choices by the type of the value`() throws {
        let contact = operation(
            "add", "Patient",
            [
                ("name", #""valueString":"contact""#),
                (
                    "value",
                    #""part":[{"name":"name","valueHumanName":{"text":"N"}},{"name":"telecom","valueContactPoint":{"value":"1"}}]"#
                ),
            ])
        #expect(
            try patched(#""active":true"#, [contact])
                == #""active":true,"contact":[{"name":{"text":"N"},"telecom":[{"value":"1"}]}]"#)
        let dead = operation(
            "add", "Patient", [("name", #""valueString":"deceased""#), ("value", #""valueBoolean":true"#)])
        #expect(try patched(#""active":true"#, [dead]) == #""active":true,"deceasedBoolean":true"#)
        let since = operation("replace", "Patient.deceased", [("value", #""valueDateTime":"2020""#)])
        #expect(
            try patched(#""active":true,"deceasedBoolean":true"#, [since])
                == #""active":true,"deceasedDateTime":"2020""#)
    }

    @Test func `refuses what cannot be done`() throws {
        let value = ("value", #""valueIdentifier":{"value":"9"}"#)
        let name = ("name", #""valueString":"identifier""#)
        let cases: [(String, PatchFailure.Reason)] = [
            (operation("add", "Patient", [("name", #""valueString":"nonsense""#), value]), .unknownElement),
            (operation("add", "Patient.identifier", [name, value]), .severalAtPath),
            (operation("add", "Patient.contact", [name, value]), .noSuchPath),
            (operation("add", "Patient.active", [name, value]), .noSuchPath),
            (operation("add", "Patient", [name]), .missingValue),
            (operation("add", "Patient", [value]), .malformedOperation),
            (
                operation(
                    "add", "Patient", [("name", #""valueString":"active""#), ("value", #""valueBoolean":true"#)]),
                .notRepeating
            ),
            (operation("replace", "Patient.contact", [value]), .noSuchPath),
            (operation("replace", "Patient.identifier", [value]), .severalAtPath),
            (operation("replace", "1 + 1", [value]), .malformedPath),
            (operation("replace", "Patient", [value]), .malformedPath),
            (operation("replace", "((", [value]), .malformedPath),
            (operation("delete", "Patient.identifier"), .severalAtPath),
            (operation("delete", "Patient"), .malformedPath),
            (operation("insert", "Patient.identifier", [value]), .malformedOperation),
            (operation("insert", "Patient.identifier", [value, ("index", #""valueInteger":4"#)]), .noSuchPath),
            (
                operation("insert", "Patient.identifier", [value, ("index", #""valueInteger":-1"#)]),
                .malformedOperation
            ),
            (operation("insert", "Patient.identifier.value", [value, ("index", #""valueInteger":0"#)]), .notOneList),
            (operation("move", "Patient.identifier", [("source", #""valueInteger":0"#)]), .malformedOperation),
            (
                operation(
                    "move", "Patient.identifier",
                    [("source", #""valueInteger":3"#), ("destination", #""valueInteger":0"#)]), .noSuchPath
            ),
            (operation("upsert", "Patient", [value]), .unknownOperation),
            (#"{"name":"other","part":[]}"#, .unknownOperation),
            (#"{"name":"operation"}"#, .malformedPath),
            (operation("add", "Patient", [name, name, value]), .malformedOperation),
            (operation("add", "Patient", [name, ("value", #""_valueString":{"id":"x"}"#)]), .malformedOperation),
        ]
        for (operation, expected) in cases {
            #expect(
                reason { try patched(Self.ids + #","active":true"#, [operation]) } == expected, "\(operation)")
        }
    }

    @Test(arguments: [
        "Patient.where('aaaa'.toChars().aggregate($total & $total, 'x').exists())",
        "'aaaa'.toChars().aggregate($total & $total, 'x')", "Patient.identifier.where(value.matches('^(a+)+$'))",
        "Patient.identifier.where(value.replaceMatches('(a+)+', 'b') = 'b')",
        "Patient.identifier.where(value & 'a' = 'a')",
        "Patient.identifier.where(value + 'a' = 'a')", "Patient.identifier.value.join(',')", "Patient.descendants()",
        "Patient.identifier.repeat(type)", "Patient.identifier.select(value)", "Patient.iif(true, active, active)",
        "Patient.identifier[0 + 1]", "Patient.identifier.skip(1 + 1)", "Patient.identifier.where(%resource.active)",
        "Patient.identifier.where(value.contains('1'))", "Patient.identifier | Patient.active", "%resource.active",
        "Patient.identifier.where($total = 1)", "Patient.identifier.where(value.length() = 1)", "'x'", "true",
        "Patient.identifier.where(value ~ '1')", "Patient.children()", "now()",
        "Patient.identifier.extension('a' & 'b')",
    ])
    func `finds its places by navigation alone`(path: String) throws {
        let step = operation("delete", path)
        #expect(reason { try patched(Self.ids, [step]) } == .malformedPath)
        // The operation is named, and nothing of the record.
        #expect(throws: PatchFailure(operation: 1, reason: .malformedPath)) {
            try patched(Self.ids, [operation("delete", "Patient.active"), step])
        }
    }

    @Test(arguments: [
        ("identifier[1]", "13"), ("Patient.identifier.first()", "23"), ("Patient.identifier.last()", "12"),
        ("Patient.identifier.tail().last()", "12"), ("Patient.identifier.skip(1).take(1)", "13"),
        ("Patient.identifier.where(value = '2' and use.empty())", "13"),
        ("Patient.identifier.where((value > '2'))", "12"),
        ("Patient.identifier.where((value != '2').not() or use.exists($this = 'x'))", "13"),
        ("Patient.identifier.where(value.where($this = '1').exists())", "23"),
        ("Patient.identifier.ofType(Identifier)[0]", "23"), ("(Patient.identifier as Identifier)[0]", "23"),
        ("Patient.identifier.where(value is string and value <= '1')", "23"),
        ("Patient.identifier.where(extension('urn:x').exists())", "123"),
    ])
    func `finds its place by members, indices and conditions`(path: String, rest: String) throws {
        let list = rest.map { #"{"value":"\#($0)"}"# }.joined(separator: ",")
        #expect(try patched(Self.ids, [operation("delete", path)]) == #""identifier":[\#(list)]"#)
    }

    @Test func `of more than a hundred operations is refused`() throws {
        let step = operation("delete", "Patient.active")
        #expect(reason { try patched(Self.ids, Array(repeating: step, count: 101)) } == .tooMany)
    }

    @Test func `nests no deeper than a resource may be`() throws {
        var value = #"{"name":"value","valueString":"x"}"#
        for _ in 0..<20 { value = #"{"name":"value","part":[\#(value)]}"# }
        let step =
            #"{"name":"operation","part":[\#(part("type", #""valueCode":"add""#)),\#(part("path", #""valueString":"Patient""#)),\#(part("name", #""valueString":"contact""#)),\#(value)]}"#
        #expect(reason { try patched(#""active":true"#, [step]) } == .tooLarge)
    }
}
