import WardAudit

/// Accounts: whether they should be in use at all, from where, and how they were got into.
extension Judge {
    mutating func judgeStanding(
        _ actor: String, _ person: WatchedPerson?, _ isNew: Bool, _ account: inout AccountKnowledge,
        _ known: inout WatchKnowledge
    ) {
        let isEnd = [.sessionEnded, .tokenRevoked, .clientRemoved, .factorRemoved].contains(event.kind)
        if person?.isActive == false, !isEnd {
            raise(.terminatedAccount, actor, .high, every: 0.25, [WatchFinding(.terminated)], &account.alerted)
        }
        let silent = now - account.last
        let needed = settings.dormantDays * known.factor(.dormantAccount, actor, role: account.role)
        if !isNew, !isEnd, silent >= needed {
            raise(
                .dormantAccount, actor, .medium, every: 1,
                [WatchFinding(.dormantDays, silent.rounded(.down), usual: needed)], &account.alerted)
        }
        // Made long ago, and not once in the log for as long as that is known.
        if isNew, !isEnd, known.daysKnown >= settings.learningDays, let since = person?.since,
            now - since.days(offset: settings.clockOffset) >= needed
        {
            raise(
                .dormantAccount, actor, .medium, every: 1,
                [
                    WatchFinding(.neverUsed, known.daysKnown.rounded(.down)),
                    WatchFinding(
                        .dormantDays, (now - since.days(offset: settings.clockOffset)).rounded(.down), usual: needed),
                ], &account.alerted)
        }
    }

    /// An emergency alerts at once; in a clinic that has often declared some and then documented care, it has an hour to be
    /// documented too, if nothing else of the session is odd.
    mutating func judgeEmergency(
        _ actor: String, _ odd: Double, _ account: inout AccountKnowledge, _ known: inout WatchKnowledge
    ) {
        guard event.kind == .emergencyOpened, event.outcome == .success else { return }
        let recent = account.emergencies.filter { now - $0 < 1 }
        account.emergencies = recent + [now]
        let emergency = PendingEmergency(
            actor: actor, patient: event.patients.first ?? "", day: now,
            due: now + Double(settings.settleSeconds) / 86_400, index: logged.index,
            isTold: odd >= Self.arrivalBits || recent.count >= 2
                || known.documented.count(at: now) < Self.usualEmergencies)
        known.emergencies.append(emergency)
        guard emergency.isTold else { return }
        raise(
            .emergency, actor, patient: event.patients.first, .medium, every: 1.0 / 24,
            [WatchFinding(.emergencyOpened)], &account.alerted,
            steps: known.steps(.emergency, actor, role: account.role))
    }

    /// Emergencies of late, documented, from which on they are part of the clinic's work.
    static var usualEmergencies: Double { 3 }

    mutating func settleEmergencies(_ known: inout WatchKnowledge) {
        while let emergency = known.emergencies.first, emergency.due <= now {
            known.emergencies.removeFirst()
            guard var account = known.accounts.removeValue(forKey: emergency.actor) else { continue }
            defer { known.accounts[emergency.actor] = account }
            if account.written[mark(emergency.patient)].map({ $0 >= emergency.day }) ?? false {
                known.documented.add(at: now)
            } else if !emergency.isTold {
                raise(
                    .emergency, emergency.actor, patient: emergency.patient.isEmpty ? nil : emergency.patient, .medium,
                    every: 1.0 / 24, [WatchFinding(.emergencyOpened), WatchFinding(.notDocumented)],
                    events: [emergency.index], &account.alerted,
                    steps: known.steps(.emergency, emergency.actor, role: account.role))
            }
        }
    }

    /// The start of a session, or a change of its network or device; answers what was odd of the session.
    mutating func judgeArrival(
        _ actor: String, _ isProgram: Bool, _ account: inout AccountKnowledge, _ peers: RoleKnowledge,
        _ known: inout WatchKnowledge
    ) -> (bits: Double, findings: [WatchFinding]) {
        guard let network = Self.network(event.source.address) else { return (0, []) }
        let device = event.device.map { mark($0) }
        let day = event.session == nil ? String(Int64(now)) : ""
        let key = mark(event.session ?? day, network ^ (device ?? 0))
        var findings: [WatchFinding] = []
        judgeNetworks(actor, network, &account, &known)
        if let arrival = account.arrivals[key] {
            account.arrivals[key]?.last = now
            refresh(network, device, &account)
            return arrival.days > 2 ? (arrival.days, [WatchFinding(.oddArrival, weight: arrival.days)]) : (0, [])
        }
        var (odd, isNewDevice) = (0.0, false)
        var rule = WatchRule.newDevice
        // Of an account that was never used nothing is known.
        let isJudged = account.activeDays > 1 || !account.networks.isEmpty
        let count = known.arrivals.count(at: now)
        // The first browser of an account that was just made is nothing new.
        let isFirst = account.devices.isEmpty && account.activeDays <= 1
        if !isFirst,
            event.isNewDevice || device.map({ account.devices[$0] == nil && !account.devices.isEmpty }) ?? false
        {
            isNewDevice = true
            let weight = bits(0.9 / ((known.newDevices.count(at: now) + 1) / (count + 20)))
            odd += weight
            findings.append(WatchFinding(.newDevice, weight: weight))
        }
        let owners = known.networks[network] ?? []
        let isOfClinic = owners.count >= 3
        let isNewNetwork = account.networks[network] == nil && !isOfClinic
        if isNewNetwork {
            let weight = bits(0.9 / ((known.newNetworks.count(at: now) + 1) / (count + 20)))
            odd += weight
            findings.append(WatchFinding(.newNetwork, weight: weight))
        }
        // An hour alone is no stranger: four bits at most.
        let hourOdd = min(oddness(account, peers, atAnyHour: 0.6), 4)
        if hourOdd > 1 {
            odd += hourOdd
            if !isNewDevice, !isNewNetwork { rule = .oddHours }
            findings.append(
                WatchFinding(.oddHour, 100 * account.share(of: hour, peers), usual: 100.0 / 168, weight: hourOdd))
        }
        odd += judgeSuccess(actor, network, isOfClinic, &account, &known, &findings)
        refresh(network, device, &account)
        if owners.count < 3, !owners.contains(mark(actor)) { known.networks[network] = owners + [mark(actor)] }
        if known.networks.count > WatchKnowledge.mostAddresses {
            known.networks = known.networks.filter { $0.value.count >= 3 }
        }
        account.arrivals[key] = .init(last: now, days: isJudged ? odd : 0)
        guard isJudged else { return (0, []) }
        known.arrivals.add(at: now)
        known.newDevices.add(isNewDevice ? 1 : 0, at: now)
        known.newNetworks.add(isNewNetwork ? 1 : 0, at: now)
        let needed = Self.arrivalBits + Double(known.steps(rule, actor, role: account.role))
        // One of the two alone waits for records of people with whom the account has nothing to do (``judgeSession``).
        if odd >= needed, isNewDevice && isNewNetwork || findings.contains(where: { $0.kind == .afterFailures }) {
            raise(
                rule, actor, odd >= needed + 3 ? .high : .medium, every: 1,
                findings + [WatchFinding(.score, odd, usual: needed)], &account.alerted)
        }
        return (odd, findings)
    }

    /// A session that began oddly, in an hour with records of several people with whom the account has nothing to do.
    mutating func judgeSession(
        _ actor: String, _ odd: (bits: Double, findings: [WatchFinding]), _ account: inout AccountKnowledge,
        _ known: inout WatchKnowledge
    ) {
        let needed = Self.arrivalBits + Double(known.steps(.newDevice, actor, role: account.role))
        guard odd.bits >= needed, account.hour.count >= 4 else { return }
        raise(
            .newDevice, actor, .high, every: 1,
            [
                WatchFinding(.oddArrival, weight: odd.bits),
                WatchFinding(.burstOfHour, Double(account.hour.count), usual: account.mostOfHour),
                WatchFinding(.score, odd.bits, usual: needed),
            ], events: account.hour.map(\.index), &account.alerted)
    }

    /// From one network to another and back within minutes: two browsers at work in one account's name.
    ///
    /// Within one session they share its cookie. In two sessions it may be a telephone beside a desk: it counts where the
    /// other network is new to the account.
    private mutating func judgeNetworks(
        _ actor: String, _ network: UInt64, _ account: inout AccountKnowledge, _ known: inout WatchKnowledge
    ) {
        let session = mark(event.session ?? "")
        defer { account.session = session }
        guard account.network != network else { return }
        let (left, leftAt, leftSession) = (account.network, account.last, account.session)
        defer {
            (account.network, account.otherNetwork, account.otherLast, account.otherSession) = (
                network, left, leftAt, leftSession
            )
        }
        let minutes = (now - account.otherLast) * 1440
        guard left != 0, network == account.otherNetwork, minutes < 20 else { return }
        let isOne = event.session != nil && session == leftSession && session == account.otherSession
        let isNew = [network, left].contains { now - (account.networks[$0]?.first ?? now) < 1 }
        guard account.activeDays > 1, isOne || isNew, known.steps(.twoNetworks, actor, role: account.role) < 4 else {
            return
        }
        raise(
            .twoNetworks, actor, .high, every: 1,
            [WatchFinding(.twoNetworks, max(1, minutes.rounded(.up)))] + (isOne ? [WatchFinding(.oneSession)] : [])
                + (isNew ? [WatchFinding(.newNetwork)] : []), &account.alerted)
    }

    /// Bits from which the start of a session is odd: two signs of one in twenty are.
    static var arrivalBits: Double { 8 }

    private func refresh(_ network: UInt64, _ device: UInt64?, _ account: inout AccountKnowledge) {
        account.networks[network] = .init(first: account.networks[network]?.first ?? now, last: now)
        if let device { account.devices[device] = .init(first: account.devices[device]?.first ?? now, last: now) }
    }

    /// The first 24 bits of an address of four bytes, the first 48 of one of sixteen; nil for what is no network.
    static func network(_ address: String) -> UInt64? {
        if address.contains(":") {
            return mark(
                address.split(separator: ":", omittingEmptySubsequences: false).prefix(3).joined(separator: ":"))
        }
        let parts = address.split(separator: ".")
        guard parts.count == 4 else { return nil }
        return mark(parts.prefix(3).joined(separator: "."))
    }

    // MARK: Failed sign-ins

    /// A sign-in after failures that somebody who mistypes does not have.
    private mutating func judgeSuccess(
        _ actor: String, _ network: UInt64, _ isOfClinic: Bool, _ account: inout AccountKnowledge,
        _ known: inout WatchKnowledge, _ findings: inout [WatchFinding]
    ) -> Double {
        let own = account.failures.filter { now - $0.day < 1.0 / 24 }
        let ofAddress = (known.failures[mark(event.source.address)] ?? []).filter { now - $0.day < 1 }
        let accounts = Set(ofAddress.map(\.key)).subtracting([0]).count
        let count = own.reduce(0) { $0 + $1.count }
        let isSprayed = accounts >= 3 && !isOfClinic
        guard isSprayed || count >= 5 else { return 0 }
        let total = isSprayed ? ofAddress.reduce(0) { $0 + $1.count } : count
        findings.append(WatchFinding(.afterFailures, total, weight: 4))
        if isSprayed || count >= 8 {
            raise(
                .failedSignIns, actor, .high, every: 1, [WatchFinding(.afterFailures, total)],
                events: (isSprayed ? ofAddress : own).map(\.index), &account.alerted)
        }
        return 4
    }

    mutating func judgeFailure(_ known: inout WatchKnowledge) {
        let address = mark(event.source.address)
        let count = Double(max(1, event.count))
        let subject = event.subject ?? event.actor?.id
        let failure = AccountKnowledge.Recent(
            day: now, key: subject.map { mark($0) } ?? 0, count: count, index: logged.index)
        var failures = (known.failures[address] ?? []).filter { now - $0.day < 1 }
        failures = Array((failures + [failure]).suffix(60))
        known.failures[address] = failures
        if known.failures.count > WatchKnowledge.mostAddresses {
            known.failures = known.failures.filter { $0.value.last.map { now - $0.day < 1.0 / 24 } ?? false }
        }
        known.alerted = known.alerted.filter { now - $0.value < 5 }
        if let subject { judgeFailure(of: subject, failure, &known) }
        let isOfClinic =
            (Self.network(event.source.address).flatMap { known.networks[$0] }?.count ?? 0) >= 3
        // Behind one address of the clinic, everybody mistypes.
        let factor = (isOfClinic ? 3 : 1) * known.factor(.failedSignIns, nil, role: "")
        let recent = failures.filter { now - $0.day < 1.0 / 96 }
        let sum = recent.reduce(0) { $0 + $1.count }
        let needed = Double(settings.failedSignIns) * factor
        let tried = Set(failures.filter { now - $0.day < 1.0 / 24 || !isOfClinic }.map(\.key)).subtracting([0]).count
        let neededAccounts = Double(settings.failedAccounts) * factor
        var findings: [WatchFinding] = []
        if sum >= needed { findings.append(WatchFinding(.failedSignIns, sum, usual: needed)) }
        if Double(tried) >= neededAccounts {
            findings.append(WatchFinding(.failedAccounts, Double(tried), usual: neededAccounts))
        }
        guard !findings.isEmpty else { return }
        let key = mark("address", address)
        if let last = known.alerted[key], now - last < 0.25 { return }
        known.alerted[key] = now
        let only = Set(failures.map(\.key)).count == 1 ? subject : nil
        var ignored: [UInt64: Double] = [:]
        raise(
            .failedSignIns, only, .medium, every: 0.25, findings, events: failures.map(\.index), &ignored)
    }

    private mutating func judgeFailure(
        of subject: String, _ failure: AccountKnowledge.Recent, _ known: inout WatchKnowledge
    ) {
        let isKnown = known.accounts[subject] != nil
        let person = facts.person(subject)
        guard isKnown || person != nil else { return }
        var account = known.accounts.removeValue(forKey: subject) ?? AccountKnowledge()
        if !isKnown { (account.first, account.last) = (now, now) }
        defer { known.accounts[subject] = account }
        account.failures = Array((account.failures.filter { now - $0.day < 1 } + [failure]).suffix(60))
        let recent = account.failures.filter { now - $0.day < 1.0 / 96 }.reduce(0) { $0 + $1.count }
        let needed = Double(settings.failedSignIns) * known.factor(.failedSignIns, subject, role: account.role)
        if recent >= needed {
            raise(
                .failedSignIns, subject, .medium, every: 0.25,
                [WatchFinding(.failedSignIns, recent, usual: needed)], events: account.failures.map(\.index),
                &account.alerted)
        }
        let ofDay = account.failures.reduce(0) { $0 + $1.count }
        if person?.isActive == false, ofDay >= 3 {
            raise(
                .terminatedAccount, subject, .medium, every: 1,
                [WatchFinding(.terminated), WatchFinding(.failedSignIns, ofDay, usual: 3)],
                events: account.failures.map(\.index), &account.alerted)
        }
    }

    // MARK: Trouble

    mutating func judgeTrouble(_ known: inout WatchKnowledge) {
        var none: [UInt64: Double] = [:]
        switch event.kind {
        case .clockJumped:
            raise(.logTrouble, nil, .medium, every: 0, [WatchFinding(.clockJumped)], &none)
        case .auditVerified, .storeVerified:
            guard event.outcome == .failed || event.decision.contains("fault") else { return }
            raise(.logTrouble, nil, .high, every: 0, [WatchFinding(.faultsFound)], &none)
        default: break
        }
    }
}
