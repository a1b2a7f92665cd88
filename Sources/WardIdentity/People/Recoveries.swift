import Synchronization
public import WardAudit
public import WardCore
import WardCrypto
import WardFHIR
import WardPolicy
import WardStorage

/// A lost factor that waits for a second person (NIST SP 800-63B-4 §4.2).
public struct Recovery: Hashable, Sendable {
    public let id: String
    public let person: String
    /// The person who asked with a saved code, or the officer who asked for them.
    public let asker: String
    public let reason: String
    public let created: Instant

    /// Whether the person proved something themselves: with a saved recovery code.
    public var isBySavedCode: Bool { asker == person }
}

/// Recoveries that wait.
final class Recoveries: Sendable {
    private let state: Mutex<[String: Recovery]>
    private let vault: EntryVault

    init(vault: EntryVault) throws(IdentityFailure) {
        self.vault = vault
        var recoveries: [String: Recovery] = [:]
        for bytes in try vault.all(.recovery) {
            guard let recovery = Recovery(decoding: bytes) else { throw .storage }
            recoveries[recovery.id] = recovery
        }
        state = Mutex(recoveries)
    }

    var all: [Recovery] { state.withLock { $0.values.sorted { $0.created < $1.created } } }

    func recovery(_ id: String) -> Recovery? { state.withLock { $0[id] } }

    func put(_ recovery: Recovery) throws(IdentityFailure) -> EntryWrite {
        try vault.put(recovery.encoded(), .recovery, key: Array(recovery.id.utf8))
    }

    func removal(_ recovery: Recovery) -> EntryWrite {
        .remove(vault.locator(.recovery, Array(recovery.id.utf8)), .recovery)
    }

    func add(_ recovery: Recovery) {
        state.withLock { $0[recovery.id] = recovery }
    }

    func forget(_ recovery: Recovery) {
        state.withLock { $0[recovery.id] = nil }
    }
}

extension People {
    /// Asks for new factors with a saved recovery code, which is used up; somebody else has to approve.
    ///
    /// Answers alike whatever was typed: only an officer sees whether anything waits.
    ///
    /// - Throws: ``IdentityFailure/throttled(seconds:)``, ``IdentityFailure/auditUnavailable``.
    public func askRecovery(
        login: String, code: SavedRecoveryCode?, context: SignInContext, at now: Instant = .now()
    ) async throws(IdentityFailure) {
        let name = Person.canonicalLoginName(login) ?? ""
        let attempt = SignInThrottle.Attempt(account: name, address: context.source.address, knownDevice: nil)
        let seconds = throttle.wait(for: attempt, at: now)
        guard seconds == 0 else { throw .throttled(seconds: seconds) }
        guard
            let code, let person = directory.person(named: name), person.isActive(at: now),
            credentials.credentials(of: person.id)?.recovery?.using(code, for: person.id, key: recoveryKey) != nil
        else {
            throttle.fail(attempt, at: now)
            countFailure(context.source, person: directory.person(named: name)?.id)
            return
        }
        let recovery = Recovery(
            id: Directory.newID(), person: person.id, asker: person.id, reason: "saved recovery code", created: now)
        let event = directory.event(
            .recoveryAsked, about: person, by: person.actor, source: context.source, decision: recovery.reason)
        do throws(IdentityFailure) {
            try await credentials.change(
                person.id,
                { credentials throws(IdentityFailure) in
                    guard let left = credentials.recovery?.using(code, for: person.id, key: recoveryKey) else {
                        throw .notRecognised
                    }
                    credentials.recovery = left
                },
                commit: { write throws(IdentityFailure) in
                    try await vault.commit(event, to: log, [write, recoveries.put(recovery)])
                })
        } catch {
            // The same code at the same time: the other one counted.
            if error == .notRecognised { return }
            throw error
        }
        recoveries.add(recovery)
    }

    /// Asks for new factors for somebody who has lost all of theirs; another officer has to approve.
    public func askRecovery(
        for id: String, reason: String, by officer: Principal, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) {
        let asker = try await directory.require(.managePeople, of: officer, source: source, at: now)
        guard let person = directory.person(id), person.state == .active, asker.id != id else { throw .unknownPerson }
        guard !reason.isEmpty, reason.utf8.count <= 500 else { throw .reasonNeeded }
        let recovery = Recovery(id: Directory.newID(), person: id, asker: asker.id, reason: reason, created: now)
        let event = directory.event(
            .recoveryAsked, about: person, by: asker.actor, source: source, decision: "asked by an officer")
        try await vault.commit(event, to: log, [recoveries.put(recovery)])
        recoveries.add(recovery)
    }

    /// What waits; oldest first.
    public var recoveriesWaiting: [Recovery] { recoveries.all }

    /// Approves a recovery: who approves has checked, away from the screen, that it is this person.
    ///
    /// - Returns: the secret part of a one-time link that replaces all factors.
    /// - Throws: ``IdentityFailure/secondPersonNeeded`` for whoever asked and for the person themselves.
    public func approveRecovery(
        _ id: String, by officer: Principal, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) -> String {
        let approver = try await directory.require(.managePeople, of: officer, source: source, at: now)
        guard let recovery = recoveries.recovery(id), let person = directory.person(recovery.person) else {
            throw .unknownRequest
        }
        guard !directory.areOneHuman(approver.id, recovery.asker),
            !directory.areOneHuman(approver.id, recovery.person)
        else { throw .secondPersonNeeded }
        guard person.isActive(at: now) else { throw .unknownPerson }
        let event = directory.event(
            .recoveryApproved, about: person, by: approver.actor, source: source,
            decision: "asked by person/\(recovery.asker)")
        let token = try await links.issue(
            for: person, replacesFactors: true, event: event, with: [recoveries.removal(recovery)], at: now)
        recoveries.forget(recovery)
        return token
    }

    /// Makes a link that replaces all factors, at the machine itself: for a clinic whose last officer lost theirs.
    public func recover(
        _ id: String, byOperator actor: AuditActor, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) -> String {
        guard let person = directory.person(id), person.state != .disabled else { throw .unknownPerson }
        let event = directory.event(
            .recoveryApproved, about: person, by: actor, source: source, decision: "at the machine")
        return try await links.issue(for: person, replacesFactors: true, event: event, at: now)
    }
}

extension Recovery {
    func encoded() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        Petition(id: id, person: person, asker: asker, reason: reason, created: created).write(to: &writer)
        writer.endObject()
        return writer.bytes
    }

    init?(decoding bytes: [UInt8]) {
        guard let petition = (try? JSONTape(parsing: bytes)).flatMap({ Petition($0.root) }) else { return nil }
        self.init(
            id: petition.id, person: petition.person, asker: petition.asker, reason: petition.reason,
            created: petition.created)
    }
}
