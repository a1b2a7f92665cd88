public import WardAudit
public import WardCore
import WardPolicy

/// Who may end whose sessions: everybody their own, officers those of others.
extension People {
    /// Ends a session of the person that `token` belongs to.
    ///
    /// - Parameter number: nil for the session of `token` itself.
    /// - Throws: ``IdentityFailure/sessionEnded`` also for sessions of others.
    public func endOwnSession(
        _ number: String? = nil, sessionToken token: String, because ending: Sessions.Ending, source: RequestSource,
        at now: Instant = .now()
    ) async throws(IdentityFailure) {
        let (session, person) = try holder(of: token, at: now)
        try await sessions.end(
            number: number ?? session.number, person: person, because: ending, by: person.actor, source: source)
    }

    /// Ends every session of the person that `token` belongs to, but that one.
    public func endOtherSessions(
        sessionToken token: String, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) {
        let (session, person) = try holder(of: token, at: now)
        try await sessions.endAll(
            of: person, but: session.number, because: .byPerson, by: person.actor, source: source)
    }

    private func holder(of token: String, at now: Instant) throws(IdentityFailure) -> (Session, Person) {
        guard let session = sessions.session(token, at: now), let person = directory.person(session.person) else {
            throw .sessionEnded
        }
        return (session, person)
    }

    // MARK: Those of others

    /// Everybody's sessions, for whoever policy lets manage them; newest first.
    public func allSessions(
        by principal: Principal, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) -> [Session] {
        try await directory.require(.manageSessions, of: principal, needsFreshness: false, source: source, at: now)
        return sessions.list(at: now)
    }

    /// Ends one session of somebody, or all of them; the next request with it is refused.
    ///
    /// - Parameter number: nil for all.
    public func endSessions(
        of id: String, number: String? = nil, by principal: Principal, source: RequestSource,
        at now: Instant = .now()
    ) async throws(IdentityFailure) {
        let officer = try await directory.require(.manageSessions, of: principal, source: source, at: now)
        try await endSessions(of: id, number: number, byOperator: officer.actor, source: source, at: now)
    }

    /// Ends sessions at the machine itself.
    public func endSessions(
        of id: String, number: String? = nil, byOperator actor: AuditActor, source: RequestSource,
        at now: Instant = .now()
    ) async throws(IdentityFailure) {
        guard let person = directory.person(id) else { throw .unknownPerson }
        if let number {
            try await sessions.end(
                number: number, person: person, because: .byOfficer, by: actor, source: source)
        } else {
            try await endEverything(
                of: person, because: .byOfficer, apps: "sessions-ended", by: actor, source: source, at: now)
        }
    }

    /// Ends every session of somebody, and what they allowed apps for longer than a session.
    ///
    /// Both end in memory before anything is written; only then it throws what the log could not take.
    func endEverything(
        of person: Person, because ending: Sessions.Ending, apps reason: String, by actor: AuditActor,
        source: RequestSource, at now: Instant
    ) async throws(IdentityFailure) {
        var grants = oauth.takeAll(of: person.id)
        var failure: IdentityFailure?
        do throws(IdentityFailure) {
            try await sessions.endAll(of: person, because: ending, by: actor, source: source)
        } catch {
            failure = error
        }
        // What an app was still given while the sessions were there.
        grants += oauth.takeAll(of: person.id)
        do throws(IdentityFailure) {
            try await oauth.end(grants, because: reason, source: source, at: now)
        } catch {
            failure = failure ?? error
        }
        if let failure { throw failure }
    }
}
