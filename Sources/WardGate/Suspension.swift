public import WardAudit
public import WardCore
import WardFHIR

/// An agency's request not to tell a patient of disclosures to it for a time (45 CFR 164.528(a)(2)).
public struct Suspension: Sendable {
    public let recipient: String
    public let until: Instant

    public static let decision = "suspend-until "

    public init?(_ event: AuditEvent) {
        guard event.kind == .accountingMade, event.outcome == .success, event.decision.hasPrefix(Self.decision),
            let recipient = event.recipient,
            let interval = FHIRDate.interval(event.decision.dropFirst(Self.decision.count))
        else { return nil }
        self.recipient = recipient
        // The whole of its last day.
        until = Instant(microseconds: interval.high)
    }
}

extension Suspension {
    /// Those that stand at `now`, of some events, newest first: the newest word on each recipient counts.
    public static func standing(_ events: [LoggedEvent], at now: Instant) -> [Suspension] {
        var newest: [String: Suspension] = [:]
        for logged in events {
            if let suspension = Suspension(logged.event), newest[suspension.recipient] == nil {
                newest[suspension.recipient] = suspension
            }
        }
        return newest.values.filter { $0.until > now }.sorted { $0.recipient < $1.recipient }
    }

    /// Whether a disclosure is one to this recipient.
    public func holds(_ event: AuditEvent) -> Bool {
        event.kind != .accountingMade && (event.recipient ?? event.actor?.name) == recipient
    }
}
