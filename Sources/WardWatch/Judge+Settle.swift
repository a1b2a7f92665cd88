import WardAudit
import WardCore

/// Looks that had time to explain themselves: what is left is weighed.
extension Judge {
    mutating func settle(_ known: inout WatchKnowledge) {
        guard let first = known.pending.first, first.due <= now else { return }
        let end = known.pending.firstIndex { $0.due > now } ?? known.pending.endIndex
        let ripe = Array(known.pending[..<end])
        known.pending.removeFirst(end)
        known.fadeScores(to: now.rounded(.down))
        for look in ripe { settle(look, &known) }
    }

    private mutating func settle(_ look: PendingLook, _ known: inout WatchKnowledge) {
        guard var account = known.accounts.removeValue(forKey: look.actor) else { return }
        var peers = known.roles.removeValue(forKey: account.role) ?? RoleKnowledge()
        defer {
            known.accounts[look.actor] = account
            known.roles[account.role] = peers
        }
        let part: LookContext.Part =
            look.isRelated ? .onRecord : facts.isRelated(look.actor, to: look.patient) ? .followed : .none
        if part == .followed { known.touch(look.key, by: mark(look.actor), at: now) }
        let isWritten = account.written[look.key].map { look.day - $0 < 1.0 / 12 } ?? false
        let context = LookContext.place(part, isLookedUp: look.isLookedUp, isWritten: isWritten)
        // Nothing came of it, and no schedule or list led to it.
        let isUnexplained = !isWritten && (part == .none || look.isLookedUp)
        var signs = look.signs
        if isUnexplained {
            let touched = known.patients[look.key]?.lastOfOthers(than: mark(look.actor)) ?? 0
            if touched >= look.day || part != .none { signs.removeAll { $0 == .nobodyElse } }
        } else {
            signs.removeAll { !$0.isTie }
        }
        let earlier =
            account.visits[look.key].map { look.day.rounded(.down) > $0.last.rounded(.down) ? $0.days : 0 } ?? 0
        let others = isUnexplained ? known.others(than: look.actor, at: look.key, since: look.day - 4) : []
        if isUnexplained {
            signs += [LookSign.repeated(earlier), LookSign.shared(with: others.count)].compactMap(\.self)
        }
        account.counts.fade(to: now)
        peers.counts.fade(to: now)
        let share = account.counts.share(ofContext: context, in: peers.counts)
        let weight = min(bits(LookContext.ofCurious[context] / share), LookContext.mostBits)
        var score = look.basis + weight
        var findings = [WatchFinding(Self.finding(part), 100 * share, weight: weight)]
        if look.isLookedUp { findings.append(WatchFinding(.lookedUp)) }
        if !isWritten { findings.append(WatchFinding(.nothingWritten)) }
        findings += look.findings
        for sign in LookSign.allCases where sign.isTie || isUnexplained {
            if sign == .nobodyElse, part != .none { continue }
            let share = account.counts.share(of: sign, in: peers.counts)
            let isThere = signs.contains(sign)
            if sign != .nobodyElse, !isThere { continue }
            let weight = bits(isThere ? sign.ofCurious / share : (1 - sign.ofCurious) / (1 - share))
            score += weight
            guard isThere else { continue }
            findings.append(finding(sign, weight, look, earlier, others.count))
        }
        let isTied = signs.contains(where: \.isTie)
        if !isTied {
            score += bits(signs.contains(where: \.isNotAlone) ? LookSign.untied : LookSign.untiedAlone)
        }
        // Who comes again and again teaches so once.
        let taught = earlier > 3 ? signs.filter { $0 != .often } : signs
        account.counts.add(context, taught, isUnexplained)
        peers.counts.add(context, taught, isUnexplained)
        if isUnexplained {
            let days = (account.visits[look.key]?.days ?? 0) + 1
            account.visits[look.key] = .init(last: look.day, days: days)
        }
        // What somebody wrote for, what a schedule or a list led to, or what an appointment followed, is work.
        if look.isMistake || !isUnexplained || (part == .followed && !isTied) { return }
        let threshold = known.threshold(settings)
        known.scores[max(0, min(Int(score * 4), WatchKnowledge.scoreCount - 1))] += 1
        known.note(look, score)
        let isStrange = part == .none && signs.contains(.nobodyElse)
        if isStrange { drift(look, peers, &account, known) }
        guard known.daysKnown >= settings.learningDays else { return }
        let rule = Self.rule(signs, part)
        var needed = threshold + Double(known.steps(rule, look.actor, role: account.role))
        let crowd = mark("crowd", look.key)
        if others.count >= 2, let told = known.alerted[crowd], now - told < 4 { needed -= Self.crowdBits }
        // Of one account, so many a day; those whom the curious look for are named beyond that.
        if score >= needed, account.looksAlerted < 3 || isTied {
            account.looksAlerted += 1
            findings.append(WatchFinding(.score, score, usual: needed))
            raise(
                rule, look.actor, patient: look.patient, score >= needed + 4 ? .high : .medium, every: 7, findings,
                events: look.events, &account.alerted)
            if others.count >= 2 {
                known.alerted[crowd] = now
                raiseOthers(look, rule, others, threshold, &known)
            }
        }
    }

    /// Bits by which less is needed of whoever looks at a patient after a crowd was told of.
    static var crowdBits: Double { 2 }

    /// Bits below what is needed from which on those who came first are named too.
    static var crowdRange: Double { 3.5 }

    /// Several who looked at one patient: those who came first are named with the one who made it a crowd.
    private mutating func raiseOthers(
        _ look: PendingLook, _ rule: WatchRule, _ others: [RecentLook], _ needed: Double, _ known: inout WatchKnowledge
    ) {
        // Who looked as they and their role always look is no part of a crowd.
        for other in others where other.score >= needed - Self.crowdRange {
            guard var account = known.accounts.removeValue(forKey: other.actor) else { continue }
            raise(
                rule, other.actor, patient: look.patient, .medium, every: 7,
                [WatchFinding(.crowd, Double(others.count)), WatchFinding(.score, other.score, usual: needed)],
                events: other.events, &account.alerted)
            known.accounts[other.actor] = account
        }
    }

    private static func finding(_ part: LookContext.Part) -> WatchFinding.Kind {
        switch part {
        case .none: .unrelated
        case .followed: .partFollowed
        case .onRecord: .partOnRecord
        }
    }

    private func finding(
        _ sign: LookSign, _ weight: Double, _ look: PendingLook, _ days: Double, _ others: Int
    ) -> WatchFinding {
        switch sign {
        case .nobodyElse: WatchFinding(.nobodyElse, look.silence.rounded(.down), usual: 14, weight: weight)
        case .surname: WatchFinding(.surname, weight: weight)
        case .household: WatchFinding(.household, weight: weight)
        case .street: WatchFinding(.street, weight: weight)
        case .colleague: WatchFinding(.colleague, weight: weight)
        case .vip: WatchFinding(.vip, weight: weight)
        case .again, .twiceBefore, .often: WatchFinding(.repeated, days + 1, weight: weight)
        case .another, .two, .crowd: WatchFinding(.crowd, Double(others), weight: weight)
        }
    }

    private static func rule(_ signs: [LookSign], _ part: LookContext.Part) -> WatchRule {
        if signs.contains(.household) { return .familyRecord }
        if signs.contains(.colleague) { return .colleagueRecord }
        if signs.contains(.vip) { return .vip }
        if signs.contains(.surname) { return .sameSurname }
        if signs.contains(.street) { return .neighbourRecord }
        return part == .none ? .noRelationship : .unexplainedLook
    }

    /// A few unexplained looks a day, each of them small, add up (a cumulative sum test against two or three times the usual);
    /// apart for those that were looked up and those that were not.
    ///
    /// What is usual of a day is taken off before the day is judged, so that the hours of a day do not matter; and of
    /// a day so many count: one long list is a day's work, a few every day are not.
    private mutating func drift(
        _ look: PendingLook, _ peers: RoleKnowledge, _ account: inout AccountKnowledge, _ known: WatchKnowledge
    ) {
        let way = look.isLookedUp ? 1 : 0
        guard account.drifts[way].today < Drift.mostOfDay[way] else { return }
        account.drifts[way].take(look.events.prefix(1), way: way)
        let needed = Self.driftBits * known.factor(.wandering, look.actor, role: account.role)
        let usual = account.drifts[way].expected(peers.strange[way])
        let bits = account.drifts[way].bits - Drift.usualBits(usual, way: way)
        guard known.daysKnown >= settings.learningDays, bits >= needed else { return }
        raise(
            .wandering, look.actor, .medium, every: 5,
            [
                WatchFinding(.unexplained, Double(account.drifts[way].events.count), usual: usual),
                WatchFinding(.score, bits, usual: needed),
            ], events: account.drifts[way].events, &account.alerted)
        account.drifts[way].bits = Drift.usualBits(usual, way: way)
        account.drifts[way].events = []
    }

    /// Bits that unexplained looks have to add up to.
    static var driftBits: Double { 9 }
}

extension LookCounts {
    fileprivate mutating func add(_ context: Int, _ found: [LookSign], _ isUnexplained: Bool) {
        contexts[context] += 1
        looks += 1
        unexplained += isUnexplained ? 1 : 0
        for sign in found { signs[sign.rawValue] += 1 }
    }
}

extension WatchKnowledge {
    /// Other accounts that looked at the patient since then, without an explanation.
    fileprivate func others(than actor: String, at patient: UInt64, since day: Double) -> [RecentLook] {
        var found: [RecentLook] = []
        for look in recent[patient] ?? [] where look.actor != actor && look.day >= day {
            if !found.contains(where: { $0.actor == look.actor }) { found.append(look) }
        }
        return found
    }

    fileprivate mutating func note(_ look: PendingLook, _ score: Double) {
        if now.rounded(.down) > recentDay {
            recentDay = now.rounded(.down)
            recent = recent.compactMapValues { looks in
                let kept = looks.filter { $0.day >= now - 5 }
                return kept.isEmpty ? nil : kept
            }
        }
        guard recent.count < Self.mostRecent, (recent[look.key]?.count ?? 0) < 20 else { return }
        recent[look.key, default: []].append(
            RecentLook(actor: look.actor, day: look.day, score: score, events: look.events))
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
