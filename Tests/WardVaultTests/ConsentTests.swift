import Testing
import WardCore
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardTestKit
import WardVault

/// What patients allow and refuse, by a Consent on file.
@Suite struct `A consent` {
    private static let part2 =
        #""securityLabel":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"42CFRPart2"}]"#

    private static func actor(_ reference: String) -> String {
        #""actor":[{"role":{"text":"recipient"},"reference":{"reference":"\#(reference)"}}]"#
    }

    private static func purpose(_ code: String) -> String {
        #""purpose":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"\#(code)"}]"#
    }

    private static func classes(_ type: String) -> String {
        #""class":[{"system":"http://hl7.org/fhir/resource-types","code":"\#(type)"}]"#
    }

    private static func consent(
        _ parts: [String], status: String = "active", patient: String = "p1", within outer: String? = nil
    ) -> String {
        let inner = "{\(parts.joined(separator: ","))}"
        let provision = outer.map { #"{\#($0),"provision":[\#(inner)]}"# } ?? inner
        return
            #"{"resourceType":"Consent","id":"c1","status":"\#(status)","scope":{"coding":[{"code":"patient-privacy"}]},"#
            + #""category":[{"coding":[{"code":"59284-0"}]}],"policyRule":{"coding":[{"code":"OPTIN"}]},"#
            + #""patient":{"reference":"Patient/\#(patient)"},"provision":\#(provision)}"#
    }

    private static let permit = #""type":"permit""#
    private static let deny = #""type":"deny""#

    @Test(arguments: [
        consent([permit, part2]), consent([permit, part2, actor("Practitioner/doc")]),
        consent([permit, part2, actor("\(TestHouse.base)/Practitioner/doc")]),
        consent([permit, part2, actor("PractitionerRole/r1")]),
        consent([part2], within: permit).replacing(
            #"[{"security"#, with: #"[{"type":"permit","security"#),
        consent([permit, part2, purpose("TREAT")]), consent([permit, part2, classes("Observation")]),
        consent([permit, part2, #""period":{"start":"2020-01-01","end":"2999-01-01"}"#]),
        consent(
            [permit, part2, purpose("TREAT"), actor("Practitioner/doc")], within: #""period":{"start":"2020-01-01"}"#),
    ])
    func `that names the label opens it, until it is gone`(json: String) async throws {
        let care = try await part2House()
        #expect(try await !care.sees())
        try await care.house.put(json, as: care.loader)
        #expect(try await care.sees())
        try await care.house.delete(.named("Consent"), "c1", as: care.loader)
        #expect(try await !care.sees())
    }

    @Test(arguments: [
        consent([permit]), consent([part2]), consent([permit, part2], status: "inactive"),
        consent([permit, part2], status: "draft"), consent([permit, part2], status: "rejected"),
        consent([permit, part2], status: "entered-in-error"), consent([permit, part2], patient: "p2"),
        consent([permit, part2, actor("Practitioner/other")]), consent([permit, part2, actor("Organization/doc")]),
        consent([permit, part2, purpose("HPAYMT")]), consent([permit, part2, purpose("HMARKT")]),
        consent([permit, part2, classes("Condition")]),
        consent([permit, part2, #""period":{"start":"2020-01-01","end":"2020-02-01"}"#]),
        consent([permit, part2, #""period":{"start":"2999-01-01"}"#]),
        consent([permit, part2], within: #""period":{"end":"2020-02-01"}"#),
        consent([permit, part2, #""data":[{"meaning":"instance","reference":{"reference":"Observation/o2"}}]"#]),
        consent([permit, part2, #""code":[{"coding":[{"code":"x"}]}]"#]),
        consent([permit, part2, #""dataPeriod":{"start":"2020-01-01"}"#]),
        consent([permit, part2, #""action":[{"coding":[{"code":"collect"}]}]"#]),
        consent([permit, part2.replacing("42CFRPart2", with: "PSYTHPN")]),
        consent([deny, part2]), consent([permit, part2]).replacing("patient-privacy", with: "research"),
        consent([permit, part2], within: "\(deny),\(actor("Practitioner/other"))"),
        consent([deny, actor("Practitioner/doc")], within: "\(permit),\(part2)"),
        consent([deny, actor("PractitionerRole/r1")], within: "\(permit),\(part2)"),
        consent([deny, actor("Practitioner/doc"), #""code":[{"text":"x"}]"#], within: "\(permit),\(part2)"),
    ])
    func `for something else, narrower, not in force or somebody else's opens nothing`(json: String) async throws {
        let care = try await part2House()
        try await care.house.put(json, as: care.loader)
        #expect(try await !care.sees())
    }

    /// A substance use record of a patient whose care team the doctor is in.
    @Test func `that lets substance use disorder records be seen sends the notice along, and other records without it`()
        async throws
    {
        let care = try await part2House()
        try await care.house.put(Self.consent([Self.permit, Self.part2]), as: care.loader)
        try await care.house.put(Chart.observation("o2", of: "p1"), as: care.loader)
        func found(_ id: String) async throws -> Disclosure {
            try await care.house.search(care.observation, [("_id", id)], as: care.doctor).disclosure
        }
        for (id, notice) in [("o1", ReleasedBytes.part2Notice), ("o2", nil)] {
            #expect(try await care.house.read(care.observation, id, as: care.doctor).resource()?.notice == notice)
            let search = try await found(id)
            #expect(search.lines().notice == notice)
            #expect(search.framed { writer, place in place(&writer, 0) }.notice == notice)
        }
        let parts = [try await found("o2").lines(), try await found("o1").lines()]
        #expect(ReleasedBytes.joined(parts) { writer, place in place(&writer, 0) }?.notice == ReleasedBytes.part2Notice)
        #expect(ReleasedBytes.joined([parts[0]]) { writer, place in place(&writer, 0) }?.notice == nil)
        let around = try await found("o2").framed(with: [parts[1]]) { writer, place in place(&writer, 1) }
        #expect(around.notice == ReleasedBytes.part2Notice)
    }

    private func part2House() async throws -> CareHouse {
        let care = try await CareHouse()
        try await care.house.put(CareHouse.careTeam, as: care.loader)
        try await care.house.put(
            #"{"resourceType":"PractitionerRole","id":"r1","practitioner":{"reference":"Practitioner/doc"}}"#,
            as: care.loader)
        try await care.house.put(labelled(Chart.observation("o1", of: "p1"), "42CFRPart2"), as: care.loader)
        return care
    }

    @Test(arguments: [
        (consent([deny]), false, true), (consent([deny, actor("Practitioner/doc")]), true, false),
        (consent([deny, actor("Practitioner/other")]), false, false),
        (consent([deny, classes("Observation")]), false, true), (consent([deny, classes("Condition")]), false, false),
        (consent([deny, purpose("TREAT")]), false, true), (consent([deny, purpose("HPAYMT")]), false, false),
        (consent([deny, part2]), false, false), (consent([deny], status: "inactive"), false, false),
        (consent([deny], patient: "p2"), false, false),
        (consent([deny, #""period":{"end":"2020-01-01"}"#]), false, false),
        (consent([deny], within: permit), false, true),
        (consent([deny, actor("Practitioner/doc/_history/3")]), true, false),
        (consent([deny, actor("PractitionerRole/r1")]), true, false),
        (consent([deny, actor("Group/g")]), true, true), (consent([deny, actor("Organization/o")]), false, false),
        (consent([permit, actor("Practitioner/doc")], within: "\(deny),\(actor("Practitioner/doc"))"), false, false),
        (consent([deny]).replacing("patient-privacy", with: "adr"), false, false),
    ])
    func `that refuses is kept, and stands over every relationship that it names`(
        json: String, keepsDoctor: Bool, keepsOthers: Bool
    ) async throws {
        let care = try await CareHouse()
        try await care.house.put(CareHouse.careTeam, as: care.loader)
        try await care.house.put(
            #"{"resourceType":"PractitionerRole","id":"r1","practitioner":{"reference":"Practitioner/doc"}}"#,
            as: care.loader)
        try await care.house.put(json, as: care.loader)
        #expect(try await care.sees() == !keepsDoctor)
        let found = try await care.house.tryRead(care.observation, "o1", as: care.loader)
        if case .shown = found { #expect(!keepsOthers) } else { #expect(found == .absent && keepsOthers) }
        let all = try await care.house.tryFind(care.observation, as: care.loader)
        let refusesOther = json.contains("Patient/p2")
        #expect((all?.matches.contains("Observation/o1") ?? false) == !keepsOthers)
        #expect(all?.total == all?.matches.count)
        #expect(refusesOther || (all?.matches.contains("Observation/o2") ?? false))
    }

    @Test func `that refuses somebody is read by them, and neither changed nor taken out`() async throws {
        let care = try await CareHouse()
        try await care.house.put(CareHouse.careTeam, as: care.loader)
        let refusal = Self.consent([Self.deny, Self.actor("Practitioner/doc")])
        try await care.house.put(refusal, as: care.loader)
        let type = try ResourceType.named("Consent")
        guard case .shown = try await care.house.tryRead(type, "c1", as: care.doctor) else {
            Issue.record("not shown")
            return
        }
        let changed = refusal.replacing(#""status":"active""#, with: #""status":"inactive""#)
        #expect(try await care.house.tryPut(changed, as: care.doctor) == .refused)
        await #expect(throws: VaultFailure.self) { try await care.house.delete(type, "c1", as: care.doctor) }
        #expect(try await !care.sees())
    }

    @Test func `that refuses keeps no patient from their own record, and nobody from an emergency`() async throws {
        let open = OpenSwitch()
        let house = try TestHouse(emergencies: { _, _, _ in open.isOn ? OpenEmergency(id: "x", reasons: []) : nil })
        let care = try await CareHouse(house: house)
        try await house.put(Self.consent([Self.deny, Self.actor("Practitioner/doc")]), as: care.loader)
        let own = try await house.signIn(person: "own", [.patient], patients: ["p1"])
        guard case .shown = try await house.tryRead(care.observation, "o1", as: own) else {
            Issue.record("patients see their own record")
            return
        }
        #expect(try await !care.sees())
        open.isOn = true
        #expect(try await care.sees())
    }
}
