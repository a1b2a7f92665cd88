public import WardAudit
public import WardCore
public import WardWatch

/// What a privacy officer has to keep an eye on beside alerts: the weekly review, and how far the log is provable.
public struct Oversight: Sendable {
    let reviews: ActivityReviews
    let log: AuditLog
    let lastVerified: @Sendable () -> Instant?

    /// - Parameter lastVerified: when everything stored was held against the log last; nil for never.
    public init(reviews: ActivityReviews, log: AuditLog, lastVerified: @escaping @Sendable () -> Instant?) {
        self.reviews = reviews
        self.log = log
        self.lastVerified = lastVerified
    }
}
