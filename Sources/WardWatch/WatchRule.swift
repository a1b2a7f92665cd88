/// What an alert is about; the raw value is what the store, the log and the commands say.
public enum WatchRule: String, CaseIterable, Hashable, Sendable {
    /// Far more patients than the person, and people in the same role, open.
    case backupTrouble = "backup-trouble"
    case burst
    case colleagueRecord = "colleague-record"
    /// A planted record was opened: nobody has a reason to.
    case decoy
    /// An account was used again after a long silence.
    case dormantAccount = "dormant-account"
    case emergency
    case failedSignIns = "failed-sign-ins"
    /// The record of somebody who lives where the person lives.
    case familyRecord = "family-record"
    /// A patient of the same family name.
    case sameSurname = "same-surname"
    case logTrouble = "log-trouble"
    case massExport = "mass-export"
    /// The record of somebody in the person's own street.
    case neighbourRecord = "neighbour-record"
    case newDevice = "new-device"
    case noRelationship = "no-relationship"
    case oddHours = "odd-hours"
    case ownRecord = "own-record"
    /// A week of system activity that nobody signed for in time.
    case reviewOverdue = "review-overdue"
    /// A safeguard that held does not hold any more.
    case postureRed = "posture-red"
    /// The account of somebody who left, or whose access ended.
    case terminatedAccount = "terminated-account"
    /// In use from two networks at once; where these are is not known here.
    case twoNetworks = "two-networks"
    /// A part in the care is on record, and still nothing explains the look.
    case unexplainedLook = "unexplained-look"
    case vip
    /// Records one after another by id, many that are not there, or unrelated patients day by day.
    case wandering

    /// Whether answers to alerts may raise what it takes to alert.
    public var canLearn: Bool {
        switch self {
        case .backupTrouble, .decoy, .logTrouble, .postureRed, .reviewOverdue, .terminatedAccount: false
        default: true
        }
    }
}

/// How soon somebody should look.
public enum WatchSeverity: String, CaseIterable, Hashable, Sendable, Comparable {
    case low, medium, high

    public static func < (left: WatchSeverity, right: WatchSeverity) -> Bool { left.rank < right.rank }

    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}
