import WardAudit

/// Trouble that the program itself puts into the log, and that somebody has to look at: it is not weighed, and nothing
/// is learnt of it.
extension Alert {
    /// The alert of an event that tells of trouble; nil for every other event.
    ///
    /// The same event gives the same id, so that one judged again after a crash is kept once.
    static func ofTrouble(_ logged: LoggedEvent) -> Alert? {
        let event = logged.event
        guard let trouble = trouble(event) else { return nil }
        return Alert(
            id: "\(logged.index)-\(trouble.rule.rawValue)", rule: trouble.rule, actor: nil, patient: nil,
            severity: .high, time: event.time, explanation: [trouble.finding], events: [logged.index])
    }

    private static func trouble(_ event: AuditEvent) -> (rule: WatchRule, finding: WatchFinding)? {
        switch event.kind {
        case .logInterrupted:
            (.logTrouble, WatchFinding(.logInterrupted, Double(seconds(of: event))))
        case .activityReviewOverdue: (.reviewOverdue, WatchFinding(.reviewOverdue))
        case .backupFailed: (.backupTrouble, WatchFinding(.backupFailed))
        case .postureRed:
            (.postureRed, WatchFinding(.postureRed, Double(event.decision.split(separator: ";").count)))
        default: nil
        }
    }

    /// `full; 42 seconds`.
    private static func seconds(of event: AuditEvent) -> Int64 {
        event.decision.split(separator: " ").dropFirst().first.flatMap { Int64($0) } ?? 0
    }
}
