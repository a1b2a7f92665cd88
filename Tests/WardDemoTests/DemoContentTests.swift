import Testing
import WardFHIR

@Suite struct `What the demo clinic holds` {
    let demo: DemoSet

    init() throws {
        demo = try DemoSet.standard.get()
    }

    @Test func `is of the promised size`() {
        #expect((3000...6500).contains(demo.entries.count))
        #expect(demo.bundles.count == 44)
    }

    @Test(arguments: [
        ("Patient", 42...42), ("Practitioner", 11...11), ("Location", 7...7), ("Slot", 100...200),
        ("Appointment", 30...40), ("Encounter", 400...800), ("Condition", 50...120), ("Observation", 2000...3500),
        ("DiagnosticReport", 150...400), ("MedicationRequest", 50...150), ("MedicationStatement", 40...120),
        ("AllergyIntolerance", 25...60), ("Immunization", 300...600), ("Procedure", 15...80), ("CarePlan", 10...30),
        ("CareTeam", 10...30), ("Goal", 10...30), ("Coverage", 38...42), ("Claim", 100...300),
        ("ClaimResponse", 100...300), ("ExplanationOfBenefit", 100...300), ("DocumentReference", 10...60),
        ("Composition", 150...400), ("ServiceRequest", 150...400), ("Task", 5...20), ("Communication", 3...3),
        ("QuestionnaireResponse", 15...40), ("Questionnaire", 2...2), ("FamilyMemberHistory", 20...40),
        ("RelatedPerson", 5...5), ("Consent", 1...1), ("Flag", 5...20), ("Specimen", 100...300), ("Device", 8...20),
        ("Medication", 3...3), ("Provenance", 50...200), ("Schedule", 4...4), ("HealthcareService", 1...1),
    ])
    func `is of every kind`(type: String, bounds: ClosedRange<Int>) {
        #expect(bounds.contains(demo.resources(type).count))
    }

    @Test func `shows a clinic day under way`() {
        func status(_ type: String, _ status: String) -> Int { demo.count(type) { $0["status"]?.string == status } }
        for (appointments, least) in [
            ("booked", 10), ("arrived", 3), ("checked-in", 2), ("fulfilled", 8), ("noshow", 1), ("cancelled", 2),
        ] {
            #expect(status("Appointment", appointments) >= least, "\(appointments)")
        }
        for visits in ["arrived", "triaged", "in-progress", "finished"] { #expect(status("Encounter", visits) >= 2) }
        #expect(status("Composition", "preliminary") >= 5)
        #expect(demo.count("ClaimResponse") { $0["outcome"]?.string == "error" } == 1)
        #expect(demo.count("Communication") { $0["received"] == nil } == 1)
        let critical = demo.count("Observation") { value in
            value["interpretation"]?.elements.first?["coding"]?.elements.first?["code"]?.string == "HH"
        }
        #expect(critical >= 1)
    }

    @Test func `tells three states of allergy apart`() {
        let asked = Set(demo.resources("AllergyIntolerance").compactMap { $0["patient"]?["reference"]?.string })
        let none = demo.count("AllergyIntolerance") {
            $0["code"]?["coding"]?.elements.first?["code"]?.string == "716186003"
        }
        #expect(none > 10)
        #expect(demo.resources("AllergyIntolerance").count > none)
        #expect(asked.count < demo.resources("Patient").count)
    }

    @Test func `has one who died, one with a year of birth only, and names in several scripts`() {
        let patients = demo.resources("Patient")
        #expect(patients.count { $0["deceasedDateTime"] != nil } == 1)
        #expect(patients.count { $0["birthDate"]?.string?.utf8.count == 4 } == 1)
        let names = Set(patients.flatMap { $0["name"]?.elements ?? [] }.compactMap { $0["text"]?.string })
        for name in ["Zoë Núñez", "Łukasz Wójcik", "Siobhán O'Brien", "فاطمة الزهراوي"] {
            #expect(names.contains(name))
        }
    }

    @Test func `uses only numbers and mail that nobody has`() {
        for entry in demo.entries {
            for contact in entry.resource["telecom"]?.elements ?? [] {
                let value = contact["value"]?.string ?? ""
                #expect(value.hasPrefix("+1-207-555-01") || value.hasSuffix("example.org"))
            }
        }
    }
}
