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
        if event.kind == .emergencyOpened, event.outcome == .success {
            raise(
                .emergency, actor, patient: event.patients.first, .medium, every: 1.0 / 24,
                [WatchFinding(.emergencyOpened)], &account.alerted,
                steps: known.steps(.emergency, actor, role: account.role))
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
        if event.isNewDevice || device.map({ account.devices[$0] == nil && !account.devices.isEmpty }) ?? false {
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
        let elsewhere = account.networks.filter { $0.key != network && now - $0.value.last < 20 / 1440.0 }
        if isNewNetwork, let last = elsewhere.values.map(\.last).max() {
            let weight = 4.0
            odd += weight
            if !isNewDevice { rule = .twoNetworks }
            findings.append(WatchFinding(.twoNetworks, ((now - last) * 1440).rounded(), weight: weight))
        }
        let hourOdd = oddness(account, peers, atAnyHour: 0.6)
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
        if odd >= needed, isNewDevice || isNewNetwork {
            raise(
                rule, actor, odd >= needed + 3 ? .high : .medium, every: 1,
                findings + [WatchFinding(.score, odd, usual: needed)], &account.alerted)
        }
        return (odd, findings)
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
            return mark(address.split(separator: ":", omittingEmptySubsequences: false).prefix(3).joined(separator: ":"))
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
        known.alerted = known.alerted.filter { now - $0.value < 2 }
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
