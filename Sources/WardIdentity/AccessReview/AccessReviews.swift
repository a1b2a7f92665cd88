import Synchronization
public import WardAudit
public import WardCore
import WardFHIR
import WardPolicy
import WardStorage

/// What an officer found when they looked at somebody's rights (45 CFR 164.308(a)(4)(ii)(C)).
public struct AccessReview: Hashable, Sendable {
    public enum Outcome: String, Sendable {
        case confirmed
        /// A change of roles was asked for, which a second person decides.
        case removalAsked = "removal-asked"
    }

    public let person: String
    /// As the log names them.
    public let reviewer: String
    public let outcome: Outcome
    public let time: Instant
}

/// The newest review of everybody's rights; the earlier ones are in the log.
public final class AccessReviews: Sendable {
    /// Seconds after which rights are reviewed again: a quarter of a year.
    public static let interval: Int64 = 92 * 86_400

    private let state: Mutex<[String: AccessReview]>
    private let vault: EntryVault
    let log: AuditLog
    let directory: Directory

    init(vault: EntryVault, log: AuditLog, directory: Directory) throws(IdentityFailure) {
        self.vault = vault
        self.log = log
        self.directory = directory
        var reviews: [String: AccessReview] = [:]
        for bytes in try vault.all(.accessReview) {
            guard let review = AccessReview(decoding: bytes) else { throw .storage }
            reviews[review.person] = review
        }
        state = Mutex(reviews)
    }

    // MARK: Looking

    public func newest(of person: String) -> AccessReview? { state.withLock { $0[person] } }

    /// When somebody's rights have to be looked at again.
    public func due(_ person: Person) -> Instant {
        (newest(of: person.id)?.time ?? person.added).adding(seconds: Self.interval)
    }

    /// Active people, by when they are due.
    public func people(at now: Instant) -> [Person] {
        directory.people.filter { $0.isActive(at: now) }.sorted { (due($0), $0.loginName) < (due($1), $1.loginName) }
    }

    /// How many active people's rights were not looked at for more than a quarter.
    public func overdue(at now: Instant) -> Int { people(at: now).count { due($0) <= now } }

    /// When somebody signed in last.
    public func lastSignIn(of person: String) -> Instant? {
        (try? log.events(with: [.actor("person/\(person)"), .kind(.signedIn)], limit: 1))?.first?.event.time
    }

    /// Which of the person's rights they used lately; that the log is read for it is in the log first.
    public func use(
        of id: String, by principal: Principal, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) -> AccessUse {
        let officer = try await directory.require(
            .reviewAccess, of: principal, needsFreshness: false, source: source, at: now)
        return try await use(of: id, byOperator: officer.actor, source: source, at: now)
    }

    /// The same at the machine itself.
    public func use(
        of id: String, byOperator actor: AuditActor, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) -> AccessUse {
        guard let person = directory.person(id) else { throw .unknownPerson }
        try await vault.commit(
            directory.event(.auditRead, about: person, by: actor, source: source, decision: "review-access"), to: log,
            [])
        return try await scan(person, now)
    }

    /// Not on the event loop of the request: thousands of events may be opened.
    @concurrent private func scan(_ person: Person, _ now: Instant) async throws(IdentityFailure) -> AccessUse {
        try AccessUse(of: person, directory: directory, log: log, at: now)
    }

    // MARK: Reviewing

    /// Confirms somebody's rights, or asks for less; a second person decides on that.
    ///
    /// - Parameters:
    ///   - removing: names of roles that are not needed any more; none to confirm.
    ///   - unlisting: whether the person shall not declare emergencies any more.
    /// - Throws: ``IdentityFailure/secondPersonNeeded`` for one's own, ``IdentityFailure/reasonNeeded`` for asking
    ///   without one, ``IdentityFailure/unknownRequest`` for what the person does not have.
    public func review(
        _ id: String, removing: Set<String> = [], unlisting: Bool = false, reason: String = "",
        by principal: Principal, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) {
        let reviewer = try await directory.require(.reviewAccess, of: principal, source: source, at: now)
        guard let person = directory.person(id), person.isActive(at: now) else { throw .unknownPerson }
        guard !directory.areOneHuman(person.id, reviewer.id) else { throw .secondPersonNeeded }
        guard removing.isSubset(of: person.roleNames), !unlisting || person.mayUseEmergencyAccess else {
            throw .unknownRequest
        }
        let asks = !removing.isEmpty || unlisting
        let rights = Rights(
            roleNames: person.roleNames.filter { !removing.contains($0) },
            mayUseEmergencyAccess: person.mayUseEmergencyAccess && !unlisting)
        let review = AccessReview(
            person: id, reviewer: reviewer.actor.id, outcome: asks ? .removalAsked : .confirmed, time: now)
        var event = directory.event(
            .accessReviewed, about: person, by: reviewer.actor, source: source,
            decision: asks ? "\(review.outcome.rawValue); \(rights.text)" : review.outcome.rawValue)
        event.time = now
        event.session = principal.session
        let put = try vault.put(review.encoded(), .accessReview, key: Array(id.utf8))
        if asks {
            guard !reason.isEmpty, reason.utf8.count <= 500 else { throw .reasonNeeded }
            let request = RoleRequest(
                id: Directory.newID(), person: id, rights: rights, reason: reason, asker: reviewer.id, created: now)
            try await directory.file(request, event, with: [put])
        } else {
            try await vault.commit(event, to: log, [put])
        }
        state.withLock { $0[id] = review }
    }
}

extension AccessReview {
    func encoded() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("person", person)
        writer.member("reviewer", reviewer)
        writer.member("outcome", outcome.rawValue)
        writer.member("time", time.microseconds)
        writer.endObject()
        return writer.bytes
    }

    init?(decoding bytes: [UInt8]) {
        guard
            let root = (try? JSONTape(parsing: bytes))?.root, let person = root["person"]?.string,
            let reviewer = root["reviewer"]?.string,
            let outcome = root["outcome"]?.string.flatMap(Outcome.init(rawValue:)), let time = root["time"]?.instant
        else { return nil }
        self.init(person: person, reviewer: reviewer, outcome: outcome, time: time)
    }
}
