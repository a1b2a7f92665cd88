import Testing
import WardCore
import WardFHIR

/// The FHIRPath test suite of HL7 (fhir-test-cases, r4/fhirpath/tests-fhir-r4.xml).
@Suite struct `The official FHIRPath cases` {
    @Test(.enabled(if: OfficialData.isThere)) func `pass, except those that need what the engine does not have`() throws
    {
        let file = try #require(OfficialData.bytes("fhir-test-cases/r4/fhirpath/tests-fhir-r4.xml"))
        let cases = OfficialPathCase.read(file)
        var (passed, skipped) = (0, 0)
        var failed: [String] = []
        var unsupported: [String] = []
        for entry in cases {
            guard let input = try input(entry.input) else {
                skipped += 1
                continue
            }
            switch entry.run(on: input) {
            case .passed: passed += 1
            case .unsupported(let what): unsupported.append(what)
            case .failed(let why):
                failed.append(entry.name)
                if !Self.deviations.contains(entry.name) {
                    Issue.record("\(entry.name): \(entry.expression) -> \(why)")
                }
            }
        }
        print(
            "official FHIRPath: \(cases.count) cases, \(passed) passed, \(failed.count) failed,",
            "\(unsupported.count) refused as unsupported, \(skipped) without JSON input")
        #expect(Set(failed) == Self.deviations)
        #expect(Set(unsupported) == Self.missing)
    }

    private static let deviations: Set<String> = [
        // The JSON form of the input differs from the XML: another version, no such extension.
        "testFHIRPathAsFunction14", "testFHIRPathAsFunction19", "testFHIRPathIsFunction8", "testFHIRPathIsFunction9",
        "testFHIRPathIsFunction10",
        // Static checks of types and of order.
        "testPolymorphismAsB", "testDollarOrderNotAllowed",
        // Drops a tenth of a second; FHIRPath N1 keeps fractions of seconds.
        "testPlusDate19",
    ]

    private static let missing: Set<String> = [
        "lowBoundary", "highBoundary", "sort", "unit conversion", "precision", "encode", "decode", "conformsTo",
        "comparable", "escape", "unescape", "product of units",
    ]

    private func input(_ name: String) throws -> JSONTape? {
        switch name {
        case "": try tape(#"{"resourceType":"Basic"}"#)
        case "patient-example.xml": try OfficialData.tape("fhir-test-cases/r4/examples/patient-example.json")
        case "observation-example.xml": try OfficialData.tape("fhir-test-cases/r4/examples/observation-example.json")
        case "questionnaire-example.xml":
            try OfficialData.tape("fhir-test-cases/r4/examples/questionnaire-example.json")
        case "codesystem-example.xml": try OfficialData.tape("fhir-test-cases/r4/examples/codesystem-example.json")
        case "valueset-example-expansion.xml": try OfficialData.tape("hl7-r4-examples/ValueSet-example-expansion.json")
        default: name.hasSuffix(".json") ? try OfficialData.tape("fhir-test-cases/r4/" + name) : nil
        }
    }
}

struct OfficialPathCase {
    enum Outcome {
        case passed
        case unsupported(String)
        case failed(String)
    }

    var name = ""
    var input = ""
    var isPredicate = false
    var isStrict = false
    var expression = ""
    /// `syntax`, `semantic`, `execution` or `true`: the expression must fail.
    var invalid: String?
    var outputs: [(type: String, text: String)] = []

    func run(on input: JSONTape) -> Outcome {
        let items: [FHIRPathItem]
        do throws(FHIRPathFailure) {
            let options = FHIRPathOptions(
                now: Instant(microseconds: 1_800_000_000_000_000), isStrict: isStrict || invalid != nil)
            items = try FHIRPathExpression(expression).evaluate(on: input, options: options)
        } catch {
            if case .unsupported(let what) = error { return .unsupported(what) }
            return invalid != nil ? .passed : .failed("\(error)")
        }
        if invalid != nil { return .failed("should fail, gave \(items.map { text($0, input) })") }
        if isPredicate {
            let holds = items.count == 1 && items[0].typeName == "Boolean" ? text(items[0], input) : "\(!items.isEmpty)"
            return holds == outputs.first?.text ? .passed : .failed(holds)
        }
        let found = items.map { (type: $0.typeName ?? "?", text: text($0, input)) }
        guard found.count == outputs.count else { return .failed("\(found)") }
        for (have, want) in zip(found, outputs) {
            let sameType = have.type.lowercased() == want.type.lowercased() || want.type.isEmpty
            guard sameType, want.text.isEmpty || have.text == want.text else { return .failed("\(found)") }
        }
        return .passed
    }

    private func text(_ item: FHIRPathItem, _ tape: JSONTape) -> String {
        let text = item.text(in: tape) ?? ""
        switch item.typeName {
        case "Date"?, "date"?, "DateTime"?, "dateTime"?, "instant"?: return "@" + text
        case "Time"?, "time"?: return "@T" + text
        default: return text
        }
    }
}

/// Just enough XML for that one file.
extension OfficialPathCase {
    static func read(_ bytes: [UInt8]) -> [OfficialPathCase] {
        var rest = withoutComments(String(decoding: bytes, as: UTF8.self))[...]
        var cases: [OfficialPathCase] = []
        while let tag = next(&rest) {
            switch tag.name {
            case "test":
                cases.append(OfficialPathCase())
                cases[cases.count - 1].name = tag.attributes["name"] ?? "?"
                cases[cases.count - 1].input = tag.attributes["inputfile"] ?? ""
                cases[cases.count - 1].isPredicate = tag.attributes["predicate"] == "true"
                cases[cases.count - 1].isStrict = tag.attributes["mode"] == "strict"
            case "expression":
                cases[cases.count - 1].expression = tag.text
                cases[cases.count - 1].invalid = tag.attributes["invalid"]
            case "output":
                cases[cases.count - 1].outputs.append((type: tag.attributes["type"] ?? "", text: tag.text))
            default: continue
            }
        }
        return cases
    }

    private static func withoutComments(_ text: String) -> String {
        var result = ""
        var rest = text[...]
        while let start = rest.firstRange(of: "<!--") {
            result += rest[..<start.lowerBound]
            rest = rest[start.upperBound...]
            guard let end = rest.firstRange(of: "-->") else { break }
            rest = rest[end.upperBound...]
        }
        return result + rest
    }

    private static func next(
        _ rest: inout Substring
    ) -> (name: String, attributes: [String: String], text: String)? {
        guard let open = rest.firstIndex(of: "<") else { return nil }
        rest = rest[rest.index(after: open)...]
        let name = rest.prefix { $0.isLetter }
        if name.isEmpty {
            // A closing tag, or the declaration.
            rest = rest[(rest.firstIndex(of: ">") ?? rest.startIndex)...].dropFirst()
            return ("", [:], "")
        }
        rest = rest[name.endIndex...]
        var attributes: [String: String] = [:]
        while let first = rest.first, first != ">" {
            guard first.isLetter else {
                rest = rest.dropFirst()
                continue
            }
            let key = rest.prefix { $0 != "=" }
            rest = rest[key.endIndex...].dropFirst(2)
            let value = rest.prefix { $0 != "\"" }
            attributes[String(key).filter { !$0.isWhitespace }] = plain(value)
            rest = rest[value.endIndex...].dropFirst()
        }
        rest = rest.dropFirst()
        return (String(name), attributes, plain(rest.prefix { $0 != "<" }))
    }

    private static func plain(_ text: Substring) -> String {
        String(text).replacing("&lt;", with: "<").replacing("&gt;", with: ">").replacing("&quot;", with: "\"")
            .replacing("&apos;", with: "'").replacing("&amp;", with: "&")
    }
}
