import Synchronization
import WardAudit
public import WardCore
import WardCrypto
import WardPolicy
import WardStorage

/// Apps that act for people: OAuth 2.1, OpenID Connect and SMART App Launch 2.2.
///
/// Access tokens, codes and launches live in memory as hashes; what people allowed for longer than a session is sealed
/// in the store. Every look at a token asks anew who the person is, whether the app is still wanted and the session
/// still open: an end takes effect with the next request.
public final class OAuth: Sendable {
    /// An access token that is good.
    struct Access: Sendable {
        let grant: String
        let scopes: [String]
        /// Thumbprint of the key that must sign each request; nil for a bearer token.
        let key: String?
        let issued: Instant
        let expires: Instant
    }

    struct State {
        var pending: [String: Pending] = [:]
        var codes: [Digest: Code] = [:]
        var launches: [Digest: Launch] = [:]
        var grants: [String: AppGrant] = [:]
        var tokens: [Digest: Access] = [:]
        /// Client assertions seen, until they expire.
        var assertions: [String: Instant] = [:]
        /// When the log was last told that a grant's session is locked.
        var toldLocked: [String: Instant] = [:]

        /// Those that somebody who is signed in looks at go last.
        mutating func dropOldestPending(where isMeant: (Pending) -> Bool) {
            let oldest = pending.filter { isMeant($0.value) }.min { left, right in
                let (isLeft, isRight) = (left.value.person != nil, right.value.person != nil)
                return isLeft == isRight ? left.value.created < right.value.created : isRight
            }
            if let oldest { pending[oldest.key] = nil }
        }

        /// Keeps an access token, and of all of its grant the newest few.
        mutating func keep(_ access: Access, as token: Digest) {
            let others = tokens.filter { $0.value.grant == access.grant }
            if others.count >= AppGrant.mostTokens,
                let oldest = others.min(by: { $0.value.issued < $1.value.issued })
            {
                tokens[oldest.key] = nil
            }
            tokens[token] = access
        }
    }

    public let apps: Apps
    let state: Mutex<State>
    let directory: Directory
    let sessions: Sessions
    let vault: EntryVault
    let log: AuditLog
    let proofs: DPoPProofs
    let idTokens: IDTokenKey
    let ends: UnfinishedEnds
    let started: Instant

    init(
        vault: EntryVault, log: AuditLog, material: KeyMaterial, directory: Directory, sessions: Sessions,
        ends: UnfinishedEnds, started: Instant
    ) throws(IdentityFailure) {
        apps = try Apps(vault: vault, log: log)
        var state = State()
        for bytes in try vault.all(.appGrant) {
            guard let grant = AppGrant(decoding: bytes) else { throw .storage }
            state.grants[grant.id] = grant
        }
        self.state = Mutex(state)
        self.directory = directory
        self.sessions = sessions
        self.vault = vault
        self.log = log
        self.started = started
        self.ends = ends
        proofs = DPoPProofs(started: started)
        idTokens = IDTokenKey(material.derived("ward/oauth/1"))
    }

    // MARK: Who is asking

    /// What an access token turned out to be.
    public enum TokenStanding: Sendable {
        case good(Principal)
        /// Good again once the person unlocks the session that the app acts in.
        case locked(LockedApp)
        /// Unknown, expired, ended, or bound to a key that did not sign.
        case none
    }

    /// Judges an access token; an app's requests are no activity of the person.
    ///
    /// - Parameter request: the request with its proof; nil if the token came as a bearer token.
    public func standing(token: Substring, proven request: DPoPRequest?, at now: Instant) -> TokenStanding {
        let digest = Self.digest(token)
        guard let (access, grant) = live(digest, at: now), let held = judged(grant, at: now) else {
            return .none
        }
        switch (access.key, request) {
        case (nil, nil): break
        case (let key?, let request?):
            guard
                let shown = try? proofs.thumbprint(request, token: String(token), expecting: key, at: now), shown == key
            else { return .none }
        // A bound token is worth nothing by itself; an unbound one is not made better by a proof.
        default: return .none
        }
        guard !held.isLocked else { return .locked(LockedApp(grant: grant)) }
        let principal = Principal(
            app: held.app, for: held.person, grant: grant, scopes: AskedScopes(texts: access.scopes).scopes,
            expires: access.expires)
        return principal.map { .good($0) } ?? .none
    }

    func live(_ token: Digest, at now: Instant) -> (Access, AppGrant)? {
        state.withLock { state in
            guard let access = state.tokens[token], access.expires > now,
                access.expires <= now.adding(seconds: AppGrant.tokenLifetime + Self.clockLeeway),
                let grant = state.grants[access.grant]
            else {
                return nil
            }
            return (access, grant)
        }
    }

    /// App and person of a grant that still holds: judged by what they are now.
    func standing(of grant: AppGrant, at now: Instant) -> (App, Person)? {
        judged(grant, at: now).map { ($0.app, $0.person) }
    }

    /// The same, and whether it rests because its session is locked; one that may go on after sign-out never does.
    func judged(_ grant: AppGrant, at now: Instant) -> (app: App, person: Person, isLocked: Bool)? {
        guard
            let app = apps.approved(grant.app), let person = directory.person(grant.person), person.isActive(at: now),
            !person.roles.isEmpty, Set(person.roles.map(\.rawValue)) == Set(grant.roles),
            grant.created.adding(seconds: AppGrant.offlineLifetime) > now,
            grant.created <= now.adding(seconds: Self.clockLeeway)
        else { return nil }
        if let patient = grant.patient, Self.isOutside(person), !person.patients.contains(patient) { return nil }
        if grant.isOffline { return (app, person, isLocked: false) }
        guard let isLocked = sessions.isLocked(grant.session, of: person.id, at: now) else { return nil }
        return (app, person, isLocked)
    }

    /// Whether somebody is no member of the clinic: their patients are given by their account.
    static func isOutside(_ person: Person) -> Bool {
        person.roles.allSatisfy { $0 == .patient || $0 == .proxy }
    }

    func isOpen(_ session: String, of person: Person, at now: Instant) -> Bool {
        sessions.isLocked(session, of: person.id, at: now) != nil
    }

    /// Seconds that a clock may be set back before what it dated counts as from the future.
    static let clockLeeway: Int64 = 60

    static func digest(_ token: some StringProtocol) -> Digest { sha256(Array("ward/oauth/1".utf8), Array(token.utf8)) }

    /// 256 random bits.
    static func secret() -> String { base64URL(randomBytes(32)) }

    // MARK: Ends

    /// Ends a grant and every token that came of it; first in memory, then durably.
    func revoke(
        _ id: String, because reason: String, source: RequestSource, at now: Instant
    ) async throws(OAuthFailure) {
        let found = state.withLock { state in
            state.tokens = state.tokens.filter { $0.value.grant != id }
            return state.grants.removeValue(forKey: id)
        }
        guard let grant = found else { return }
        let event = event(.tokenRevoked, grant, source: source, at: now, decision: reason)
        do throws(IdentityFailure) {
            try await ends.commit(event, [removal(of: grant.id)])
        } catch {
            throw .auditUnavailable
        }
    }

    func removal(of grant: String) -> EntryWrite {
        .remove(vault.locator(.appGrant, Array(grant.utf8)), .appGrant)
    }

    /// Forgets what is past its time, and ends what no longer holds.
    func sweep(at now: Instant) async {
        await apps.sweep(at: now)
        let grants = state.withLock { state in
            state.tokens = state.tokens.filter { $0.value.expires > now }
            state.pending = state.pending.filter { $0.value.expires > now }
            state.launches = state.launches.filter { $0.value.expires > now }
            state.codes = state.codes.filter { $0.value.expires.adding(seconds: Code.memory) > now }
            state.assertions = state.assertions.filter { $0.value > now }
            state.toldLocked = state.toldLocked.filter { state.grants[$0.key] != nil }
            return Array(state.grants.values)
        }
        for grant in grants where standing(of: grant, at: now) == nil {
            try? await revoke(grant.id, because: "ended", source: .system, at: now)
        }
    }

    // MARK: The log

    func event(
        _ kind: AuditEventKind, _ grant: AppGrant, source: RequestSource, at now: Instant, decision: String
    ) -> AuditEvent {
        let person = directory.person(grant.person)
        let app = apps.app(grant.app)?.label ?? "app/\(grant.app)"
        let actor = AuditActor(
            id: "person/\(grant.person)", name: person?.displayName ?? "", role: grant.roles.joined(separator: " "),
            app: app)
        var event = AuditEvent(
            kind: kind, time: now, outcome: .success, actor: actor, purpose: nil, source: source, decision: decision)
        event.subject = "app/\(grant.app)"
        event.session = grant.session
        if let patient = grant.patient { event.patients = [patient] }
        return event
    }
}
