public import WardAudit
public import WardCore
import WardFHIR
public import WardIdentity
public import WardPolicy

/// An interaction whose grant opens the log; leave to do anything else does not.
public protocol LogReader: Interaction {}

extension ReadAudit: LogReader {}

/// Taking events out of the log as a file.
public enum ExportAudit: LogReader {
    public static var action: Action { .readAudit }
    public static var eventKind: AuditEventKind { .auditExported }
}

/// Accounting of disclosures (45 CFR 164.528).
public enum AccountDisclosures: LogReader {
    public static var action: Action { .accountDisclosures }
    public static var eventKind: AuditEventKind { .accountingMade }
}

/// Part of the log, and the receipt of the look at it.
public struct LogReading: Sendable {
    public let page: AuditPage
    public let receipt: AuditReceipt
}

/// Part of the log as a file.
public struct LogExport: Sendable {
    public let content: [UInt8]
    /// Where the next file begins; nil at the end.
    public let next: Int64?
    public let receipt: AuditReceipt
}

/// Whose accesses somebody looks at who sees nothing else of the log.
public struct OwnLog: Sendable {
    public let patient: String
    /// For whom it was decided; it is worth nothing to anybody else.
    let holder: AuditActor
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
        return decision.isPermitted ? OwnLog(patient: patient, holder: principal.actor) : nil
    }

    /// The same where nothing else is asked for; a refusal is durable before this throws.
    public func authorizeOwnLog(
        of patient: String, _ principal: Principal, source: RequestSource
    ) async throws(GateFailure) -> OwnLog {
        guard let own = ownLog(of: patient, principal) else {
            throw await refusedOwn(patient, principal, source.within(principal))
        }
        return own
    }

    private func refusedOwn(_ patient: String, _ principal: Principal, _ source: RequestSource) async -> GateFailure {
        var event = AuditEvent(
            kind: .auditRead, time: .now(), outcome: .denied, actor: principal.actor, purpose: principal.purpose,
            source: source, decision: "own-accesses")
        event.patients = [patient]
        do throws(AuditFailure) {
            return .denied(Refusal(receipt: try await log.append(event), reason: event.decision))
        } catch {
            return .auditUnavailable
        }
    }

    private func grant<Leave: LogReader>(
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
            purpose: logPurpose(Leave.action, principal),
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
        return policy.decide(anyOf: roles.map { logQuestion(action, $0, principal, isFresh) })
    }

    private func logQuestion(
        _ action: Action, _ role: Role, _ principal: Principal, _ isFresh: Bool
    ) -> AccessQuestion {
        AccessQuestion(
            action: action, type: nil, roles: [role],
            purpose: principal.kind == .client ? principal.purpose : role.usualPurpose, isFresh: isFresh)
    }

    /// The purpose of the role whose rule permits it.
    private func logPurpose(_ action: Action, _ principal: Principal) -> PurposeOfUse {
        guard principal.kind == .person else { return principal.purpose }
        let isFresh = principal.isFresh(at: .now())
        let role = principal.roles.first {
            $0 != .app && policy.decide(logQuestion(action, $0, principal, isFresh)).isPermitted
        }
        return role?.usualPurpose ?? principal.purpose
    }

    // MARK: Reading

    /// Reads the log; the look is durable before anything comes of it (45 CFR 164.312(b)).
    ///
    /// - Parameters:
    ///   - asked: the question as it was put, for the log.
    ///   - looking: see ``AuditLog/page(_:before:limit:looking:)``.
    ///   - kind: what the look is in the log where it is not the grant's own: one patient's on paper or as a file.
    public func readLog<Leave: LogReader>(
        _ query: AuditQuery, before: Int64 = .max, limit: Int, looking: Int = 20_000, asked: String? = nil,
        as kind: AuditEventKind? = nil, with grant: consuming AccessGrant<Leave>
    ) async throws(GateFailure) -> LogReading {
        var event = grant.event(.success, time: .now())
        event.kind = kind ?? event.kind
        event.note(query, asked)
        return try await read(query, before, limit, looking, event, Self.masking(grant.residual))
    }

    /// Writes part of the log as a file, newest first; that it leaves is durable before anything comes of it.
    ///
    /// Goes through the log piece by piece, so that only the file itself is held as a whole.
    ///
    /// - Parameters:
    ///   - limit: events at most.
    ///   - mostBytes: the file ends with the event that reaches it.
    ///   - row: one event as the file has it.
    public func exportLog(
        _ query: AuditQuery, before: Int64 = .max, limit: Int, mostBytes: Int, asked: String? = nil,
        with grant: consuming AccessGrant<ExportAudit>, row: @Sendable (LoggedEvent) -> [UInt8]
    ) async throws(GateFailure) -> LogExport {
        var event = grant.event(.success, time: .now())
        event.note(query, asked)
        let shown = Self.masking(grant.residual)
        let receipt = try await entered(event)
        let seen = Self.seen(query, shown)
        var content: [UInt8] = []
        var (count, next) = (0, Int64?.some(min(before, receipt.index)))
        for _ in 0..<Self.mostPieces {
            guard let from = next, count < limit else { break }
            let page = try await scan(seen, from, min(Self.piece, limit - count), Self.pieceLooking)
            next = page.next
            for logged in page.events {
                content += row(LoggedEvent(index: logged.index, event: shown(logged.event), leafHash: logged.leafHash))
                count += 1
                guard content.count < mostBytes else {
                    return LogExport(content: content, next: logged.index, receipt: receipt)
                }
            }
        }
        return LogExport(content: content, next: next, receipt: receipt)
    }

    /// Events that are held at once while a file is written, those that are opened for them, and how often.
    private static let (piece, pieceLooking, mostPieces) = (250, 5_000, 400)

    /// What a reader of the whole log sees of an event.
    private static func masking(_ residual: ResidualFilter) -> @Sendable (AuditEvent) -> AuditEvent {
        { $0.masked(showsQuery: residual.mayAsk($0)) }
    }

    /// Conditions see what the reader sees: they must not tell what is masked.
    private static func seen(
        _ query: AuditQuery, _ shown: @escaping @Sendable (AuditEvent) -> AuditEvent
    ) -> AuditQuery {
        var query = query
        if let also = query.filter.also {
            query.filter.also = { also(LoggedEvent(index: $0.index, event: shown($0.event), leafHash: $0.leafHash)) }
        }
        return query
    }

    private func entered(_ event: AuditEvent) async throws(GateFailure) -> AuditReceipt {
        do throws(AuditFailure) { return try await log.append(event) } catch { throw .auditUnavailable }
    }

    /// Reads who opened one patient's record, for that patient.
    ///
    /// - Throws: ``GateFailure/denied(_:)`` also for an `own` that was decided for somebody else.
    public func readLog(
        _ query: AuditQuery, of own: OwnLog, before: Int64 = .max, limit: Int, looking: Int = 20_000,
        asked: String? = nil, as kind: AuditEventKind = .auditRead, principal: Principal, source: RequestSource
    ) async throws(GateFailure) -> LogReading {
        guard own.holder == principal.actor else {
            throw await refusedOwn(own.patient, principal, source.within(principal))
        }
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
        let receipt = try await entered(event)
        // Not what this look itself added.
        let page = try await scan(Self.seen(query, shown), min(before, receipt.index), limit, looking)
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
