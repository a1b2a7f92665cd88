public import WardCore

/// The roles of this release.
///
/// Each name says what the person does; a role starts with nothing.
public enum Role: String, CaseIterable, Sendable {
    /// Keeps the system running: clients, keys, verification, the audit log. No patient data at all.
    case administrator
    /// Treats patients: every record type.
    case clinician
    /// Registers and schedules: demographics, schedule, coverage. Never a note, never a result.
    case frontDesk = "front-desk"
    /// A backend system: every type, for the purpose stated at its registration.
    case integration
}

extension Role {
    /// What somebody in this role is there for, where a request says nothing else.
    public var usualPurpose: PurposeOfUse {
        switch self {
        case .administrator: .systemAdministration
        case .clinician, .integration: .treatment
        case .frontDesk: .operations
        }
    }
}
