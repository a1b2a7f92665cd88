import WardAudit
import WardFHIR

/// Looks at records of patients: by whom, of whom, and what explains them.
extension Judge {
    /// A search that lists more patients than this is not a look at each.
    static var listed: Int { 3 }

    /// Bits that an odd hour and an odd session may speak for curiosity of one look: nights on call are odd by nature,
    /// and stolen accounts are told by their sessions.
    static var mostBasis: Double { 1.5 }

    mutating func write(_ actor: String, _ account: inout AccountKnowledge, _ known: inout WatchKnowledge) {
        for patient in event.patients.prefix(100) {
            let key = mark(patient)
            account.written[key] = now
            known.touch(key, by: mark(actor), at: now)
        }
    }

    /// A search among the patients themselves: by name, birth date, telephone, address or number.
    private var isLookup: Bool {
        guard event.kind == .search, event.type?.name == "Patient", let query = event.query else { return false }
        return query.split(separator: "&").contains { part in
            Self.lookedUpBy.contains { part.hasPrefix($0) }
        }
    }

    private static let lookedUpBy = [
        "name", "family", "given", "phonetic", "birthdate", "phone", "telecom", "email", "address", "identifier",
    ]

    mutating func judgeLooks(
        _ actor: String, _ person: WatchedPerson?, _ isProgram: Bool, _ odd: (bits: Double, findings: [WatchFinding]),
        _ account: inout AccountKnowledge, _ peers: inout RoleKnowledge, _ known: inout WatchKnowledge
    ) {
        let isLookup = isLookup
        // Of a list of namesakes, those are looked at that are opened.
        if isLookup, !isProgram, event.patients.count <= 50 {
            account.listed = account.listed.filter { now - $0.value < 5 / 1440.0 }
            for patient in event.patients { account.listed[mark(patient)] = now }
        }
        if event.kind == .search, event.patients.count > Self.listed { return }
        for patient in event.patients.prefix(20) {
            guard let subject = facts.patient(patient) else { continue }
            if subject.isDecoy {
                raise(
                    .decoy, actor, patient: isProgram ? nil : patient, .high, every: isProgram ? 30 : 1,
                    [WatchFinding(.decoyOpened)], &account.alerted)
                continue
            }
            if isProgram || (isLookup && event.patients.count > 1) { continue }
            let key = mark(patient)
            if person?.ownPatient == patient {
                raise(
                    .ownRecord, actor, patient: patient, .medium, every: 1, [WatchFinding(.ownRecord)],
                    &account.alerted, steps: known.steps(.ownRecord, actor, role: account.role))
                continue
            }
            guard account.patients.count < AccountKnowledge.mostPatients, account.patients.insert(key).inserted else {
                // More of the same look.
                if let place = known.pending.lastIndex(where: { $0.key == key && $0.actor == actor }),
                    known.pending[place].events.count < 20
                {
                    known.pending[place].events.append(logged.index)
                }
                continue
            }
            // What is opened in an emergency is looked at with the emergency.
            let isRelated = event.emergency != nil || facts.isRelated(actor, to: patient)
            follow(patient, isRelated, &account)
            judgeTrail(actor, &account, &known)
            noteMistake(actor, subject, isRelated, &known)
            if isRelated {
                known.touch(key, by: mark(actor), at: now)
            } else {
                judgeStranger(actor, patient, key, person, subject, &account, &known)
                judgeSession(actor, odd, &account, &known)
            }
            wait(actor, patient, key, isRelated, person, subject, odd, &account, peers, &known)
            judgeVolume(actor, odd, &account, &peers, &known)
        }
    }

    /// Opened the wrong Smith, and the right one right after: the wrong one explains itself, if the right one is work
    /// or the wrong one was left within a minute.
    private func noteMistake(
        _ actor: String, _ subject: WatchedPatient, _ isRelated: Bool, _ known: inout WatchKnowledge
    ) {
        guard let surname = subject.surname else { return }
        for place in known.pending.indices.reversed() {
            let look = known.pending[place]
            if now - look.day > 5 / 1440.0 { break }
            guard look.actor == actor, look.surname == surname else { continue }
            if isRelated || (look.events.count <= 2 && now - look.day < 1 / 1440.0) {
                known.pending[place].isMistake = true
            }
        }
    }

    private mutating func judgeStranger(
        _ actor: String, _ patient: String, _ key: UInt64, _ person: WatchedPerson?, _ subject: WatchedPatient,
        _ account: inout AccountKnowledge, _ known: inout WatchKnowledge
    ) {
        account.strangers.insert(key)
        account.hour.append(.init(day: now, key: key, count: 1, index: logged.index))
        guard let home = person?.household, home == subject.household else { return }
        let isSameSurname = subject.surname != nil && subject.surname == person?.surname
        raise(
            .familyRecord, actor, patient: patient, isSameSurname ? .high : .medium, every: 1,
            [WatchFinding(.household)] + (isSameSurname ? [WatchFinding(.surname)] : []), &account.alerted,
            steps: known.steps(.familyRecord, actor, role: account.role))
    }

    /// Gives a look an hour.
    private func wait(
        _ actor: String, _ patient: String, _ key: UInt64, _ isRelated: Bool, _ person: WatchedPerson?,
        _ subject: WatchedPatient, _ odd: (bits: Double, findings: [WatchFinding]), _ account: inout AccountKnowledge,
        _ peers: RoleKnowledge, _ known: inout WatchKnowledge
    ) {
        let touched = known.patients[key]?.lastOfOthers(than: mark(actor)) ?? 0
        let silence = min(now - max(touched, known.first), 999)
        var signs: [LookSign] = []
        // Never, as far as is known, counts from the first day on: else the first weeks would teach that it never happens.
        if !isRelated, touched == 0 || silence > 14 { signs.append(.nobodyElse) }
        if let person {
            if subject.surname != nil, subject.surname == person.surname { signs.append(.surname) }
            if subject.household != nil, subject.household == person.household {
                signs.append(.household)
            } else if subject.street != nil, subject.street == person.street {
                signs.append(.street)
            }
        }
        if let colleague = subject.colleague, colleague != actor { signs.append(.colleague) }
        if subject.isVIP { signs.append(.vip) }
        var findings: [WatchFinding] = []
        let hourOdd = oddness(account, peers, atAnyHour: 0.3)
        if hourOdd > 1 {
            findings.append(
                WatchFinding(
                    .oddHour, 100 * account.share(of: hour, peers), usual: 100.0 / 168, weight: hourOdd))
        }
        let session = max(0, min(odd.bits - 2, 8))
        if session > 0 { findings += odd.findings }
        let isLookedUp = isLookup || account.listed[key].map { now - $0 < 5 / 1440.0 } ?? false
        known.pending.append(
            PendingLook(
                actor: actor, patient: patient, key: key, day: now,
                due: now + Double(settings.settleSeconds) / 86_400, isRelated: isRelated, isLookedUp: isLookedUp,
                basis: min(max(0, hourOdd) + session, Self.mostBasis), findings: findings, signs: signs,
                surname: subject.surname ?? 0,
                silence: silence, events: [logged.index]))
    }
}

extension WatchKnowledge {
    mutating func touch(_ patient: UInt64, by account: UInt64, at day: Double) {
        patients[patient, default: PatientKnowledge()].touch(by: account, at: day)
        guard patients.count > Self.mostPatients else { return }
        // Those whom nobody had to do with for longest go first; nobody else for so long is what an unknown means.
        var days = patients.values.map(\.lastDay)
        days.sort()
        let oldest = days[days.count / 4]
        patients = patients.filter { $0.value.lastDay > oldest }
    }
}
