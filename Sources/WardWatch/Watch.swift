internal import Synchronization
public import WardAudit

/// Finds odd access in the stream of the log, one event after the other.
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
        let event = logged.event
        let isNew = state.withLock { knowledge in
            guard logged.index >= knowledge.next else { return false }
            knowledge.next = logged.index + 1
            return true
        }
        guard isNew, let actor = event.actor?.id, facts.person(actor)?.isActive == false else { return [] }
        return [
            Alert(
                id: "\(WatchRule.terminatedAccount.rawValue)-\(logged.index)", rule: .terminatedAccount, actor: actor,
                patient: nil, severity: .high, time: event.time, explanation: [WatchFinding(.terminated)],
                events: [logged.index])
        ]
    }
}
