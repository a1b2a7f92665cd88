import WardPolicy

/// Roles as the people who have them would say it.
enum RoleWords {
    /// Those a person can be given here.
    static func forPeople(_ policy: Policy) -> [Role] { policy.roles.filter { $0 != .app && $0 != .integration } }

    static func name(_ role: String) -> String { words(role).name }

    static func name(_ role: Role) -> String { words(role.rawValue).name }

    static func meaning(_ role: Role) -> String { words(role.rawValue).meaning }

    private static func words(_ role: String) -> (name: String, meaning: String) {
        switch role {
        case "administrator": ("Administrator", "runs the system and its accounts; sees no patient data")
        case "security-officer":
            ("Security officer", "watches sessions, alerts, keys and the log; sees no patient data")
        case "privacy-officer": ("Privacy officer", "reviews who saw what; sees no clinical content")
        case "auditor": ("Auditor", "reads the audit log and nothing else")
        case "clinician": ("Clinician", "treats patients")
        case "nurse": ("Nurse or medical assistant", "treats patients together with clinicians")
        case "front-desk": ("Front desk", "registers and schedules; sees no notes and no results")
        case "biller": ("Biller", "coverage and claims, with the codes and dates they need")
        case "patient": ("Patient", "sees their own record")
        case "proxy": ("Proxy", "acts for a patient")
        default: (role, "has the rights that the clinic's policy gives it")
        }
    }
}
