public import WardAudit
public import WardCore
import WardCrypto
import WardStorage

/// The factors of somebody, as they may be shown to them.
public struct FactorList: Sendable {
    public let hasPassword: Bool
    /// When the authenticator app was set up.
    public let authenticatorAdded: Instant?
    public let passkeys: [Passkey]
    public let recoveryCodesLeft: Int
}

/// What somebody does to their own factors, with a fresh proof of two of them (NIST SP 800-63B-4 §4.1.2).
extension People {
    public func factors(of principal: Principal) -> FactorList {
        let known = credentials.credentials(of: principal.id)
        return FactorList(
            hasPassword: known?.password != nil, authenticatorAdded: known?.authenticator?.added,
            passkeys: known?.passkeys ?? [], recoveryCodesLeft: known?.recovery?.remaining ?? 0)
    }

    /// What the browser needs to make one more passkey.
    public func passkeyCreation(
        _ principal: Principal, sessionToken token: String, party: RelyingParty, at now: Instant = .now()
    ) throws(IdentityFailure) -> [UInt8] {
        let person = try self.person(principal, at: now)
        return creationOptions(
            for: person, ticket: Sessions.digest(token), party: party,
            existing: credentials.credentials(of: person.id)?.passkeys ?? [], at: now)
    }

    public func addPasskey(
        _ response: PasskeyRegistration, name: String, _ principal: Principal, sessionToken token: String,
        party: RelyingParty, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) {
        let person = try self.person(principal, at: now)
        let passkey = try register(response, name: name, ticket: Sessions.digest(token), party: party, at: now)
        try await change(person, .factorAdded, "passkey", source) { credentials throws(IdentityFailure) in
            guard credentials.passkeys.count < 20 else { throw .tooManyPasskeys }
            credentials.passkeys.append(passkey)
        }
    }

    /// Removes a passkey, unless it is what is left of two factors.
    public func removePasskey(
        _ id: [UInt8], _ principal: Principal, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) {
        let person = try self.person(principal, at: now)
        try await change(person, .factorRemoved, "passkey", source) { credentials throws(IdentityFailure) in
            guard credentials.passkeys.contains(where: { $0.id == id }) else { throw .badPasskey }
            credentials.passkeys.removeAll { $0.id == id }
            guard credentials.isComplete else { throw .lastFactor }
        }
    }

    /// Sets a password and an authenticator app, or replaces both.
    ///
    /// - Parameter code: the first code of the new app, whose seed the page was given by ``TOTPSeed/init()``.
    public func setPassword(
        _ password: Password, seed: TOTPSeed, code: OneTimeCode, _ principal: Principal, source: RequestSource,
        at now: Instant = .now()
    ) async throws(IdentityFailure) {
        let person = try self.person(principal, at: now)
        guard let step = seed.match(code, at: now, after: nil) else { throw .notRecognised }
        let verifier = try await verifier(of: password, for: person)
        try await change(person, .factorAdded, "password and authenticator app", source) {
            credentials throws(IdentityFailure) in
            credentials.password = verifier
            credentials.authenticator = Credentials.Authenticator(seed: seed, lastStep: step, added: now)
        }
    }

    /// Removes password and authenticator app; a passkey must be left.
    public func removePassword(
        _ principal: Principal, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) {
        let person = try self.person(principal, at: now)
        try await change(person, .factorRemoved, "password and authenticator app", source) {
            credentials throws(IdentityFailure) in
            credentials.password = nil
            credentials.authenticator = nil
            guard credentials.isComplete else { throw .lastFactor }
        }
    }

    /// A new set of recovery codes; the old ones end.
    public func renewRecoveryCodes(
        _ principal: Principal, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) -> [SavedRecoveryCode] {
        let person = try self.person(principal, at: now)
        let (shown, kept) = RecoveryCodes.make(for: person.id, key: recoveryKey)
        try await change(person, .factorAdded, "recovery codes", source) { credentials throws(IdentityFailure) in
            credentials.recovery = kept
        }
        return shown
    }

    private func person(_ principal: Principal, at now: Instant) throws(IdentityFailure) -> Person {
        guard let person = directory.person(principal.id), person.isActive(at: now) else { throw .unknownPerson }
        guard principal.isFresh(at: now) else { throw .stepUpNeeded }
        return person
    }

    private func change(
        _ person: Person, _ kind: AuditEventKind, _ what: String, _ source: RequestSource,
        _ body: (inout Credentials) throws(IdentityFailure) -> Void
    ) async throws(IdentityFailure) {
        let event = directory.event(kind, about: person, by: person.actor, source: source, decision: what)
        try await credentials.change(
            person.id, body,
            commit: { write throws(IdentityFailure) in try await vault.commit(event, to: log, [write]) })
    }
}

/// Making a passkey: the same at enrolment and later.
extension People {
    func creationOptions(
        for person: Person, ticket: Digest, party: RelyingParty, existing: [Passkey], at now: Instant
    ) -> [UInt8] {
        let challenge = challenges.issue(.registration, person: person.id, ticket: ticket, now: now)
        return PasskeyOptions.creation(
            challenge: challenge, party: party, clinic: clinic, person: person.id, loginName: person.loginName,
            displayName: person.displayName, existing: existing)
    }

    /// Takes the challenge of `ticket`, whatever comes of it.
    func register(
        _ response: PasskeyRegistration, name: String, ticket: Digest, party: RelyingParty, at now: Instant
    ) throws(IdentityFailure) -> Passkey {
        guard let challenge = challenges.take(.registration, ticket: ticket, now: now) else { throw .badPasskey }
        do throws(PasskeyFailure) {
            return try Passkeys.register(
                response, challenge: challenge, party: party, name: name, now: now,
                isTaken: { credentials.passkey($0) != nil })
        } catch {
            throw .badPasskey
        }
    }
}
