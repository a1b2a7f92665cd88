/// What somebody wants to do; FHIR interactions and the commands that touch the store.
public enum Action: String, CaseIterable, Sendable {
    case create, delete, read, search, update
    case history
    /// Reading audit events. They name patients, but hold nothing clinical.
    case readAudit = "read-audit"
    /// Registering clients, verifying.
    case administer
    /// Taking in or giving out whole sets of records.
    case export
    case `import` = "import"
    /// Adding and disabling people, giving roles.
    case managePeople = "manage-people"
    case manageKeys = "manage-keys"
    /// Seeing and ending sessions.
    case manageSessions = "manage-sessions"
    case readAlerts = "read-alerts"
    /// Reviewing emergency access after the fact.
    case reviewEmergency = "review-emergency"
    /// Reviewing who has which access, and signing for what happened each week.
    case reviewAccess = "review-access"
    /// Accounting of disclosures (45 CFR 164.528).
    case accountDisclosures = "account-disclosures"
    /// Declaring an emergency (45 CFR 164.312(a)(2)(ii)).
    case openEmergency = "open-emergency"

    /// One bit for each.
    var bit: UInt32 {
        switch self {
        case .create: 1
        case .delete: 1 << 1
        case .read: 1 << 2
        case .search: 1 << 3
        case .update: 1 << 4
        case .history: 1 << 5
        case .readAudit: 1 << 6
        case .administer: 1 << 7
        case .export: 1 << 8
        case .import: 1 << 9
        case .managePeople: 1 << 10
        case .manageKeys: 1 << 11
        case .manageSessions: 1 << 12
        case .readAlerts: 1 << 13
        case .reviewEmergency: 1 << 14
        case .reviewAccess: 1 << 15
        case .accountDisclosures: 1 << 16
        case .openEmergency: 1 << 17
        }
    }

    /// Whether it is done to records, and so is decided by their type.
    var concernsRecords: Bool { bit & 0b11_0011_1111 != 0 }

    /// Whether it is done to the store as a whole, and so is decided without a type.
    var concernsSystem: Bool { self == .export || self == .import || !concernsRecords }
}
