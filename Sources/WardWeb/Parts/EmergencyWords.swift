import WardAudit
import WardIdentity
import WardPolicy

/// Emergencies and rights as the people who deal with them would say it.
enum EmergencyWords {
    static func text(_ reason: Emergency.Reason) -> String {
        switch reason {
        case .lifeThreatening: "Danger to life or limb"
        case .cannotSpeak: "The patient cannot speak for themselves"
        case .urgentCare: "Treatment cannot wait until somebody with access is reached"
        case .absentColleague: "In place of a colleague who is absent"
        case .part2: "Medical emergency that needs substance use disorder records (42 CFR Part 2)"
        }
    }

    static func text(_ outcome: Emergency.Outcome) -> String {
        switch outcome {
        case .appropriate: "Appropriate"
        case .notAppropriate: "Not appropriate"
        case .needsFollowUp: "Needs follow-up: stays on the list"
        }
    }

    static func text(_ kind: AuditEventKind) -> String {
        switch kind {
        case .read: "read"
        case .vread, .historyInstance: "read earlier versions"
        case .search: "searched"
        case .create: "wrote"
        case .update: "changed"
        case .delete: "deleted"
        case .transaction: "wrote several"
        case .export: "took out"
        case .auditRead: "read the log"
        default: String(kind.rawValue.map { $0 == "-" ? " " : $0 })
        }
    }

    static func short(_ outcome: Emergency.Outcome) -> String {
        outcome == .needsFollowUp ? "Needs follow-up" : text(outcome)
    }
}

enum RightWords {
    static func text(_ right: Right) -> String {
        switch right {
        case .see(let group): "See \(text(group))"
        case .change(let group): "Change \(text(group))"
        case .act(let action): text(action)
        }
    }

    private static func text(_ group: TypeGroup) -> String {
        switch group {
        case .demographics: "who the patients are"
        case .schedule: "the schedule"
        case .billing: "coverage and claims"
        case .clinical: "health records"
        case .directory: "staff, places and services"
        case .knowledge: "definitions and catalogs"
        }
    }

    private static func text(_ action: Action) -> String {
        switch action {
        case .administer: "Register clients, verify the store"
        case .export: "Take out whole sets of records"
        case .import: "Bring in whole sets of records"
        case .readAudit: "Read the audit log"
        case .managePeople: "Add people, give roles, end access"
        case .manageKeys: "Keep keys"
        case .manageSessions: "See and end sessions of others"
        case .readAlerts: "See alerts"
        case .reviewEmergency: "Review emergencies"
        case .reviewAccess: "Review who has which access"
        case .accountDisclosures: "Account for disclosures"
        case .openEmergency: "Declare emergencies"
        case .create, .delete, .history, .read, .search, .update: action.rawValue
        }
    }
}
