import Testing
import WardAudit
import WardCore
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardTestKit
import WardVault

/// Somebody of the clinic, a patient `p1` and a result of theirs.
struct CareHouse {
    let house: TestHouse
    let loader: Principal
    let doctor: Principal
    let observation: ResourceType

    init(
        _ roles: [Role] = [.clinician], practitioner: String? = "doc", patients: [String] = [], house: TestHouse? = nil
    )
        async throws
    {
        self.house = try house ?? TestHouse()
        loader = try await self.house.signIn("loader")
        doctor = try await self.house.signIn(
            person: "somebody", roles, practitioner: practitioner, patients: patients)
        observation = try .named("Observation")
        try await self.house.put(Chart.patient("p1"), as: loader)
        try await self.house.put(Chart.patient("p2"), as: loader)
        try await self.house.put(Chart.observation("o1", of: "p1"), as: loader)
        try await self.house.put(Chart.observation("o2", of: "p2"), as: loader)
    }

    /// Whether the result is seen, by every way the same.
    func sees(_ id: String = "o1") async throws -> Bool {
        let read = try await house.tryRead(observation, id, as: doctor)
        let found = try await house.tryFind(observation, [("_id", id)], as: doctor)
        let isSeen = if case .shown = read { true } else { false }
        #expect(found?.total == (isSeen ? 1 : 0) && found?.matches.count == (isSeen ? 1 : 0))
        return isSeen
    }

    static let careTeam =
        #"{"resourceType":"CareTeam","id":"team","status":"active","subject":{"reference":"Patient/p1"},"#
        + #""participant":[{"member":{"reference":"Practitioner/doc"}}]}"#
}

@Suite struct `A relationship` {
    private static func team(_ status: String, period: String = "", member: String = "Practitioner/doc") -> String {
        CareHouse.careTeam.replacing("active", with: status).replacing("Practitioner/doc", with: member)
            .replacing(#""subject""#, with: "\(period)\"subject\"")
    }

    private static func appointment(
        _ status: String, hours: Int64, actor: String = "Practitioner/doc", patient: String = "p1"
    ) -> String {
        let start = Instant.now().adding(seconds: hours * 3600)
        return #"{"resourceType":"Appointment","id":"a1","status":"\#(status)","start":"\#(start.text)","#
            + #""end":"\#(start.adding(seconds: 600).text)","participant":[{"actor":{"reference":"Patient/\#(patient)"},"#
            + #""status":"accepted"},{"actor":{"reference":"\#(actor)"},"status":"accepted"}]}"#
    }

    private static func encounter(_ status: String, _ who: String = "Practitioner/doc") -> String {
        #"{"resourceType":"Encounter","id":"e1","status":"\#(status)","class":{"code":"AMB"},"#
            + #""subject":{"reference":"Patient/p1"},"participant":[{"individual":{"reference":"\#(who)"}}]}"#
    }

    private static func episode(_ status: String, _ who: String = "Practitioner/doc") -> String {
        #"{"resourceType":"EpisodeOfCare","id":"c1","status":"\#(status)","patient":{"reference":"Patient/p1"},"#
            + #""careManager":{"reference":"\#(who)"}}"#
    }

    private static func patient(_ doctor: String) -> String {
        Chart.patient("p1").replacing(
            "{\"resourceType\"", with: #"{"generalPractitioner":[{"reference":"\#(doctor)"}],"resourceType""#)
    }

    @Test(arguments: [
        team("active"), team("active", period: #""period":{"start":"2020-01-01"},"#),
        team("active", period: #""period":{"start":"2020-01-01","end":"2999-01-01"},"#),
        team("active", member: "\(TestHouse.base)/Practitioner/doc"), team("active", member: "PractitionerRole/r1"),
        appointment("booked", hours: 0), appointment("arrived", hours: -10), appointment("fulfilled", hours: -15),
        appointment("checked-in", hours: 3), appointment("booked", hours: 15, actor: "PractitionerRole/r1"),
        team("active", period: #""period":{"start":"2020-01-01","end":"\#(Instant.now().text.prefix(10))"},"#),
        team("active").replacing(#"{"member""#, with: #"{"period":{"end":"2999-01-01"},"member""#),
        team("active", member: "Practitioner/doc/_history/1"),
        encounter("in-progress"), encounter("planned"), encounter("in-progress", "PractitionerRole/r1"),
        episode("active"), episode("onhold"), patient("Practitioner/doc"), patient("PractitionerRole/r1"),
    ])
    func `opens the records of that patient, from the next request on, until it ends`(record: String) async throws {
        let care = try await CareHouse()
        try await care.house.put(
            #"{"resourceType":"PractitionerRole","id":"r1","practitioner":{"reference":"Practitioner/doc"}}"#,
            as: care.loader)
        #expect(try await !care.sees())
        let made = try await care.house.put(record, as: care.loader)
        #expect(try await care.sees())
        #expect(try await !care.sees("o2"))
        if made.result.type.name == "Patient" {
            try await care.house.put(Chart.patient("p1"), as: care.loader)
        } else {
            try await care.house.delete(made.result.type, made.result.id, as: care.loader)
        }
        #expect(try await !care.sees())
    }

    @Test(arguments: [
        team("inactive"), team("proposed"), team("suspended"), team("entered-in-error"),
        team("active", period: #""period":{"start":"2020-01-01","end":"2020-02-01"},"#),
        team("active", member: "Practitioner/other"), team("active", member: "Patient/doc"),
        team("active", period: #""period":{"start":"2999-01-01"},"#),
        team("active").replacing(#"{"member""#, with: #"{"period":{"end":"2020-01-01"},"member""#),
        team("active", member: "PractitionerRole/r3"), team("active", member: "PractitionerRole/r4"),
        encounter("in-progress").replacing(#"{"individual""#, with: #"{"period":{"end":"2020-01-01"},"individual""#),
        appointment("booked", hours: 0).replacing(
            #"doc"},"status":"accepted""#, with: #"doc"},"status":"declined""#),
        team("active", member: "PractitionerRole/r2"), team("active", member: "Organization/doc"),
        team("active", member: "https://elsewhere.example/fhir/Practitioner/doc"),
        appointment("cancelled", hours: 0), appointment("noshow", hours: 0), appointment("proposed", hours: 0),
        appointment("entered-in-error", hours: 0), appointment("booked", hours: 30), appointment("booked", hours: -30),
        appointment("booked", hours: 0, actor: "Practitioner/other"), appointment("booked", hours: 0, patient: "p2"),
        encounter("finished"), encounter("cancelled"), encounter("entered-in-error"),
        encounter("in-progress", "Practitioner/other"), episode("finished"), episode("cancelled"),
        episode("active", "Practitioner/other"), patient("Practitioner/other"), patient("Organization/doc"),
    ])
    func `that is over, not yet, or somebody else's opens nothing`(record: String) async throws {
        let care = try await CareHouse()
        try await care.house.put(
            #"{"resourceType":"PractitionerRole","id":"r2","practitioner":{"reference":"Practitioner/other"}}"#,
            as: care.loader)
        try await care.house.put(
            #"{"resourceType":"PractitionerRole","id":"r3","active":false,"practitioner":{"reference":"Practitioner/doc"}}"#,
            as: care.loader)
        try await care.house.put(
            #"{"resourceType":"PractitionerRole","id":"r4","period":{"end":"2020-01-01"},"practitioner":{"reference":"#
                + #""Practitioner/doc"}}"#, as: care.loader)
        try await care.house.put(record, as: care.loader)
        #expect(try await !care.sees())
    }

    @Test func `is none of somebody who is not named by the records`() async throws {
        let care = try await CareHouse(practitioner: nil)
        try await care.house.put(CareHouse.careTeam, as: care.loader)
        #expect(try await !care.sees())
        let client = try await care.house.signIn("a-clinicians-program", role: .clinician)
        #expect(try await care.house.tryRead(care.observation, "o1", as: client) == .absent)
    }

    @Test func `by an appointment alone makes nobody a member of the care team`() async throws {
        let care = try await CareHouse()
        try await care.house.put(Self.appointment("booked", hours: 0), as: care.loader)
        try await care.house.put(labelled(Chart.observation("o3", of: "p1"), "R"), as: care.loader)
        #expect(try await care.sees())
        let consent =
            #"{"resourceType":"Consent","id":"c1","status":"active","scope":{"coding":[{"code":"treatment"}]},"#
            + #""category":[{"coding":[{"code":"59284-0"}]}],"policyRule":{"coding":[{"code":"OPTIN"}]},"#
            + #""patient":{"reference":"Patient/p1"}}"#
        for json in [CareHouse.careTeam, Self.episode("active"), consent] {
            #expect(try await care.house.tryCreate(json, id: "new", as: care.doctor) == .refused)
        }
        #expect(
            try await care.house.tryPut(
                #"{"resourceType":"PractitionerRole","id":"r1","practitioner":{"reference":"Practitioner/doc"}}"#,
                as: care.doctor) == .refusedByName)
        #expect(try await !care.sees("o3"))
    }

    @Test func `to whom a record is about is enough, whoever else has a part in it`() async throws {
        let care = try await CareHouse()
        try await care.house.put(CareHouse.careTeam, as: care.loader)
        let own = try await care.house.signIn(person: "own", [.patient], patients: ["p1"])
        let mother = try await care.house.signIn(person: "mother", [.patient], patients: ["p2"])
        let json = Chart.observation("o3", of: "p1").replacing(
            #""valueQuantity""#, with: #""performer":[{"reference":"Patient/p2"}],"valueQuantity""#)
        try await care.house.put(json, as: care.loader)
        #expect(try await care.sees("o3"))
        guard case .shown = try await care.house.tryRead(care.observation, "o3", as: own) else {
            Issue.record("patients see what is about them")
            return
        }
        #expect(try await care.house.tryRead(care.observation, "o3", as: mother) == .absent)
        // Both are in the log.
        #expect(try house(care, names: ["p1", "p2"]))
    }

    private func house(_ care: CareHouse, names patients: Set<String>) throws -> Bool {
        Set(try #require(try care.house.events().last).patients) == patients
    }

    @Test func `holds for types outside the compartment by whom they are about`() async throws {
        let care = try await CareHouse()
        try await care.house.put(CareHouse.careTeam, as: care.loader)
        for (name, id, isSeen) in [("p1", "t1", true), ("p2", "t2", false)] {
            for json in [
                #"{"resourceType":"Task","id":"\#(id)","status":"requested","intent":"order","for":{"reference":"Patient/\#(name)"}}"#,
                #"{"resourceType":"Device","id":"\#(id)","patient":{"reference":"Patient/\#(name)"}}"#,
                #"{"resourceType":"Binary","id":"\#(id)","contentType":"text/plain","data":"AAAA","#
                    + #""securityContext":{"reference":"Patient/\#(name)"}}"#,
                #"{"resourceType":"Bundle","id":"\#(id)","type":"collection","entry":[{"resource":"#
                    + Chart.observation("x", of: name) + "}]}",
            ] {
                let made = try await care.house.put(json, as: care.loader)
                #expect(try #require(try care.house.events().last).patients == [name])
                let found = try await care.house.tryRead(made.result.type, id, as: care.doctor)
                if case .shown = found { #expect(isSeen) } else { #expect(found == .absent && !isSeen) }
            }
        }
    }

    @Test func `to one of two patients does not open a record about both`() async throws {
        let care = try await CareHouse()
        try await care.house.put(CareHouse.careTeam, as: care.loader)
        let both =
            #"{"resourceType":"Group","id":"g1","type":"person","actual":true,"member":[{"entity":{"reference":"#
            + #""Patient/p1"}},{"entity":{"reference":"Patient/p2"}}]}"#
        try await care.house.put(both, as: care.loader)
        #expect(try await care.sees("o1"))
        #expect(try await care.house.tryRead(.named("Group"), "g1", as: care.doctor) == .absent)
    }

    @Test func `is not made by writing a record that one may not write`() async throws {
        let care = try await CareHouse()
        for json in [
            CareHouse.careTeam, Self.encounter("in-progress"), Self.episode("active"),
            Chart.observation("o9", of: "p1"), Chart.observation("o1", of: "p1", value: 9),
        ] {
            let found = try await care.house.tryPut(json, as: care.doctor)
            #expect(found == .refused || found == .absent)
        }
        #expect(try await !care.sees())
        #expect(try await care.house.tryRead(care.observation, "o9", as: care.loader) == .absent)
    }

    @Test func `of the patient and of who acts for them is that of their account`() async throws {
        for role in [Role.patient, .proxy] {
            let care = try await CareHouse([role], practitioner: nil, patients: ["p1"])
            #expect(try await care.sees("o1"))
            #expect(try await !care.sees("o2"))
            #expect(try await care.house.tryPut(Chart.observation("o1", of: "p1"), as: care.doctor) == .refusedByName)
        }
    }

    // MARK: Emergencies

    @Test func `is not needed in an emergency, while it is open and for that patient alone`() async throws {
        let open = OpenSwitch()
        let house = try TestHouse(emergencies: { person, patient, _ in
            open.isOn && patient == "p1" ? OpenEmergency(id: "x1", reasons: []) : nil
        })
        let care = try await CareHouse(house: house)
        #expect(try await !care.sees())
        open.isOn = true
        #expect(try await care.sees())
        #expect(try await !care.sees("o2"))
        let nurse = try await house.signIn(person: "desk", [.frontDesk], practitioner: "desk")
        #expect(try await house.tryRead(care.observation, "o1", as: nurse) == .refusedByName)
        open.isOn = false
        #expect(try await !care.sees())
    }

    @Test func `of whoever has two roles is that of each, for the purpose of each`() async throws {
        let care = try await CareHouse([.clinician, .patient], practitioner: "doc", patients: ["p1"])
        #expect(try await care.sees())
        #expect(try await !care.sees("o2"))
        let both = try await care.house.signIn(person: "both", [.nurse, .biller], practitioner: "else")
        let claims = try ResourceType.named("PaymentNotice")
        #expect(try await care.house.tryFind(claims, as: both) != nil)
        #expect(try await care.house.tryFind(.named("Organization"), as: both) != nil)
    }

    @Test(arguments: [
        ("R", false, false), ("42CFRPart2", false, false), ("42CFRPart2", true, true),
        ("R", true, false),
    ])
    func `of an emergency opens what the law protects only for its own reason`(
        code: String, hasReason: Bool, isSeen: Bool
    ) async throws {
        let house = try TestHouse(emergencies: { _, _, _ in
            OpenEmergency(id: "x1", reasons: hasReason ? .part2 : [])
        })
        let care = try await CareHouse(house: house)
        try await house.put(labelled(Chart.observation("o1", of: "p1"), code), as: care.loader)
        #expect(try await care.sees() == isSeen)
    }
}

/// A resource with a label in meta.security.
func labelled(_ json: String, _ code: String) -> String {
    let system = ["R", "V", "N"].contains(code) ? "v3-Confidentiality" : "v3-ActCode"
    let meta =
        #""meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/\#(system)","code":"\#(code)"}]},"#
    return json.replacing(#""id":"#, with: meta + #""id":"#, maxReplacements: 1)
}
