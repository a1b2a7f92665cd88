import Testing
import WardCore
import WardDemo
import WardFHIR

@Suite struct `The demo clinic` {
    let demo: DemoSet

    init() throws {
        demo = try DemoSet(seed: 1, now: DemoSet.wednesday)
    }

    @Test func `is the same for the same seed and moment`() {
        #expect(DemoClinic(seed: 1, now: DemoSet.wednesday).bundles() == demo.bundles)
    }

    @Test func `differs by seed and by moment`() {
        #expect(DemoClinic(seed: 2, now: DemoSet.wednesday).bundles() != demo.bundles)
        #expect(DemoClinic(seed: 1, now: DemoSet.wednesday.adding(seconds: 86_400)).bundles() != demo.bundles)
    }

    @Test func `writes what a strict parser writes back unchanged`() throws {
        for bytes in demo.bundles {
            let tape = try JSONTape(parsing: bytes)
            var output: [UInt8] = []
            tape.writeCompact(JSONTape.rootIndex, into: &output)
            #expect(output == bytes)
        }
    }

    @Test func `never names two resources alike`() {
        #expect(Set(demo.entries.map(\.fullUrl)).count == demo.entries.count)
        let puts = demo.entries.filter { $0.method == "PUT" }.map(\.url)
        #expect(Set(puts).count == puts.count)
    }

    @Test func `uses both ways to create, each with its kind of address`() {
        for entry in demo.entries {
            switch entry.method {
            case "PUT":
                #expect(entry.url == "\(entry.type)/\(entry.resource["id"]?.string ?? "")")
                #expect(entry.fullUrl == "https://demo.ward.example/fhir/\(entry.url)")
            case "POST":
                #expect(entry.url == entry.type && entry.resource["id"] == nil)
                #expect(entry.fullUrl.hasPrefix("urn:uuid:") && entry.fullUrl.utf8.count == 45)
            default: Issue.record("neither PUT nor POST")
            }
        }
        #expect(demo.entries.count { $0.method == "PUT" } > 500)
        #expect(demo.entries.count { $0.method == "POST" } > 2000)
    }

    @Test func `gives ids that FHIR allows`() {
        let allowed = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.")
        for id in demo.entries.compactMap({ $0.resource["id"]?.string }) {
            #expect((1...64).contains(id.utf8.count) && id.allSatisfy(allowed.contains))
        }
    }

    @Test func `refers to nothing outside itself, and to no bundle that comes later`() {
        var bundleOf: [String: Int] = [:]
        var identified: [String: [Int]] = [:]
        for entry in demo.entries {
            bundleOf[entry.method == "PUT" ? entry.url : entry.fullUrl] = entry.bundle
            for identifier in entry.resource["identifier"]?.elements ?? [] {
                let token = "\(identifier["system"]?.string ?? "")|\(identifier["value"]?.string ?? "")"
                identified["\(entry.type)?identifier=\(token)", default: []].append(entry.bundle)
            }
        }
        var conditional = 0
        for entry in demo.entries {
            forEachText(entry.resource) { name, text in
                guard name == "reference" else { return }
                if text.contains("?") {
                    conditional += 1
                    #expect(identified[text]?.count == 1 && identified[text]?.first == 0, "\(text)")
                } else if text.hasPrefix("urn:uuid:") {
                    #expect(bundleOf[text] == entry.bundle, "\(text)")
                } else {
                    #expect(bundleOf[text].map { $0 <= entry.bundle } == true, "\(text)")
                }
            }
        }
        #expect(conditional > 100)
    }

    @Test func `has no empty object, array or text`() {
        for entry in demo.entries {
            for (_, value) in flattened(entry.resource) {
                switch value.kind {
                case .object: #expect(!value.members.isEmpty)
                case .array: #expect(!value.elements.isEmpty)
                case .string: #expect(value.string?.isEmpty == false)
                case .null: Issue.record("null")
                default: break
                }
            }
        }
    }

    private func flattened(_ value: JSONValue) -> [(String, JSONValue)] {
        let children = value.kind == .array ? value.elements.map { ("", $0) } : value.members.map { ($0.key, $0.value) }
        return children + children.flatMap { flattened($0.1) }
    }
}

@Suite struct `What the demo clinic holds` {
    let demo: DemoSet

    init() throws {
        demo = try DemoSet(seed: 1, now: DemoSet.wednesday)
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
        for name in ["Zoë Núñez", "Łukasz Wójcik", "Siobhán O'Brien", "فاطمة الزهراوي"] { #expect(names.contains(name)) }
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

@Suite struct `Dates of the demo clinic` {
    /// A leap day, the minutes around midnight, the last day of a year, a summer afternoon.
    static let moments: [Int64] = [1_709_208_000, 1_773_791_999, 1_773_792_000, 1_798_761_540, 1_783_000_000]

    @Test(arguments: moments)
    func `lie in the past, but for appointments and their calendars`(seconds: Int64) throws {
        let now = Instant(microseconds: seconds * 1_000_000)
        let demo = try DemoSet(seed: 7, now: now)
        for entry in demo.entries where !["Slot", "Schedule"].contains(entry.type) {
            if entry.type == "Appointment", entry.resource["status"]?.string == "booked" { continue }
            forEachText(entry.resource) { name, text in
                guard !["id", "end", "reference", "value", "url"].contains(name) || name == "end" else { return }
                guard let day = leadingDay(text) else { return }
                // Appointments that have begun end within the half hour; everything else is over.
                if entry.type == "Appointment", name == "end" { return }
                #expect(day <= now.text.prefix(10), "\(entry.type).\(name)")
                if text.hasSuffix("Z") { #expect(text <= now.text, "\(entry.type).\(name)") }
            }
        }
    }

    @Test(arguments: moments)
    func `never precede birth`(seconds: Int64) throws {
        let demo = try DemoSet(seed: 7, now: Instant(microseconds: seconds * 1_000_000))
        var births: [Int: String] = [:]
        for entry in demo.entries where entry.type == "Patient" {
            births[entry.bundle] = entry.resource["birthDate"]?.string
        }
        for entry in demo.entries {
            guard let birth = births[entry.bundle] else { continue }
            forEachText(entry.resource) { name, text in
                guard let day = leadingDay(text) else { return }
                #expect(day.prefix(birth.utf8.count) >= birth, "\(entry.type).\(name)")
            }
        }
    }

    @Test func `are whole minutes of the moment asked for`() {
        let exact = DemoClinic(seed: 1, now: DemoSet.wednesday).bundles()
        #expect(DemoClinic(seed: 1, now: DemoSet.wednesday.adding(seconds: 59)).bundles() == exact)
        #expect(DemoClinic(seed: 1, now: DemoSet.wednesday.adding(seconds: 60)).bundles() != exact)
    }

    /// The day a date, dateTime or instant begins with; nil for other text.
    private func leadingDay(_ text: String) -> Substring? {
        let bytes = Array(text.utf8.prefix(11))
        guard bytes.count >= 10, bytes[4] == 0x2D, bytes[7] == 0x2D else { return nil }
        guard bytes.count == 10 || bytes[10] == 0x54 else { return nil }
        guard bytes[..<4].allSatisfy({ 0x30...0x39 ~= $0 }) else { return nil }
        return text.prefix(10)
    }
}
