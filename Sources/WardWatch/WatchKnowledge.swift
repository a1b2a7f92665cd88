/// What the detector has learnt: counts that fade, by account, role and hour, and the last event it has seen.
///
/// Bounded: so many accounts, patients and addresses, the newest of each.
public struct WatchKnowledge: Sendable {
    /// Place in the log of the next event to judge: those below were judged.
    public internal(set) var next: Int64 = 0
    /// What answers to alerts have raised, visibly.
    public internal(set) var lessons: [WatchLesson] = []

    /// The day of the first event; zero before it.
    var first: Double = 0
    var now: Double = 0
    var accounts: [String: AccountKnowledge] = [:]
    var roles: [String: RoleKnowledge] = [:]
    var patients: [UInt64: PatientKnowledge] = [:]
    /// Looks that may yet explain themselves, oldest first.
    var pending: [PendingLook] = []
    /// Looks of the last days that nothing explained, by patient.
    var recent: [UInt64: [RecentLook]] = [:]
    var recentDay: Double = 0
    /// Emergencies that may yet be documented, oldest first.
    var emergencies: [PendingEmergency] = []
    /// Weights of settled looks, in quarters of a bit: how many, fading.
    var scores = [Double](repeating: 0, count: Self.scoreCount)
    /// Days that ``scores`` is made of, fading.
    var scoreDays: Double = 0
    var scoreDay: Double = 0
    /// Networks, and by how many accounts each is used, up to three.
    var networks: [UInt64: [UInt64]] = [:]
    /// Failed sign-ins by address.
    var failures: [UInt64: [AccountKnowledge.Recent]] = [:]
    /// Sign-ins, and those of a new device, of a new network.
    var arrivals = Fading()
    var newDevices = Fading()
    var newNetworks = Fading()
    /// Emergencies that were documented.
    var documented = Fading()
    /// When an alert that names nobody was last raised, by rule and address.
    var alerted: [UInt64: Double] = [:]

    static let scoreCount = 160
    static let mostAccounts = 5000
    static let mostPatients = 200_000
    static let mostAddresses = 2000
    static let mostRecent = 5000

    public init() {}

    /// Days of the log that are known.
    public var daysKnown: Double { first > 0 ? now - first : 0 }
}

/// When a patient was last somebody's work.
struct PatientKnowledge: Sendable {
    /// The two accounts who last had to do with the patient, and when.
    var last: UInt64 = 0
    var lastDay: Double = 0
    var other: UInt64 = 0
    var otherDay: Double = 0

    mutating func touch(by account: UInt64, at day: Double) {
        if account != last {
            (other, otherDay) = (last, lastDay)
            last = account
        }
        lastDay = day
    }

    /// When somebody else last had to do with the patient; zero: never.
    func lastOfOthers(than account: UInt64) -> Double { account == last ? otherDay : lastDay }
}

/// A look that may yet explain itself: a person, a patient, a day.
struct PendingLook: Sendable {
    var actor: String
    var patient: String
    var key: UInt64
    var day: Double
    var due: Double
    var isRelated: Bool
    /// Found by a search for the name, not on a schedule or a list.
    var isLookedUp: Bool
    /// Bits for the hour and the session.
    var basis: Double
    var findings: [WatchFinding]
    /// Ties that the facts know of.
    var signs: [LookSign]
    var surname: UInt64
    /// Days for which nobody else had to do with the patient.
    var silence: Double
    var isMistake = false
    var events: [Int64]
}

/// An emergency that may yet be documented.
struct PendingEmergency: Sendable {
    var actor: String
    var patient: String
    var day: Double
    var due: Double
    var index: Int64
    /// Whether the alert was raised at once.
    var isTold: Bool
}

/// A look of the last days that nothing explained.
struct RecentLook: Sendable {
    var actor: String
    var day: Double
    var score: Double
    var events: [Int64]
}

/// What an answer taught: a rule asks for more, of an account or a role.
public struct WatchLesson: Hashable, Sendable {
    public let rule: WatchRule
    /// An account as the log names it, or a role's name.
    public let subject: String
    /// 1 ... ``most``; what a step means stands in ``WatchRule/step``.
    public internal(set) var steps: Int

    public static let most = 4
}

extension WatchRule {
    /// What one step of learning changes.
    public var step: String {
        switch measure {
        case .weight: "one bit more is needed: twice as odd"
        case .count: "a quarter more is needed"
        case .pause: "one alert in twice as many days"
        case .fixed: "never changes"
        }
    }

    enum Measure { case count, fixed, pause, weight }

    var measure: Measure {
        switch self {
        case .backupTrouble, .decoy, .logTrouble, .postureRed, .reviewOverdue, .terminatedAccount: .fixed
        case .emergency, .familyRecord, .ownRecord: .pause
        case .burst, .dormantAccount, .failedSignIns, .massExport, .wandering: .count
        case .colleagueRecord, .neighbourRecord, .newDevice, .noRelationship, .oddHours, .sameSurname, .twoNetworks,
            .unexplainedLook, .vip:
            .weight
        }
    }
}
