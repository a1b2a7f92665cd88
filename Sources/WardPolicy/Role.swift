public import WardCore

/// What somebody is in the clinic; a role starts with nothing, and the policy's document says what it may do.
public struct Role: Hashable, Sendable, RawRepresentable, CaseIterable {
    /// As the document and the log name it.
    public let rawValue: String
    /// Position in ``allCases``; nil for roles that a clinic added.
    let number: UInt8?

    /// A built-in role; nil for other names.
    public init?(rawValue: String) {
        guard let known = Self.allCases.first(where: { $0.rawValue == rawValue }) else { return nil }
        self = known
    }

    /// A role that a document defines.
    init(named name: String) {
        if let known = Role(rawValue: name) { self = known } else { self.init(name, nil) }
    }

    private init(_ rawValue: String, _ number: UInt8?) {
        self.rawValue = rawValue
        self.number = number
    }

    /// Runs the system: clients, people, keys. No patient data.
    public static let administrator = Role("administrator", 0)
    /// Sessions, alerts, keys, audit. No patient data.
    public static let securityOfficer = Role("security-officer", 1)
    /// Audit, emergency reviews, access review, disclosures. No clinical content.
    public static let privacyOfficer = Role("privacy-officer", 2)
    /// The audit log only, reading only.
    public static let auditor = Role("auditor", 3)
    /// Treats patients.
    public static let clinician = Role("clinician", 4)
    /// Nurse or medical assistant.
    public static let nurse = Role("nurse", 5)
    /// Registers and schedules: demographics, schedule, coverage. Never a note, never a result.
    public static let frontDesk = Role("front-desk", 6)
    /// Coverage, claims, and the codes and dates that a claim needs.
    public static let biller = Role("biller", 7)
    /// Sees the own record.
    public static let patient = Role("patient", 8)
    /// Sees the record of somebody they act for.
    public static let proxy = Role("proxy", 9)
    /// A SMART app acting for somebody; never more than that person.
    public static let app = Role("app", 10)
    /// A backend system: every type, for the purpose stated at its registration.
    public static let integration = Role("integration", 11)

    public static let allCases: [Role] = [
        .administrator, .securityOfficer, .privacyOfficer, .auditor, .clinician, .nurse, .frontDesk, .biller, .patient,
        .proxy, .app, .integration,
    ]

    /// Roles that a registered client may have, as opposed to a person.
    public static let ofClients: [Role] = [
        .administrator, .auditor, .clinician, .frontDesk, .integration, .privacyOfficer,
    ]

    public static func == (left: Role, right: Role) -> Bool { left.rawValue == right.rawValue }

    public func hash(into hasher: inout Hasher) { hasher.combine(rawValue) }
}

extension Role {
    /// What somebody in this role is there for, where a request says nothing else.
    public var usualPurpose: PurposeOfUse {
        switch self {
        case .administrator, .securityOfficer: .systemAdministration
        case .clinician, .nurse, .app, .integration: .treatment
        case .biller: .payment
        case .patient, .proxy: .patientRequest
        default: .operations
        }
    }
}
