public import WardAudit
public import WardCore
import Synchronization

/// An app that somebody allowed to act for them, as they see it.
public struct AllowedApp: Sendable {
    public let id: String
    public let name: String
    public let scopes: [String]
    public let since: Instant
    /// Whether it goes on when they are signed out.
    public let isOffline: Bool
}

extension OAuth {
    /// What a person has allowed and what still holds; newest first.
    public func allowed(by person: String, at now: Instant = .now()) -> [AllowedApp] {
        let grants = state.withLock { $0.grants.values.filter { $0.person == person } }
        return grants.compactMap { grant in
            guard let (app, _) = standing(of: grant, at: now) else { return nil }
            return AllowedApp(
                id: grant.id, name: app.name, scopes: grant.scopes, since: grant.created, isOffline: grant.isOffline)
        }.sorted { $0.since > $1.since }
    }

    /// Ends everything that a person has allowed to any app.
    func endAll(
        of person: String, because reason: String, source: RequestSource, at now: Instant
    ) async throws(OAuthFailure) {
        let grants = state.withLock { $0.grants.values.filter { $0.person == person }.map(\.id) }
        for grant in grants { try await revoke(grant, because: reason, source: source, at: now) }
    }

    /// Takes back what a person allowed; every token that came of it ends at once.
    public func end(
        _ id: String, by principal: Principal, source: RequestSource, at now: Instant = .now()
    ) async throws(OAuthFailure) {
        guard principal.app == nil, state.withLock({ $0.grants[id]?.person == principal.id }) else { throw .notThere }
        try await revoke(id, because: "ended-by-person", source: source, at: now)
    }
}
