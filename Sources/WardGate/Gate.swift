public import WardAudit
import WardCore
public import WardFHIR
public import WardIdentity
public import WardPolicy

/// The one decision point below every route: policy says yes and there is a grant, or no and the refusal is in the log.
public struct Gate: Sendable {
    let policy: Policy
    let log: AuditLog
    private let areKeysHeld: (@Sendable () -> Bool)?
    private let emergencies: EmergencyLookup?

    /// - Parameter areKeysHeld: whether the security module with the root key answers; while it does not, nothing is
    ///   written.
    public init(
        policy: Policy, log: AuditLog, areKeysHeld: (@Sendable () -> Bool)? = nil, emergencies: EmergencyLookup? = nil
    ) {
        self.policy = policy
        self.log = log
        self.areKeysHeld = areKeysHeld
        self.emergencies = emergencies
    }

    /// Decides `Leave` for a principal on a scope of types.
    ///
    /// Every action on every type must be possible; what is possible only with some records is decided on each of them,
    /// by ``AccessGrant/residual``. A refusal is durable in the log before this throws.
    ///
    /// - Throws: ``GateFailure/denied(_:)`` with the receipt of the logged refusal, or ``GateFailure/auditUnavailable``
    ///   if the log could not take it, or ``GateFailure/clockBehind``, or ``GateFailure/keysAway``.
    public func authorize<Leave: Interaction>(
        _ leave: Leave.Type, on subject: GrantSubject, principal: Principal, source: RequestSource
    ) async throws(GateFailure) -> AccessGrant<Leave> {
        guard !Leave.isAboutRecords || !log.isClockBehind() else { throw .clockBehind }
        if Leave.changesRecords, let areKeysHeld, !areKeysHeld() { throw .keysAway }
        let source = source.within(principal)
        var reason = "no-type"
        var isPermitted = false
        var decided = subject.needs.first
        let residual = ResidualFilter(principal.standpoint(at: .now()), policy, emergencies)
        for need in subject.needs {
            let decision = residual.decide(need.action ?? Leave.action, need.type, nil)
            reason = policy.code(of: decision)
            isPermitted = decision.isPermitted
            decided = need
            if !isPermitted { break }
        }
        if isPermitted {
            return AccessGrant(
                subject: subject, principal: principal, source: source, reason: reason,
                // Of the need whose rule the log names.
                purpose: residual.purpose(decided?.action ?? Leave.action, decided?.type),
                residual: residual)
        }
        var event = AuditEvent(
            kind: Leave.eventKind, time: .now(), outcome: .denied, actor: principal.actor, purpose: principal.purpose,
            source: source, decision: reason, type: subject.type)
        if let type = subject.type, let id = subject.id {
            event.records = [AuditedRecord(type: type, id: id, version: 0)]
            if type.name == "Patient" { event.patients = [id] }
        }
        let receipt: AuditReceipt
        do throws(AuditFailure) { receipt = try await log.append(event) } catch { throw .auditUnavailable }
        throw .denied(Refusal(receipt: receipt, reason: reason))
    }

    /// How a person's rights would be decided on; for explanations, since nothing can be opened with it.
    public func filter(explaining standpoint: Standpoint) -> ResidualFilter {
        ResidualFilter(standpoint, policy, emergencies)
    }

    /// Puts an answer that nothing else has accounted for into the log.
    public func account(
        for kind: AuditEventKind, _ outcome: AuditOutcome, decision: String, type: ResourceType?,
        principal: Principal, source: RequestSource
    ) async throws(GateFailure) -> AuditReceipt {
        let event = AuditEvent(
            kind: kind, time: .now(), outcome: outcome, actor: principal.actor, purpose: principal.purpose,
            source: source.within(principal), decision: decision, type: type)
        do throws(AuditFailure) { return try await log.append(event) } catch { throw .auditUnavailable }
    }
}

/// Why there is no grant.
public enum GateFailure: Error, Hashable, Sendable {
    case auditUnavailable
    /// The machine's clock is behind the newest event: nothing about records is answered.
    case clockBehind
    case denied(Refusal)
    /// The security module with the root key does not answer: nothing is written.
    case keysAway
}

/// A refusal that stands in the log.
public struct Refusal: Hashable, Sendable {
    public let receipt: AuditReceipt
    /// The rule's code.
    public let reason: String
}
