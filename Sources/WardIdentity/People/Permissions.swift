public import WardAudit
public import WardCore
public import WardPolicy

/// The questions about rights that everything done to people, sessions and emergencies begins with.
///
/// They are asked of the roles that somebody has at this moment, whatever they had when they were recognised.
extension Directory {
    /// Whether policy lets somebody do `action` to the system, a fresh proof of two factors aside.
    public func permits(_ action: Action, _ principal: Principal, at now: Instant = .now()) -> Bool {
        guard let person = known(principal, at: now) else { return false }
        return decision(action, of: principal, person).isPermitted
    }

    /// The person behind `principal`, if policy lets them do `action` to the system.
    ///
    /// A refusal by policy is in the log before this throws.
    ///
    /// - Parameter needsFreshness: whether two factors must have been shown within the last five minutes.
    /// - Throws: ``IdentityFailure/notPermitted``, ``IdentityFailure/stepUpNeeded``, ``IdentityFailure/unknownPerson``.
    @discardableResult
    public func require(
        _ action: Action, of principal: Principal, needsFreshness: Bool = true, source: RequestSource,
        at now: Instant = .now()
    ) async throws(IdentityFailure) -> Person {
        guard let person = known(principal, at: now) else { throw .unknownPerson }
        let decision = decision(action, of: principal, person)
        guard decision.isPermitted else {
            try await refuse("\(action.rawValue)/\(policy.code(of: decision))", principal, source, now)
            throw .notPermitted
        }
        guard !needsFreshness || principal.isFresh(at: now) else { throw .stepUpNeeded }
        return person
    }

    /// Puts a refusal into the log.
    func refuse(
        _ decision: String, _ principal: Principal, _ source: RequestSource, _ now: Instant,
        _ add: (inout AuditEvent) -> Void = { _ in }
    ) async throws(IdentityFailure) {
        var event = AuditEvent(
            kind: .requestRefused, time: now, outcome: .denied, actor: principal.actor, purpose: nil, source: source,
            decision: decision)
        event.session = principal.session
        add(&event)
        try await vault.commit(event, to: log, [])
    }

    /// Nobody but people, and only for as long as they have access.
    private func known(_ principal: Principal, at now: Instant) -> Person? {
        guard principal.kind == .person, principal.expires > now, let person = person(principal.id),
            person.isActive(at: now)
        else { return nil }
        return person
    }

    private func decision(_ action: Action, of principal: Principal, _ person: Person) -> AccessDecision {
        // Freshness is asked for apart, so that its lack is told apart from a lack of rights.
        let roles = principal.roles.filter { person.roles.contains($0) || $0 == .app }
        return decision(action, roles: roles, isFresh: true)
    }

    /// What policy says of an action on no type: it is done for whichever purpose the rule that permits it has.
    func decision(_ action: Action, roles: [Role], isFresh: Bool) -> AccessDecision {
        let decisions = PurposeOfUse.allCases.map { purpose in
            policy.decide(
                AccessQuestion(action: action, type: nil, roles: roles, purpose: purpose, isFresh: isFresh))
        }
        let closest = decisions.max { ($0.denial ?? .roleNotKnown) < ($1.denial ?? .roleNotKnown) }
        return decisions.first(where: \.isPermitted) ?? closest ?? decisions[0]
    }
}
