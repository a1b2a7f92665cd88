public import WardCore

/// An odd access: what, compared with what, and the events that show it.
public struct Alert: Hashable, Sendable {
    /// The same events give the same id, so that an event judged again after a crash does not alert twice.
    public let id: String
    public let rule: WatchRule
    /// As the log names accounts; nil where nobody is known.
    public let actor: String?
    /// Logical id; nil where it is about no one patient.
    public let patient: String?
    public let severity: WatchSeverity
    /// When it was found: the time of the event that decided it.
    public let time: Instant
    public let explanation: [WatchFinding]
    /// Places in the log, ascending.
    public let events: [Int64]

    public init(
        id: String, rule: WatchRule, actor: String?, patient: String?, severity: WatchSeverity, time: Instant,
        explanation: [WatchFinding], events: [Int64]
    ) {
        self.id = id
        self.rule = rule
        self.actor = actor
        self.patient = patient
        self.severity = severity
        self.time = time
        self.explanation = explanation
        self.events = events
    }
}
