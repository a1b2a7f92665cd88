/// One reason of an alert: what was found, compared with what.
///
/// Numbers and closed sentences only, so that nothing of a record can stand in one.
public struct WatchFinding: Hashable, Sendable {
    public let kind: Kind
    /// What was counted; the sentence says of what.
    public let value: Double
    /// What it is compared with; nil where there is nothing to compare.
    public let usual: Double?
    /// How much it speaks for an odd access, in bits: each doubles the odds; nil for what decides by itself.
    public let weight: Double?

    public init(_ kind: Kind, _ value: Double = 1, usual: Double? = nil, weight: Double? = nil) {
        self.kind = kind
        self.value = value
        self.usual = usual
        self.weight = weight
    }

    public enum Kind: String, CaseIterable, Hashable, Sendable {
        case adjacentIDs = "adjacent-ids"
        case afterFailures = "after-failures"
        case backupFailed = "backup-failed"
        case burstOfDay = "burst-of-day"
        case burstOfHour = "burst-of-hour"
        case clockJumped = "clock-jumped"
        case colleague
        case crowd
        case decoyOpened = "decoy-opened"
        case dormantDays = "dormant-days"
        case emergencyOpened = "emergency-opened"
        case exported
        case failedSignIns = "failed-sign-ins"
        case failedAccounts = "failed-accounts"
        case faultsFound = "faults-found"
        case household
        case lookedUp = "looked-up"
        case logInterrupted = "log-interrupted"
        case missing
        case neverUsed = "never-used"
        case newDevice = "new-device"
        case newNetwork = "new-network"
        case nobodyElse = "nobody-else"
        case notEnoughHistory = "not-enough-history"
        case notDocumented = "not-documented"
        case nothingWritten = "nothing-written"
        /// The session began from a device or network, or at an hour, that is not usual.
        case oddArrival = "odd-arrival"
        case oddHour = "odd-hour"
        case oneSession = "one-session"
        case ownRecord = "own-record"
        /// A part in the care is on record, or followed, and yet nothing explains the look.
        case partFollowed = "part-followed"
        case partOnRecord = "part-on-record"
        case peers
        case postureRed = "posture-red"
        case repeated
        case reviewOverdue = "review-overdue"
        case score
        case street
        case surname
        case terminated
        case twoNetworks = "two-networks"
        case unexplained
        case unrelated
        case vip
    }

    /// In plain words.
    public var text: String {
        let count = Self.number(value)
        let than = usual.map(Self.number) ?? "none"
        switch kind {
        case .adjacentIDs: return "\(count) records with neighbouring ids were opened one after another"
        case .afterFailures: return "\(count) failed sign-ins from the same address or to the same account came before"
        case .backupFailed: return "a backup could not be made, or is overdue"
        case .burstOfDay: return "\(count) unrelated patients in one day; usual for this person: \(than)"
        case .burstOfHour: return "\(count) unrelated patients within an hour; the most before: \(than)"
        case .clockJumped: return "the machine's clock jumped"
        case .colleague: return "the patient works here"
        case .crowd: return "\(count) others looked at the patient in the last days, and nothing explains it"
        case .decoyOpened: return "a planted record was opened, that nobody has a reason to open"
        case .dormantDays: return "the account was silent for \(count) days; an alert is raised from \(than)"
        case .emergencyOpened: return "emergency access was declared"
        case .notDocumented: return "nothing was written for the patient within the hour"
        case .exported: return "records of \(count) patients left at once; the most before: \(than)"
        case .failedSignIns: return "\(count) failed sign-ins within fifteen minutes; an alert is raised from \(than)"
        case .failedAccounts: return "\(count) accounts were tried from one address; an alert is raised from \(than)"
        case .faultsFound: return "a check found faults, or a backup failed"
        case .household: return "the patient lives at the person's own address"
        case .postureRed: return "\(count) safeguards that held do not hold any more: ward posture"
        case .lookedUp: return "found by a search for the patient, not on a schedule or a list"
        case .logInterrupted:
            return "the log could not be written for \(count) seconds; nothing about records was answered"
        case .missing: return "\(count) records that are not there were asked for; an alert is raised from \(than)"
        case .neverUsed: return "the account was not used once in \(count) days of the log"
        case .newDevice: return "a device this person has not used before"
        case .newNetwork: return "a network this person has not used before"
        case .nobodyElse: return "nobody else had to do with the patient for \(count) days"
        case .notEnoughHistory: return "not enough history yet: \(count) days of \(than)"
        case .nothingWritten: return "nothing was written for the patient, before or after"
        case .oddArrival: return "in a session that began oddly"
        case .oddHour:
            return "at an hour with \(count) % of this person's work; evenly spread, every hour would have \(than) %"
        case .ownRecord: return "the person's own record"
        case .partFollowed:
            return
                "a part in the care was made after the look only; of this person's looks \(count) % are like this one"
        case .partOnRecord:
            return "a part in the care is on record; of this person's looks \(count) % are like this one"
        case .peers: return "people in the same role: \(count) at most"
        case .repeated: return "opened again and again without a part in the care: \(count) days by now"
        case .reviewOverdue: return "a week of system activity was not signed for in time"
        case .score: return "together \(count) bits; an alert is raised from \(than)"
        case .street: return "the patient lives in the person's own street"
        case .surname: return "the patient has the person's family name"
        case .terminated: return "the account's access had ended"
        case .twoNetworks:
            return
                "two networks at once: from one to the other and back within \(count) minutes; where they are is not "
                + "known here"
        case .oneSession: return "in one session: two browsers hold it"
        case .unexplained: return "\(count) unexplained looks added up; usual for this person a day: \(than)"
        case .unrelated:
            return
                "no part in the patient's care, schedule or account; of this person's looks \(count) % are like this one"
        case .vip: return "the patient is marked as somebody whom the curious look for"
        }
    }

    /// With one decimal where it matters.
    public static func number(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e12 else { return "many" }
        let tenths = Int64((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths < 0 ? "-" : "")\(abs(tenths) / 10).\(abs(tenths) % 10)"
    }
}
