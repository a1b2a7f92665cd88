public import WardAudit
public import WardCore
public import WardPolicy
import WardStorage

/// What somebody confirms a command at the machine with: a code of their authenticator app, or a saved recovery code.
///
/// The machine's own keys are the other factor.
public enum ConfirmationCode: Sendable {
    case oneTime(OneTimeCode)
    case saved(SavedRecoveryCode)

    /// Reads a code as typed; nil for what can be neither.
    public init?(typed: String) {
        if let code = OneTimeCode(typed: typed) {
            self = .oneTime(code)
        } else if let code = SavedRecoveryCode(typed: typed) {
            self = .saved(code)
        } else {
            return nil
        }
    }

    fileprivate var kind: String {
        switch self {
        case .oneTime: "authenticator-code"
        case .saved: "recovery-code"
        }
    }
}

/// Commands at the machine that touch keys or rights are confirmed by a person who may do the same on the pages.
extension People {
    /// Whether there is anybody who could confirm `action`; before the first one, whoever holds the machine acts alone.
    public func hasConfirmer(of action: Action, at now: Instant = .now()) -> Bool {
        directory.people.contains { directory.mayConfirm(action, $0, at: now) }
    }

    /// Whether somebody else, another human as far as it is known, may do `action`.
    ///
    /// - Parameter actor: as the log names accounts.
    public func isAnybodyElse(than actor: String, for action: Action, at now: Instant = .now()) -> Bool {
        directory.people.contains { person in
            !areOneHuman(named: person.actor.id, actor) && directory.mayConfirm(action, person, at: now)
        }
    }

    /// Whether two accounts, as the log names them, are one human's.
    public func areOneHuman(named one: String, _ other: String) -> Bool {
        guard one.hasPrefix("person/"), other.hasPrefix("person/") else { return one == other }
        return directory.areOneHuman(String(one.dropFirst(7)), String(other.dropFirst(7)))
    }

    /// Recognises whoever confirms a command, and uses their code up; throttled as sign-in is.
    ///
    /// - Parameter command: its name, for the log.
    /// - Throws: ``IdentityFailure/notRecognised``, ``IdentityFailure/notPermitted`` for a right code of somebody whose
    ///   roles do not include it, ``IdentityFailure/throttled(seconds:)``.
    public func confirm(
        _ action: Action, login: String, code: ConfirmationCode?, command: String, source: RequestSource,
        at now: Instant = .now()
    ) async throws(IdentityFailure) -> Person {
        let name = Person.canonicalLoginName(login) ?? ""
        let attempt = SignInThrottle.Attempt(account: name, address: source.address, knownDevice: nil)
        let seconds = throttle.wait(for: attempt, at: now)
        guard seconds == 0 else { throw .throttled(seconds: seconds) }
        let person = directory.person(named: name)
        do throws(IdentityFailure) {
            guard let code, let person, person.isActive(at: now) else { throw .notRecognised }
            try await use(code, of: person, command, source, now)
            throttle.succeed(attempt)
            guard directory.mayConfirm(action, person, at: now) else {
                var event = AuditEvent(
                    kind: .requestRefused, time: now, outcome: .denied, actor: person.actor, purpose: nil,
                    source: source, decision: "\(action.rawValue)/at-the-machine")
                event.subject = "operator"
                try await vault.commit(event, to: log, [])
                throw .notPermitted
            }
            return person
        } catch {
            if error == .notRecognised {
                throttle.fail(attempt, at: now)
                countFailure(source, person: person?.id)
            }
            throw error
        }
    }

    private func use(
        _ code: ConfirmationCode, of person: Person, _ command: String, _ source: RequestSource, _ now: Instant
    ) async throws(IdentityFailure) {
        let event = AuditEvent(
            kind: .steppedUp, time: now, outcome: .success, actor: person.actor, purpose: .systemAdministration,
            source: source, decision: "\(code.kind); \(command)")
        let commit: (EntryWrite) async throws(IdentityFailure) -> Void = { write throws(IdentityFailure) in
            try await self.vault.commit(event, to: self.log, [write])
        }
        switch code {
        case .oneTime(let code): try await spend(code, of: person, now, commit: commit)
        case .saved(let code):
            try await credentials.change(
                person.id,
                { credentials throws(IdentityFailure) in
                    guard let left = credentials.recovery?.using(code, for: person.id, key: recoveryKey) else {
                        throw .notRecognised
                    }
                    credentials.recovery = left
                }, commit: commit)
        }
    }
}

extension Directory {
    fileprivate func mayConfirm(_ action: Action, _ person: Person, at now: Instant) -> Bool {
        person.isActive(at: now) && decision(action, roles: person.roles, isFresh: true).isPermitted
    }
}
