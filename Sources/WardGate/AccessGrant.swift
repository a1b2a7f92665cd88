public import WardAudit
public import WardCore
public import WardFHIR
public import WardIdentity
public import WardPolicy

/// One-time leave to do `Leave` on ``subject``, decided by policy.
///
/// Only ``Gate`` makes one, and the vault takes it away when it is used.
public struct AccessGrant<Leave: Interaction>: ~Copyable, Sendable {
    public let subject: GrantSubject
    public let principal: Principal
    public let source: RequestSource
    /// Code of the rule that permitted it.
    public let reason: String
    /// What it was given for, in the log.
    let purpose: PurposeOfUse
    /// Applied to every record that is found, released or written, included ones too.
    public let residual: ResidualFilter

    // Internal on purpose: `package` would let every target of this package forge one.
    init(
        subject: GrantSubject, principal: Principal, source: RequestSource, reason: String, purpose: PurposeOfUse,
        residual: ResidualFilter
    ) {
        self.subject = subject
        self.principal = principal
        self.source = source
        self.reason = reason
        self.purpose = purpose
        self.residual = residual
    }

    /// Whether an action on a resource is what this grant was given for; to be held against what is carried out.
    public var coverage: @Sendable (_ action: Action, _ type: ResourceType, _ id: String) -> Bool {
        let subject = subject
        return { action, type, id in
            (subject.id == nil || subject.id == id)
                && subject.needs.contains { ($0.action ?? Leave.action) == action && $0.type == type }
        }
    }

    /// The event that this grant's use will be accounted for by.
    public func event(_ outcome: AuditOutcome, time: Instant) -> AuditEvent {
        AuditEvent(
            kind: Leave.eventKind, time: time, outcome: outcome, actor: principal.actor, purpose: purpose,
            source: source, decision: reason, type: subject.type)
    }
}

/// What a grant is about.
public struct GrantSubject: Sendable {
    /// One thing that policy must permit.
    struct Need: Hashable, Sendable {
        /// Nil: the interaction's own action.
        let action: Action?
        /// Nil: the store as a whole.
        let type: ResourceType?
    }

    let needs: [Need]
    /// The logical id, for interactions on one resource.
    public let id: String?

    /// The type, if there is exactly one.
    public var type: ResourceType? { Set(needs.map(\.type)).count == 1 ? needs.first?.type : nil }

    /// One resource.
    public init(type: ResourceType, id: String) {
        needs = [Need(action: nil, type: type)]
        self.id = id
    }

    /// All resources of some types.
    public init(types: [ResourceType]) {
        needs = Self.distinct(types.map { Need(action: nil, type: $0) })
        id = nil
    }

    /// The steps of a transaction or batch.
    public init(steps: [(action: Action, type: ResourceType)]) {
        needs = Self.distinct(steps.map { Need(action: $0.action, type: $0.type) })
        id = nil
    }

    private static func distinct(_ needs: [Need]) -> [Need] {
        var seen: Set<Need> = []
        return needs.filter { seen.insert($0).inserted }
    }

    /// The store as a whole.
    public static let store = GrantSubject()

    private init() {
        needs = [Need(action: nil, type: nil)]
        id = nil
    }
}

/// What a grant is for: leave to read is not leave to write.
public protocol Interaction: Sendable {
    static var action: Action { get }
    static var eventKind: AuditEventKind { get }
}

extension Interaction {
    /// Whether records are seen or changed by it: those wait for a clock that is right.
    static var isAboutRecords: Bool { action != .readAudit && action != .administer }

    /// Whether records are changed by it: those wait for the security module with the root key.
    static var changesRecords: Bool {
        switch action {
        case .create, .delete, .import, .update: true
        default: false
        }
    }
}

public enum Read: Interaction {
    public static var action: Action { .read }
    public static var eventKind: AuditEventKind { .read }
}

public enum VersionRead: Interaction {
    public static var action: Action { .history }
    public static var eventKind: AuditEventKind { .vread }
}

public enum InstanceHistory: Interaction {
    public static var action: Action { .history }
    public static var eventKind: AuditEventKind { .historyInstance }
}

public enum Search: Interaction {
    public static var action: Action { .search }
    public static var eventKind: AuditEventKind { .search }
}

public enum Create: Interaction {
    public static var action: Action { .create }
    public static var eventKind: AuditEventKind { .create }
}

public enum Update: Interaction {
    public static var action: Action { .update }
    public static var eventKind: AuditEventKind { .update }
}

public enum Delete: Interaction {
    public static var action: Action { .delete }
    public static var eventKind: AuditEventKind { .delete }
}

/// Several writes in one; each entry's action is decided on its own, through ``GrantSubject/init(steps:)``.
public enum Transaction: Interaction {
    public static var action: Action { .update }
    public static var eventKind: AuditEventKind { .transaction }
}

public enum Export: Interaction {
    public static var action: Action { .export }
    public static var eventKind: AuditEventKind { .export }
}

public enum Import: Interaction {
    public static var action: Action { .import }
    public static var eventKind: AuditEventKind { .import }
}

public enum ReadAudit: Interaction {
    public static var action: Action { .readAudit }
    public static var eventKind: AuditEventKind { .auditRead }
}

public enum Administer: Interaction {
    public static var action: Action { .administer }
    public static var eventKind: AuditEventKind { .storeVerified }
}
