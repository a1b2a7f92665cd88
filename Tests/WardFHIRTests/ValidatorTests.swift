import Testing
import WardFHIR

/// One resource that breaks one rule, and where.
struct Offence: CustomTestStringConvertible, Sendable {
    let rule: ValidationRule
    let expression: String
    let json: String

    init(_ rule: ValidationRule, _ expression: String, _ json: String) {
        self.rule = rule
        self.expression = expression
        self.json = json
    }

    /// A Patient with these members.
    static func patient(_ rule: ValidationRule, _ expression: String, _ members: String) -> Offence {
        Offence(rule, expression, #"{"resourceType":"Patient",\#(members)}"#)
    }

    /// An Observation that would otherwise be valid.
    static func observation(_ rule: ValidationRule, _ expression: String, _ members: String) -> Offence {
        Offence(rule, expression, #"{"resourceType":"Observation","status":"final","code":{"text":"c"},\#(members)}"#)
    }

    /// A Patient with an extension of this value.
    static func value(_ rule: ValidationRule, _ key: String, _ json: String) -> Offence {
        patient(rule, "Patient.extension[0].value", #""extension":[{"url":"u","\#(key)":\#(json)}]"#)
    }

    static func narrative(_ rule: ValidationRule, _ html: String) -> Offence {
        let escaped = html.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
        return patient(rule, "Patient.text.div", #""text":{"status":"generated","div":"\#(escaped)"}"#)
    }

    var testDescription: String { "\(rule) \(json.prefix(120))" }
}

@Suite struct `The validator` {
    private func issues(_ json: String, expecting: ResourceType? = nil) throws -> [ValidationIssue] {
        ResourceValidator.validate(try JSONTape(parsing: Array(json.utf8)), expecting: expecting)
    }

    @Test(arguments: Offence.structure + Offence.formats + Offence.references + Offence.invariants + Offence.narratives)
    func `refuses exactly the offence`(offence: Offence) throws {
        let found = try issues(offence.json)
        #expect(found.map { "\($0.rule) \($0.expression)" } == ["\(offence.rule) \(offence.expression)"])
    }

    @Test func `has a negative vector for every rule`() {
        let all = Offence.structure + Offence.formats + Offence.references + Offence.invariants + Offence.narratives
        let covered = Set(all.map(\.rule)).union([.unexpectedResourceType, .tooLong])
        #expect(ValidationRule.allCases.filter { !covered.contains($0) } == [])
    }

    @Test(arguments: Valid.resources) func `takes what R4 allows`(json: String) throws {
        #expect(try issues(json) == [])
    }

    @Test func `refuses another type than expected`() throws {
        let found = try issues(#"{"resourceType":"Patient"}"#, expecting: ResourceType("Observation"))
        #expect(found.map(\.rule) == [.unexpectedResourceType])
        #expect(found.map(\.expression) == ["Patient"])
    }

    @Test func `refuses strings of more than a mebi-character`() throws {
        let limit = 1024 * 1024
        let fits = String(repeating: "é", count: limit)
        #expect(try issues(#"{"resourceType":"Patient","language":"de","name":[{"text":"\#(fits)"}]}"#) == [])
        let found = try issues(#"{"resourceType":"Patient","name":[{"text":"\#(fits)x"}]}"#)
        #expect(found.map(\.rule) == [.tooLong])
    }

    @Test func `reports every offence up to a limit`() throws {
        let items = Array(repeating: #"{"value":1}"#, count: 300).joined(separator: ",")
        let found = try issues(#"{"resourceType":"Patient","identifier":[\#(items)]}"#)
        #expect(found.count == ResourceValidator.issueLimit)
        #expect(found.last?.expression == "Patient.identifier[99].value")
    }

    @Test func `says nothing of what the record holds`() throws {
        let secret = "Zaphod"
        let json = #"""
            {"resourceType":"Patient","\#(secret)":1,"gender":"\#(secret)","birthDate":"\#(secret)",
            "active":"\#(secret)",
            "managingOrganization":{"reference":"\#(secret)/1"},"text":{"status":"generated","div":"\#(secret)"},
            "contact":[{"\#(secret)":{"\#(secret)":1}}],"id":"\#(secret) \#(secret)","contained":[{"id":"\#(secret)"}]}
            """#
        let found = try issues(json)
        #expect(found.count >= 9)
        #expect(!found.contains { "\($0)".contains(secret) })
        let offset = try #require(found.first { $0.rule == .unknownElement }?.offset)
        #expect(String(decoding: Array(json.utf8)[offset...].prefix(6), as: UTF8.self) == secret)
    }

    @Test(arguments: [
        (#"{"resourceType":"Patient","modifierExtension":[{"url":"u","valueCode":"x"}]}"#, true),
        (#"{"resourceType":"Patient","contact":[{"modifierExtension":[{"url":"u","valueCode":"x"}]}]}"#, true),
        (#"{"resourceType":"Patient","extension":[{"url":"modifierExtension","valueCode":"a"}]}"#, false),
    ])
    func `finds modifier extensions`(json: String, isThere: Bool) throws {
        let tape = try JSONTape(parsing: Array(json.utf8))
        #expect(ResourceValidator.hasModifierExtension(tape) == isThere)
        #expect(ResourceValidator.validate(tape) == [])
    }
}
