public import WardAudit
public import WardCore
import WardFHIR
public import WardIdentity
public import WardPolicy

/// Taking events out of the log as a file.
public enum ExportAudit: Interaction {
    public static var action: Action { .readAudit }
    public static var eventKind: AuditEventKind { .auditExported }
}

/// Accounting of disclosures (45 CFR 164.528).
public enum AccountDisclosures: Interaction {
    public static var action: Action { .accountDisclosures }
    public static var eventKind: AuditEventKind { .accountingMade }
}

/// Part of the log, and the receipt of the look at it.
public struct LogReading: Sendable {
    public let page: AuditPage
    public let receipt: AuditReceipt
}

/// Whose accesses somebody looks at who sees nothing else of the log.
public struct OwnLog: Sendable {
    public let patient: String
}

extension Gate {
    // MARK: Who may

    /// Whether policy lets somebody read the whole log: what they do to the system, or what a token names that is for
    /// `AuditEvent` alone.
    public func mayReadLog(_ principal: Principal) -> Bool { logDecision(.readAudit, principal).isPermitted }

    /// Leave to read the whole log; a refusal is durable before this throws.
    public func authorizeLog(
        _ principal: Principal, source: RequestSource
    ) async throws(GateFailure) -> AccessGrant<ReadAudit> {
        try await grant(ReadAudit.self, principal, source)
    }

    /// The same for a file of it.
    public func authorizeLogExport(
        _ principal: Principal, source: RequestSource
    ) async throws(GateFailure) -> AccessGrant<ExportAudit> {
        try await grant(ExportAudit.self, principal, source)
    }

    /// Leave to make a patient's accounting of disclosures.
    public func authorizeAccounting(
        _ principal: Principal, source: RequestSource
    ) async throws(GateFailure) -> AccessGrant<AccountDisclosures> {
        try await grant(AccountDisclosures.self, principal, source)
    }

    /// The patient whose accesses somebody may see as their own or as those of whom they act for; nil for none.
    public func ownLog(of patient: String, _ principal: Principal) -> OwnLog? {
        guard let type = ResourceType("AuditEvent"), principal.patients.contains(patient) else { return nil }
        var relationships: RelationshipSet = []
        if principal.roles.contains(.patient) { relationships.insert(.ownRecord) }
        if principal.roles.contains(.proxy) { relationships.insert(.proxy) }
        let facts = RecordFacts(
            patients: [patient], relationships: relationships, isInContext: principal.patientInContext == patient)
        let decision = filter(explaining: principal.standpoint(at: .now())).decide(.search, on: type, knowing: facts)
        return decision.isPermitted ? OwnLog(patient: patient) : nil
    }

    private func grant<Leave: Interaction>(
        _ leave: Leave.Type, _ principal: Principal, _ source: RequestSource
    ) async throws(GateFailure) -> AccessGrant<Leave> {
        let source = source.within(principal)
        let decision = logDecision(Leave.action, principal)
        guard decision.isPermitted else {
            let event = AuditEvent(
                kind: Leave.eventKind, time: .now(), outcome: .denied, actor: principal.actor,
                purpose: principal.purpose, source: source, decision: policy.code(of: decision))
            let receipt: AuditReceipt
            do throws(AuditFailure) { receipt = try await log.append(event) } catch { throw .auditUnavailable }
            throw .denied(Refusal(receipt: receipt, reason: policy.code(of: decision)))
        }
        return AccessGrant(
            subject: .store, principal: principal, source: source, reason: policy.code(of: decision),
            purpose: principal.purpose,
            residual: filter(explaining: principal.standpoint(at: .now())))
    }

    /// Apps do nothing to the system; with a scope that names `AuditEvent` one reads for whoever may themselves.
    private func logDecision(_ action: Action, _ principal: Principal) -> AccessDecision {
        let roles = principal.roles.filter { $0 != .app }
        let isFresh = principal.kind == .client || principal.isFresh(at: .now())
        if let scopes = principal.scopes, !scopes.contains(where: \.isForLog) {
            // The policy's own answer to scopes that say nothing of the system.
            return policy.decide(
                AccessQuestion(action: action, type: nil, roles: roles, purpose: principal.purpose, scopes: scopes))
        }
        return policy.decide(
            anyOf: roles.map { role in
                AccessQuestion(
                    action: action, type: nil, roles: [role],
                    purpose: principal.kind == .client ? principal.purpose : role.usualPurpose, isFresh: isFresh)
            })
    }

    // MARK: Reading

    /// Reads the log; the look is durable before anything comes of it (45 CFR 164.312(b)).
    ///
    /// - Parameters:
    ///   - asked: the question as it was put, for the log.
    ///   - looking: see ``AuditLog/page(_:before:limit:looking:)``.
    ///   - kind: what the look is in the log where it is not the grant's own: one patient's on paper or as a file.
    public func readLog<Leave: Interaction>(
        _ query: AuditQuery, before: Int64 = .max, limit: Int, looking: Int = 20_000, asked: String? = nil,
        as kind: AuditEventKind? = nil, with grant: consuming AccessGrant<Leave>
    ) async throws(GateFailure) -> LogReading {
        var event = grant.event(.success, time: .now())
        event.kind = kind ?? event.kind
        event.note(query, asked)
        let showsQuery: @Sendable (AuditEvent) -> Bool = { [residual = grant.residual] in residual.mayAsk($0) }
        return try await read(query, before, limit, looking, event) { $0.masked(showsQuery: showsQuery($0)) }
    }

    /// Reads who opened one patient's record, for that patient.
    public func readLog(
        _ query: AuditQuery, of own: OwnLog, before: Int64 = .max, limit: Int, looking: Int = 20_000,
        asked: String? = nil, as kind: AuditEventKind = .auditRead, principal: Principal, source: RequestSource
    ) async throws(GateFailure) -> LogReading {
        var event = AuditEvent(
            kind: kind, time: .now(), outcome: .success, actor: principal.actor, purpose: principal.purpose,
            source: source.within(principal), decision: "own-accesses")
        event.note(query, asked)
        event.patients = [own.patient]
        var query = query
        query.facets = query.facets.filter { if case .patient = $0 { false } else { true } } + [.patient(own.patient)]
        // What would tell of others, or of where staff work, is no question of a patient's.
        query.facets = query.facets.filter { facet in
            switch facet {
            case .address, .app, .session, .subject: false
            default: true
            }
        }
        let accountings = try await scan(
            AuditQuery(facets: [.patient(own.patient), .kind(.accountingMade)]), .max, .max, .max)
        let suspended = Suspension.standing(accountings.events, at: event.time)
        let also = query.filter.also
        query.filter.also = { logged in
            logged.event.kind.isShownToPatients && !suspended.contains { $0.holds(logged.event) }
                && (also?(logged) ?? true)
        }
        return try await read(query, before, limit, looking, event) { event in
            var share = event.share(of: own.patient).masked(showsQuery: false)
            // From where staff work is nothing of the patient's.
            if share.actor?.id != principal.actor.id {
                share.source = RequestSource(address: "clinic", request: "")
                (share.session, share.device) = (nil, nil)
            }
            share.query = nil
            return share
        }
    }

    private func read(
        _ query: AuditQuery, _ before: Int64, _ limit: Int, _ looking: Int, _ event: AuditEvent,
        _ shown: @escaping @Sendable (AuditEvent) -> AuditEvent
    ) async throws(GateFailure) -> LogReading {
        let receipt: AuditReceipt
        do throws(AuditFailure) { receipt = try await log.append(event) } catch { throw .auditUnavailable }
        // Conditions see what the reader sees: they must not tell what is masked.
        var query = query
        if let also = query.filter.also {
            query.filter.also = { also(LoggedEvent(index: $0.index, event: shown($0.event), leafHash: $0.leafHash)) }
        }
        // Not what this look itself added.
        let page = try await scan(query, min(before, receipt.index), limit, looking)
        return LogReading(
            page: AuditPage(
                events: page.events.map {
                    LoggedEvent(index: $0.index, event: shown($0.event), leafHash: $0.leafHash)
                }, next: page.next, pruned: page.pruned), receipt: receipt)
    }

    /// Not on the event loop of the request: many events may be opened.
    @concurrent private func scan(
        _ query: AuditQuery, _ before: Int64, _ limit: Int, _ looking: Int
    ) async throws(GateFailure) -> AuditPage {
        do throws(AuditFailure) {
            return try log.page(query, before: before, limit: limit, looking: looking)
        } catch {
            throw .auditUnavailable
        }
    }
}

extension ResidualFilter {
    /// Whether somebody could have carried out the search of an event, whoever it is about.
    fileprivate func mayAsk(_ event: AuditEvent) -> Bool {
        guard event.query != nil, event.kind == .search || event.kind == .create, let type = event.type else {
            // What was asked of the log itself names no more than its readers see.
            return [.auditRead, .auditExported, .accountingMade, .disclosureRecorded, .download, .print]
                .contains(event.kind)
        }
        let decision = decide(.search, on: type, knowing: RecordFacts())
        return decision.isPermitted && decision.profiles.isWhole
    }
}

extension AuditEvent {
    /// What of the log is looked at.
    fileprivate mutating func note(_ question: AuditQuery, _ asked: String?) {
        query = asked.map { String($0.prefix(4096)) }
        for facet in question.facets {
            switch facet {
            case .patient(let id): patients.append(id)
            case .actor(let id), .subject(let id): subject = id
            case .emergency(let id): emergency = id
            default: break
            }
        }
    }
}

extension AuditEventKind {
    /// What a patient is told of: accesses to their record, also in an emergency.
    var isShownToPatients: Bool { concernsRecords || self == .emergencyOpened || self == .appAuthorized }
}

extension Scope {
    /// Whether it names audit events, and them alone.
    fileprivate var isForLog: Bool {
        type?.name == "AuditEvent" && constraint.isEmpty && context != .patient && actions.contains(.read)
            && actions.contains(.search)
    }
}

extension Gate {
    /// Puts into the log what accounting needs and no request tells: a disclosure on paper, an agency's request.
    ///
    /// - Parameters:
    ///   - decision: `recorded PURPOSE` or `suspend-until DAY`.
    ///   - what: a description; sealed, and told to whoever makes the accounting.
    ///   - day: when it happened, for a disclosure.
    public func note(
        patient: String, recipient: String, decision: String, what: String, on day: Instant?,
        with grant: consuming AccessGrant<AccountDisclosures>
    ) async throws(GateFailure) -> AuditReceipt {
        var event = grant.event(.success, time: .now())
        if let day {
            event.kind = .disclosureRecorded
            event.query = "on=\(day.text.prefix(10))&what=\(what)"
        } else {
            event.query = "what=\(what)"
        }
        event.decision = decision
        event.recipient = recipient
        event.patients = [patient]
        do throws(AuditFailure) { return try await log.append(event) } catch { throw .auditUnavailable }
    }
}
