import WardAudit
import WardCore
import WardFHIR

/// Single requests, and what the default policy answers to them.
extension Simulation {
    /// Time passes.
    func think(_ seconds: Double, _ scene: inout Scribe.Scene) {
        scene.time += seconds * dice.between(0.4, 1.8) * scene.member.pace
    }

    private func beat(_ scene: inout Scribe.Scene) { scene.time += dice.between(0.08, 0.7) }

    func read(_ type: String, _ patient: Int, _ scene: inout Scribe.Scene) {
        beat(&scene)
        scribe.write(
            .read, in: scene, decision: rule(scene.member, type), type: type,
            records: Array(scribe.records(type, of: patient, in: population).prefix(1)),
            patients: [population.patients[patient].id])
        scene.time += dice.between(1, 6)
    }

    func search(_ type: String, _ patient: Int, _ scene: inout Scribe.Scene, _ probability: Double = 1) {
        guard dice.chance(probability) else { return }
        beat(&scene)
        let records = scribe.records(type, of: patient, in: population)
        scribe.write(
            .search, in: scene, decision: rule(scene.member, type), type: type, records: records,
            patients: records.isEmpty ? [] : [population.patients[patient].id],
            query: "patient=\(population.patients[patient].id)")
    }

    func write(_ kind: AuditEventKind, _ type: String, _ patient: Int, _ scene: inout Scribe.Scene) {
        scene.time += dice.between(3, 20) * scene.member.pace
        scribe.write(
            kind, in: scene, decision: rule(scene.member, type), type: type,
            records: scribe.fresh(type, patient, &dice), patients: [population.patients[patient].id])
    }

    func clinical(_ types: [String], _ patient: Int, _ scene: inout Scribe.Scene) {
        for type in types {
            search(type, patient, &scene)
            if type == "DocumentReference" || type == "DiagnosticReport", dice.chance(0.6) {
                read(type, patient, &scene)
            }
        }
        think(15, &scene)
    }

    /// Finds the patient as the work does.
    func find(_ task: Task, _ scene: inout Scribe.Scene) {
        if task.incident == nil {
            let isRelated = facts.isRelated(scene.member, task.patient, at: calendar.time(scene.day, scene.time))
            honest.count(scene.member.role.rawValue, isRelated: isRelated)
        }
        switch task.way {
        case .list: break
        case .name:
            listed(task.patient, &scene)
            // The wrong one of the same name, left within seconds.
            let others = population.surnames[population.patients[task.patient].surname] ?? []
            if task.incident == nil, others.count > 1, dice.chance(0.02), let wrong = dice.pick(others),
                wrong != task.patient
            {
                honest.typos += 1
                read("Patient", wrong, &scene)
                think(5, &scene)
            }
        case .id:
            for _ in 0..<dice.poisson(0.7) {
                beat(&scene)
                let id = "pt-\(dice.int(100_000...100_000 + population.patients.count * 5 / 4))"
                guard facts.patient(id) == nil, let type = scribe.types["Patient"] else { continue }
                scribe.write(
                    .read, in: scene, .failed, decision: rule(scene.member, "Patient"), type: "Patient",
                    records: [AuditedRecord(type: type, id: id, version: 0)], patients: [id])
                think(4, &scene)
            }
        }
    }

    /// A search by name; with the date of birth it mostly finds one, without it those who share the name.
    private func listed(_ patient: Int, _ scene: inout Scribe.Scene) {
        let surname = population.patients[patient].surname
        var found = [patient]
        var query = "name=Surname\(surname)"
        if dice.chance(0.3) {
            let others = (population.surnames[surname] ?? []).filter { $0 != patient }
            found += dice.sample(others, min(others.count, dice.int(0...9)))
            found.sort()
        } else {
            query += "&birthdate=1970-01-01"
        }
        beat(&scene)
        scribe.write(
            .search, in: scene, decision: rule(scene.member, "Patient"), type: "Patient",
            records: found.flatMap { scribe.records("Patient", of: $0, in: population) },
            patients: found.map { population.patients[$0].id }, query: query)
        scene.time += dice.between(2, 9)
    }

    /// Whether clinical records open: the policy wants a part in the care on record, a task, or an emergency.
    func opens(_ patient: Int, _ task: Task, _ scene: inout Scribe.Scene) -> Bool {
        guard scene.member.role.isCare else { return true }
        let time = calendar.time(scene.day, scene.time)
        let isRelated = facts.isRelated(scene.member, patient, at: time)
        if isRelated { return true }
        let id = population.patients[patient].id
        for type in ["Condition", "MedicationRequest"].prefix(dice.int(1...2)) {
            beat(&scene)
            // What is hidden is absent: an answer without records.
            scribe.write(
                .search, in: scene, decision: "care-treats", type: type, candidates: dice.int(0...4),
                query: "patient=\(id)")
        }
        if dice.chance(0.5), let type = scribe.types["Encounter"] {
            beat(&scene)
            scribe.write(
                .read, in: scene, .denied, decision: "condition-missing", type: "Encounter",
                records: [AuditedRecord(type: type, id: "\(patient)-\(type.code)-0", version: 0)], patients: [id])
        }
        think(8, &scene)
        let urgent: Bool = if case .onCall = task.work { dice.chance(0.25) } else { dice.chance(0.005) }
        if task.incident == nil ? urgent : dice.chance(0.04) {
            scene.emergency = "emergency-\(String(dice.next(), radix: 36))"
            scribe.write(.emergencyOpened, in: scene, decision: "care-opens-emergency", patients: [id])
            facts.relate(scene.member.index, patient, from: time, until: time.adding(seconds: 3600))
            return true
        }
        guard dice.chance(task.incident == nil ? 0.6 : 0.08) else { return false }
        write(.create, "Task", patient, &scene)
        facts.relate(scene.member.index, patient, from: time, until: time.adding(seconds: 14 * 86_400))
        return true
    }

    func rule(_ member: Member, _ type: String) -> String {
        switch member.role {
        case .frontDesk: "front-desk-registers"
        case .biller: ["Coverage", "Claim"].contains(type) ? "biller-bills" : "biller-codes-dates"
        case .clinician, .nurse: ["Patient", "Appointment"].contains(type) ? "care-finds-patients" : "care-treats"
        default: "office"
        }
    }
}
