import WardAudit
import WardFHIR

/// How many, how fast, in which order.
extension Judge {
    /// Patients of a day and of an hour, against the person's own days and those of their peers.
    mutating func judgeVolume(
        _ actor: String, _ odd: (bits: Double, findings: [WatchFinding]), _ account: inout AccountKnowledge,
        _ peers: inout RoleKnowledge, _ known: inout WatchKnowledge
    ) {
        account.hour.removeAll { now - $0.day > 1.0 / 24 }
        if account.hour.count > AccountKnowledge.mostRecent { account.hour.removeFirst() }
        let ofHour = Double(account.hour.count)
        let factor = known.factor(.burst, actor, role: account.role)
        let isKnown = known.daysKnown >= settings.learningDays
        let hourBound = factor * max(12, 1.5 * account.mostOfHour, 1.5 * peers.mostOfHour)
        if isKnown, ofHour > hourBound {
            raise(
                .burst, actor, .high, every: 1,
                [
                    WatchFinding(.burstOfHour, ofHour, usual: account.mostOfHour),
                    WatchFinding(.peers, peers.mostOfHour),
                ] + odd.findings, events: account.hour.map(\.index), &account.alerted)
        }
        let hourOdd = oddness(account, peers, atAnyHour: 0.5)
        if isKnown, hourOdd >= 2,
            hourOdd + max(0, odd.bits) >= 4 + Double(known.steps(.oddHours, actor, role: account.role)),
            ofHour >= 5
        {
            raise(
                .oddHours, actor, .high, every: 1,
                [
                    WatchFinding(
                        .oddHour, 100 * account.share(of: hour, peers), usual: 100.0 / 168, weight: hourOdd),
                    WatchFinding(.burstOfHour, ofHour, usual: account.mostOfHour),
                ] + odd.findings, events: account.hour.map(\.index), &account.alerted)
        }
        // What is learnt of an hour that alerted is bounded, as for days.
        let learnt = account.activeDays < 5 ? ofHour : min(ofHour, 1.5 * account.mostOfHour + 3)
        account.mostOfHour = max(account.mostOfHour, learnt)
        peers.mostOfHour = max(peers.mostOfHour, min(learnt, 1.5 * peers.mostOfHour + 3))
        guard isKnown else { return }
        let kinds: [(count: Int, own: Volume, role: Volume, least: Double)] = [
            (account.strangers.count, account.strangersOfDay, peers.strangersOfDay, 15),
            (account.patients.count, account.allOfDay, peers.allOfDay, 40),
        ]
        for kind in kinds {
            let own = kind.own.days >= 5 ? kind.own.bound(deviations: 5, factor: 1.4) : 0
            let bound = factor * max(kind.least, own, kind.role.bound(deviations: 5, factor: 1.2))
            guard Double(kind.count) > bound else { continue }
            raise(
                .burst, actor, .high, every: 1,
                [
                    WatchFinding(.burstOfDay, Double(kind.count), usual: kind.own.mean),
                    WatchFinding(.peers, kind.role.most),
                ], events: account.hour.map(\.index), &account.alerted)
        }
    }

    /// Takes note of the order in which records are opened, where ids are numbers.
    mutating func follow(_ patient: String, _ isRelated: Bool, _ account: inout AccountKnowledge) {
        let digits = patient.utf8.reversed().prefix { (0x30...0x39).contains($0) }.prefix(12)
        guard digits.count > 0, !isRelated else { return }
        let number = digits.reversed().reduce(UInt64(0)) { $0 * 10 + UInt64($1 - 0x30) }
        account.trail.removeAll { now - $0.day > 10 / 1440.0 }
        account.trail = Array(
            (account.trail + [.init(day: now, key: number, count: 1, index: logged.index)]).suffix(40))
    }

    mutating func judgeTrail(
        _ actor: String, _ account: inout AccountKnowledge, _ known: inout WatchKnowledge
    ) {
        guard account.trail.count >= settings.adjacentIDs else { return }
        let numbers = account.trail.map(\.key).sorted()
        var (run, longest) = (1, 1)
        for (left, right) in zip(numbers, numbers.dropFirst()) where right != left {
            run = right - left <= 2 ? run + 1 : 1
            longest = max(longest, run)
        }
        guard Double(longest) >= Double(settings.adjacentIDs) * known.factor(.wandering, actor, role: account.role)
        else { return }
        raise(
            .wandering, actor, .high, every: 1, [WatchFinding(.adjacentIDs, Double(longest))],
            events: account.trail.map(\.index), &account.alerted)
    }

    /// Records that were asked for and are not there, or not for this person.
    mutating func judgeMisses(_ actor: String, _ account: inout AccountKnowledge, _ known: inout WatchKnowledge) {
        guard event.outcome != .success, let record = event.records.first,
            [.read, .vread, .historyInstance].contains(event.kind)
        else { return }
        account.misses.removeAll { now - $0.day > 10 / 1440.0 }
        let key = mark(record.id, mark(record.type.name))
        guard !account.misses.contains(where: { $0.key == key }) else { return }
        account.misses = Array(
            (account.misses + [.init(day: now, key: key, count: 1, index: logged.index)]).suffix(60))
        let needed = Double(settings.missing) * known.factor(.wandering, actor, role: account.role)
        guard Double(account.misses.count) >= needed else { return }
        raise(
            .wandering, actor, .high, every: 1,
            [WatchFinding(.missing, Double(account.misses.count), usual: needed)],
            events: account.misses.map(\.index), &account.alerted)
    }

    /// Whether the role has let as much of the same kind and type leave before, at least four times on two days.
    private func isReport(_ count: Double, _ needed: Double, _ peers: inout RoleKnowledge) -> Bool {
        guard count >= needed, let type = event.type else { return false }
        let key = mark(type.name, mark(event.kind.rawValue))
        var usual = peers.exports[key] ?? .init(most: count, count: 0, days: 0, last: 0)
        let isKnown = usual.count >= 4 && usual.days >= 2 && count <= 1.25 * usual.most
        if now.rounded(.down) > usual.last.rounded(.down) { usual.days += 1 }
        usual = .init(
            most: max(usual.most, min(count, 1.25 * usual.most)), count: usual.count + 1, days: usual.days, last: now)
        if peers.exports.count < 50 || peers.exports[key] != nil { peers.exports[key] = usual }
        return isKnown
    }

    mutating func judgeExport(
        _ actor: String, _ isProgram: Bool, _ odd: Double, _ account: inout AccountKnowledge,
        _ peers: inout RoleKnowledge, _ known: inout WatchKnowledge
    ) {
        guard event.outcome == .success else { return }
        // An export comes in parts: what left within an hour of the part before is one.
        if now - account.exportDay > 1.0 / 24 {
            if account.exportDay > 0 {
                account.exports += 1
                account.exportMost = max(account.exportMost, Double(account.exported.count))
            }
            account.exported = []
        }
        account.exportDay = now
        let ids = event.patients.isEmpty ? event.records.map(\.id) : event.patients
        for id in ids where account.exported.count < AccountKnowledge.mostPatients { account.exported.insert(mark(id)) }
        let count = Double(account.exported.count)
        let most = account.exportMost
        // A program that exports every night is usual; so is the report that people of a role draw again and again.
        let isProgramsOwn = isProgram && account.exports >= 3 && count <= 2 * most
        let needed = Double(settings.massExport) * known.factor(.massExport, actor, role: account.role)
        let isReport = isReport(count, needed, &peers)
        let isUsual = isProgramsOwn || (isReport && !isProgram && odd <= 2)
        guard !isUsual, count >= needed else { return }
        raise(
            .massExport, actor, .high, every: 0.5, [WatchFinding(.exported, count, usual: most)], &account.alerted)
    }
}
