import WardCore

// Checks and vaccines of people who are well.
extension Chart {
    mutating func comeForChecks() {
        let years = min(4, max(1, ageInYears - 18))
        for (number, daysBack) in series(count: years, every: 365, last: random.int(50...200)).enumerated() {
            let visit = visit(daysBack: daysBack, .adultCheck, .check)
            vitals(at: visit)
            if number == 0 { askOnce(at: visit) }
            if number == years - 1 {
                laboratory(.lipids, at: visit)
                laboratory(.metabolic, at: visit)
                if ageInYears > 40 { laboratory(.bloodCount, at: visit) }
            }
            if random.chance(percent: 75) { vaccinate(.influenza, dose: nil, at: visit) }
            if number == 1, ageInYears >= 50 { vaccinate(.zoster, dose: 1, at: visit) }
            if number == 2, ageInYears >= 50 { vaccinate(.zoster, dose: 2, at: visit) }
            if number == 1, ageInYears >= 65 { vaccinate(.pneumococcusAdult, dose: nil, at: visit) }
            if number == 3, ageInYears >= 50, ageInYears < 76 {
                procedure("Screening for bowel cancer, stool test", at: visit, by: .brandt)
            }
        }
    }

    /// Smoking, allergies and family, as on a first visit.
    private mutating func askOnce(at visit: Visit) {
        let smokes = person.stories.contains { if case .lasting(.smoking, _) = $0 { true } else { false } }
        noted(
            "social-history", .loinc("72166-2", "Tobacco smoking status"),
            smokes
                ? Concept(System.snomed, "449868002", "Current every day smoker")
                : Concept(System.snomed, "266919005", "Never smoker"),
            at: visit)
        vaccinate(.tetanus, dose: nil, at: visit)
        switch random.int(1...10) {
        case 1...2:
            allergy(
                "penicillin", to: Concept(System.rxnorm, "7980", "penicillin G"), category: "medication", severe: false,
                manifestation: "Itchy rash", at: visit)
        case 3:
            allergy(
                "latex", to: Concept(words: "Latex"), category: "environment", severe: false,
                manifestation: "Redness of the hands", at: visit)
        case 4: break  // nobody has asked yet
        default: noKnownAllergy(at: visit)
        }
        if random.chance(percent: 60) {
            letter(
                "Records from the practice before",
                "Summary sent on request.\nVaccines up to date. No operations. Problems and medicines as listed.\n",
                type: .loinc("34133-9", "Summary of episode note"), at: visit, author: Company.clinic.reference)
        }
        let illness = random.pick([Diagnosis.hypertension, .diabetes, .coronary, .asthma])
        _ = post(
            "FamilyMemberHistory",
            [
                "status": "completed",
                "patient": .reference(patient),
                "date": .dateTime(visit.at(8)),
                "relationship": .concept(
                    random.chance(percent: 50)
                        ? Concept(System.roleCode, "MTH", "mother") : Concept(System.roleCode, "FTH", "father")),
                "condition": [
                    [
                        "code": .concept(illness.concept),
                        "onsetAge": .quantity(Decimal(random.int(38...67)), .year),
                    ]
                ],
            ])
    }

    /// Well-child visits from birth on, with growth and the vaccines that fall due.
    mutating func growUp() {
        var given = 0
        var isFirst = true
        for months in [0, 1, 2, 4, 6, 9, 12, 15, 18, 24, 30] + Array(stride(from: 36, through: 204, by: 12)) {
            let day = birthDay + (months == 0 ? 3 : Int64(months) * 304 / 10 + Int64(random.int(0...6)))
            guard day <= lastDay else { break }
            let reason: Diagnosis = months == 0 ? .newbornCheck : .childCheck
            let visit = visit(daysBack: Int(lastDay - day), reason, .check)
            vitals(at: visit)
            while given < Vaccine.childhood.count, Vaccine.childhood[given].months <= months {
                for (vaccine, dose) in Vaccine.childhood[given].doses { vaccinate(vaccine, dose: dose, at: visit) }
                given += 1
            }
            if months >= 12, months.isMultiple(of: 12) { vaccinate(.influenza, dose: nil, at: visit) }
            if months == 12 { laboratory(.bloodCount, at: visit, [.hemoglobin: random.int(121...132)]) }
            let hasPeanutStory = person.stories.contains { if case .peanutAllergy = $0 { true } else { false } }
            if months >= 6, isFirst, !hasPeanutStory {
                noKnownAllergy(at: visit)
                isFirst = false
            }
        }
    }
}
