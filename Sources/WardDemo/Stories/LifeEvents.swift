import WardCore

// Depression, pregnancy and birth, allergy, injuries.
extension Chart {
    /// PHQ-9 falls from the first visit on.
    mutating func depression() {
        let condition = problem(.depression, daysBack: 420)
        let start = random.int(16...21)
        for (number, daysBack) in series(count: 8, every: 45, last: 15).enumerated() {
            let visit = visit(
                daysBack: daysBack, .depression, number % 2 == 0 ? .followUp : .portal, problem: condition)
            moodQuestionnaire(total: max(2, random.near(start - 2 * number, 2)), at: visit)
            if visit.kind == .followUp { vitals(at: visit) }
            if number == 0 {
                prescribe(.sertraline, at: visit, reason: condition)
                counselling(at: visit)
            }
        }
        carePlan(
            "Mood", goal: "PHQ-9 below 5", steps: ["Counselling every two weeks", "One walk with somebody each week"],
            for: condition, since: 380)
    }

    /// A restricted note, and the patient's wish about who may see it.
    private mutating func counselling(at visit: Visit) {
        let text = NoteText(
            subjective: "Spoke openly about losses in the family. Asks that this stays with the treating doctor.",
            objective: "Sad, reflective, no thoughts of self-harm.", assessment: "Moderate depression.",
            plan: "Weekly counselling, medicine, see again in two weeks.")
        _ = post(
            "Composition",
            composition(
                text, patient: patient, visit: visit.reference, author: visit.clinician, written: visit.end,
                signed: visit.end.adding(minutes: 30), confidentiality: "R"))
        guard person.id == "marisol-quispe" else { return }
        _ = put(
            "Consent", id: readableID("consent"),
            [
                "status": "active",
                "scope": .code(System.consentScope, "patient-privacy"),
                "category": [.concept(.loinc("59284-0", "Consent Document"))],
                "patient": .reference(patient),
                "dateTime": .dateTime(visit.end),
                "performer": [.reference(patient)],
                "organization": [.reference(Company.clinic.reference)],
                "policyRule": .code(System.actCode, "OPTIN"),
                "provision": [
                    "type": "deny",
                    "actor": [
                        [
                            "role": .code(System.participation, "IRCP"),
                            "reference": .reference(Staff.haddad.reference),
                        ]
                    ],
                    "action": [.code("http://terminology.hl7.org/CodeSystem/consentaction", "access")],
                ],
            ])
    }

    mutating func pregnancy(week: Int) {
        let condition = problem(.pregnancy, daysBack: week * 7 - 42)
        for (number, at) in stride(from: 8, to: week, by: 4).enumerated() {
            let visit = visit(daysBack: (week - at) * 7, .pregnancy, problem: condition)
            vitals(at: visit)
            measured("exam", .loinc("11884-4", "Gestational age Estimated"), Decimal(at), .week, at: visit)
            if at >= 12 {
                measured(
                    "exam", .loinc("55283-6", "Fetal Heart rate"), Decimal(random.near(146, 9)), .perMinute, at: visit)
            }
            if at >= 20 {
                measured(
                    "exam", .loinc("11881-0", "Uterus Fundal height Tape measure"), Decimal(at), .centimetre, at: visit)
            }
            if number == 0 {
                prescribe(.prenatal, at: visit, reason: condition)
                laboratory(.bloodCount, at: visit, [.hemoglobin: 121])
                imaging("Obstetric ultrasound", finding: "Single living embryo, size fits the dates.", at: visit)
            }
            if at == 24 { laboratory(.metabolic, at: visit, [.glucose: random.int(84...98)]) }
        }
        raiseFlag("pregnant", category: "clinical", "Pregnant: check medicines")
    }

    /// Delivered nine days ago elsewhere; one call since.
    mutating func postpartum() {
        let visit = visit(daysBack: 1, .postpartum, .portal)
        letter(
            "Discharge letter from the birth center",
            "Spontaneous birth at 39 weeks, girl, 3.4 kg, Apgar 9/10. Mother and child well.\n",
            type: .loinc("18842-5", "Discharge summary"), at: visit, author: Company.clinic.byNumber)
        prescribe(.prenatal, at: visit)
        for (number, at) in [12, 16, 20, 24, 28, 32, 36].enumerated() {
            let check = self.visit(daysBack: 7 + (39 - at) * 7, .pregnancy)
            vitals(at: check)
            measured("exam", .loinc("11884-4", "Gestational age Estimated"), Decimal(at), .week, at: check)
            if number % 3 == 0 { laboratory(.bloodCount, at: check, [.hemoglobin: 124 - 3 * number]) }
        }
    }

    mutating func peanutAllergy() {
        let visit = visit(daysBack: 410, .anaphylaxis, .acute)
        vitals(at: visit, Deviation(systolic: -15, pulse: 45, saturation: -6))
        let condition = illness(.anaphylaxis, at: visit, days: 1)
        procedure("Epinephrine given into the thigh, observed, sent to hospital", at: visit, reason: condition)
        prescribe(.epinephrine, at: visit, reason: condition)
        allergy(
            "peanut", to: Concept(System.snomed, "762952008", "Peanut"), category: "food", severe: true,
            manifestation: "Anaphylaxis", at: visit)
        raiseFlag("anaphylaxis", category: "clinical", "Anaphylaxis to peanut: auto-injector at school and at home")
    }

    mutating func fracture() {
        let visit = visit(daysBack: 47, .wristFracture, .acute)
        vitals(at: visit, Deviation(pulse: 15))
        measured("exam", .loinc("72514-3", "Pain severity - 0-10 verbal numeric rating"), Decimal(7), .score, at: visit)
        let condition = illness(.wristFracture, at: visit, days: 42)
        imaging(
            "X-ray of the right wrist", finding: "Fracture of the lower end of the radius, not displaced.", at: visit)
        procedure("Application of a forearm cast", at: visit, reason: condition)
        prescribeOnce(.acetaminophen, at: visit, reason: condition)
        for daysBack in [33, 5] {
            let check = self.visit(daysBack: daysBack, .wristFracture)
            imaging(
                "X-ray of the right wrist", finding: daysBack == 5 ? "Healed." : "In place, callus forming.", at: check)
            if daysBack == 5 { procedure("Removal of the cast", at: check, by: .brandt, reason: condition) }
        }
    }

    mutating func backPain() {
        let condition = problem(.backPain, daysBack: 130)
        for (number, daysBack) in series(count: 4, every: 30, last: 18).enumerated() {
            let visit = visit(daysBack: daysBack, .backPain, number == 0 ? .acute : .followUp, problem: condition)
            vitals(at: visit)
            measured(
                "exam", .loinc("72514-3", "Pain severity - 0-10 verbal numeric rating"), Decimal(8 - 2 * number),
                .score,
                at: visit)
            if number == 0 {
                prescribeOnce(.ibuprofen, at: visit, reason: condition)
                _ = post(
                    "ServiceRequest",
                    [
                        "status": "active", "intent": "order", "code": .text("Physical therapy, six sessions"),
                        "subject": .reference(patient), "encounter": .reference(visit.reference),
                        "authoredOn": .dateTime(visit.end), "requester": .reference(visit.clinician.reference),
                        "reasonReference": [.reference(condition)],
                    ])
            }
        }
    }
}
