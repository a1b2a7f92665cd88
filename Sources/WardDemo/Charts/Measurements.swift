import WardCore

// Vital signs (FHIR R4 observation-vitalsigns.html: codes, units and category are fixed there) and other findings.
extension Chart {
    /// What differs from the person's normal state at this visit.
    struct Deviation {
        var systolic = 0
        var diastolic = 0
        var pulse = 0
        /// Tenths of a degree.
        var temperature = 0
        var saturation = 0
        /// Tenths of a kilogram.
        var weight = 0

        static func + (left: Deviation, right: Deviation) -> Deviation {
            Deviation(
                systolic: left.systolic + right.systolic, diastolic: left.diastolic + right.diastolic,
                pulse: left.pulse + right.pulse, temperature: left.temperature + right.temperature,
                saturation: left.saturation + right.saturation, weight: left.weight + right.weight)
        }
    }

    mutating func vitals(at visit: Visit, _ acute: Deviation = Deviation()) {
        let change = acute + standingDeviation(on: visit.day)
        let months = ageInMonths(on: visit.day)
        let (height, weight) = size(on: visit.day)
        let measured = weight + change.weight + random.near(0, weight / 100)
        if months >= 36 {
            bloodPressure(
                at: visit, systolic: random.near(normalSystolic(months) + change.systolic, 6),
                diastolic: random.near(body.diastolic - (months < 144 ? 10 : 0) + change.diastolic, 4))
        }
        if visit.kind != .followUp || change.pulse != 0 {
            let pulse = body.pulse + max(0, 60 - months / 3) + change.pulse
            vital("8867-4", "Heart rate", Decimal(random.near(pulse, 5)), .perMinute, at: visit)
        }
        if visit.kind == .acute {
            let temperature = random.near(368, 3) + change.temperature
            vital("8310-5", "Body temperature", Decimal(temperature, places: 1), .celsius, at: visit)
            let breaths = months < 12 ? 36 : months < 72 ? 24 : 15
            vital("9279-1", "Respiratory rate", Decimal(random.near(breaths, 2)), .perMinute, at: visit)
        }
        if visit.kind == .acute || change.saturation != 0 {
            vital(
                "2708-6", "Oxygen saturation in Arterial blood", Decimal(random.int(97...99) + change.saturation),
                .percent,
                at: visit, also: .loinc("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry"))
        }
        vital("29463-7", "Body weight", Decimal(measured, places: 1), .kilogram, at: visit)
        // Grown-ups stay as tall as they are.
        if visit.kind == .check, months < 216 || visits.count == 1 {
            vital("8302-2", "Body height", Decimal(height, places: 1), .centimetre, at: visit)
            if months >= 24 {
                // kg/m² with one decimal, from tenths of kilograms and of centimetres.
                let index = measured * 1_000_000 / (height * height)
                vital("39156-5", "Body mass index (BMI) [Ratio]", Decimal(index, places: 1), .bodyMass, at: visit)
            } else {
                let head = interpolate(Growth.headCircumference, Int(visit.day - birthDay)) * body.growth / 100
                vital(
                    "9843-4", "Head Occipital-frontal circumference", Decimal(head, places: 1), .centimetre, at: visit)
            }
        }
    }

    private func normalSystolic(_ months: Int) -> Int { months < 216 ? 90 + months / 9 : body.systolic }

    /// Height and weight in millimetres and tenths of kilograms.
    private func size(on day: Int64) -> (height: Int, weight: Int) {
        guard ageInMonths(on: day) < 216 else {
            return (body.height, body.bulk * body.height / 1000 * body.height / 1000)
        }
        let days = Int(day - birthDay)
        return (
            interpolate(Growth.height, days) * (100 + (body.growth - 100) / 2) / 100,
            interpolate(Growth.weight, days) * body.growth / 100
        )
    }

    /// What a long illness or a pregnancy does to the measurements of any visit, whatever its reason.
    func standingDeviation(on day: Int64) -> Deviation {
        let daysBack = Int(lastDay - day)
        return person.stories.reduce(Deviation()) { sum, story in
            switch story {
            case .hypertension:
                // Treatment brings it down over two years.
                let excess = 14 + min(24, max(0, daysBack) / 28)
                return sum + Deviation(systolic: excess, diastolic: excess / 2)
            case .kidneyDisease: return sum + Deviation(systolic: 6)
            case .diabetes: return sum + Deviation(weight: min(70, max(0, daysBack) / 10))
            case .copd: return sum + Deviation(pulse: 8, saturation: daysBack > 400 ? -4 : -6)
            case .pregnancy(let week): return sum + carrying(week: week - daysBack / 7)
            case .postpartum: return sum + carrying(week: 38 - daysBack / 7)
            default: return sum
            }
        }
    }

    private func carrying(week: Int) -> Deviation {
        week < 4 ? Deviation() : Deviation(pulse: 8, weight: max(0, week - 10) * 4)
    }

    mutating func bloodPressure(at visit: Visit, systolic: Int, diastolic: Int) {
        _ = post(
            "Observation",
            [
                "status": "final",
                "category": [.code(System.observationCategory, "vital-signs")],
                "code": .concept(.loinc("85354-9", "Blood pressure panel with all children optional")),
                "subject": .reference(patient),
                "encounter": .reference(visit.reference),
                "effectiveDateTime": .dateTime(visit.at(4)),
                "performer": [.reference(Staff.moreau.reference)],
                "interpretation": systolic >= 140 || diastolic >= 90 ? [.code(System.interpretation, "H")] : .absent,
                "component": [
                    [
                        "code": .concept(.loinc("8480-6", "Systolic blood pressure")),
                        "valueQuantity": .quantity(Decimal(systolic), .mmHg),
                    ],
                    [
                        "code": .concept(.loinc("8462-4", "Diastolic blood pressure")),
                        "valueQuantity": .quantity(Decimal(diastolic), .mmHg),
                    ],
                ],
            ])
    }

    mutating func vital(
        _ loinc: String, _ name: String, _ value: Decimal, _ unit: Unit, at visit: Visit, also: Concept? = nil
    ) {
        let code: JSON = [
            "coding": .list([.coding(.loinc(loinc, name))] + (also.map { [.coding($0)] } ?? [])), "text": .string(name),
        ]
        finding("vital-signs", code, ["valueQuantity": .quantity(value, unit)], at: visit, by: .moreau)
    }

    /// A score or a measurement that is no vital sign.
    @discardableResult
    mutating func measured(
        _ category: String, _ concept: Concept, _ value: Decimal, _ unit: Unit, at visit: Visit
    ) -> Reference {
        finding(category, .concept(concept), ["valueQuantity": .quantity(value, unit)], at: visit, by: visit.clinician)
    }

    /// An answer in words, as in the social history.
    mutating func noted(_ category: String, _ concept: Concept, _ answer: Concept, at visit: Visit) {
        finding(category, .concept(concept), ["valueCodeableConcept": .concept(answer)], at: visit, by: .tanaka)
    }

    @discardableResult
    private mutating func finding(
        _ category: String, _ code: JSON, _ value: JSON, at visit: Visit, by staff: Staff
    ) -> Reference {
        let common: JSON = [
            "status": "final",
            "category": [.code(System.observationCategory, category)],
            "code": code,
            "subject": .reference(patient),
            "encounter": .reference(visit.reference),
            "effectiveDateTime": .dateTime(visit.at(5)),
            "performer": [.reference(staff.reference)],
        ]
        return post("Observation", .object(common.members + value.members))
    }
}

/// The average child by age in months: millimetres and tenths of kilograms.
private enum Growth {
    static let height = [
        (0, 500), (3, 600), (6, 670), (9, 715), (12, 750), (24, 870), (36, 955), (60, 1095), (84, 1220), (120, 1385),
        (144, 1500), (168, 1620), (192, 1690), (216, 1720),
    ]
    static let weight = [
        (0, 34), (3, 60), (6, 76), (9, 87), (12, 96), (24, 122), (36, 143), (60, 184), (84, 230), (120, 320),
        (144, 400),
        (168, 510), (192, 600), (216, 660),
    ]
    static let headCircumference = [(0, 345), (3, 400), (6, 430), (9, 447), (12, 460), (24, 480)]
}

/// Between the two points around `days`, whose first numbers are months.
private func interpolate(_ points: [(Int, Int)], _ days: Int) -> Int {
    var before = points[0]
    for point in points {
        let (from, to) = (before.0 * 304 / 10, point.0 * 304 / 10)
        if to >= days {
            guard to > from else { return point.1 }
            return before.1 + (point.1 - before.1) * (days - from) / (to - from)
        }
        before = point
    }
    return before.1
}
