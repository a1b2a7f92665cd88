import WardCore

// What happened to a patient, from the first visit on.
extension Chart {
    mutating func tellStories() {
        if case .newPatient? = person.stories.first {
            registerNewPatient()
            return
        }
        if isChild { growUp() } else { comeForChecks() }
        for story in person.stories { tell(story) }
    }

    private mutating func tell(_ story: Story) {
        switch story {
        case .diabetes(let kidneys): diabetes(kidneys: kidneys)
        case .hypertension: hypertension()
        case .hyperlipidemia: hyperlipidemia()
        case .kidneyDisease(let stage): kidneyDisease(stage: stage)
        case .hypothyroidism: hypothyroidism()
        case .asthma: asthma()
        case .copd: obstructiveLung()
        case .depression: depression()
        case .pregnancy(let week): pregnancy(week: week)
        case .postpartum: postpartum()
        case .peanutAllergy: peanutAllergy()
        case .fracture: fracture()
        case .backPain: backPain()
        case .fibrillation(let warfarin): fibrillation(warfarin: warfarin)
        case .heartFailure: heartFailure()
        case .lasting(let diagnosis, let medicine): lasting(diagnosis, medicine)
        case .passing(let diagnosis, let medicine): passing(diagnosis, medicine)
        case .newPatient: break
        }
    }

    /// Writes the notes and sends the bills of all visits.
    mutating func close() {
        for (position, visit) in visits.enumerated() {
            let isRecent = visit.day > lastDay - 300
            if isRecent || visit.kind == .acute {
                note(at: visit, routineNote(for: visit), traced: position.isMultiple(of: 3))
            }
            if isRecent, visit.day > lastDay - 200 { bill(visit) }
        }
    }

    private mutating func routineNote(for visit: Visit) -> NoteText {
        let complaint = random.pick([
            "Doing well, no new complaints.", "Sleeps and eats well.", "Feels about the same as last time.",
            "A little tired lately, otherwise fine.", "No fever, no cough, no pain in the chest.",
        ])
        let finding = random.pick([
            "Alert, no distress. Heart regular, lungs clear.", "Well appearing. Vital signs as recorded.",
            "Abdomen soft, no edema, skin warm & dry.", "Findings unchanged since the last visit.",
        ])
        let next = random.pick([
            "Continue as before.", "Return in 3 months or sooner if worse.", "Results by portal message.",
            "Discussed diet, movement (> 150 min a week) and sleep.",
        ])
        return NoteText(
            subjective: "Came for: \(visit.reason.concept.display).\n\(complaint)", objective: finding,
            assessment: visit.reason.concept.display, plan: next)
    }

    /// A lasting problem without a story of its own.
    private mutating func lasting(_ diagnosis: Diagnosis, _ medicine: Medicine?) {
        let known = random.int(500...2600)
        let condition = problem(diagnosis, daysBack: known)
        for (number, daysBack) in series(count: 3, every: 210, last: 45).enumerated() {
            let visit = visit(daysBack: daysBack, diagnosis, problem: condition)
            vitals(at: visit)
            if number == 0, let medicine { prescribe(medicine, at: visit, reason: condition) }
            if diagnosis == .anemia {
                laboratory(.bloodCount, at: visit, [.hemoglobin: 98 + 9 * number, .cellVolume: 74 + 3 * number])
                laboratory(.ironStores, at: visit, [.ferritin: 6 + 7 * number])
            }
            if diagnosis == .prediabetes {
                laboratory(.longTermGlucose, at: visit, [.hemoglobinA1c: random.int(57...63)])
            }
            if diagnosis == .smoking { procedure("Tobacco cessation counselling", at: visit, reason: condition) }
            if diagnosis == .coronary, number == 1 {
                referToCardiology(
                    "Chest tightness on stairs.",
                    answer: "Stress test without ischemia. Please continue aspirin and statin.",
                    at: visit, problem: condition)
            }
        }
    }

    private mutating func passing(_ diagnosis: Diagnosis, _ medicine: Medicine?) {
        for daysBack in [random.int(30...160), random.int(400...700)] where lastDay - Int64(daysBack) > birthDay + 90 {
            let visit = visit(daysBack: daysBack, diagnosis, .acute)
            vitals(at: visit, Deviation(pulse: 14, temperature: 14))
            let condition = illness(diagnosis, at: visit, days: 9)
            if let medicine { prescribeOnce(medicine, at: visit, reason: condition) }
        }
    }

    /// Days before the end of the history, oldest first, somewhat irregular.
    mutating func series(count: Int, every days: Int, last: Int) -> [Int] {
        (0..<count).reversed().map { last + $0 * days + random.int(0...max(1, days / 6)) }
    }

    private mutating func registerNewPatient() {
        _ = post(
            "QuestionnaireResponse",
            [
                "questionnaire": .string(IntakeForm.url),
                "status": "completed",
                "subject": .reference(patient),
                "authored": .dateTime(now.adding(minutes: -3 * 1440)),
                "source": .reference(patient),
                "item": [
                    [
                        "linkId": "reason", "text": "Why are you coming?",
                        "answer": [["valueString": "New in town, need a doctor"]],
                    ],
                    ["linkId": "medicines", "text": "Medicines you take", "answer": [["valueString": "None"]]],
                    ["linkId": "smoking", "text": "Do you smoke?", "answer": [["valueBoolean": false]]],
                ],
            ])
    }
}

/// The form that new patients fill in.
enum IntakeForm {
    static let url = "\(DemoSystem.base)/fhir/Questionnaire/intake"
}
