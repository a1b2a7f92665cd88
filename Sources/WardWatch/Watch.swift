import Synchronization
public import WardAudit
public import WardCore

/// Finds odd access in the stream of the log, one event after the other.
///
/// Every rule can say why: each alert lists what was found and compared with what. Weak signs of one look are weighed
/// together, in bits: how much likelier each is of a curious look than of work, as counted in the role's own work.
public final class Watch: Sendable {
    private let facts: any WatchFacts
    private let settings: WatchSettings
    private let state: Mutex<WatchKnowledge>

    public init(
        facts: any WatchFacts, settings: WatchSettings = WatchSettings(), knowledge: WatchKnowledge = WatchKnowledge()
    ) {
        self.facts = facts
        self.settings = settings
        state = Mutex(knowledge)
    }

    /// Takes the next event of the log; returns the alerts it raises.
    ///
    /// An event below ``WatchKnowledge/next`` was judged before and is not judged again.
    public func take(_ logged: LoggedEvent) -> [Alert] {
        state.withLock { known in
            guard logged.index >= known.next else { return [] }
            known.next = logged.index + 1
            var judge = Judge(logged, facts: facts, settings: settings)
            judge.judge(&known)
            return judge.alerts
        }
    }

    /// Lets looks that had time to explain themselves be weighed, when no event comes for a while.
    public func pass(at time: Instant) -> [Alert] {
        state.withLock { known in
            let event = AuditEvent(
                kind: .start, time: time, outcome: .success, actor: nil, purpose: nil, source: .system, decision: "")
            var judge = Judge(LoggedEvent(index: known.next, event: event), facts: facts, settings: settings)
            judge.settle(&known)
            judge.settleEmergencies(&known)
            return judge.alerts
        }
    }

    /// Raises what the rule asks for, by one bounded step, of an account or a role whose alert was dismissed as expected.
    ///
    /// - Returns: false where nothing changed: the rule never learns, or has learnt as much as it may.
    @discardableResult
    public func learn(_ rule: WatchRule, of subject: String) -> Bool { state.withLock { $0.learn(rule, of: subject) } }

    /// What would be known after ``learn(_:of:)``; nil where that would change nothing.
    func knowledge(learning rule: WatchRule, of subject: String) -> WatchKnowledge? {
        var copy = knowledge
        return copy.learn(rule, of: subject) ? copy : nil
    }

    /// What is known by now, to be kept and given to another one.
    public var knowledge: WatchKnowledge { state.withLock { $0 } }

    /// The weight, in bits, from which a look is odd at present: it follows the budget.
    public var threshold: Double { state.withLock { $0.threshold(settings) } }
}
