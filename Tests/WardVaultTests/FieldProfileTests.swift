import Testing
import WardAudit
import WardCore
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardTestKit
import WardVault

/// Records seen in part.
@Suite struct `Who sees a part of a record` {
    private static let patient =
        #"{"resourceType":"Patient","id":"p1","text":{"status":"additional","div":"<div xmlns=\"http://www.w3.org/1999/"#
        + #"xhtml\">secret</div>"},"meta":{"tag":[{"system":"urn:t","code":"vip","display":"secret"}]},"name":[{"family":"Alpha"}],"#
        + #""maritalStatus":{"text":"secret"},"telecom":[{"system":"phone","value":"1"}]}"#

    private func desk() async throws -> (house: TestHouse, loader: Principal, desk: Principal, type: ResourceType) {
        let house = try TestHouse()
        let loader = try await house.signIn("loader")
        let desk = try await house.signIn(person: "desk", [.frontDesk])
        try await house.put(Self.patient, as: loader)
        return (house, loader, desk, try .named("Patient"))
    }

    @Test func `writes it back without losing the rest`() async throws {
        let (house, loader, desk, type) = try await desk()
        let changed =
            #"{"resourceType":"Patient","id":"p1","name":[{"family":"Beta"}],"telecom":[{"system":"phone","value":"2"}]}"#
        guard case .shown(let answer) = try await house.tryPut(changed, as: desk) else {
            Issue.record("not taken")
            return
        }
        #expect(answer.contains("Beta") && !answer.contains("secret") && answer.contains("SUBSETTED"))
        let whole = try await house.read(type, "p1", as: loader)
        #expect(whole.text.contains("Beta") && whole.text.contains(#""maritalStatus":{"text":"secret"}"#))
        #expect(whole.text.contains(#""display":"secret""#) && !whole.text.contains("SUBSETTED"))
        #expect(whole.text.contains(#""versionId":"2""#) && !whole.text.contains("Alpha"))
    }

    @Test(arguments: [
        #""maritalStatus":{"text":"other"}"#, #""photo":[{"title":"x"}]"#,
        #""text":{"status":"additional","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}"#,
        ##""contained":[{"resourceType":"Organization","id":"o"}],"managingOrganization":{"reference":"#o"}"##,
        #""extension":[{"url":"urn:x","valueString":"x"}]"#,
    ])
    func `writes nothing that they could not see`(element: String) async throws {
        let (house, loader, desk, type) = try await desk()
        func json(_ id: String) -> String {
            #"{"resourceType":"Patient","id":"\#(id)","name":[{"family":"Beta"}],\#(element)}"#
        }
        #expect(try await house.tryPut(json("p1"), as: desk) == .refused)
        #expect(try await house.tryCreate(json("p9"), id: "p9", as: desk) == .refused)
        #expect(try await house.read(type, "p1", as: loader).text.contains("Alpha"))
        #expect(try await house.tryRead(type, "p9", as: loader) == .absent)
        let last = try house.log.events(with: [.actor("person/\(desk.id)")], limit: 2)
        #expect(last.count == 2 && last.allSatisfy { $0.event.outcome == .denied })
        #expect(last.allSatisfy { $0.event.decision == "field-not-granted" })
    }

    @Test(arguments: [
        "_security", "_tag", "_security:missing", "language", "link", "organization", "phonetic",
        "general-practitioner",
    ])
    func `finds nothing by what they cannot see`(name: String) async throws {
        let (house, _, desk, type) = try await desk()
        let policy = Policy()
        let code = String(name.split(separator: ":")[0])
        let parameter = try #require(Definitions.r4.searchParameter(code, of: type))
        let question = AccessQuestion(action: .search, type: type, roles: [.frontDesk], purpose: desk.purpose)
        let isSeen = policy.isSearchable(parameter.number, of: type, under: policy.decide(question).profiles)
        let value = name.hasSuffix("missing") ? "true" : parameter.type == .reference ? "Organization/x" : "x"
        let found = try await house.tryFind(type, [(name, value)], as: desk)
        #expect((found != nil) == isSeen)
        if !isSeen {
            let last = try #require(try house.events().last)
            #expect(last.outcome == .denied && last.decision == "parameter-not-granted")
        }
        #expect(!isSeen || !name.hasPrefix("_"))
    }

    @Test func `gets no more of it by includes, history or versions`() async throws {
        let (house, loader, desk, type) = try await desk()
        try await house.put(
            #"{"resourceType":"Appointment","id":"a1","status":"booked","participant":[{"actor":{"reference":"Patient/p1"},"#
                + #""status":"accepted"}]}"#, as: loader)
        let answers = [
            try await house.tryFind(.named("Appointment"), [("_include", "Appointment:patient")], as: desk)?.text,
            try await house.tryFind(type, as: desk)?.text,
        ]
        for text in answers { #expect(text?.contains("Alpha") ?? false && !(text?.contains("secret") ?? true)) }
        for way in [
            try await house.tryHistory(type, "p1", as: desk), try await house.tryVersion(type, "p1", 1, as: desk),
        ] {
            guard case .shown(let text) = way else {
                Issue.record("not shown")
                continue
            }
            #expect(text.contains("Alpha") && !text.contains("secret"))
        }
    }
}
