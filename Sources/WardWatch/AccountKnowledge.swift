/// What is known of one account.
struct AccountKnowledge: Sendable {
    /// A network or a device, as long as it was seen.
    struct Seen: Hashable, Sendable {
        var first: Double
        var last: Double
    }

    /// A patient who was looked at before without an explanation; or a session.
    struct Visit: Hashable, Sendable {
        var last: Double
        var days: Double
    }

    /// Something of the last minutes, with its place in the log.
    struct Recent: Hashable, Sendable {
        let day: Double
        let key: UInt64
        let count: Double
        let index: Int64
    }

    static let hourCount = 168
    static let mostSeen = 24
    static let mostVisits = 400
    static let mostRecent = 400
    static let mostPatients = 4000

    var role = ""
    var first: Double = 0
    var last: Double = 0
    /// The day that is being counted.
    var today: Double = 0
    var activeDays: Double = 0
    /// Work by hour of the week; fades with each active day.
    var hours = [Double](repeating: 0, count: hourCount)
    /// Looks that had time to explain themselves.
    var counts = LookCounts()
    /// Patients that a search by name showed in the last minutes.
    var listed: [UInt64: Double] = [:]
    /// Patients looked at today; and those of them without a relationship.
    var patients: Set<UInt64> = []
    var strangers: Set<UInt64> = []
    var allOfDay = Volume()
    var strangersOfDay = Volume()
    /// Of unexplained looks that were not looked up, and of those that were.
    var drifts = [Drift(), Drift()]
    /// Alerts of single looks today: of many, a burst tells.
    var looksAlerted: Double = 0
    /// The most unrelated patients within an hour.
    var mostOfHour: Double = 0
    var hour: [Recent] = []
    var networks: [UInt64: Seen] = [:]
    var devices: [UInt64: Seen] = [:]
    /// Sessions, with what their start had of odd.
    var arrivals: [UInt64: Visit] = [:]
    var visits: [UInt64: Visit] = [:]
    /// When something was last written for a patient.
    var written: [UInt64: Double] = [:]
    var misses: [Recent] = []
    var trail: [Recent] = []
    var failures: [Recent] = []
    /// When emergencies were declared, within a day.
    var emergencies: [Double] = []
    /// The network in use, and the one before it, when that was last in use.
    var network: UInt64 = 0
    var otherNetwork: UInt64 = 0
    var otherLast: Double = 0
    /// The session that was last in use from the other network.
    var otherSession: UInt64 = 0
    var session: UInt64 = 0
    var exportMost: Double = 0
    var exports: Double = 0
    /// When the last part of an export left, and of whom until then.
    var exportDay: Double = 0
    var exported: Set<UInt64> = []
    /// When an alert of a rule, and of a rule and a patient, was last raised.
    var alerted: [UInt64: Double] = [:]

    /// Begins another day: yesterday's counts become what is usual.
    mutating func begin(_ day: Double, role: RoleKnowledge) {
        guard day > today else { return }
        if today > 0 {
            allOfDay.take(Double(patients.count))
            strangersOfDay.take(Double(strangers.count))
            for way in drifts.indices { drifts[way].begin(role.strange[way], way: way) }
            mostOfHour *= 0.99
            for hour in hours.indices { hours[hour] *= 0.98 }
        }
        activeDays += 1
        today = day
        patients = []
        strangers = []
        looksAlerted = 0
        listed = [:]
        visits = Self.newest(visits, Self.mostVisits) { $0.last }
        written = Self.newest(written, Self.mostVisits) { $0 }
        alerted = Self.newest(alerted, Self.mostVisits) { $0 }
        arrivals = Self.newest(arrivals, Self.mostSeen) { $0.last }
        networks = Self.newest(networks, Self.mostSeen) { $0.last }
        devices = Self.newest(devices, Self.mostSeen) { $0.last }
    }

    /// The share of work in an hour of the week, and in its neighbours, smoothed by what is usual in the role.
    func share(of hour: Int, _ role: RoleKnowledge) -> Double {
        func around(_ counts: [Double]) -> Double {
            let count = Self.hourCount
            return 0.5 * counts[hour] + 0.25 * (counts[(hour + 1) % count] + counts[(hour + count - 1) % count])
        }
        let own = hours.reduce(0, +)
        let peers = role.hours.reduce(0, +)
        let usual = (around(role.hours) + 2.0 / 168) / (peers + 2)
        return (around(hours) + 20 * usual) / (own + 20)
    }

    /// Keeps the newest of what may not grow without end.
    private static func newest<Value>(
        _ all: [UInt64: Value], _ most: Int, _ time: (Value) -> Double
    ) -> [UInt64: Value] {
        guard all.count > most else { return all }
        let kept = all.sorted { (time($0.value), $0.key) > (time($1.value), $1.key) }.prefix(most * 3 / 4)
        return Dictionary(uniqueKeysWithValues: kept.map { ($0.key, $0.value) })
    }
}

/// What is known of everybody in a role.
struct RoleKnowledge: Sendable {
    struct Usual: Hashable, Sendable {
        var most: Double
        var count: Double
        var days: Double
        var last: Double
    }

    var hours = [Double](repeating: 0, count: AccountKnowledge.hourCount)
    var hoursDay: Double = 0
    var counts = LookCounts()
    /// Exports of one kind: what left at most, on how many days, and the last of these.
    var exports: [UInt64: Usual] = [:]
    var allOfDay = Volume()
    var strangersOfDay = Volume()
    /// Unexplained looks of a day, not looked up and looked up.
    var strange = [Volume(), Volume()]
    var mostOfHour: Double = 0
}
