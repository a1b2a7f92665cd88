import Testing
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

    init(_ roles: [Role] = [.clinician], practitioner: String? = "doc", patients: [String] = [], house: TestHouse? = nil)
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
        Chart.patient("p1").replacing("{\"resourceType\"", with: #"{"generalPractitioner":[{"reference":"\#(doctor)"}],"resourceType""#)
    }

    @Test(arguments: [
        team("active"), team("active", period: #""period":{"start":"2020-01-01"},"#),
        team("active", period: #""period":{"start":"2020-01-01","end":"2999-01-01"},"#),
        team("active", member: "\(TestHouse.base)/Practitioner/doc"), team("active", member: "PractitionerRole/r1"),
        appointment("booked", hours: 0), appointment("arrived", hours: -10), appointment("fulfilled", hours: -15),
        appointment("checked-in", hours: 3), appointment("booked", hours: 15, actor: "PractitionerRole/r1"),
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

    @Test func `to one of two patients does not open a record about both`() async throws {
        let care = try await CareHouse()
        try await care.house.put(CareHouse.careTeam, as: care.loader)
        let both = Chart.observation("o3", of: "p1").replacing(
            #""valueQuantity""#, with: #""performer":[{"reference":"Patient/p2"}],"valueQuantity""#)
        try await care.house.put(both, as: care.loader)
        #expect(try await care.sees("o1"))
        #expect(try await !care.sees("o3"))
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

    @Test(arguments: [
        ("R", false, false), ("PSYTHPN", false, false), ("42CFRPart2", false, false), ("42CFRPart2", true, true),
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
    let meta = #""meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/\#(system)","code":"\#(code)"}]},"#
    return json.replacing(#""id":"#, with: meta + #""id":"#, maxReplacements: 1)
}
