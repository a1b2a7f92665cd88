import Synchronization
import WardAudit
public import WardCore
import WardCrypto
import WardStorage

/// The sessions of people: opaque tokens, of which only hashes are kept; judged by the server's clock alone.
public final class Sessions: Sendable {
    /// What a token turned out to be.
    public enum Standing: Sendable {
        case active(Session)
        /// Idle too long, or the server was started anew: the person proves who they are and goes on.
        case locked(Session)
        /// Unknown, ended, at its absolute limit.
        case none
    }

    /// Why a session changed, as the log says it.
    public enum Ending: String, Sendable {
        case absoluteLimit = "absolute-limit"
        case accountChanged = "account-changed"
        case byOfficer = "by-officer"
        case byPerson = "by-person"
        case signedOut = "signed-out"
    }

    private let state: Mutex<SessionTable>
    private let vault: EntryVault
    private let log: AuditLog
    private let ends: UnfinishedEnds
    private let parked: ParkedForms

    init(
        vault: EntryVault, log: AuditLog, ends: UnfinishedEnds, parked: ParkedForms
    ) throws(IdentityFailure) {
        self.vault = vault
        self.log = log
        self.ends = ends
        self.parked = parked
        var sessions = SessionTable()
        for bytes in try vault.all(.session) {
            guard let session = Session(decoding: bytes) else { throw .storage }
            sessions[session.digest] = session
        }
        state = Mutex(sessions)
    }

    // MARK: Judging

    /// What `token` is at `now`.
    ///
    /// - Parameter isActivity: whether a person did this; polling by a page is not activity.
    public func standing(of token: String, at now: Instant, isActivity: Bool) -> Standing {
        let digest = Self.digest(token)
        return state.withLock { sessions in
            guard var session = sessions[digest], session.ends > now else { return .none }
            session.isLocked = session.isLocked(at: now)
            if !session.isLocked, isActivity { session.lastActive = max(now, session.lastActive) }
            sessions[digest] = session
            return session.isLocked ? .locked(session) : .active(session)
        }
    }

    /// Everybody's sessions, or those of one person; newest first.
    public func list(person: String? = nil, at now: Instant) -> [Session] {
        state.withLock { sessions in
            sessions.values.filter { $0.ends > now && (person == nil || $0.person == person) }
        }.sorted { $0.created > $1.created }
    }

    /// The live session of `token`, locked or not.
    func session(_ token: String, at now: Instant) -> Session? {
        state.withLock { $0[Self.digest(token)] }.flatMap { $0.ends > now ? $0 : nil }
    }

    /// Whether a session of this number goes on, locked or not.
    func isThere(_ number: String, at now: Instant) -> Bool {
        state.withLock { $0.all(number).contains { $0.ends > now } }
    }

    /// Whether somebody's session of this number goes on, and whether it is locked; nil if it does not.
    func isLocked(_ number: String, of person: String, at now: Instant) -> Bool? {
        let held = state.withLock { $0.all(number) }.filter { $0.person == person && $0.ends > now }
        return held.isEmpty ? nil : held.allSatisfy { $0.isLocked(at: now) }
    }

    // MARK: Changing

    /// Starts a session; the event is durable before there is a token.
    func start(
        for person: Person, method: SignInMethod, device: String, mark: DeviceMark, source: RequestSource,
        with others: [EntryWrite] = [], at now: Instant
    ) async throws(IdentityFailure) -> String {
        let token = base64URL(randomBytes(32))
        let session = Session(
            number: hex(randomBytes(6)), digest: Self.digest(token), person: person.id, created: now, lastActive: now,
            authenticated: now, address: source.address, device: device, mark: mark.id, isLocked: false)
        var event = event(.signedIn, person, session, source, now, decision: method.rawValue)
        event.isNewDevice = mark.isNew
        try await write(event, put: [session], remove: [], with: others)
        return token
    }

    /// Gives a session a new token after a fresh proof of two factors: at unlocking and at step-up.
    func renew(
        _ token: String, for person: Person, method: SignInMethod, source: RequestSource,
        with others: [EntryWrite] = [], at now: Instant
    ) async throws(IdentityFailure) -> String {
        let old = Self.digest(token)
        guard let session = state.withLock({ $0[old] }), session.person == person.id, session.ends > now else {
            throw .sessionEnded
        }
        let fresh = base64URL(randomBytes(32))
        var renewed = Session(
            number: session.number, digest: Self.digest(fresh), person: session.person, created: session.created,
            lastActive: now, authenticated: now, address: session.address, device: session.device, mark: session.mark,
            isLocked: false)
        renewed.earlier = Array(([People.formDigest(token)] + session.earlier).prefix(8))
        try await write(
            event(
                session.isLocked ? .sessionUnlocked : .steppedUp, person, session, source, now,
                decision: method.rawValue),
            put: [renewed], remove: [session], with: others)
        // Ended while it was being renewed: the end counts.
        guard state.withLock({ $0[renewed.digest] != nil }) else {
            try await end([renewed], person: person, because: .accountChanged, by: person.actor, source: source)
            throw .sessionEnded
        }
        return fresh
    }

    /// Locks a session at the person's wish.
    public func lock(_ token: String) {
        state.withLock { $0[Self.digest(token)]?.isLocked = true }
    }

    /// Ends one session.
    func end(
        number: String, person: Person, because ending: Ending, by actor: AuditActor, source: RequestSource
    ) async throws(IdentityFailure) {
        // Two proofs at the same moment may have given one session two tokens; both end.
        let found = state.withLock { sessions in
            sessions.all(number).filter { $0.person == person.id }
        }
        guard !found.isEmpty else { throw .sessionEnded }
        try await end(found, person: person, because: ending, by: actor, source: source)
    }

    /// Ends every session of a person but one.
    func endAll(
        of person: Person, but kept: String? = nil, because ending: Ending, by actor: AuditActor, source: RequestSource
    ) async throws(IdentityFailure) {
        let found = state.withLock { sessions in
            sessions.values.filter { $0.person == person.id && $0.number != kept }
        }
        guard !found.isEmpty else { return }
        try await end(found, person: person, because: ending, by: actor, source: source)
    }

    /// Forgets what is past its absolute limit.
    public func sweep(at now: Instant, person: (String) -> Person?) async {
        let past = state.withLock { sessions in sessions.values.filter { $0.ends <= now } }
        for session in past {
            guard let person = person(session.person) else { continue }
            try? await end([session], person: person, because: .absoluteLimit, by: person.actor, source: .system)
        }
    }

    /// Forgets sessions whose entries are not in the store any more.
    func forget(_ ids: Set<Locator>) {
        state.withLock { state in
            for session in Array(state.values) where ids.contains(vault.locator(.session, session.digest.bytes)) {
                state[session.digest] = nil
            }
        }
    }

    private func end(
        _ sessions: [Session], person: Person, because ending: Ending, by actor: AuditActor, source: RequestSource
    ) async throws(IdentityFailure) {
        // First in memory: whatever becomes of the log, nobody goes on with these.
        state.withLock { state in
            for session in sessions { state[session.digest] = nil }
        }
        var event = AuditEvent(
            kind: .sessionEnded, time: .now(), outcome: .success, actor: actor, purpose: nil, source: source,
            decision: ending.rawValue, count: sessions.count)
        event.subject = "person/\(person.id)"
        event.session = sessions.count == 1 ? sessions.first?.number : nil
        let forms = parked.removals(ofSessions: Set(sessions.map(\.number)))
        try await ends.commit(
            event, sessions.map { .remove(vault.locator(.session, $0.digest.bytes), .session) } + forms)
    }

    private func event(
        _ kind: AuditEventKind, _ person: Person, _ session: Session, _ source: RequestSource, _ now: Instant,
        decision: String
    ) -> AuditEvent {
        var event = AuditEvent(
            kind: kind, time: now, outcome: .success, actor: person.actor, purpose: nil, source: source,
            decision: decision)
        event.session = session.number
        event.device = session.mark
        return event
    }

    private func write(
        _ event: AuditEvent, put: [Session], remove: [Session], with others: [EntryWrite]
    ) async throws(IdentityFailure) {
        var writes: [EntryWrite] = others + remove.map { .remove(vault.locator(.session, $0.digest.bytes), .session) }
        for session in put {
            writes.append(try vault.put(session.encoded(), .session, key: session.digest.bytes))
        }
        try await vault.commit(event, to: log, writes)
        state.withLock { state in
            let isThere = remove.allSatisfy { state[$0.digest] != nil }
            for session in remove { state[session.digest] = nil }
            if isThere { for session in put { state[session.digest] = session } }
        }
    }

    static func digest(_ token: String) -> Digest { sha256(Array("ward/session/1".utf8), Array(token.utf8)) }
}
