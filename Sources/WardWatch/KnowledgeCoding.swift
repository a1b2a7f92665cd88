/// Reads or writes, by the same walk over the same fields in the same order.
struct KnowledgeCoder {
    private(set) var bytes: [UInt8]
    private var place = 0
    let isReading: Bool
    var isDamaged = false

    init() {
        bytes = []
        isReading = false
    }

    init(reading bytes: [UInt8]) {
        self.bytes = bytes
        isReading = true
    }

    var isAtEnd: Bool { place == bytes.count }

    mutating func number(_ value: inout UInt64) {
        if !isReading {
            for shift in stride(from: 0, to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
            return
        }
        guard place + 8 <= bytes.count else { return isDamaged = true }
        value = (0..<8).reduce(0) { $0 | UInt64(bytes[place + $1]) << UInt64(8 * $1) }
        place += 8
    }

    mutating func number(_ value: inout Int64) {
        var raw = UInt64(bitPattern: value)
        number(&raw)
        value = Int64(bitPattern: raw)
    }

    mutating func number(_ value: inout Double) {
        var raw = value.bitPattern
        number(&raw)
        value = Double(bitPattern: raw)
    }

    mutating func flag(_ value: inout Bool) {
        var raw: UInt64 = value ? 1 : 0
        number(&raw)
        value = raw == 1
    }

    mutating func text(_ value: inout String) {
        var raw = Array(value.utf8)
        var count = UInt64(raw.count)
        number(&count)
        if !isReading { return bytes += raw }
        guard count <= UInt64(bytes.count - place) else { return isDamaged = true }
        raw = Array(bytes[place..<place + Int(count)])
        place += Int(count)
        value = String(decoding: raw, as: UTF8.self)
    }

    mutating func list<Value>(
        _ values: inout [Value], empty: Value, _ walk: (inout KnowledgeCoder, inout Value) -> Void
    ) {
        var count = UInt64(values.count)
        number(&count)
        if isReading {
            // Each takes at least eight bytes: a count that is made up costs nothing.
            guard count <= UInt64(bytes.count - place) / 8 else { return isDamaged = true }
            values = [Value](repeating: empty, count: Int(count))
        }
        for index in values.indices where !isDamaged { walk(&self, &values[index]) }
    }

    mutating func table<Key: Hashable & Comparable, Value>(
        _ values: inout [Key: Value], empty: (Key, Value), _ key: (inout KnowledgeCoder, inout Key) -> Void,
        _ value: (inout KnowledgeCoder, inout Value) -> Void
    ) {
        var pairs = values.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        list(&pairs, empty: empty) {
            key(&$0, &$1.0)
            value(&$0, &$1.1)
        }
        if isReading { values = Dictionary(pairs, uniquingKeysWith: { first, _ in first }) }
    }

    mutating func set(_ values: inout Set<UInt64>) {
        var sorted = values.sorted()
        list(&sorted, empty: 0) { $0.number(&$1) }
        if isReading { values = Set(sorted) }
    }

    mutating func numbers(_ values: inout [UInt64: Double]) {
        table(&values, empty: (0, 0), { $0.number(&$1) }, { $0.number(&$1) })
    }
}

extension WatchKnowledge {
    private static let format: UInt64 = 2

    /// All of it, to be sealed.
    public var encoded: [UInt8] {
        var (coder, copy) = (KnowledgeCoder(), self)
        var format = Self.format
        coder.number(&format)
        copy.walk(&coder)
        return coder.bytes
    }

    /// Reads what ``encoded`` wrote; nil if it is something else.
    public init?(decoding bytes: [UInt8]) {
        var coder = KnowledgeCoder(reading: bytes)
        var format: UInt64 = 0
        coder.number(&format)
        guard format == Self.format else { return nil }
        self.init()
        walk(&coder)
        guard !coder.isDamaged, coder.isAtEnd, scores.count == Self.scoreCount,
            accounts.values.allSatisfy({ $0.isWhole }),
            roles.values.allSatisfy({ $0.isWhole })
        else { return nil }
    }

    private mutating func walk(_ coder: inout KnowledgeCoder) {
        coder.number(&next)
        coder.list(&lessons, empty: WatchLesson(rule: .burst, subject: "", steps: 0)) { $1.walk(&$0) }
        for path in [\Self.first, \.now, \.scoreDays, \.scoreDay] { coder.number(&self[keyPath: path]) }
        coder.table(&accounts, empty: ("", AccountKnowledge()), { $0.text(&$1) }, { $1.walk(&$0) })
        coder.table(&roles, empty: ("", RoleKnowledge()), { $0.text(&$1) }, { $1.walk(&$0) })
        coder.table(&patients, empty: (0, PatientKnowledge()), { $0.number(&$1) }, { $1.walk(&$0) })
        coder.list(&pending, empty: PendingLook.empty) { $1.walk(&$0) }
        coder.table(
            &recent, empty: (0, []), { $0.number(&$1) },
            { $0.list(&$1, empty: RecentLook(actor: "", day: 0, score: 0, events: [])) { $1.walk(&$0) } })
        coder.number(&recentDay)
        coder.list(
            &emergencies, empty: PendingEmergency(actor: "", patient: "", day: 0, due: 0, index: 0, isTold: true)
        ) { $1.walk(&$0) }
        coder.list(&scores, empty: 0) { $0.number(&$1) }
        coder.table(
            &networks, empty: (0, []), { $0.number(&$1) }, { $0.list(&$1, empty: 0) { $0.number(&$1) } })
        coder.table(
            &failures, empty: (0, []), { $0.number(&$1) }, { $0.list(&$1, empty: .empty) { $1.walk(&$0) } })
        for path in [\Self.arrivals, \.newDevices, \.newNetworks, \.documented] { self[keyPath: path].walk(&coder) }
        coder.numbers(&alerted)
    }
}

extension WatchLesson {
    fileprivate mutating func walk(_ coder: inout KnowledgeCoder) {
        var (name, subject, steps) = (rule.rawValue, subject, Int64(steps))
        coder.text(&name)
        coder.text(&subject)
        coder.number(&steps)
        self = WatchLesson(
            rule: WatchRule(rawValue: name) ?? rule, subject: subject,
            steps: max(0, min(Int(clamping: steps), Self.most)))
    }
}

extension Fading {
    fileprivate mutating func walk(_ coder: inout KnowledgeCoder) {
        var (value, day) = (value, day)
        coder.number(&value)
        coder.number(&day)
        self = Fading(value: value, day: day)
    }
}

extension Volume {
    fileprivate mutating func walk(_ coder: inout KnowledgeCoder) {
        for path in [\Self.days, \.mean, \.variance, \.most] { coder.number(&self[keyPath: path]) }
    }
}

extension PatientKnowledge {
    fileprivate mutating func walk(_ coder: inout KnowledgeCoder) {
        coder.number(&last)
        coder.number(&lastDay)
        coder.number(&other)
        coder.number(&otherDay)
    }
}

extension AccountKnowledge.Recent {
    fileprivate static let empty = Self(day: 0, key: 0, count: 0, index: 0)

    fileprivate mutating func walk(_ coder: inout KnowledgeCoder) {
        var (day, key, count, index) = (day, key, count, index)
        coder.number(&day)
        coder.number(&key)
        coder.number(&count)
        coder.number(&index)
        self = Self(day: day, key: key, count: count, index: index)
    }
}

extension Drift {
    fileprivate mutating func walk(_ coder: inout KnowledgeCoder) {
        ofDay.walk(&coder)
        coder.number(&today)
        coder.number(&bits)
        coder.list(&events, empty: 0) { $0.number(&$1) }
    }
}

extension AccountKnowledge {
    fileprivate var isWhole: Bool { hours.count == Self.hourCount && counts.isWhole && drifts.count == 2 }

    fileprivate mutating func walk(_ coder: inout KnowledgeCoder) {
        coder.text(&role)
        let numbers = [
            \Self.first, \.last, \.today, \.activeDays, \.looksAlerted, \.mostOfHour,
            \.exportMost,
            \.exports, \.exportDay, \.otherLast,
        ]
        for path in numbers { coder.number(&self[keyPath: path]) }
        for path in [\Self.network, \.otherNetwork, \.otherSession, \.session] { coder.number(&self[keyPath: path]) }
        coder.list(&emergencies, empty: 0) { $0.number(&$1) }
        coder.list(&hours, empty: 0) { $0.number(&$1) }
        counts.walk(&coder)
        coder.numbers(&listed)
        coder.set(&patients)
        coder.set(&strangers)
        coder.set(&exported)
        for path in [\Self.allOfDay, \.strangersOfDay] { self[keyPath: path].walk(&coder) }
        coder.list(&drifts, empty: Drift()) { $1.walk(&$0) }
        for path in [\Self.hour, \.misses, \.trail, \.failures] {
            coder.list(&self[keyPath: path], empty: .empty) { $1.walk(&$0) }
        }
        for path in [\Self.networks, \.devices] {
            coder.table(
                &self[keyPath: path], empty: (0, Seen(first: 0, last: 0)), { $0.number(&$1) },
                {
                    $0.number(&$1.first)
                    $0.number(&$1.last)
                })
        }
        for path in [\Self.arrivals, \.visits] {
            coder.table(
                &self[keyPath: path], empty: (0, Visit(last: 0, days: 0)), { $0.number(&$1) },
                {
                    $0.number(&$1.last)
                    $0.number(&$1.days)
                })
        }
        coder.numbers(&written)
        coder.numbers(&alerted)
    }
}

extension RoleKnowledge {
    fileprivate var isWhole: Bool {
        hours.count == AccountKnowledge.hourCount && counts.isWhole && strange.count == 2
    }

    fileprivate mutating func walk(_ coder: inout KnowledgeCoder) {
        coder.list(&hours, empty: 0) { $0.number(&$1) }
        coder.number(&hoursDay)
        counts.walk(&coder)
        coder.table(&exports, empty: (0, Usual(most: 0, count: 0, days: 0, last: 0)), { $0.number(&$1) }) {
            for path in [\Usual.most, \.count, \.days, \.last] { $0.number(&$1[keyPath: path]) }
        }
        for path in [\Self.allOfDay, \.strangersOfDay] { self[keyPath: path].walk(&coder) }
        coder.list(&strange, empty: Volume()) { $1.walk(&$0) }
        coder.number(&mostOfHour)
    }
}

extension PendingLook {
    fileprivate static let empty = PendingLook(
        actor: "", patient: "", key: 0, day: 0, due: 0, isRelated: false, isLookedUp: false, basis: 0, findings: [],
        signs: [], surname: 0, silence: 0, events: [])

    fileprivate mutating func walk(_ coder: inout KnowledgeCoder) {
        coder.text(&actor)
        coder.text(&patient)
        coder.number(&key)
        for path in [\Self.day, \.due, \.basis, \.silence] { coder.number(&self[keyPath: path]) }
        coder.flag(&isRelated)
        coder.flag(&isLookedUp)
        coder.list(&findings, empty: WatchFinding(.score)) { $1.walk(&$0) }
        var numbers = signs.map { UInt64($0.rawValue) }
        coder.list(&numbers, empty: 0) { $0.number(&$1) }
        signs = numbers.compactMap { LookSign(rawValue: Int(clamping: $0)) }
        coder.number(&surname)
        coder.flag(&isMistake)
        coder.list(&events, empty: 0) { $0.number(&$1) }
    }
}

extension LookCounts {
    fileprivate var isWhole: Bool { contexts.count == LookContext.count && signs.count == LookSign.count }

    fileprivate mutating func walk(_ coder: inout KnowledgeCoder) {
        coder.list(&contexts, empty: 0) { $0.number(&$1) }
        coder.list(&signs, empty: 0) { $0.number(&$1) }
        for path in [\Self.looks, \.unexplained, \.day] { coder.number(&self[keyPath: path]) }
    }
}

extension PendingEmergency {
    fileprivate mutating func walk(_ coder: inout KnowledgeCoder) {
        coder.text(&actor)
        coder.text(&patient)
        coder.number(&day)
        coder.number(&due)
        coder.number(&index)
        coder.flag(&isTold)
    }
}

extension RecentLook {
    fileprivate mutating func walk(_ coder: inout KnowledgeCoder) {
        coder.text(&actor)
        coder.number(&day)
        coder.number(&score)
        coder.list(&events, empty: 0) { $0.number(&$1) }
    }
}

extension WatchFinding {
    mutating func walk(_ coder: inout KnowledgeCoder) {
        var (name, value, usual, weight) = (kind.rawValue, value, usual ?? .nan, weight ?? .nan)
        coder.text(&name)
        coder.number(&value)
        coder.number(&usual)
        coder.number(&weight)
        self = WatchFinding(
            Kind(rawValue: name) ?? kind, value, usual: usual.isNaN ? nil : usual,
            weight: weight.isNaN ? nil : weight)
    }
}
