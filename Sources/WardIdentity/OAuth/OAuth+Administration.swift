public import WardAudit
public import WardCore
import WardPolicy

extension OAuth {
    /// Lets an app ask people for leave.
    ///
    /// - Throws: ``IdentityFailure/notPermitted``, ``IdentityFailure/stepUpNeeded``, ``IdentityFailure/unknownClient``.
    public func approve(
        _ id: String, by principal: Principal, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) {
        try await directory.require(.administer, of: principal, source: source, at: now)
        try await apps.approve(id, byOperator: principal.actor, source: source, at: now)
    }

    /// Ends an app: whatever it holds is worth nothing from then on.
    public func remove(
        _ id: String, by principal: Principal, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) {
        try await directory.require(.administer, of: principal, source: source, at: now)
        try await apps.remove(id, byOperator: principal.actor, source: source, at: now)
    }
}
