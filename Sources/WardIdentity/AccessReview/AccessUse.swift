import WardAudit
public import WardCore
import WardFHIR
public import WardPolicy

/// Something that roles give: looking at or changing a group of types, or something done to the system.
public enum Right: Hashable, Sendable {
    case act(Action)
    case change(TypeGroup)
    case see(TypeGroup)

    /// For programs.
    public var code: String {
        switch self {
        case .act(let action): action.rawValue
        case .change(let group): "change-\(group.rawValue)"
        case .see(let group): "see-\(group.rawValue)"
        }
    }
}

/// Which of somebody's rights were used lately, as the log has it.
public struct AccessUse: Sendable {
    /// Days that are looked back.
    public static let days: Int64 = 90
    /// Events that are looked through at most.
    public static let longest = 20_000

    public enum Use: Hashable, Sendable {
        case last(Instant)
        case never
        /// No event tells of it, or there were more events than are looked through.
        case unknown
    }

    /// In a fixed order: what is done to records first.
    public let rights: [(right: Right, use: Use)]

    init(
        of person: Person, directory: Directory, log: AuditLog, at now: Instant
    ) throws(IdentityFailure) {
        let granted = Self.granted(person.roles, directory)
        var missing = Set(granted).subtracting(Self.notLogged)
        var last: [Right: Instant] = [:]
        let start = now.adding(seconds: -Self.days * 86_400)
        var (before, seen, isWhole) = (Int64.max, 0, false)
        while !missing.isEmpty, !isWhole, seen < Self.longest {
            let page: [LoggedEvent]
            do throws(AuditFailure) {
                page = try log.events(with: [.actor(person.actor.id)], before: before, limit: 500)
            } catch {
                throw error == .damaged ? .damaged : .storage
            }
            for logged in page where logged.event.time >= start {
                for right in Self.used(logged.event) where missing.remove(right) != nil {
                    last[right] = logged.event.time
                }
            }
            seen += page.count
            before = page.last?.index ?? 0
            // Those of a spool stand later in the log than their time says.
            let oldest = page.last { $0.event.spooled == nil }?.event.time
            isWhole = page.count < 500 || oldest.map { $0 < start } ?? false
        }
        rights = granted.map { right in
            if let time = last[right] { return (right, .last(time)) }
            return (right, isWhole && !Self.notLogged.contains(right) ? .never : .unknown)
        }
    }

    private static let notLogged: Set<Right> = [.act(.manageKeys), .act(.readAlerts), .act(.accountDisclosures)]
    private static let seeing: [Action] = [.read, .search, .history]
    private static let changing: [Action] = [.create, .update, .delete]

    /// What policy gives to some of the roles, for some purpose, where the records allow it.
    static func granted(_ roles: [Role], _ directory: Directory) -> [Right] {
        var rights: [Right] = []
        let types = Dictionary(grouping: ResourceType.allCases, by: TypeGroup.init)
        for group in TypeGroup.allCases {
            func gives(_ actions: [Action]) -> Bool {
                (types[group] ?? []).contains { type in
                    actions.contains { action in
                        PurposeOfUse.allCases.contains { purpose in
                            directory.policy.decide(
                                AccessQuestion(
                                    action: action, type: type, roles: roles, purpose: purpose, isFresh: true)
                            ).isPermitted
                        }
                    }
                }
            }
            if gives(seeing) { rights.append(.see(group)) }
            if gives(changing) { rights.append(.change(group)) }
        }
        for action in Action.allCases where !seeing.contains(action) && !changing.contains(action) {
            if directory.decision(action, roles: roles, isFresh: true).isPermitted { rights.append(.act(action)) }
        }
        return rights
    }

    /// Rights that an event is a use of.
    static func used(_ event: AuditEvent) -> [Right] {
        guard event.outcome == .success else { return [] }
        let types = event.records.map(\.type) + (event.type.map { [$0] } ?? [])
        switch event.kind {
        case .read, .vread, .search, .historyInstance: return types.map { .see(TypeGroup($0)) }
        case .create, .update, .delete: return types.map { .change(TypeGroup($0)) }
        case .transaction:
            return event.records.map { record in
                switch record.interaction {
                case .create, .update, .delete: .change(TypeGroup(record.type))
                default: .see(TypeGroup(record.type))
                }
            }
        case .import: return [.act(.import)] + types.map { .change(TypeGroup($0)) }
        case .export: return [.act(.export)]
        case .auditRead: return [.act(.readAudit)]
        case .clientAdded, .clientRemoved, .storeVerified: return [.act(.administer)]
        case .personAdded, .personDisabled, .enrolmentIssued, .rolesRequested, .rolesGranted, .rolesRefused,
            .recoveryApproved:
            return [.act(.managePeople)]
        case .recoveryAsked: return event.subject == event.actor?.id ? [] : [.act(.managePeople)]
        case .sessionEnded:
            return event.decision == Sessions.Ending.byOfficer.rawValue ? [.act(.manageSessions)] : []
        case .emergencyOpened: return [.act(.openEmergency)]
        case .emergencyReviewed: return [.act(.reviewEmergency)]
        case .accessReviewed, .activityReviewed: return [.act(.reviewAccess)]
        default: return []
        }
    }
}
