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

    /// Takes everything that a person has allowed out of memory: none of its tokens is good from here on.
    func takeAll(of person: String) -> [AppGrant] {
        state.withLock { state in
            let grants = state.grants.filter { $0.value.person == person }
            guard !grants.isEmpty else { return [] }
            state.tokens = state.tokens.filter { grants[$0.value.grant] == nil }
            for id in grants.keys { state.grants[id] = nil }
            return Array(grants.values)
        }
    }

    /// Makes ends durable that hold in memory; tries all of them, then throws the first failure.
    func end(
        _ grants: [AppGrant], because reason: String, source: RequestSource, at now: Instant
    ) async throws(IdentityFailure) {
        var failure: IdentityFailure?
        for grant in grants {
            let event = event(.tokenRevoked, grant, source: source, at: now, decision: reason)
            do throws(IdentityFailure) {
                try await ends.commit(event, [removal(of: grant.id)])
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
    }

    /// Takes back what a person allowed; every token that came of it ends at once.
    public func end(
        _ id: String, by principal: Principal, source: RequestSource, at now: Instant = .now()
    ) async throws(OAuthFailure) {
        guard principal.app == nil, state.withLock({ $0.grants[id]?.person == principal.id }) else { throw .notThere }
        try await revoke(id, because: "ended-by-person", source: source, at: now)
    }
}
