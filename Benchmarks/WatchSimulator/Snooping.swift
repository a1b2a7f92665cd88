import WardAudit
import WardCore

/// Plants what people who work here do without a reason.
extension Simulation {
    func plant() {
        let share = Double(calendar.days - settings.warmUp) / 100 * Double(settings.people) / 40
        func count(_ usual: Double) -> Int { max(1, Int((usual * share).rounded())) }
        for _ in 0..<count(7) { own() }
        for _ in 0..<count(8) { family() }
        for _ in 0..<count(7) { neighbour() }
        for _ in 0..<count(7) { colleague() }
        for _ in 0..<count(2) { news() }
        for _ in 0..<count(7) { formerPartner() }
        leavers()
        for _ in 0..<count(6) { wanderer() }
        for _ in 0..<count(7) { stolen() }
        deadAccounts()
        for _ in 0..<count(3) { spraying() }
    }

    // MARK: One patient

    private func own() {
        guard let (member, days) = snooper(span: dice.int(1...12), where: { $0.ownPatient != nil }),
            let patient = member.ownPatient
        else { return }
        looks(.ownRecord, member, patient, dice.sample(days, dice.int(1...3)), member.isLinked ? "linked" : "no link")
    }

    private func family() {
        guard let (member, days) = snooper(span: dice.int(1...8), where: { $0.household != nil }),
            let household = member.household
        else { return }
        let home = population.households[household].filter {
            $0 != member.ownPatient && !population.patients[$0].isDecoy
        }
        let namesakes = (population.surnames[member.surname] ?? []).filter {
            population.patients[$0].household != household && !population.patients[$0].isDecoy
        }
        let kind = dice.unit()
        var (patient, note) = (population.anybody(&dice), "other name and home")
        if kind < 0.6, let chosen = dice.pick(home) {
            (patient, note) = (chosen, "same home")
        } else if kind < 0.87, let chosen = dice.pick(namesakes) {
            (patient, note) = (chosen, "same surname")
        }
        looks(.family, member, patient, dice.sample(days, dice.int(1...3)), note)
    }

    private func neighbour() {
        guard let (member, days) = snooper(span: dice.int(1...8), where: { $0.household != nil }),
            let household = member.household
        else { return }
        let near = max(0, household - 8)...min(population.households.count - 1, household + 8)
        let others = near.filter { $0 != household }.flatMap { population.households[$0] }
            .filter { !population.patients[$0].isDecoy && population.patients[$0].isAdult }
        let building = others.filter { population.patients[$0].address == member.address }
        let isBuilding = !building.isEmpty && dice.chance(0.6)
        guard let patient = dice.pick(isBuilding ? building : others) else { return }
        looks(
            .neighbour, member, patient, dice.sample(days, dice.int(1...3)), isBuilding ? "same building" : "next door")
    }

    private func colleague() {
        guard let (member, days) = snooper(span: dice.int(1...6), where: { _ in true }),
            let patient = dice.pick(
                population.patients.indices.filter {
                    population.patients[$0].colleague.map { $0 != member.index } ?? false
                })
        else { return }
        looks(.colleague, member, patient, dice.sample(days, dice.int(1...2)), "")
    }

    /// A name in the news; several who work here look, while those who have to do with it work.
    private func news() {
        let isFlagged = dice.chance(0.7)
        guard let patient = isFlagged ? dice.pick(population.famous) : population.anybody(&dice) else { return }
        let day = calendar.open(dice.int(settings.warmUp...calendar.days - 10), after: 0)
        let panel = population.patients[patient].clinician
        if let owner = staff.owner(of: panel, on: day), works(staff.members[owner], calendar.open(day, after: 1)) {
            unplanned(patient, owner, calendar.open(day, after: 1))
        }
        var chosen: Set<Int> = []
        for _ in 0..<dice.int(3...5) {
            let start = day + dice.int(0...1)
            let able = staff.members.filter { member in
                member.role.seesPatients && member.panel != panel && !chosen.contains(member.index)
                    && works(member, calendar.open(start, after: 0))
            }
            guard let member = dice.pick(able) else { continue }
            chosen.insert(member.index)
            let days = (0...3).map { start + $0 }.filter { works(member, $0) }
            looks(
                .famous, member, patient, dice.sample(days, dice.int(1...2)), isFlagged ? "marked VIP" : "not marked")
        }
    }

    /// A visit nobody expected, with a part in it on record.
    private func unplanned(_ patient: Int, _ owner: Int, _ day: Int) {
        let time = 3600 * dice.between(9, 15)
        let from = calendar.time(day, time - 3600)
        let pod = staff.members[owner].pod
        for group in [owner, ClinicFacts.pod(pod), ClinicFacts.frontDesk] {
            facts.relate(group, patient, from: from, until: from.adding(seconds: 20 * 86_400))
        }
        let work: [(Role, Task.Work, Double)] = [
            (.frontDesk, .checkIn, -500), (.nurse, .room, 200), (.clinician, .visit, 900),
        ]
        for (role, script, later) in work {
            let able = staff.members.filter {
                $0.role == role && works($0, day)
                    && (role == .frontDesk || (role == .nurse ? $0.pod == pod : $0.index == owner))
            }
            guard let member = dice.pick(able) else { continue }
            tasks[day][member.index, default: []].append(Task(at: time + later, work: script, patient: patient))
        }
    }

    private func formerPartner() {
        guard let (member, days) = snooper(span: dice.int(20...55), where: { _ in true }) else { return }
        var patient = population.anybody(&dice)
        while !population.patients[patient].isAdult { patient = population.anybody(&dice) }
        looks(.formerPartner, member, patient, dice.sample(days, dice.int(4...9)).sorted(), "")
    }

    // MARK: Many patients

    private func leavers() {
        for member in staff.members {
            guard let left = member.left, left > settings.warmUp + 8, left < calendar.days, dice.chance(0.75) else {
                continue
            }
            let span = dice.int(1...8)
            let days = (left - span..<left).filter { works(member, $0) }
            guard !days.isEmpty else { continue }
            let total = dice.int(25...130)
            let takes = dice.chance(0.4)
            let incident = open(.leaver, member, "\(total) in \(days.count) days\(takes ? ", taken along" : "")")
            for day in days {
                let isBurst = dice.chance(0.5)
                let start = member.starts + dice.between(0.1, 0.8) * member.length
                for place in 0..<max(1, total / days.count) {
                    let patient =
                        dice.chance(0.4)
                        ? appointments.on(day - dice.int(1...20)).randomElement(using: &dice)?.patient : nil
                    let time =
                        isBurst
                        ? start + Double(place) * dice.between(15, 60) : member.starts + dice.unit() * member.length
                    plan(
                        incident, member, patient ?? population.anybody(&dice), day, depth: dice.int(1...4), at: time,
                        way: dice.chance(0.5) ? .name : .list)
                }
                if takes {
                    let others = (0..<dice.int(5...40)).map { _ in population.anybody(&dice) }
                    guard let first = others.first else { continue }
                    tasks[day][member.index, default: []].append(
                        Task(
                            at: start, work: .takeAway, patient: first, incident: incident,
                            others: Array(others.dropFirst())))
                    for other in others { incidents[incident].patients.insert(population.patients[other].id) }
                }
            }
        }
    }

    private func wanderer() {
        guard let (member, days) = snooper(span: dice.int(18...32), where: { $0.role != .clinician }) else { return }
        let (low, high) = dice.chance(0.5) ? (2, 3) : (3, 6)
        let style = dice.unit()
        let way: Task.Way = style < 0.5 ? .name : style < 0.75 ? .id : .list
        let incident = open(.wandering, member, "\(low) to \(high) a day, by \(way)")
        for day in days where dice.chance(0.8) {
            for _ in 0..<dice.int(low...high) {
                plan(incident, member, population.anybody(&dice), day, depth: dice.int(2...3), way: way)
            }
        }
        guard dice.chance(0.15), let decoy = dice.pick(population.decoys), let day = dice.pick(days) else { return }
        plan(incident, member, decoy, day, depth: 2, way: way)
    }

    // MARK: Planning

    /// Somebody who works through that many days, and the days on which they are here.
    private func snooper(span: Int, where condition: (Member) -> Bool) -> (Member, [Int])? {
        for _ in 0..<300 {
            guard let member = dice.pick(staff.members), member.role.seesPatients, condition(member),
                burden[member.index, default: 0] < 3
            else { continue }
            let start = dice.int(settings.warmUp...max(settings.warmUp, calendar.days - 3 - span))
            let days = (start...start + span).filter { $0 < calendar.days - 2 && works(member, $0) }
            guard days.count >= max(1, span / 4), member.hired < start - 7 else { continue }
            burden[member.index, default: 0] += 1
            return (member, days)
        }
        return nil
    }

    private func looks(_ kind: SnoopingKind, _ member: Member, _ patient: Int, _ days: [Int], _ note: String) {
        guard !days.isEmpty else { return }
        let incident = open(kind, member, note)
        for day in days {
            plan(
                incident, member, patient, day, depth: min(5, 1 + dice.poisson(1.5)),
                way: dice.chance(0.85) ? .name : .list)
        }
    }

    func open(_ kind: SnoopingKind, _ member: Member, _ note: String) -> Int {
        incidents.append(
            Incident(
                kind: kind, actor: member.actor.id, note: "\(member.role.rawValue) \(note)",
                first: Instant(microseconds: .max), last: Instant(microseconds: .min)))
        return incidents.count - 1
    }

    /// In the shift, now and then in the evening from home.
    func plan(
        _ incident: Int, _ member: Member, _ patient: Int, _ day: Int, depth: Int, at time: Double? = nil, way: Task.Way
    ) {
        let isAtHome = time == nil && dice.chance(0.06)
        let moment =
            isAtHome ? 3600 * dice.between(18.5, 22.8) : member.starts + dice.between(0.03, 0.97) * member.length
        tasks[day][member.index, default: []].append(
            Task(
                at: time ?? moment, work: .look(depth), patient: patient, way: way, isAtHome: isAtHome,
                incident: incident))
        incidents[incident].patients.insert(population.patients[patient].id)
    }
}
