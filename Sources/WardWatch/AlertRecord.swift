public import WardCore

/// An alert and what became of it: the beginning of an incident, with a timeline that only grows.
public struct AlertRecord: Sendable {
    public enum State: String, CaseIterable, Sendable {
        case open, acknowledged, dismissed
        /// Somebody found that it is one (45 CFR 164.308(a)(6)).
        case incident
    }

    /// What somebody did about it.
    public enum Act: String, CaseIterable, Sendable {
        case acknowledge, dismiss, incident
        /// Ended the account's sessions and what it allowed apps.
        case suspend
    }

    /// Why it was dismissed; `expected` raises what the rule asks for.
    public enum Reason: String, CaseIterable, Sendable {
        case expected, training, mistake, other
    }

    /// One line of the timeline.
    public struct Answer: Sendable {
        /// As the log names accounts.
        public let who: String
        public let act: Act
        public let reason: Reason?
        public let text: PHI<String>
        public let time: Instant
    }

    public static let longestText = 2000

    public let alert: Alert
    /// First role of the account, when it was raised.
    public let role: String
    public internal(set) var answers: [Answer] = []

    public var state: State {
        for answer in answers.reversed() {
            switch answer.act {
            case .acknowledge: return .acknowledged
            case .dismiss: return .dismissed
            case .incident: return .incident
            case .suspend: continue
            }
        }
        return answers.isEmpty ? .open : .acknowledged
    }

    public var isDecided: Bool { state == .dismissed || state == .incident }
}

extension AlertRecord {
    func encoded() -> [UInt8] {
        var (coder, copy) = (KnowledgeCoder(), self)
        copy.walk(&coder)
        return coder.bytes
    }

    init?(decoding bytes: [UInt8]) {
        var coder = KnowledgeCoder(reading: bytes)
        self.init(
            alert: Alert(
                id: "", rule: .burst, actor: nil, patient: nil, severity: .low, time: Instant(microseconds: 0),
                explanation: [], events: []), role: "")
        walk(&coder)
        guard !coder.isDamaged, coder.isAtEnd else { return nil }
    }

    private mutating func walk(_ coder: inout KnowledgeCoder) {
        var (id, rule, severity) = (alert.id, alert.rule.rawValue, alert.severity.rawValue)
        var (actor, patient, role) = (alert.actor ?? "", alert.patient ?? "", role)
        var (time, findings, events) = (alert.time.microseconds, alert.explanation, alert.events)
        coder.text(&id)
        coder.text(&rule)
        coder.text(&severity)
        coder.text(&actor)
        coder.text(&patient)
        coder.text(&role)
        coder.number(&time)
        coder.list(&findings, empty: WatchFinding(.score)) { $1.walk(&$0) }
        coder.list(&events, empty: 0) { $0.number(&$1) }
        let known = (WatchRule(rawValue: rule), WatchSeverity(rawValue: severity))
        if known.0 == nil || known.1 == nil { coder.isDamaged = true }
        let answers = answers
        self = AlertRecord(
            alert: Alert(
                id: id, rule: known.0 ?? .burst, actor: actor.isEmpty ? nil : actor,
                patient: patient.isEmpty ? nil : patient, severity: known.1 ?? .low,
                time: Instant(microseconds: time), explanation: findings, events: events), role: role)
        self.answers = answers
        coder.list(&self.answers, empty: .empty) { $1.walk(&$0) }
    }
}

extension AlertRecord.Answer {
    fileprivate static let empty = Self(
        who: "", act: .acknowledge, reason: nil, text: PHI(""), time: Instant(microseconds: 0))

    fileprivate mutating func walk(_ coder: inout KnowledgeCoder) {
        var (who, act, reason, time) = (who, act.rawValue, reason?.rawValue ?? "", time.microseconds)
        var words = text.exposed { $0 }
        coder.text(&who)
        coder.text(&act)
        coder.text(&reason)
        coder.text(&words)
        coder.number(&time)
        let known = AlertRecord.Act(rawValue: act)
        if known == nil { coder.isDamaged = true }
        self = Self(
            who: who, act: known ?? .acknowledge, reason: AlertRecord.Reason(rawValue: reason), text: PHI(words),
            time: Instant(microseconds: time))
    }
}
