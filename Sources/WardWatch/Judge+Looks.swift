import WardAudit

/// Looks at records of patients: by whom, of whom, and what explains them.
extension Judge {
    /// A search that lists more patients than this is not a look at each.
    static var listed: Int { 3 }

    mutating func write(_ actor: String, _ account: inout AccountKnowledge, _ known: inout WatchKnowledge) {
        for patient in event.patients.prefix(100) {
            let key = mark(patient)
            account.written[key] = now
            known.touch(key, by: mark(actor), at: now)
        }
    }

    mutating func judgeLooks(
        _ actor: String, _ person: WatchedPerson?, _ isProgram: Bool, _ odd: (bits: Double, findings: [WatchFinding]),
        _ account: inout AccountKnowledge, _ peers: inout RoleKnowledge, _ known: inout WatchKnowledge
    ) {
        if event.kind == .search, event.patients.count > Self.listed { return }
        for patient in event.patients.prefix(20) {
            guard let subject = facts.patient(patient) else { continue }
            if subject.isDecoy {
                raise(
                    .decoy, actor, patient: isProgram ? nil : patient, .high, every: isProgram ? 30 : 1,
                    [WatchFinding(.decoyOpened)], &account.alerted)
                continue
            }
            if isProgram { continue }
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
            account.looks.add(at: now)
            peers.looks.add(at: now)
            // What is opened in an emergency is looked at with the emergency.
            let isRelated = event.emergency != nil || facts.isRelated(actor, to: patient)
            follow(patient, isRelated, &account)
            judgeTrail(actor, &account, &known)
            if isRelated {
                known.touch(key, by: mark(actor), at: now)
                noteRelated(actor, subject, &account, &known)
            } else {
                judgeStranger(actor, patient, key, person, subject, odd, &account, &peers, &known)
            }
            judgeVolume(actor, odd, &account, &peers, &known)
        }
    }

    /// Opened the wrong Smith, and the right one right after: the wrong one explains itself.
    private func noteRelated(
        _ actor: String, _ subject: WatchedPatient, _ account: inout AccountKnowledge, _ known: inout WatchKnowledge
    ) {
        guard let surname = subject.surname else { return }
        for place in known.pending.indices.reversed() {
            if now - known.pending[place].day > 5 / 1440.0 { break }
            if known.pending[place].actor == actor, known.pending[place].surname == surname {
                known.pending[place].isMistake = true
            }
        }
    }

    private mutating func judgeStranger(
        _ actor: String, _ patient: String, _ key: UInt64, _ person: WatchedPerson?, _ subject: WatchedPatient,
        _ odd: (bits: Double, findings: [WatchFinding]), _ account: inout AccountKnowledge,
        _ peers: inout RoleKnowledge, _ known: inout WatchKnowledge
    ) {
        account.strangers.insert(key)
        account.hour.append(.init(day: now, key: key, count: 1, index: logged.index))
        let share = peers.looks.count(at: now)
        let roleShare = (peers.unrelated.count(at: now) + 5) / (share + 25)
        let unrelated = (account.unrelated.count(at: now) + 30 * roleShare) / (account.looks.count(at: now) + 30)
        account.unrelated.add(at: now)
        peers.unrelated.add(at: now)
        let isSameSurname = subject.surname != nil && subject.surname == person?.surname
        if let home = person?.household, home == subject.household {
            raise(
                .familyRecord, actor, patient: patient, isSameSurname ? .high : .medium, every: 7,
                [WatchFinding(.household)] + (isSameSurname ? [WatchFinding(.surname)] : [])
                    + [WatchFinding(.unrelated, 100 * unrelated)], &account.alerted,
                steps: known.steps(.familyRecord, actor, role: account.role))
        }
        let touched = known.patients[key]?.lastOfOthers(than: mark(actor)) ?? 0
        let silence = min(now - max(touched, known.first), 999)
        var signs: [LookSign] = []
        // Never, as far as is known, counts from the first day on: else the first weeks would teach that it never happens.
        if touched == 0 || silence > 14 { signs.append(.nobodyElse) }
        if isSameSurname { signs.append(.surname) }
        if let colleague = subject.colleague, colleague != actor { signs.append(.colleague) }
        if subject.isVIP { signs.append(.vip) }
        var visit = account.visits[key] ?? .init(last: now, days: 0)
        if visit.days > 0, now.rounded(.down) > visit.last.rounded(.down) { signs.append(.repeated) }
        visit = .init(last: now, days: visit.days + 1)
        account.visits[key] = visit
        let hour = oddness(account, peers, atAnyHour: 0.3)
        let weight = bits(0.97 / unrelated)
        var findings = [WatchFinding(.unrelated, 100 * unrelated, weight: weight)]
        if signs.contains(.repeated) { findings.append(WatchFinding(.repeated, visit.days)) }
        if hour > 1 {
            findings.append(
                WatchFinding(
                    .oddHour, 100 * account.share(of: self.hour, peers), usual: 100.0 / 168, weight: hour))
        }
        let session = max(0, min(odd.bits - 2, 8))
        if session > 0 { findings += odd.findings }
        let look = PendingLook(
            actor: actor, patient: patient, key: key, day: now,
            due: now + Double(settings.settleSeconds) / 86_400, basis: weight + hour + session, findings: findings,
            signs: signs, surname: subject.surname ?? 0, silence: silence, events: [logged.index])
        known.pending.append(look)
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
