public import WardAudit
public import WardCore
public import WardCrypto
import WardStorage

/// What a browser gets when somebody is let in.
public struct SignedIn: Sendable {
    /// The session's cookie.
    public let token: String
    /// The device's cookie.
    public let deviceMark: String
    public let person: Person
}

/// Who asks to be let in, beside what they show.
public struct SignInContext: Sendable {
    public let source: RequestSource
    /// Browser and system in two words.
    public let device: String
    /// The device's cookie, if it has one.
    public let deviceMark: String?

    public init(source: RequestSource, device: String, deviceMark: String?) {
        self.source = source
        self.device = device
        self.deviceMark = deviceMark
    }
}

/// Two factors, as somebody shows them.
public enum Proof: Sendable {
    case password(Password, code: OneTimeCode)
    /// With the hash of the secret of the page that asked for it.
    case passkey(PasskeyAssertion, ticket: Digest, party: RelyingParty)
}

extension People {
    /// Lets somebody in who shows a password and a code, together: an answer never tells which of them was wrong, nor
    /// whether there is such an account (NIST SP 800-63B-4 §3.2.2, OWASP ASVS 5.0 6.3.8).
    ///
    /// - Throws: ``IdentityFailure/notRecognised`` for every kind of failure, ``IdentityFailure/throttled(seconds:)``,
    ///   ``IdentityFailure/hasherBusy``.
    public func signIn(
        login: String, _ password: Password, code: OneTimeCode, context: SignInContext, at now: Instant = .now()
    ) async throws(IdentityFailure) -> SignedIn {
        let name = Person.canonicalLoginName(login) ?? ""
        let attempt = attempt(name, context, now)
        try checkWait(attempt, now)
        let person = directory.person(named: name).flatMap { $0.isActive(at: now) ? $0 : nil }
        guard let person = try await check(person, password, code, now) else {
            throttle.fail(attempt, at: now)
            countFailure(context.source, person: directory.person(named: name)?.id)
            throw .notRecognised
        }
        let mark = devices.mark(account: person.loginName, renewing: context.deviceMark, at: now)
        let token: String
        do throws(IdentityFailure) {
            token = try await spend(code, of: person, now) { write throws(IdentityFailure) in
                try await sessions.start(
                    for: person, method: .password, device: context.device, mark: mark, source: context.source,
                    with: [write], at: now)
            }
        } catch {
            if error == .notRecognised { throttle.fail(attempt, at: now) }
            throw error
        }
        throttle.succeed(attempt)
        return SignedIn(token: token, deviceMark: mark.text, person: person)
    }

    /// A challenge for whoever has a passkey for this site.
    public func passkeyRequest(ticket: Digest, party: RelyingParty, at now: Instant = .now()) -> [UInt8] {
        let challenge = challenges.issue(.authentication, person: nil, ticket: ticket, now: now)
        return PasskeyOptions.request(challenge: challenge, party: party, allowed: [])
    }

    /// Lets somebody in by a passkey, which tells who they are and is two factors in one.
    public func signIn(
        _ assertion: PasskeyAssertion, ticket: Digest, party: RelyingParty, context: SignInContext,
        at now: Instant = .now()
    ) async throws(IdentityFailure) -> SignedIn {
        // Signatures cannot be guessed; only the address is slowed, for the work that checking takes.
        let attempt = SignInThrottle.Attempt(account: nil, address: context.source.address, knownDevice: nil)
        try checkWait(attempt, now)
        let owner = credentials.passkey(assertion.id)?.person
        guard let owner, let person = directory.person(owner), person.isActive(at: now) else {
            _ = challenges.take(.authentication, ticket: ticket, now: now)
            throttle.fail(attempt, at: now)
            countFailure(context.source, person: nil)
            throw .notRecognised
        }
        let mark = devices.mark(account: person.loginName, renewing: context.deviceMark, at: now)
        let token: String
        do throws(IdentityFailure) {
            token = try await spend(assertion, of: person, ticket, party, now) { write throws(IdentityFailure) in
                try await sessions.start(
                    for: person, method: .passkey, device: context.device, mark: mark, source: context.source,
                    with: [write], at: now)
            }
        } catch {
            if error == .notRecognised {
                throttle.fail(attempt, at: now)
                countFailure(context.source, person: person.id)
            }
            throw error
        }
        return SignedIn(token: token, deviceMark: mark.text, person: person)
    }

    /// A challenge for the person a session belongs to, for unlocking it or for a step-up.
    public func passkeyRequest(
        sessionToken token: String, party: RelyingParty, at now: Instant = .now()
    ) throws(IdentityFailure) -> [UInt8] {
        guard let session = sessions.session(token, at: now) else { throw .sessionEnded }
        let passkeys = credentials.credentials(of: session.person)?.passkeys ?? []
        let challenge = challenges.issue(
            .authentication, person: session.person, ticket: Sessions.digest(token), now: now)
        return PasskeyOptions.request(challenge: challenge, party: party, allowed: passkeys)
    }

    /// What the challenges of a session's pages are bound to; for ``Proof/passkey(_:ticket:party:)``.
    public func ticket(ofSession token: String) -> Digest { Sessions.digest(token) }

    /// Unlocks a session, or makes its proof of two factors fresh; either way it has a new token.
    ///
    /// - Throws: ``IdentityFailure/notRecognised``, ``IdentityFailure/sessionEnded`` at the absolute limit.
    public func prove(
        _ proof: Proof, sessionToken token: String, context: SignInContext, at now: Instant = .now()
    ) async throws(IdentityFailure) -> SignedIn {
        guard
            let session = sessions.session(token, at: now), let person = directory.person(session.person),
            person.isActive(at: now)
        else { throw .sessionEnded }
        let attempt = attempt(person.loginName, context, now)
        try checkWait(attempt, now)
        do throws(IdentityFailure) {
            let fresh = try await prove(proof, person, token, context, now)
            throttle.succeed(attempt)
            let mark = devices.mark(account: person.loginName, renewing: context.deviceMark, at: now)
            return SignedIn(token: fresh, deviceMark: mark.text, person: person)
        } catch {
            if error == .notRecognised {
                throttle.fail(attempt, at: now)
                countFailure(context.source, person: person.id)
            }
            throw error
        }
    }

    private func prove(
        _ proof: Proof, _ person: Person, _ token: String, _ context: SignInContext, _ now: Instant
    ) async throws(IdentityFailure) -> String {
        switch proof {
        case .password(let password, let code):
            guard try await check(person, password, code, now) != nil else { throw .notRecognised }
            return try await spend(code, of: person, now) { write throws(IdentityFailure) in
                try await sessions.renew(
                    token, for: person, method: .password, source: context.source, with: [write], at: now)
            }
        case .passkey(let assertion, let ticket, let party):
            return try await spend(assertion, of: person, ticket, party, now) { write throws(IdentityFailure) in
                try await sessions.renew(
                    token, for: person, method: .passkey, source: context.source, with: [write], at: now)
            }
        }
    }

    // MARK: Parts

    private func attempt(_ name: String, _ context: SignInContext, _ now: Instant) -> SignInThrottle.Attempt {
        SignInThrottle.Attempt(
            account: name, address: context.source.address,
            knownDevice: context.deviceMark.flatMap { devices.id(of: $0, account: name, at: now) })
    }

    private func checkWait(_ attempt: SignInThrottle.Attempt, _ now: Instant) throws(IdentityFailure) {
        let seconds = throttle.wait(for: attempt, at: now)
        guard seconds == 0 else { throw .throttled(seconds: seconds) }
    }

    /// The person, if password and code are theirs; takes the same time whoever it is.
    private func check(
        _ person: Person?, _ password: Password, _ code: OneTimeCode, _ now: Instant
    ) async throws(IdentityFailure) -> Person? {
        let known = person.flatMap { credentials.credentials(of: $0.id) }
        let isPassword: Bool
        do throws(HashingFailure) {
            isPassword = try await hasher.matches(password, known?.password)
        } catch {
            throw .hasherBusy
        }
        let totp = known?.authenticator
        let step = (totp?.seed ?? Self.nobodysSeed).match(code, at: now, after: totp?.lastStep)
        return isPassword && step != nil && totp != nil ? person : nil
    }

    private static let nobodysSeed = TOTPSeed()

    /// Uses a code up in the transaction that `commit` makes.
    func spend<Result>(
        _ code: OneTimeCode, of person: Person, _ now: Instant,
        commit: (EntryWrite) async throws(IdentityFailure) -> Result
    ) async throws(IdentityFailure) -> Result {
        try await credentials.change(
            person.id,
            { credentials throws(IdentityFailure) in
                // Again, now that nobody else can use it: of two requests with one code, one gets in.
                guard
                    let totp = credentials.authenticator,
                    let step = totp.seed.match(code, at: now, after: totp.lastStep)
                else { throw .notRecognised }
                credentials.authenticator?.lastStep = step
            }, commit: commit)
    }

    /// Checks an assertion and keeps the passkey's counter in the transaction that `commit` makes.
    private func spend(
        _ assertion: PasskeyAssertion, of person: Person, _ ticket: Digest, _ party: RelyingParty, _ now: Instant,
        commit: (EntryWrite) async throws(IdentityFailure) -> String
    ) async throws(IdentityFailure) -> String {
        guard let challenge = challenges.take(.authentication, ticket: ticket, now: now) else { throw .notRecognised }
        var pending: PasskeyChallenge? = challenge
        return try await credentials.change(
            person.id,
            { credentials throws(IdentityFailure) in
                guard
                    let place = credentials.passkeys.firstIndex(where: { $0.id == assertion.id }),
                    let challenge = pending.take()
                else { throw .notRecognised }
                do throws(PasskeyFailure) {
                    credentials.passkeys[place] = try Passkeys.verify(
                        assertion, passkey: credentials.passkeys[place], challenge: challenge, party: party, now: now)
                } catch {
                    throw .notRecognised
                }
            }, commit: commit)
    }
}
