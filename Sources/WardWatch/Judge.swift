import WardAudit
import WardCore

/// One event being judged against what is known.
struct Judge {
    let logged: LoggedEvent
    let facts: any WatchFacts
    let settings: WatchSettings
    /// Days since 1970, of the clinic's clock.
    let now: Double
    var alerts: [Alert] = []

    init(_ logged: LoggedEvent, facts: any WatchFacts, settings: WatchSettings) {
        self.logged = logged
        self.facts = facts
        self.settings = settings
        now = logged.event.time.days(offset: settings.clockOffset)
    }

    var event: AuditEvent { logged.event }

    mutating func judge(_ known: inout WatchKnowledge) {
        guard ![.alertRaised, .alertAnswered, .watchKept].contains(event.kind) else { return }
        // Time goes by whoever acts; a clock that went back does not take it back.
        if known.first == 0 { known.first = now }
        known.now = max(known.now, now)
        settle(&known)
        settleEmergencies(&known)
        judgeTrouble(&known)
        if event.kind == .signInFailed { return judgeFailure(&known) }
        guard let actor = event.actor, !Self.isMachine(actor.id) else { return }
        let person = facts.person(actor.id)
        // Failed sign-ins alone are no use of an account.
        let isKnown = known.accounts[actor.id] != nil
        let isNew = known.accounts[actor.id].map { $0.today == 0 } ?? true
        var account = known.accounts.removeValue(forKey: actor.id) ?? AccountKnowledge()
        if isNew { account.first = now }
        if !isKnown { known.makeRoom() }
        let role = person?.roles.first ?? String(actor.role.prefix { $0 != " " })
        account.role = role
        var peers = known.roles.removeValue(forKey: role) ?? RoleKnowledge()
        defer {
            account.last = max(account.last, now)
            known.accounts[actor.id] = account
            known.roles[role] = peers
        }
        begin(&account, &peers)
        judgeStanding(actor.id, person, isNew, &account, &known)
        let isClinic = role != "patient" && role != "proxy"
        let isProgram = actor.id.hasPrefix("client/")
        var odd = (bits: 0.0, findings: [WatchFinding]())
        if isClinic { odd = judgeArrival(actor.id, isProgram, &account, peers, &known) }
        judgeEmergency(actor.id, odd.bits, &account, &known)
        judgeMisses(actor.id, &account, &known)
        switch event.kind {
        case .export, .download, .auditExported, .print:
            judgeExport(actor.id, isProgram, odd.bits, &account, &peers, &known)
        case .create, .update, .delete, .transaction, .import:
            if event.outcome == .success { write(actor.id, &account, &known) }
        case .read, .vread, .historyInstance, .search:
            if isClinic { judgeLooks(actor.id, person, isProgram, odd, &account, &peers, &known) }
        default: break
        }
        if isClinic { count(&account, &peers) }
    }

    private static func isMachine(_ id: String) -> Bool { id == "operator" || id == "system" }

    private func begin(_ account: inout AccountKnowledge, _ peers: inout RoleKnowledge) {
        let day = now.rounded(.down)
        if day > account.today, account.today > 0 {
            peers.allOfDay.take(Double(account.patients.count))
            peers.strangersOfDay.take(Double(account.strangers.count), fading: 0.997)
            for way in peers.strange.indices { peers.strange[way].take(account.drifts[way].today) }
            peers.mostOfHour *= 0.999
        }
        if day > peers.hoursDay {
            peers.hoursDay = day
            for hour in peers.hours.indices { peers.hours[hour] *= 0.98 }
        }
        account.begin(day, role: peers)
    }

    /// Counts work by hour of the week: the first event of each quarter of an hour, so that busy hours do not drown
    /// quiet ones.
    private func count(_ account: inout AccountKnowledge, _ peers: inout RoleKnowledge) {
        guard (now * 96).rounded(.down) > (account.last * 96).rounded(.down) else { return }
        account.hours[hour] += 1
        peers.hours[hour] += 1
    }

    /// Hour of the week, from Thursday midnight of the clinic's clock.
    var hour: Int {
        let hours = (now * 24).rounded(.down)
        let place = Int(hours.truncatingRemainder(dividingBy: 168))
        return place < 0 ? place + 168 : place
    }

    /// Bits that an hour speaks for somebody else, if three in ten of them come at any hour; from ten days on.
    func oddness(_ account: AccountKnowledge, _ peers: RoleKnowledge, atAnyHour: Double) -> Double {
        guard account.activeDays >= 10 || peers.allOfDay.days >= 50 else { return 0 }
        return bits(1 - atAnyHour + atAnyHour / 168 / account.share(of: hour, peers))
    }

    // MARK: Raising

    /// Raises an alert unless one of the rule, the account and the patient was raised within so many days.
    mutating func raise(
        _ rule: WatchRule, _ actor: String?, patient: String? = nil, _ severity: WatchSeverity,
        every days: Double, _ findings: [WatchFinding], events: [Int64]? = nil, _ alerted: inout [UInt64: Double],
        steps: Int = 0
    ) {
        let key = mark(patient ?? "", mark(rule.rawValue, mark(actor ?? "")))
        let pause = rule.measure == .pause ? days * exponential(Double(steps)) : days
        // An alert of this very moment was raised for another leaf of the same event.
        if let last = alerted[key], now - last < pause { return }
        alerted[key] = now
        let places = Array(Set(events ?? [logged.index]).sorted().suffix(50))
        alerts.append(
            Alert(
                id: "\(places.last ?? logged.index)-\(rule.rawValue)-\(hexadecimal(key))", rule: rule, actor: actor,
                patient: patient,
                severity: severity, time: event.time, explanation: findings, events: places))
    }

    private func hexadecimal(_ number: UInt64) -> String {
        let text = String(number & 0xFFFF_FFFF, radix: 16)
        return String(repeating: "0", count: 8 - text.count) + text
    }
}

extension WatchKnowledge {
    /// The account that was unused longest goes, where there are too many.
    mutating func makeRoom() {
        guard accounts.count >= Self.mostAccounts else { return }
        if let oldest = accounts.min(by: { ($0.value.last, $0.key) < ($1.value.last, $1.key) }) {
            accounts[oldest.key] = nil
        }
    }

    /// Steps that a rule has learnt for an account, by itself or by its role.
    func steps(_ rule: WatchRule, _ actor: String?, role: String) -> Int {
        guard rule.canLearn, !lessons.isEmpty else { return 0 }
        let found = lessons.filter { $0.rule == rule && ($0.subject == actor || $0.subject == role) }.map(\.steps)
        return min(found.reduce(0, +), WatchLesson.most)
    }

    /// How much more of a count is needed after so many steps.
    func factor(_ rule: WatchRule, _ actor: String?, role: String) -> Double {
        var factor = 1.0
        for _ in 0..<steps(rule, actor, role: role) { factor *= 1.25 }
        return factor
    }
}
