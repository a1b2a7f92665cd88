import WardCore
import WardWatch
import WatchSimulator

/// What an alert says, as far as it is scored.
struct Claim {
    let rule: String
    let actor: String?
    let patient: String?
    let time: Instant
    /// Places in the log, ascending.
    let events: [Int64]
    var text = ""
}

/// How one simulated clinic was watched.
struct Score {
    struct Found {
        let incident: Incident
        /// The first alert that names it; nil for one that was missed.
        var at: Instant?

        var minutes: Double? { at.map { max(0, Double($0.microseconds - incident.first.microseconds) / 60_000_000) } }
        /// Events of the incident up to the alert, that one included.
        var seen: Int? { at.map { at in incident.events.count { $0.time <= at } } }
    }

    var found: [Found]
    var right = 0
    var wrong: [Claim] = []
    /// Alerts before the first incident may be: learning counts for nothing.
    var early = 0
    var days = 0

    static let grace: Int64 = 24 * 3600

    /// - Parameter learned: from when on alerts count.
    init(_ claims: [Claim], against incidents: [Incident], learned: Instant, days: Int) {
        let incidents = incidents.filter { !$0.events.isEmpty }
        let labels = incidents.map { Set($0.events.map(\.index)) }
        found = incidents.map { Found(incident: $0) }
        self.days = days
        for claim in claims.sorted(by: { $0.time < $1.time }) {
            if claim.time < learned {
                early += 1
                continue
            }
            var isRight = false
            for (place, incident) in incidents.enumerated()
            where Self.matches(claim, incident, labels[place]) {
                isRight = true
                if found[place].at == nil { found[place].at = claim.time }
            }
            if isRight { right += 1 } else { wrong.append(claim) }
        }
    }

    /// An alert finds an incident when it comes within its time or a day later, names its actor (or nobody), and names
    /// somebody looked at or cites an event of the incident. One that cites nothing finds what is about many patients.
    private static func matches(_ claim: Claim, _ incident: Incident, _ labels: Set<Int64>) -> Bool {
        guard claim.time >= incident.first, claim.time <= incident.last.adding(seconds: grace) else { return false }
        let cites = claim.events.contains { labels.contains($0) }
        guard let actor = claim.actor else { return cites }
        guard actor == incident.actor else { return false }
        if cites { return true }
        if let patient = claim.patient { return incident.patients.contains(patient) }
        return claim.events.isEmpty && !incident.kind.isAboutPatient
    }
}

/// The scores of several clinics, as they are printed.
struct Summary {
    struct Row {
        let name: String
        let incidents: Int
        let found: Int
        let minutes: [Double]
        let events: [Double]

        var recall: Double { incidents == 0 ? 0 : Double(found) / Double(incidents) }
    }

    let rows: [Row]
    let all: Row
    let precision: Double
    let falsePerDay: Double
    let worst: Double
    let alerts: Int
    let earlyPerSeed: Double

    init(_ scores: [Score]) {
        let found = scores.flatMap(\.found)
        rows = SnoopingKind.allCases.map { kind in
            Self.row(kind.rawValue, found.filter { $0.incident.kind == kind })
        }
        all = Self.row("all", found)
        let (right, wrong) = (scores.reduce(0) { $0 + $1.right }, scores.reduce(0) { $0 + $1.wrong.count })
        let days = scores.reduce(0) { $0 + $1.days }
        alerts = right + wrong
        precision = alerts == 0 ? 0 : Double(right) / Double(alerts)
        falsePerDay = days == 0 ? 0 : Double(wrong) / Double(days)
        worst = scores.map { Double($0.wrong.count) / Double(max(1, $0.days)) }.max() ?? 0
        earlyPerSeed = scores.isEmpty ? 0 : Double(scores.reduce(0) { $0 + $1.early }) / Double(scores.count)
    }

    private static func row(_ name: String, _ found: [Score.Found]) -> Row {
        Row(
            name: name, incidents: found.count, found: found.count { $0.at != nil },
            minutes: found.compactMap(\.minutes).sorted(),
            events: found.compactMap { $0.seen.map(Double.init) }.sorted())
    }

    /// Wilson's interval of a share, for 95 %.
    static func interval(_ part: Int, of whole: Int) -> (low: Double, high: Double) {
        guard whole > 0 else { return (0, 1) }
        let (count, share, z) = (Double(whole), Double(part) / Double(whole), 1.96)
        let middle = share + z * z / (2 * count)
        let spread = z * (share * (1 - share) / count + z * z / (4 * count * count)).squareRoot()
        let scale = 1 + z * z / count
        return ((middle - spread) / scale, min(1, (middle + spread) / scale))
    }

    /// Of sorted numbers; nil of none.
    static func quantile(_ sorted: [Double], _ share: Double) -> Double? {
        sorted.isEmpty ? nil : sorted[min(sorted.count - 1, Int((Double(sorted.count) * share).rounded(.down)))]
    }
}
