import WardCore

// What waits for somebody today: a dangerous result, a claim that came back, messages from the portal.
extension ClinicDay {
    /// Potassium of 6.3 in a man with kidney disease, reported twenty minutes ago.
    mutating func addCriticalResult() {
        let (id, taken, issued) = ("lukasz-wojcik", clinic.hour.adding(minutes: -105), now.adding(minutes: -20))
        let (who, visit) = (patient(id), Reference("Encounter/today-\(id)"))
        let order = transaction.put(
            "ServiceRequest", id: "today-\(id)-kidney-panel",
            [
                "status": "completed", "intent": "order", "priority": "asap",
                "code": .concept(LabPanel.kidney.concept),
                "subject": .reference(who), "encounter": .reference(visit),
                "authoredOn": .dateTime(taken), "requester": .reference(Staff.reyes.reference),
            ])
        let specimen = transaction.put(
            "Specimen", id: "today-\(id)-blood",
            [
                "identifier": [.identifier(DemoSystem.specimen, "S-today-1")],
                "status": "available", "type": .concept(LabPanel.blood), "subject": .reference(who),
                "request": [.reference(order)],
                "collection": ["collectedDateTime": .dateTime(taken), "collector": .reference(Staff.tanaka.reference)],
            ])
        let values: [(LabTest, Int)] = [(.potassium, 63), (.urea, 47), (.creatinine, 196), (.filtration, 39)]
        let results = values.map { test, value in
            transaction.put(
                "Observation", id: "today-\(id)-\(test.concept.code)",
                labResult(
                    test, value, patient: who, visit: visit, taken: taken, issued: issued, specimen: specimen,
                    status: "final"))
        }
        transaction.put(
            "DiagnosticReport", id: "today-\(id)-kidney-panel",
            [
                "basedOn": [.reference(order)],
                "status": "final",
                "category": [.code(System.diagnosticService, "LAB")],
                "code": .concept(LabPanel.kidney.concept),
                "subject": .reference(who), "encounter": .reference(visit),
                "effectiveDateTime": .dateTime(taken), "issued": .instant(issued),
                "performer": [.reference(Company.laboratory.reference)],
                "specimen": [.reference(specimen)],
                "result": .references(results),
                "conclusion": "Potassium critically high. Please call the patient.",
            ])
        addCulture()
    }

    /// A urine culture of this morning that is not final yet.
    private mutating func addCulture() {
        transaction.put(
            "DiagnosticReport", id: "today-bjork-thorsdottir-culture",
            [
                "status": "preliminary",
                "category": [.code(System.diagnosticService, "MB")],
                "code": .concept(.loinc("630-4", "Bacteria identified in Urine by Culture")),
                "subject": .reference(patient("bjork-thorsdottir")),
                "encounter": .reference(Reference("Encounter/today-bjork-thorsdottir")),
                "effectiveDateTime": .dateTime(clinic.hour.adding(minutes: -200)),
                "issued": .instant(now.adding(minutes: -35)),
                "performer": [.reference(Company.laboratory.byNumber)],
                "conclusion": "Growth seen, identification to follow.",
            ])
    }

    /// A visit of twelve days ago whose claim the payer refused: the member number had a typing error.
    mutating func addRejectedClaim() {
        let id = "grace-littlewater"
        let start = Instant(day: now.day - 12, minutes: 10 * 60)
        let coverage = Reference("Coverage/\(id)-coverage")
        let visit = transaction.put(
            "Encounter", id: "\(id)-rejected-visit",
            [
                "identifier": [.identifier(DemoSystem.visit, "V-rejected")],
                "status": "finished",
                "class": .coding(Concept(System.actCode, "AMB", "ambulatory")),
                "type": [.concept(VisitKind.followUp.concept)],
                "subject": .reference(patient(id)),
                "participant": [["individual": .reference(Staff.reyes.reference)]],
                "period": .period(start, start.adding(minutes: 25)),
                "reasonCode": [.concept(Diagnosis.diabetes.concept)],
                "serviceProvider": .reference(Company.clinic.reference),
            ])
        let claim = transaction.put(
            "Claim", id: "\(id)-rejected",
            claimBody(
                number: "C-rejected", patient: patient(id), visit: visit, on: start.day, reason: .diabetes,
                kind: .followUp,
                payer: .mutual, coverage: coverage, created: start.adding(days: 1)))
        transaction.put(
            "ClaimResponse", id: "\(id)-rejected",
            [
                "status": "active",
                "type": .code(System.claimType, "professional"),
                "use": "claim",
                "patient": .reference(patient(id)),
                "created": .dateTime(start.adding(days: 10)),
                "insurer": .reference(Company.mutual.reference),
                "requestor": .reference(Company.clinic.reference),
                "request": .reference(claim),
                "outcome": "error",
                "disposition": "Rejected: no member with this number.",
                "error": [["itemSequence": 1, "code": .code(System.adjudicationError, "a001")]],
            ])
    }

    /// A question from the portal that nobody has answered, and an older thread that was.
    mutating func addMessages() {
        message(
            "portal-siobhan", from: patient("siobhan-obrien"), to: Staff.okafor.reference, about: "siobhan-obrien",
            sent: now.adding(minutes: -50), read: nil, topic: "Thyroid tablets",
            text: "Hello Dr. Okafor, I have felt my heart race since the new dose. Should I take less? – Siobhán")
        let question = message(
            "portal-rohan", from: patient("rohan-krishnamurthy"), to: Staff.reyes.reference,
            about: "rohan-krishnamurthy",
            sent: now.adding(days: -4), read: now.adding(days: -3), topic: "Laboratory results",
            text: "Is a glucose of 104 something to worry about?")
        message(
            "portal-rohan-answer", from: Staff.reyes.reference, to: patient("rohan-krishnamurthy"),
            about: "rohan-krishnamurthy", sent: now.adding(days: -3), read: now.adding(days: -2),
            topic: "Laboratory results",
            text: "No: slightly above normal, as before. We measure again in six months.", answers: question)
    }

    @discardableResult
    private mutating func message(
        _ id: String, from sender: Reference, to recipient: Reference, about person: String, sent: Instant,
        read: Instant?,
        topic: String, text: String, answers: Reference? = nil
    ) -> Reference {
        transaction.put(
            "Communication", id: id,
            [
                "inResponseTo": answers.map { [.reference($0)] } ?? .absent,
                "status": "completed",
                "category": [.code(System.message, "notification")],
                "medium": [.text("Patient portal")],
                "subject": .reference(patient(person)),
                "topic": .text(topic),
                "sent": .dateTime(sent),
                "received": read.map { .dateTime($0) } ?? .absent,
                "recipient": [.reference(recipient)],
                "sender": .reference(sender),
                "payload": [["contentString": .string(text)]],
            ])
    }

    /// The work list that comes of all this.
    mutating func addTasks() {
        task(
            "critical-potassium", "Critical result: call the patient", "lukasz-wojcik", .reyes, "stat", minutesAgo: 19,
            focus: Reference("DiagnosticReport/today-lukasz-wojcik-kidney-panel"))
        task(
            "portal-message", "Answer a portal message", "siobhan-obrien", .okafor, "urgent", minutesAgo: 50,
            focus: Reference("Communication/portal-siobhan"))
        task(
            "rejected-claim", "Correct and resend a rejected claim", "grace-littlewater", .novak, "routine",
            minutesAgo: 2 * 1440, focus: Reference("Claim/grace-littlewater-rejected"))
        task(
            "refill", "Renew a prescription", "keiko-yamamoto", .brandt, "routine", minutesAgo: 310,
            focus: Reference("MedicationRequest/keiko-yamamoto-lisinopril"))
        for plan in DayPlan.today where plan.stage == .unsigned {
            task(
                "sign-\(plan.patient)", "Sign the note", plan.patient, plan.clinician, "routine", minutesAgo: 5,
                focus: Reference("Composition/today-\(plan.patient)-note"))
        }
    }

    private mutating func task(
        _ code: String, _ name: String, _ person: String, _ owner: Staff, _ priority: String, minutesAgo: Int,
        focus: Reference
    ) {
        transaction.put(
            "Task", id: "today-\(code)",
            [
                "status": "requested",
                "intent": "order",
                "priority": .string(priority),
                "code": .concept(Concept(DemoSystem.task, code.hasPrefix("sign-") ? "sign" : code, name)),
                "description": .string(name),
                "focus": .reference(focus),
                "for": .reference(patient(person)),
                "authoredOn": .dateTime(now.adding(minutes: -minutesAgo)),
                "lastModified": .dateTime(now.adding(minutes: -minutesAgo)),
                "owner": .reference(owner.reference),
            ])
    }
}
