import WardAudit
import WardCore

/// Looks that had time to explain themselves: what is left is weighed.
extension Judge {
    mutating func settle(_ known: inout WatchKnowledge) {
        guard let first = known.pending.first, first.due <= now else { return }
        let end = known.pending.firstIndex { $0.due > now } ?? known.pending.endIndex
        let ripe = Array(known.pending[..<end])
        known.pending.removeFirst(end)
        for look in ripe { settle(look, &known) }
    }

    private mutating func settle(_ look: PendingLook, _ known: inout WatchKnowledge) {
        guard var account = known.accounts.removeValue(forKey: look.actor) else { return }
        defer { known.accounts[look.actor] = account }
        known.fadeScores(to: now.rounded(.down))
        if facts.isRelated(look.actor, to: look.patient) {
            // An appointment was made, or a claim begun.
            known.touch(look.key, by: mark(look.actor), at: now)
            return
        }
        var peers = known.roles.removeValue(forKey: account.role) ?? RoleKnowledge()
        defer { known.roles[account.role] = peers }
        var signs = look.signs
        let touched = known.patients[look.key]?.lastOfOthers(than: mark(look.actor)) ?? 0
        if touched >= look.day { signs.removeAll { $0 == .nobodyElse } }
        let isWritten = account.written[look.key].map { look.day - $0 < 1.0 / 12 } ?? false
        if !isWritten { signs.append(.nothingWritten) }
        var score = look.basis
        var findings = look.findings
        for sign in LookSign.allCases {
            let share = known.share(of: sign, peers, at: now)
            let isThere = signs.contains(sign)
            let weight = bits(isThere ? sign.ofCurious / share : (1 - sign.ofCurious) / (1 - share))
            score += weight
            if isThere { findings.append(finding(sign, weight, look)) }
            peers.signs[sign, default: Fading()].add(isThere ? 1 : 0, at: now)
        }
        peers.settled.add(at: now)
        if look.isMistake { return }
        let isUnexplained = !isWritten && signs.contains(.nobodyElse)
        if isUnexplained { account.unexplainedToday += 1 }
        let threshold = known.threshold(settings)
        known.scores[max(0, min(Int(score * 4), WatchKnowledge.scoreCount - 1))] += 1
        guard known.daysKnown >= settings.learningDays else { return }
        let rule = Self.rule(signs)
        let needed = threshold + Double(known.steps(rule, look.actor, role: account.role))
        // Of one account, so many a day; those whom the curious look for are named beyond that.
        if score >= needed, account.looksAlerted < 3 || rule != .noRelationship {
            account.looksAlerted += 1
            findings.append(WatchFinding(.score, score, usual: needed))
            raise(
                rule, look.actor, patient: look.patient, score >= needed + 4 ? .high : .medium, every: 7, findings,
                events: look.events, &account.alerted)
        }
        if isUnexplained { drift(look, peers, &account, known) }
    }

    private func finding(_ sign: LookSign, _ weight: Double, _ look: PendingLook) -> WatchFinding {
        switch sign {
        case .nobodyElse: WatchFinding(.nobodyElse, look.silence.rounded(.down), usual: 14, weight: weight)
        case .nothingWritten: WatchFinding(.nothingWritten, weight: weight)
        case .surname: WatchFinding(.surname, weight: weight)
        case .colleague: WatchFinding(.colleague, weight: weight)
        case .vip: WatchFinding(.vip, weight: weight)
        case .repeated: WatchFinding(.repeated, 2, weight: weight)
        }
    }

    private static func rule(_ signs: [LookSign]) -> WatchRule {
        if signs.contains(.colleague) { return .colleagueRecord }
        if signs.contains(.vip) { return .vip }
        if signs.contains(.surname) { return .sameSurname }
        return .noRelationship
    }

    /// A few unexplained looks a day, each of them small, add up (a cumulative sum test against three times the usual).
    private mutating func drift(
        _ look: PendingLook, _ peers: RoleKnowledge, _ account: inout AccountKnowledge, _ known: WatchKnowledge
    ) {
        account.drift += bits(AccountKnowledge.tilt)
        account.driftEvents = Array((account.driftEvents + look.events.prefix(1)).suffix(40))
        let needed = Self.driftBits * known.factor(.wandering, look.actor, role: account.role)
        guard account.drift >= needed else { return }
        raise(
            .wandering, look.actor, .medium, every: 5,
            [
                WatchFinding(
                    .unexplained, Double(account.driftEvents.count), usual: account.expectedUnexplained(peers)),
                WatchFinding(.score, account.drift, usual: needed),
            ], events: account.driftEvents, &account.alerted)
        account.drift = 0
        account.driftEvents = []
    }

    /// Bits that unexplained looks have to add up to.
    static var driftBits: Double { 10 }
}

extension WatchKnowledge {
    /// How often work of the role shows a sign, by what is known and, before that, by assumption.
    func share(of sign: LookSign, _ peers: RoleKnowledge, at now: Double) -> Double {
        let known = peers.signs[sign]?.count(at: now) ?? 0
        return max(0.003, min((known + 20 * sign.ofWork) / (peers.settled.count(at: now) + 20), 0.99))
    }

    /// A new day: earlier weights count less.
    mutating func fadeScores(to day: Double) {
        guard day > scoreDay else { return }
        if scoreDay > 0 {
            let rest = exponential(-(day - scoreDay) / Fading.halfLife)
            for place in scores.indices { scores[place] *= rest }
            scoreDays *= rest
        }
        scoreDays += 1
        scoreDay = day
    }

    /// The weight that no more than the budget's looks a day reach, and never less than the least.
    func threshold(_ settings: WatchSettings) -> Double {
        let people = Double(accounts.count { $0.value.last > now - 14 })
        let budget = settings.budget * max(0.25, min(people / 40, 4)) * max(1, scoreDays)
        var sum = 0.0
        for place in scores.indices.reversed() {
            sum += scores[place]
            if sum > budget { return max(settings.leastScore, Double(place + 1) / 4) }
        }
        return settings.leastScore
    }
}
