public import WardAudit
public import WardCore
import WardCrypto
import WardFHIR

/// Monday to Sunday in UTC, named by its Monday.
public struct ActivityWeek: Hashable, Comparable, Sendable {
    public let start: Instant

    public var end: Instant { start.adding(seconds: Self.seconds) }
    /// By when somebody has to have signed for it.
    public var due: Instant { end.adding(seconds: Self.seconds) }
    /// `2026-11-16`.
    public var text: String { String(start.text.prefix(10)) }

    static let seconds: Int64 = 7 * 86_400

    /// The week that a time is in. The first day of the epoch was a Thursday.
    public init(containing time: Instant) {
        let day = time.microseconds.floorDivided(by: 86_400_000_000)
        let since = day + 3 - (day + 3).floorDivided(by: 7) * 7
        start = Instant(microseconds: (day - since) * 86_400_000_000)
    }

    /// Reads ``text``; nil for what is no Monday.
    public init?(_ text: String) {
        guard text.utf8.count == 10, let (low, _) = FHIRDate.interval(text) else { return nil }
        self.init(containing: Instant(microseconds: low))
        guard self.text == text else { return nil }
    }

    public static func < (left: ActivityWeek, right: ActivityWeek) -> Bool { left.start < right.start }
}

/// What somebody who signs for a week has to have looked at (45 CFR 164.308(a)(1)(ii)(D)).
public enum ActivityCategory: String, CaseIterable, Sendable {
    case failedSignIns = "failed-sign-ins"
    case refusals
    case emergencies
    case exports
    case people
    case system
    case trouble
    case disclosures

    /// Kinds of events; of refusals, what was denied whatever it was.
    var kinds: [AuditEventKind] {
        switch self {
        case .failedSignIns: [.signInFailed]
        case .refusals: []
        case .emergencies: [.emergencyOpened]
        case .exports: [.export, .auditExported, .download, .print]
        case .people:
            [
                .personAdded, .personChanged, .personDisabled, .rolesGranted, .rolesRefused, .rolesRequested,
                .recoveryAsked, .recoveryApproved, .factorRemoved,
            ]
        case .system:
            [
                .clientAdded, .clientRemoved, .appApproved, .appRemoved, .configurationChanged, .policyAdopted,
                .retentionSet, .auditPruned, .holdPlaced, .holdEnded, .keysCreated, .keysRecovered, .witnessAdded,
                .witnessRemoved, .start, .storeUpgraded,
            ]
        case .trouble: [.clockJumped, .logInterrupted, .activityReviewOverdue, .postureRed]
        case .disclosures: [.accountingMade, .disclosureRecorded]
        }
    }

    /// Those of a check count only where it found something.
    var kindsThatFail: [AuditEventKind] { self == .trouble ? [.storeVerified, .auditVerified] : [] }
}

/// What happened in a week that somebody signs for.
public struct WeekActivity: Sendable {
    public struct Line: Sendable {
        public let category: ActivityCategory
        /// Newest first.
        public let events: [LoggedEvent]
        /// How often it happened: one event can stand for many.
        public var count: Int { events.reduce(0) { $0 + $1.event.count } }
    }

    public let week: ActivityWeek
    public let lines: [Line]
    /// Alerts found in the week, and what became of them so far.
    public let alerts: [AlertRecord]
    /// SHA-256, in hex, of ``text``: what a signature is for.
    public let hash: String

    /// Accounts of people that the week's events or alerts are of or about.
    public let subjects: Set<String>

    init(_ week: ActivityWeek, _ lines: [Line], _ alerts: [AlertRecord]) {
        (self.week, self.lines) = (week, lines)
        self.alerts = alerts.sorted { ($0.alert.time, $0.alert.id) < ($1.alert.time, $1.alert.id) }
        let events = lines.flatMap(\.events)
        let named = events.flatMap { [$0.event.actor?.id, $0.event.subject] } + alerts.map(\.alert.actor)
        subjects = Set(named.compactMap { $0 }.filter { $0.hasPrefix("person/") })
        hash = hex(sha256(Array(Self.text(week, lines, self.alerts).utf8)).bytes)
    }

    /// One line for each category: how many, and a hash over the events' places and leaves; one for the alerts.
    public var text: String { Self.text(week, lines, alerts) }

    private static func text(_ week: ActivityWeek, _ lines: [Line], _ alerts: [AlertRecord]) -> String {
        var text = "ward/activity-review/1\nweek \(week.text)\n"
        for line in lines {
            let places = line.events.map { "\($0.index) \($0.leafHash.map { hex($0.bytes) } ?? "-")\n" }.joined()
            text += "\(line.category.rawValue) \(line.count) \(digest(places))\n"
        }
        let states = alerts.map { "\($0.alert.id) \($0.state.rawValue)\n" }.joined()
        return text + "alerts \(alerts.count) \(digest(states))\n"
    }

    private static func digest(_ text: String) -> String { hex(sha256(Array(text.utf8)).bytes) }
}
