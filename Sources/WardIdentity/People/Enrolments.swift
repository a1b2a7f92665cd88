import Synchronization
public import WardAudit
public import WardCore
import WardCrypto
import WardPolicy
import WardStorage

/// What a person has when enrolment is done.
public struct Enrolled: Sendable {
    public let signedIn: SignedIn
    /// Shown once; the person keeps them on paper.
    public let recoveryCodes: [SavedRecoveryCode]
}

/// Enrolments under way: the person has opened the link and has not shown two factors yet.
final class Enrolments: Sendable {
    static let lifetime: Int64 = 1800

    struct Entry: Sendable {
        let link: EnrolmentLinks.Link
        let expires: Instant
        /// A password and a seed that wait for the first code.
        var pending: (password: PasswordVerifier, seed: TOTPSeed)?
    }

    private let entries = Mutex<[Digest: Entry]>([:])

    func begin(_ link: EnrolmentLinks.Link, at now: Instant) -> String {
        let token = base64URL(randomBytes(32))
        let entry = Entry(link: link, expires: now.adding(seconds: Self.lifetime), pending: nil)
        entries.withLock { entries in
            // Links are few; one enrolment for each is enough.
            entries = entries.filter { $0.value.expires > now && $0.value.link.digest != link.digest }
            entries[Self.digest(token)] = entry
        }
        return token
    }

    func entry(_ token: String, at now: Instant) -> Entry? {
        entries.withLock { $0[Self.digest(token)] }.flatMap { $0.expires > now ? $0 : nil }
    }

    func wait(_ token: String, for password: PasswordVerifier, _ seed: TOTPSeed) {
        entries.withLock { $0[Self.digest(token)]?.pending = (password, seed) }
    }

    func end(_ token: String) {
        entries.withLock { $0[Self.digest(token)] = nil }
    }

    static func digest(_ token: String) -> Digest { sha256(Array("ward/enrolling/1".utf8), Array(token.utf8)) }
}

extension People {
    /// Makes a one-time link for somebody new; an earlier one ends.
    ///
    /// - Returns: the secret part of the link.
    public func invite(
        _ id: String, by principal: Principal, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) -> String {
        let actor = try await directory.require(.managePeople, of: principal, source: source, at: now).actor
        return try await invite(id, byOperator: actor, source: source, at: now)
    }

    /// Makes a one-time link at the machine itself.
    public func invite(
        _ id: String, byOperator actor: AuditActor, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) -> String {
        guard let person = directory.person(id), person.state == .invited else { throw .unknownPerson }
        let event = directory.event(
            .enrolmentIssued, about: person, by: actor, source: source, decision: "first factors")
        return try await links.issue(for: person, replacesFactors: false, event: event, at: now)
    }

    /// Opens a link: nothing is used up until two factors are there.
    ///
    /// - Returns: the secret of the browser that enrols, and whom it enrols.
    public func beginEnrolment(
        _ linkToken: String, at now: Instant = .now()
    ) throws(IdentityFailure) -> (token: String, person: Person) {
        guard
            let link = links.link(linkToken, at: now), let person = directory.person(link.person),
            person.state != .disabled
        else { throw .unknownLink }
        return (enrolments.begin(link, at: now), person)
    }

    /// Who enrols with this secret.
    public func enrolling(_ token: String, at now: Instant = .now()) throws(IdentityFailure) -> Person {
        guard
            let entry = enrolments.entry(token, at: now), let person = directory.person(entry.link.person),
            person.state != .disabled
        else { throw .unknownLink }
        return person
    }

    /// The seed that waits for its first code; nil before a password was given.
    public func enrollingSeed(_ token: String, at now: Instant = .now()) throws(IdentityFailure) -> TOTPSeed? {
        _ = try enrolling(token, at: now)
        return enrolments.entry(token, at: now)?.pending?.seed
    }

    /// What the browser needs to make a passkey.
    public func enrolmentOptions(
        _ token: String, party: RelyingParty, at now: Instant = .now()
    ) throws(IdentityFailure) -> [UInt8] {
        let person = try enrolling(token, at: now)
        return creationOptions(for: person, ticket: Enrolments.digest(token), party: party, existing: [], at: now)
    }

    /// Enrols with a passkey.
    public func enrol(
        _ token: String, passkey response: PasskeyRegistration, name: String, party: RelyingParty,
        context: SignInContext, at now: Instant = .now()
    ) async throws(IdentityFailure) -> Enrolled {
        let person = try enrolling(token, at: now)
        let passkey = try register(response, name: name, ticket: Enrolments.digest(token), party: party, at: now)
        return try await finish(token, person, context, now) { $0.passkeys.append(passkey) }
    }

    /// Takes a password; what comes back is the seed for the authenticator app.
    ///
    /// - Throws: ``IdentityFailure/badPassword(_:)`` with what is wrong with it.
    public func enrol(
        _ token: String, password: Password, at now: Instant = .now()
    ) async throws(IdentityFailure) -> TOTPSeed {
        let person = try enrolling(token, at: now)
        let verifier = try await verifier(of: password, for: person)
        let seed = TOTPSeed()
        enrolments.wait(token, for: verifier, seed)
        return seed
    }

    /// Enrols with the password given before and the first code of the app.
    public func enrol(
        _ token: String, code: OneTimeCode, context: SignInContext, at now: Instant = .now()
    ) async throws(IdentityFailure) -> Enrolled {
        let person = try enrolling(token, at: now)
        guard let pending = enrolments.entry(token, at: now)?.pending else { throw .unknownLink }
        let attempt = SignInThrottle.Attempt(
            account: person.loginName, address: context.source.address, knownDevice: nil)
        let seconds = throttle.wait(for: attempt, at: now)
        guard seconds == 0 else { throw .throttled(seconds: seconds) }
        guard let step = pending.seed.match(code, at: now, after: nil) else {
            throttle.fail(attempt, at: now)
            throw .notRecognised
        }
        return try await finish(token, person, context, now) { credentials in
            credentials.password = pending.password
            credentials.authenticator = Credentials.Authenticator(seed: pending.seed, lastStep: step, added: now)
        }
    }

    func verifier(of password: Password, for person: Person) async throws(IdentityFailure) -> PasswordVerifier {
        let context = Passwords.Context(
            loginName: person.loginName, displayName: person.displayName, clinic: clinic)
        do throws(PasswordFailure) { try Passwords.check(password, context: context) } catch {
            throw .badPassword(error)
        }
        do throws(HashingFailure) { return try await hasher.verifier(of: password) } catch { throw .hasherBusy }
    }

    /// Uses the link up, activates the person and signs them in, in two transactions: the first makes the factors.
    private func finish(
        _ token: String, _ person: Person, _ context: SignInContext, _ now: Instant,
        _ set: (inout Credentials) -> Void
    ) async throws(IdentityFailure) -> Enrolled {
        guard let link = enrolments.entry(token, at: now)?.link, links.claim(link) else { throw .unknownLink }
        let (shown, kept) = RecoveryCodes.make(for: person.id, key: recoveryKey)
        do throws(IdentityFailure) {
            if link.replacesFactors {
                try await sessions.endAll(
                    of: person, because: .accountChanged, by: person.actor, source: context.source)
            }
            _ = try await credentials.change(
                person.id,
                { credentials throws(IdentityFailure) in
                    if link.replacesFactors { credentials = Credentials(person: person.id) }
                    set(&credentials)
                    credentials.recovery = kept
                },
                commit: { write throws(IdentityFailure) in
                    try await directory.change(
                        person.id, .enrolmentUsed,
                        decision: link.replacesFactors ? "factors replaced" : "first factors",
                        by: person.actor, source: context.source, with: [write, links.removal(of: link)]
                    ) { person throws(IdentityFailure) in
                        guard person.state != .disabled else { throw .unknownLink }
                        person.state = .active
                    }
                })
        } catch {
            links.unclaim(link)
            throw error
        }
        enrolments.end(token)
        guard let active = directory.person(person.id) else { throw .unknownPerson }
        if link.replacesFactors {
            // Whoever came in with the old factors meanwhile, and whatever app goes on for them.
            try await endEverything(
                of: active, because: .accountChanged, apps: "factors-replaced", by: active.actor,
                source: context.source, at: now)
        }
        let mark = devices.mark(account: active.loginName, renewing: context.deviceMark, at: now)
        let session = try await sessions.start(
            for: active, method: .enrolment, device: context.device, mark: mark, source: context.source, at: now)
        return Enrolled(
            signedIn: SignedIn(token: session, deviceMark: mark.text, person: active), recoveryCodes: shown)
    }
}
