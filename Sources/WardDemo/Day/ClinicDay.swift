import WardCore

// The clinic day under way: appointments, visits, notes, and what waits in people's inboxes.
extension DemoClinic {
    func dayBundle() -> Transaction {
        var day = ClinicDay(clinic: self)
        for plan in DayPlan.today { day.add(plan) }
        day.addCriticalResult()
        day.addRejectedClaim()
        day.addMessages()
        day.addTasks()
        return day.transaction
    }
}

/// The day's bundle while it is being written.
struct ClinicDay: Sendable {
    let clinic: DemoClinic
    var transaction = Transaction()
    var random: SplitMix64

    init(clinic: DemoClinic) {
        self.clinic = clinic
        random = SplitMix64(seed: clinic.seed, stream: "today")
    }

    var now: Instant { clinic.now }

    func patient(_ id: String) -> Reference { Cast.person(id)?.reference ?? Reference("Patient/\(id)") }

    /// One line of the plan: appointment, visit, vital signs, note, bill, as far as the visit has come.
    mutating func add(_ plan: DayPlan) {
        let start = clinic.hour.adding(minutes: plan.offset)
        let appointment = putAppointment(plan, start: start)
        guard let status = plan.stage.encounter else { return }
        let arrived = start.adding(minutes: -random.int(5...9))
        let visit = putVisit(plan, status: status, appointment: appointment, arrived: arrived)
        if plan.stage != .arrived { addVitals(plan, visit) }
        addNote(plan, visit)
        if plan.stage == .signed { addClaim(plan, visit) }
    }

    private mutating func putAppointment(_ plan: DayPlan, start: Instant) -> Reference {
        let patient = patient(plan.patient)
        let isOff = plan.stage == .noShow || plan.stage == .cancelled
        return transaction.put(
            "Appointment", id: "today-\(plan.patient)",
            [
                "status": .string(plan.stage.appointment),
                "cancelationReason": isOff
                    ? .code(System.cancellation, plan.stage == .noShow ? "other" : "pat") : .absent,
                "serviceType": [.text("Family medicine")],
                "appointmentType": .code(System.appointmentType, plan.kind == .check ? "CHECKUP" : "FOLLOWUP"),
                "reasonCode": [.concept(plan.reason.concept)],
                "description": .string("\(plan.kind.name): \(plan.reason.concept.display)"),
                "start": .instant(start),
                "end": .instant(start.adding(minutes: 30)),
                "minutesDuration": 30,
                "slot": [.reference(Reference("Slot/\(DayPlan.slotID(plan.clinician, plan.offset))"))],
                "created": .dateTime(now.adding(days: -random.int(3...40))),
                "participant": [
                    [
                        "actor": .reference(patient), "required": "required",
                        "status": plan.stage == .cancelled ? "declined" : "accepted",
                    ],
                    ["actor": .reference(plan.clinician.reference), "required": "required", "status": "accepted"],
                    [
                        "actor": .reference(Place.building.reference), "required": "information-only",
                        "status": "accepted",
                    ],
                ],
            ])
    }

    private mutating func putVisit(
        _ plan: DayPlan, status: String, appointment: Reference, arrived: Instant
    ) -> Visit {
        // Each step of the visit, with the minute after arrival at which it began.
        let steps = [("arrived", 0), ("triaged", 11), ("in-progress", 20)]
        let reached = steps.firstIndex { $0.0 == status } ?? steps.count
        let ended = arrived.adding(minutes: 42)
        let history: [JSON] = (0..<min(reached, steps.count)).map { index in
            let end = index + 1 < steps.count ? arrived.adding(minutes: steps[index + 1].1) : ended
            return [
                "status": .string(steps[index].0), "period": .period(arrived.adding(minutes: steps[index].1), end),
            ]
        }
        let isOver = status == "finished"
        let reference = transaction.put(
            "Encounter", id: "today-\(plan.patient)",
            [
                "identifier": [.identifier(DemoSystem.visit, "V-today-\(plan.patient)")],
                "status": .string(status),
                "statusHistory": .list(history),
                "class": .coding(Concept(System.actCode, "AMB", "ambulatory")),
                "type": [.concept(plan.kind.concept)],
                "subject": .reference(patient(plan.patient)),
                "participant": [
                    [
                        "type": [.code(System.participation, "PPRF")],
                        "individual": .reference(plan.clinician.reference),
                    ]
                ],
                "appointment": [.reference(appointment)],
                "period": .period(arrived, isOver ? ended : nil),
                "reasonCode": [.concept(plan.reason.concept)],
                "location": [
                    ["location": .reference(plan.place.reference), "status": isOver ? "completed" : "active"]
                ],
                "serviceProvider": .reference(Company.clinic.reference),
            ])
        return Visit(
            reference: reference, number: "today-\(plan.patient)", start: arrived, end: ended,
            clinician: plan.clinician, kind: plan.kind, reason: plan.reason)
    }

    private mutating func addVitals(_ plan: DayPlan, _ visit: Visit) {
        guard let index = Cast.all.firstIndex(where: { $0.id == plan.patient }) else { return }
        var chart = Chart(of: Cast.all[index], index: index, seed: clinic.seed, now: now)
        chart.random = SplitMix64(seed: clinic.seed, stream: "today/\(plan.patient)")
        chart.vitals(at: visit)
        transaction.append(chart.transaction)
    }

    /// Notes begin with the clinician; those of the morning are signed, the later ones wait for it.
    private mutating func addNote(_ plan: DayPlan, _ visit: Visit) {
        let isOver = plan.stage == .signed || plan.stage == .unsigned
        guard isOver || plan.stage == .withClinician else { return }
        let text = NoteText(
            subjective: "Here for: \(plan.reason.concept.display).",
            objective: isOver ? "Vital signs as recorded. No distress." : "",
            assessment: isOver ? "\(plan.reason.concept.display), stable." : "",
            plan: isOver ? "Continue treatment. Return in three months." : "")
        let written = isOver ? visit.end : visit.at(22)
        let signed = plan.stage == .signed ? visit.end.adding(minutes: 6) : nil
        let note = transaction.put(
            "Composition", id: "today-\(plan.patient)-note",
            composition(
                text, patient: patient(plan.patient), visit: visit.reference, author: plan.clinician, written: written,
                signed: signed, confidentiality: plan.reason == .depression ? "R" : "N"))
        guard let signed else { return }
        transaction.post(
            "Provenance",
            [
                "target": [.reference(note)],
                "occurredDateTime": .dateTime(signed),
                "recorded": .instant(signed),
                "activity": .text("Signed"),
                "agent": [
                    ["type": .code(System.provenanceAgent, "author"), "who": .reference(plan.clinician.reference)]
                ],
            ], &random)
    }

    private mutating func addClaim(_ plan: DayPlan, _ visit: Visit) {
        guard let payer = Cast.person(plan.patient)?.payer else { return }
        transaction.put(
            "Claim", id: "today-\(plan.patient)",
            claimBody(
                number: "C-today-\(plan.patient)", patient: patient(plan.patient), visit: visit.reference,
                on: visit.day,
                reason: plan.reason, kind: plan.kind, payer: payer,
                coverage: Reference("Coverage/\(plan.patient)-coverage"),
                created: visit.end.adding(minutes: 10)))
    }
}
