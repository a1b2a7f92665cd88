import WardFHIR

/// Random numbers that a printed seed repeats (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// Makes resources whose values sit on the edges: precisions, offsets, ties, accents, open ends.
struct ResourceMaker {
    var random: SeededGenerator

    mutating func pick<Element>(_ choices: [Element]) -> Element {
        choices[Int.random(in: 0..<choices.count, using: &random)]
    }

    mutating func chance(_ share: Double) -> Bool { Double.random(in: 0..<1, using: &random) < share }

    mutating func resource(_ type: String, _ id: String) -> String {
        var members = ["\"resourceType\":\"\(type)\"", "\"id\":\"\(id)\""]
        func add(_ name: String, _ json: String?) { if let json { members.append("\"\(name)\":\(json)") } }
        if type == "ValueSet" || chance(0.2) {
            add("meta", "{\"profile\":[\(quoted(uri()))],\"tag\":[\(coding())]}")
        }
        switch type {
        case "Patient":
            add("active", pick(["true", "false", nil]))
            add("gender", pick(["\"male\"", "\"female\"", "\"other\"", nil]))
            add("birthDate", chance(0.9) ? quoted(date(timed: false)) : nil)
            add("deceasedDateTime", chance(0.4) ? quoted(date()) : nil)
            add("name", chance(0.9) ? "[\(name()),\(name())]" : nil)
            add("address", chance(0.6) ? "[{\"city\":\(quoted(word())),\"line\":[\(quoted(word()))]}]" : nil)
            add("identifier", chance(0.7) ? "[\(identifier()),\(identifier())]" : nil)
            add(
                "telecom",
                "[{\"system\":\"email\",\"value\":\(quoted(pick(["a@Example.org", "A@example.org", "b@x.org"])))}]")
            add("communication", "[{\"language\":\(concept())}]")
            add("generalPractitioner", "[\(reference(["Practitioner", "Organization"]))]")
            add("managingOrganization", chance(0.5) ? reference(["Organization"]) : nil)
        case "Observation":
            add("status", pick(["\"final\"", "\"preliminary\"", "\"amended\""]))
            add("code", concept())
            add("category", "[\(concept())]")
            add("subject", chance(0.9) ? reference(["Patient", "Group"]) : nil)
            add("encounter", chance(0.5) ? reference(["Encounter"]) : nil)
            if chance(0.5) { add("effectiveDateTime", quoted(date())) } else { add("effectivePeriod", period()) }
            if chance(0.5) { add("valueQuantity", quantity()) } else { add("valueCodeableConcept", concept()) }
            add("component", "[\(component()),\(component())]")
        case "Encounter":
            add("status", pick(["\"planned\"", "\"finished\""]))
            add("class", coding())
            add("type", "[\(concept())]")
            add("period", chance(0.9) ? period() : nil)
            add("length", chance(0.7) ? quantity() : nil)
            add("subject", reference(["Patient"]))
            add("serviceProvider", chance(0.7) ? reference(["Organization"]) : nil)
        case "Condition":
            add("code", chance(0.9) ? concept() : nil)
            add("clinicalStatus", concept())
            add("subject", reference(["Patient"]))
            add("recordedDate", chance(0.6) ? quoted(date()) : nil)
            if chance(0.5) { add("onsetDateTime", quoted(date())) } else { add("onsetPeriod", period()) }
            if chance(0.3) {
                add("abatementDateTime", quoted(date()))
            } else if chance(0.5) {
                add("abatementPeriod", period())
            }
        case "RiskAssessment":
            add("subject", reference(["Patient", "Group"]))
            let predictions = (0..<Int.random(in: 0...2, using: &random)).map { _ in
                chance(0.9)
                    ? "{\"probabilityDecimal\":\(number())}"
                    : "{\"probabilityRange\":{\"low\":{\"value\":\(number())}}}"
            }
            add("prediction", predictions.isEmpty ? nil : "[\(predictions.joined(separator: ","))]")
        case "ValueSet":
            add("url", chance(0.9) ? quoted(uri()) : nil)
            add("name", chance(0.9) ? quoted(word()) : nil)
            add("date", chance(0.9) ? quoted(date()) : nil)
            add("status", "\"draft\"")
            add("identifier", "[\(identifier())]")
        default:
            add(
                "date",
                quoted(pick(["2020-02-29T23:59:59.999999Z", "2020-03-01T00:00:00Z", "2020-03-01T00:00:00.5+01:00"])))
            add(
                "relatesTo",
                "[\(relation()),\(relation())]")
        }
        return "{\(members.joined(separator: ","))}"
    }

    mutating func date(timed: Bool = true) -> String {
        let year = pick(["0001", "1969", "1970", "2019", "2020", "2020", "2021", "9999"])
        let month = pick(["01", "02", "12"])
        let day = pick(["01", "28", "29", "31"]).replacing("29", with: month == "02" ? "28" : "29")
            .replacing("31", with: month == "02" ? "28" : "31")
        let whole = "\(year)-\(month)-\(day)"
        let time = pick(["00:00:00", "23:59:59", "12:30:15", "00:00:00.000", "23:59:59.999999", "12:30:15.1"])
        let zone = pick(["Z", "+01:00", "-11:30", "+14:00"])
        if chance(0.02), timed { return "2016-12-31T23:59:60Z" }
        return timed
            ? pick([year, "\(year)-\(month)", whole, "\(whole)T\(time)\(zone)", "\(whole)T\(time)\(zone)"])
            : pick([year, "\(year)-\(month)", whole])
    }

    mutating func number() -> String {
        pick([
            "0", "-0", "0.0", "100", "100.0", "99.5", "100.5", "99.49999", "100.49999999999999999",
            "99.500000000000000001",
            "5.4", "5.40", "5.395", "5.405", "1e2", "50", "150", "1e-30", "1e30", "-1", "-1.5", "123456789012345678",
            "123456789012345679", "0.1", "0.10000000000000000001", "110", "90", "89.99",
        ])
    }

    mutating func word() -> String {
        pick([
            "Smith", "smith", "Smithson", "Müller", "Mu\u{308}ller", "Muller", "Straße", "STRASSE", "İstanbul",
            "istanbul",
            "O'Neil", "van  der\tBerg", "van der Berg", "a,b", "a$b|c", "back\\\\slash", "Ångström",
            "A\u{30A}ngstro\u{308}m",
            "ΣΟΦΟΣ", "σοφος", "각", "x", "\u{301}",
        ])
    }

    mutating func uri() -> String {
        pick([
            "http://acme.org", "http://acme.org/fhir", "http://acme.org/fhir/", "http://acme.org/fhir/ValueSet/1",
            "http://acme.org/fhir/ValueSet/10", "http://acme.org/fhirx", "urn:oid:1.2.3", "urn:oid:1.2.3.4",
            "urn:oid:1.2.30",
            "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
        ])
    }

    mutating func code() -> String { pick(["A", "a", "B1", "b1", "C-2", "ß", "É", "E\u{301}", "final"]) }

    mutating func system() -> String {
        pick(["http://loinc.org", "http://snomed.info/sct", "urn:oid:2.16", "http://a,b"])
    }

    func quoted(_ text: String) -> String { "\"" + text.replacing("\t", with: "\\t") + "\"" }

    private mutating func name() -> String {
        "{\"family\":\(quoted(word())),\"given\":[\(quoted(word())),\(quoted(word()))],\"text\":\(quoted(word()))}"
    }

    private mutating func coding() -> String {
        let parts = [
            chance(0.8) ? "\"system\":\(quoted(system()))" : nil, "\"code\":\(quoted(code()))",
            chance(0.4) ? "\"display\":\(quoted(word()))" : nil,
        ].compactMap { $0 }
        return "{\(parts.joined(separator: ","))}"
    }

    private mutating func concept() -> String {
        pick([
            "{\"coding\":[\(coding())]}", "{\"coding\":[\(coding()),\(coding())],\"text\":\(quoted(word()))}",
            "{\"text\":\(quoted(word()))}",
        ])
    }

    private mutating func identifier() -> String {
        chance(0.7) ? "{\"system\":\(quoted(system())),\"value\":\(quoted(code()))}" : "{\"value\":\(quoted(code()))}"
    }

    private mutating func reference(_ types: [String]) -> String {
        let local = "\(pick(types))/\(pick(["1", "2", "3", "g-7"]))"
        let text = pick([
            local, local, local, local + "/_history/2", oracleBase + "/" + local, "https://other.example/" + local,
            "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
        ])
        return pick([
            "{\"reference\":\"\(text)\"}", "{\"reference\":\"\(text)\"}",
            "{\"reference\":\"\(text)\",\"identifier\":\(identifier())}", "{\"identifier\":\(identifier())}",
        ])
    }

    private mutating func period() -> String {
        let ends = [
            chance(0.8) ? "\"start\":\"\(pick(["2019", "2020-01", "2020-01-15"]))\"" : nil,
            chance(0.8) ? "\"end\":\"\(pick(["2020-01-31", "2020-12", "2021"]))\"" : nil,
        ].compactMap { $0 }
        return ends.isEmpty ? "{\"start\":\(quoted(date()))}" : "{\(ends.joined(separator: ","))}"
    }

    private mutating func quantity() -> String {
        let unit = pick([
            "\"unit\":\"mg\"", "\"system\":\"http://unitsofmeasure.org\",\"code\":\"mg\",\"unit\":\"milligram\"",
            "\"system\":\"http://unitsofmeasure.org\",\"code\":\"g\"", "\"code\":\"mg\"",
        ])
        return "{\"value\":\(number()),\(unit)}"
    }

    private mutating func component() -> String { "{\"code\":\(concept()),\"valueQuantity\":\(quantity())}" }

    private mutating func relation() -> String {
        "{\"target\":\(reference(["DocumentReference"])),\"code\":\"\(pick(["replaces", "transforms", "appends"]))\"}"
    }
}
