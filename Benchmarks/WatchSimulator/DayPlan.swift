import WardAudit
import WardCore

/// The work of one day, who does it, and when it falls due.
extension Simulation {
    /// Plans what nobody planned before: what appointments bring with them, and what comes by telephone, paper and night.
    func plan(_ day: Int) {
        present = staff.members.filter { works($0, day) }.map(\.index)
        for appointment in appointments.bookings[day] {
            give(.book, to: .frontDesk, appointment.patient, day, appointment.booked.time, .name)
        }
        guard !present.isEmpty else { return onCall(day) }
        for appointment in appointments.on(day) { visit(appointment, day) }
        ahead(day)
        telephone(day)
        lists(day)
        onCall(day)
    }

    func works(_ member: Member, _ day: Int) -> Bool {
        guard member.isEmployed(day), calendar.isOpen(day), !member.isAway(day), !isIll(member, day) else {
            return false
        }
        if calendar.isSaturday(day) { return member.role.seesPatients && (day / 7) % 4 == member.saturdays }
        return member.workdays.contains(calendar.weekday(day))
    }

    private func isIll(_ member: Member, _ day: Int) -> Bool {
        member.role != .clinician && mixed(UInt64(member.index * 1000 + day)) % 50 == 0
    }

    // MARK: Appointments

    private func visit(_ appointment: Appointment, _ day: Int) {
        let (patient, time) = (appointment.patient, appointment.time)
        guard appointment.isKept else {
            if dice.chance(0.6) { give(.call, to: .frontDesk, patient, day, time + 2400) }
            return
        }
        give(
            .checkIn, to: .frontDesk, patient, day, time - dice.between(100, 900), appointment.isWalkIn ? .name : .list)
        give(.room, to: nurse(appointment.pod), patient, day, time + dice.between(0, 400))
        give(.visit, to: appointment.clinician, patient, day, time + dice.between(500, 1100))
        if dice.chance(0.5) { give(.checkOut, to: .frontDesk, patient, day, time + dice.between(2000, 3000)) }
        let clinician = staff.members[appointment.clinician]
        if dice.chance(clinician.evenings) {
            give(.note, to: clinician.index, patient, day, 3600 * dice.between(19, 22.3), home: true)
        } else if dice.chance(0.9) {
            give(.note, to: clinician.index, patient, day, time + dice.between(1500, 4 * 3600))
        } else {
            give(.note, to: clinician.index, patient, calendar.open(day, after: 1), 3600 * dice.between(7.8, 16))
        }
        give(.claim, to: .biller, patient, calendar.open(day, after: dice.int(1...12)), 3600 * dice.between(8.2, 16.2))
        if dice.chance(0.12) {
            give(
                .denial, to: .biller, patient, calendar.open(day, after: dice.int(18...70)), 3600 * dice.between(9, 16))
        }
        if dice.chance(0.45) { results(appointment, day) }
        if dice.chance(0.1) {
            give(
                .referral, to: nurse(appointment.pod), patient, calendar.open(day, after: dice.int(1...5)),
                3600 * dice.between(8.5, 16))
        }
    }

    private func results(_ appointment: Appointment, _ day: Int) {
        let arrives = day + dice.int(1...5)
        var reads = calendar.open(arrives, after: dice.int(0...3))
        var reader = appointment.clinician
        if staff.members[reader].isAway(reads) || !staff.members[reader].isEmployed(reads) {
            // A colleague reads what comes for somebody who is away; a task says so three times of five.
            guard let cover = dice.pick(present.filter { staff.members[$0].role == .clinician && $0 != reader }) else {
                return
            }
            reader = cover
            if dice.chance(0.6) { assign(reader, appointment.patient, reads) }
        } else if dice.chance(0.15) {
            reads = calendar.open(arrives, after: 4)
        }
        arrivals[arrives, default: []].append(appointment.patient)
        let isEvening = dice.chance(staff.members[reader].evenings * 0.5)
        give(
            .result, to: reader, appointment.patient, reads,
            3600 * (isEvening ? dice.between(19, 22) : dice.between(7.6, 17)),
            home: isEvening)
        if dice.chance(0.4) {
            give(
                .tellResult, to: nurse(appointment.pod), appointment.patient,
                calendar.open(reads, after: dice.int(0...2)),
                3600 * dice.between(9, 16.5))
        }
    }

    /// The day before: charts are prepared and people reminded; two days before, coverage is looked up.
    private func ahead(_ day: Int) {
        let next = calendar.open(day, after: 1)
        for appointment in appointments.on(next) where appointment.booked.day < day {
            let time = 3600 * dice.between(10, 16.5)
            if dice.chance(0.55) {
                give(.prepare, to: nurse(appointment.pod), appointment.patient, day, time)
            } else if dice.chance(0.5) {
                let evening = dice.chance(staff.members[appointment.clinician].evenings)
                give(
                    .prepare, to: appointment.clinician, appointment.patient, day,
                    evening ? 3600 * dice.between(19.5, 22) : time, home: evening)
            }
            if dice.chance(0.4) { give(.remind, to: .frontDesk, appointment.patient, day, time) }
        }
        for appointment in appointments.on(calendar.open(day, after: 2)) where appointment.booked.day < day {
            if dice.chance(0.6) { give(.verify, to: .frontDesk, appointment.patient, day, 3600 * dice.between(8, 16)) }
        }
    }

    // MARK: What comes unplanned

    private func telephone(_ day: Int) {
        let share = (calendar.isSaturday(day) ? 0.3 : 1) * calendar.season(day) * Double(staff.clinicians) / 11
        for _ in 0..<dice.poisson(75 * share) {
            let (patient, time) = (caller(day), 3600 * dice.between(7.6, 17))
            give(.call, to: .frontDesk, patient, day, time, .name)
            guard dice.chance(0.3) else { continue }
            let nurse = nurse(population.patients[patient].clinician / 3)
            if dice.chance(0.7) { assign(nurse, patient, day, time) }
            give(.triage, to: nurse, patient, day, time + dice.between(300, 7200), .name)
        }
        for _ in 0..<dice.poisson(45 * share) {
            let patient = population.visitor(of: dice.int(0...staff.clinicians - 1), &dice)
            let panel = population.patients[patient].clinician
            let (nurse, time) = (nurse(panel / 3), 3600 * dice.between(8, 16))
            if dice.chance(0.85) { assign(nurse, patient, day, time - 300) }
            give(.refill, to: nurse, patient, day, time)
            guard var approver = staff.owner(of: panel, on: day) else { continue }
            if !present.contains(approver) {
                guard let cover = dice.pick(present.filter { staff.members[$0].role == .clinician }) else { continue }
                approver = cover
            }
            if dice.chance(0.85) { assign(approver, patient, day, time) }
            give(.approve, to: approver, patient, day, time + dice.between(600, 3 * 3600))
        }
        for _ in 0..<dice.poisson(3 * share) {
            guard let colleague = dice.pick(present.filter { staff.members[$0].role == .clinician }) else { continue }
            let patient = population.visitor(of: dice.int(0...staff.clinicians - 1), &dice)
            give(.consult, to: colleague, patient, day, 3600 * dice.between(9, 17), .name)
        }
        for _ in 0..<dice.poisson(9 * share) {
            give(.billCall, to: .biller, caller(day), day, 3600 * dice.between(8.5, 16.5), .name)
        }
    }

    /// Who calls has mostly been here lately, or comes soon.
    private func caller(_ day: Int) -> Int {
        if dice.chance(0.78), let near = dice.pick(appointments.on(day + dice.int(-25...12))) { return near.patient }
        return population.visitor(of: dice.int(0...staff.clinicians - 1), &dice)
    }

    private func lists(_ day: Int) {
        let today = appointments.on(day)
        for index in present {
            let member = staff.members[index]
            switch member.role {
            case .clinician, .nurse:
                let own = today.filter { member.role == .nurse ? $0.pod == member.pod : $0.clinician == index }
                give(.dayList, member.index, day, member.starts + 120, own.map(\.patient))
                if member.role == .nurse, dice.chance(0.05) { gaps(member, day) }
            case .frontDesk:
                for page in 0...3 {
                    let rows = today.dropFirst(page * 50).prefix(50).map(\.patient)
                    if !rows.isEmpty { give(.dayList, index, day, member.starts + 60 + Double(page) * 15, rows) }
                }
                if member.keepsRecords {
                    for _ in 0..<dice.int(22...40) {
                        let patient = population.visitor(of: dice.int(0...staff.clinicians - 1), &dice)
                        give(.fax, to: index, patient, day, 3600 * dice.between(8, 16), .name)
                    }
                }
            case .biller:
                guard calendar.date(day).day <= 3 else { continue }
                let month = (2...24).flatMap { appointments.on(day - $0) }.map(\.patient)
                give(.monthlyReport, index, day, 3600 * 10, Array(month.prefix(300)))
            default:
                for _ in 0..<dice.int(2...6) { give(.office, index, day, 3600 * dice.between(8.3, 16.5), []) }
            }
        }
    }

    /// Charts of the panel that lack a vaccination or a check: many in a row, with no part in them on record.
    private func gaps(_ member: Member, _ day: Int) {
        let start = 3600 * dice.between(9, 14)
        for place in 0..<dice.int(12...28) {
            let clinician = min(staff.clinicians - 1, member.pod * 3 + dice.int(0...2))
            guard let patient = dice.pick(population.panels[clinician]), !population.patients[patient].isDecoy else {
                continue
            }
            give(.gap, to: member.index, patient, day, start + Double(place) * dice.between(120, 300))
        }
    }

    /// One clinician a week has the nights and Sundays, from home.
    private func onCall(_ day: Int) {
        let clinicians = staff.members.filter { $0.panel != nil && $0.isEmployed(day) && !$0.isAway(day) }
        guard !clinicians.isEmpty else { return }
        let member = clinicians[(day / 7) % clinicians.count]
        for _ in 0..<dice.poisson((calendar.isOpen(day) ? 1.6 : 5) * calendar.season(day)) {
            let hour = calendar.isOpen(day) ? dice.between(18, 30) : dice.between(7, 26)
            let patient = population.visitor(of: dice.int(0...staff.clinicians - 1), &dice)
            if dice.chance(0.3) { assign(member.index, patient, day, 3600 * hour - 200) }
            give(.onCall, to: member.index, patient, day, 3600 * hour, .name, home: true)
        }
    }

    // MARK: Handing out

    /// A nurse of the pod; else any who is here.
    private func nurse(_ pod: Int) -> Int {
        let nurses = present.filter { staff.members[$0].role == .nurse }
        let own = nurses.filter { staff.members[$0].pod == pod }
        return dice.pick(own.isEmpty || dice.chance(0.05) ? nurses : own) ?? present[0]
    }

    private func assign(_ member: Int, _ patient: Int, _ day: Int, _ time: Double = 0) {
        let from = calendar.time(day, time)
        facts.relate(member, patient, from: from, until: from.adding(seconds: 14 * 86_400))
    }

    private func give(
        _ work: Task.Work, to role: Role, _ patient: Int, _ day: Int, _ time: Double, _ way: Task.Way = .list
    ) {
        let desk = staff.members.filter { $0.role == role && !$0.keepsRecords && works($0, day) }
        guard let member = dice.pick(desk) else { return }
        give(work, to: member.index, patient, day, time, way)
    }

    private func give(
        _ work: Task.Work, to member: Int, _ patient: Int, _ day: Int, _ time: Double, _ way: Task.Way = .list,
        home: Bool = false
    ) {
        guard day < calendar.days, staff.members[member].isEmployed(day), home || works(staff.members[member], day)
        else {
            return
        }
        // Nobody is asked to work on their own record, or that of their family.
        guard !isOwn(patient, member) else { return }
        tasks[day][member, default: []].append(Task(at: time, work: work, patient: patient, way: way, isAtHome: home))
    }

    private func give(_ work: Task.Work, _ member: Int, _ day: Int, _ time: Double, _ others: [Int]) {
        tasks[day][member, default: []].append(Task(at: time, work: work, others: others))
    }

    private func isOwn(_ patient: Int, _ member: Int) -> Bool {
        let (own, household) = (staff.members[member].ownPatient, staff.members[member].household)
        guard own == patient || household == population.patients[patient].household else { return false }
        // Of three it is done all the same one time: somebody has to check the family in.
        return own == patient || !dice.chance(0.33)
    }
}
