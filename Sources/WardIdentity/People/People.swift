import Synchronization
public import WardAudit
public import WardCore
public import WardCrypto
import WardFHIR
public import WardPolicy
public import WardStorage

/// How two factors were shown.
public enum SignInMethod: String, Sendable {
    case enrolment
    case passkey
    case password = "password-and-code"
}

/// The people of the clinic: who they are, how they prove it, where they are signed in.
///
/// Whoever comes through here has shown two factors; there is no way in with one.
public final class People: Sendable {
    public let directory: Directory
    public let sessions: Sessions
    /// Apps that act for people.
    public let oauth: OAuth
    public let emergencies: Emergencies
    public let accessReviews: AccessReviews
    /// Forms that came while their session was locked.
    public let parked: ParkedForms
    let ends: UnfinishedEnds
    let credentials: CredentialStore
    let links: EnrolmentLinks
    let recoveries: Recoveries
    let throttle: SignInThrottle
    let devices: DeviceMarks
    let hasher: PasswordHasher
    let challenges = PasskeyChallenges()
    let enrolments = Enrolments()
    let recoveryKey: MacKey
    let clinic: String
    let log: AuditLog
    let vault: EntryVault
    private let failures = Mutex<[Failure: Int]>([:])

    struct Failure: Hashable {
        let address: String
        /// Nil for names that nobody has.
        let person: String?
    }

    /// - Parameters:
    ///   - material: derived from the tenant key for identities alone.
    ///   - clinic: its name, for authenticator apps and the password check.
    ///   - policy: decides who may do what to people, sessions and emergencies.
    ///   - started: nothing is remembered of what apps signed before.
    public init(
        store: any SealedStore, material: KeyMaterial, log: AuditLog, clinic: String, policy: Policy = Policy(),
        hashing: Argon2id.Parameters = .standard, started: Instant = .now()
    ) throws(IdentityFailure) {
        vault = EntryVault(store: store, material: material)
        directory = try Directory(vault: vault, log: log, policy: policy)
        ends = UnfinishedEnds(vault: vault, log: log)
        parked = try ParkedForms(vault: vault, log: log)
        sessions = try Sessions(vault: vault, log: log, ends: ends, parked: parked)
        oauth = try OAuth(
            vault: vault, log: log, material: material, directory: directory, sessions: sessions, ends: ends,
            started: started)
        emergencies = try Emergencies(vault: vault, log: log, directory: directory)
        accessReviews = try AccessReviews(vault: vault, log: log, directory: directory)
        credentials = try CredentialStore(vault: vault)
        links = try EnrolmentLinks(vault: vault, log: log)
        recoveries = try Recoveries(vault: vault)
        throttle = SignInThrottle(key: MacKey(material.derived("ward/throttle/1")))
        devices = DeviceMarks(key: MacKey(material.derived("ward/device/1")))
        recoveryKey = MacKey(material.derived("ward/recovery/1"))
        hasher = PasswordHasher(hashing)
        self.clinic = clinic
        self.log = log
    }

    // MARK: Who is asking

    /// What the holder of a session token is.
    public enum Standing: Sendable {
        case active(Principal, Session)
        case locked(Person, Session)
        case none
    }

    /// Judges a session token.
    ///
    /// - Parameter isActivity: whether a person did this; a page's own polling is not activity.
    public func standing(of token: String, at now: Instant, isActivity: Bool) -> Standing {
        switch sessions.standing(of: token, at: now, isActivity: isActivity) {
        case .none: return .none
        case .locked(let session):
            guard let person = directory.person(session.person), person.isActive(at: now) else { return .none }
            return .locked(person, session)
        case .active(let session):
            // Asked anew each time: somebody disabled a moment ago is nobody.
            guard let person = directory.person(session.person), person.isActive(at: now),
                let principal = Principal(person: person, session: session)
            else { return .none }
            return .active(principal, session)
        }
    }

    /// Whether somebody may still act, as what they were when they signed in; for what goes on for long.
    public func isCurrent(_ principal: Principal, at now: Instant) -> Bool {
        guard principal.kind == .person, let person = directory.person(principal.id), person.isActive(at: now) else {
            return false
        }
        return Set(person.roles) == Set(principal.roles.filter { $0 != .app })
    }

    /// Ties forms to a session (double-submit is not needed: the value cannot be made without the cookie).
    public func formToken(for token: String) -> String {
        base64URL(Self.formDigest(token).bytes)
    }

    static func formDigest(_ token: String) -> Digest { sha256(Array("ward/form/1".utf8), Array(token.utf8)) }

    /// Whether a form is from a page of this session that was open before the person unlocked it or confirmed.
    ///
    /// Such a form is shown to them again, and not done.
    public func isEarlierFormToken(_ text: String, of session: Session) -> Bool {
        session.earlier.contains { constantTimeEquals(Array(text.utf8), Array(base64URL($0.bytes).utf8)) }
    }

    public func isFormToken(_ text: String, for token: String) -> Bool {
        constantTimeEquals(Array(text.utf8), Array(formToken(for: token).utf8))
    }

    // MARK: Ends

    /// Ends sessions whose entries somebody else removed from the store, with an event.
    public func forgetSessions(_ ids: Set<Locator>) { sessions.forget(ids) }

    /// Ends a person's access everywhere: sessions, links, credentials; the name stays taken.
    ///
    /// - Throws: ``IdentityFailure/secondPersonNeeded`` for one's own, ``IdentityFailure/lastAdministrator``.
    public func disable(
        _ id: String, by principal: Principal, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) {
        let actor = try await directory.require(.managePeople, of: principal, source: source, at: now).actor
        guard id != principal.id else { throw .secondPersonNeeded }
        try await disable(id, byOperator: actor, source: source, at: now)
    }

    /// Ends a person's access at the machine itself.
    public func disable(
        _ id: String, byOperator actor: AuditActor, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) {
        let person = try await directory.disable(id, by: actor, source: source, at: now)
        try await sessions.endAll(of: person, because: .accountChanged, by: actor, source: source)
        var event = directory.event(
            .factorRemoved, about: person, by: actor, source: source, decision: "all; access ended")
        event.outcome = .success
        let ended = links.links(of: id)
        try await vault.commit(
            event, to: log, [credentials.removal(of: id)] + ended.map { links.removal(of: $0) })
        credentials.forget(id)
        for link in ended { links.forget(link) }
    }

    /// Decides on a change of rights that somebody else asked for; what the person was signed in to ends.
    public func decide(
        _ request: String, approve: Bool, by approver: Principal, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) {
        let decider = try await directory.require(.managePeople, of: approver, source: source, at: now)
        let person = try await directory.decide(request, approve: approve, by: decider, source: source, at: now)
        if approve {
            try await sessions.endAll(of: person, because: .accountChanged, by: decider.actor, source: source)
        }
    }

    /// Grants rights at the machine itself; sessions of before end.
    public func grant(
        _ rights: Rights, to id: String, clearance: String? = nil, byOperator actor: AuditActor, source: RequestSource,
        at now: Instant = .now()
    ) async throws(IdentityFailure) {
        let person = try await directory.grant(
            rights, to: id, clearance: clearance, byOperator: actor, source: source, at: now)
        try await sessions.endAll(of: person, because: .accountChanged, by: actor, source: source)
    }

    /// Ends sessions past their absolute limit, and emergencies whose time is over.
    public func sweep(at now: Instant = .now()) async {
        await finishEnds()
        await parked.sweep(at: now) { sessions.isThere($0, at: now) }
        await sessions.sweep(at: now) { directory.person($0) }
        await oauth.sweep(at: now)
        await emergencies.sweep(at: now)
    }

    /// Tries again what was ended while the log could not be written; also before the store is closed.
    public func finishEnds() async {
        await ends.retry()
        await oauth.apps.finishRemovals()
        await emergencies.finishEnds()
    }

    // MARK: Failures

    func countFailure(_ source: RequestSource, person: String?) {
        failures.withLock { counts in
            let failure = Failure(address: source.address, person: person)
            // Past 1,000 kinds an interval, the rest share one line.
            let key =
                counts.count < 1000 || counts[failure] != nil ? failure : Failure(address: "many", person: nil)
            counts[key, default: 0] += 1
        }
    }

    func unloggedFailures(of person: String) -> Int {
        failures.withLock { counts in counts.reduce(0) { $0 + ($1.key.person == person ? $1.value : 0) } }
    }

    /// Writes one event for each account and address that failed since the last call, so that a stranger cannot fill a
    /// log that everybody depends on.
    public func flushFailures() async {
        let counts = failures.withLock { counts in
            defer { counts = [:] }
            return counts
        }
        for (failure, count) in counts.sorted(by: { $0.key.address < $1.key.address }) {
            var event = AuditEvent(
                kind: .signInFailed, time: .now(), outcome: .failed, actor: nil, purpose: nil,
                source: RequestSource(address: failure.address, request: ""), decision: "two-factors-not-shown",
                count: count)
            event.subject = failure.person.map { "person/\($0)" }
            if (try? await log.append(event)) == nil {
                failures.withLock { $0[failure, default: 0] += count }
            }
        }
    }
}
