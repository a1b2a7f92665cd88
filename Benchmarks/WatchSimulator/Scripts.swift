import WardAudit
import WardCore

/// What each kind of work asks of the server, request by request.
extension Simulation {
    func perform(_ task: Task, _ scene: inout Scribe.Scene) {
        switch task.work {
        case .dayList, .monthlyReport, .office: workList(task, &scene)
        case .look(let depth): look(task, depth, &scene)
        case .takeAway: takeAway(task, &scene)
        default:
            find(task, &scene)
            switch scene.member.role {
            case .frontDesk: frontDesk(task, &scene)
            case .nurse: nurse(task, &scene)
            case .clinician: clinician(task, &scene)
            default: biller(task, &scene)
            }
        }
    }

    // MARK: By role

    private func frontDesk(_ task: Task, _ scene: inout Scribe.Scene) {
        let patient = task.patient
        read("Patient", patient, &scene)
        switch task.work {
        case .checkIn:
            search("Appointment", patient, &scene)
            search("Coverage", patient, &scene)
            think(20, &scene)
            write(.update, "Appointment", patient, &scene)
            if dice.chance(0.1) { write(.update, "Patient", patient, &scene) }
        case .checkOut, .remind:
            search("Appointment", patient, &scene)
            if dice.chance(0.3) { write(.update, "Appointment", patient, &scene) }
        case .book:
            search("Appointment", patient, &scene)
            think(60, &scene)
            write(.create, "Appointment", patient, &scene)
        case .verify:
            search("Coverage", patient, &scene)
            if dice.chance(0.2) { write(.update, "Coverage", patient, &scene) }
        case .fax:
            search("RelatedPerson", patient, &scene, 0.2)
            if dice.chance(0.25) { write(.update, "Patient", patient, &scene) }
        default:
            search("Appointment", patient, &scene, 0.85)
            search("Coverage", patient, &scene, 0.2)
            think(50, &scene)
            if dice.chance(0.25) { write(.update, "Appointment", patient, &scene) }
            if dice.chance(0.08) { write(.update, "Patient", patient, &scene) }
        }
    }

    private func nurse(_ task: Task, _ scene: inout Scribe.Scene) {
        let patient = task.patient
        read("Patient", patient, &scene)
        if case .gap = task.work { search("Appointment", patient, &scene) }
        guard opens(patient, task, &scene) else { return }
        switch task.work {
        case .room:
            clinical(["AllergyIntolerance", "MedicationRequest", "Condition"], patient, &scene)
            think(90, &scene)
            for _ in 0..<dice.int(2...4) { write(.create, "Observation", patient, &scene) }
            write(.update, "Encounter", patient, &scene)
        case .prepare, .gap:
            clinical(["Condition", "Immunization", "Observation", "DiagnosticReport"], patient, &scene)
            think(40, &scene)
        case .refill:
            clinical(["MedicationRequest", "AllergyIntolerance"], patient, &scene)
            think(25, &scene)
            write(.update, "Task", patient, &scene)
        case .referral:
            clinical(["ServiceRequest", "Condition", "DiagnosticReport"], patient, &scene)
            think(120, &scene)
            write(.update, "ServiceRequest", patient, &scene)
        default:
            clinical(["Condition", "MedicationRequest", "Observation"], patient, &scene)
            think(120, &scene)
            if dice.chance(0.7) { write(.create, "Communication", patient, &scene) }
        }
    }

    private func clinician(_ task: Task, _ scene: inout Scribe.Scene) {
        let patient = task.patient
        read("Patient", patient, &scene)
        guard opens(patient, task, &scene) else { return }
        switch task.work {
        case .visit:
            clinical(
                ["Condition", "MedicationRequest", "Observation", "AllergyIntolerance", "DocumentReference"], patient,
                &scene)
            think(300, &scene)
            write(.create, "Encounter", patient, &scene)
            if dice.chance(0.5) { write(.create, "MedicationRequest", patient, &scene) }
            if dice.chance(0.45) { write(.create, "ServiceRequest", patient, &scene) }
        case .note:
            clinical(["Encounter"], patient, &scene)
            think(150, &scene)
            write(.create, "DocumentReference", patient, &scene)
        case .result:
            clinical(["DiagnosticReport", "Observation"], patient, &scene)
            think(30, &scene)
            if dice.chance(0.5) { write(.update, "Task", patient, &scene) }
        case .approve:
            clinical(["MedicationRequest"], patient, &scene)
            write(.update, "MedicationRequest", patient, &scene)
        case .prepare:
            clinical(["Condition", "DocumentReference", "DiagnosticReport"], patient, &scene)
            think(60, &scene)
        default:
            clinical(["Condition", "MedicationRequest", "DocumentReference", "Observation"], patient, &scene)
            think(180, &scene)
            if dice.chance(0.7) { write(.create, "Communication", patient, &scene) }
        }
    }

    private func biller(_ task: Task, _ scene: inout Scribe.Scene) {
        let patient = task.patient
        read("Patient", patient, &scene)
        search("Coverage", patient, &scene)
        switch task.work {
        case .claim:
            for type in ["Encounter", "Condition", "Procedure"] { search(type, patient, &scene) }
            think(60, &scene)
            write(.create, "Claim", patient, &scene)
        default:
            search("Claim", patient, &scene)
            search("Encounter", patient, &scene, 0.6)
            think(120, &scene)
            if dice.chance(0.6) { write(.update, "Claim", patient, &scene) }
        }
    }

    /// Who looks asks for what their work asks for; only nothing comes of it.
    private func look(_ task: Task, _ depth: Int, _ scene: inout Scribe.Scene) {
        find(task, &scene)
        let patient = task.patient
        read("Patient", patient, &scene)
        guard depth > 1 else { return }
        switch scene.member.role {
        case .frontDesk:
            for type in ["Appointment", "Coverage", "RelatedPerson"].prefix(depth - 1) { search(type, patient, &scene) }
        case .biller:
            for type in ["Coverage", "Claim", "Encounter", "Condition"].prefix(depth - 1) {
                search(type, patient, &scene)
            }
        default:
            if dice.chance(0.5) { search("Appointment", patient, &scene) }
            guard opens(patient, task, &scene) else { return }
            clinical(
                Array(["Condition", "DocumentReference", "MedicationRequest", "Observation"].prefix(depth - 1)),
                patient, &scene)
        }
        think(Double(10 * depth), &scene)
    }

    private func takeAway(_ task: Task, _ scene: inout Scribe.Scene) {
        let patients = ([task.patient] + task.others).map { population.patients[$0].id }
        let records = ([task.patient] + task.others).flatMap { scribe.records("Patient", of: $0, in: population) }
        scribe.write(
            dice.chance(0.6) ? .download : .print, in: scene, decision: rule(scene.member, "Patient"), type: "Patient",
            records: records, patients: patients)
        think(20, &scene)
    }

    private func workList(_ task: Task, _ scene: inout Scribe.Scene) {
        let patients = task.others.map { population.patients[$0].id }
        switch task.work {
        case .dayList:
            let records = task.others.compactMap { scribe.records("Appointment", of: $0, in: population).first }
            scribe.write(
                .search, in: scene, decision: rule(scene.member, "Appointment"), type: "Appointment", records: records,
                patients: patients, query: "date=\(calendar.date(scene.day).text)")
        case .monthlyReport:
            let records = task.others.compactMap { scribe.records("Claim", of: $0, in: population).first }
            scribe.write(
                .search, in: scene, decision: "biller-bills", type: "Claim", records: records, patients: patients,
                query: "status=active")
            think(60, &scene)
            scribe.write(
                .download, in: scene, decision: "biller-bills", type: "Claim", records: records, patients: patients)
        default:
            let kinds: [AuditEventKind] =
                scene.member.role == .administrator ? [.personChanged, .storeVerified, .auditVerified] : [.auditRead]
            scribe.write(dice.pick(kinds) ?? .auditRead, in: scene, decision: "office")
        }
        think(45, &scene)
    }
}
