import WardAudit

/// A code of a code system.
struct AuditCoding: Sendable {
    let system: String
    let code: String
    let display: String

    static func dicom(_ code: String, _ display: String) -> AuditCoding {
        AuditCoding(system: "http://dicom.nema.org/resources/ontology/DCM", code: code, display: display)
    }

    static func interaction(_ code: String) -> AuditCoding {
        AuditCoding(system: "http://hl7.org/fhir/restful-interaction", code: code, display: code)
    }

    static let rest = AuditCoding(
        system: "http://terminology.hl7.org/CodeSystem/audit-event-type", code: "rest", display: "RESTful Operation")
    static let disclose = AuditCoding(
        system: "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle", code: "disclose",
        display: "Disclose Record Lifecycle Event")
    static let application = dicom("110150", "Application")
    static let destination = dicom("110152", "Destination Role ID")
    static let source = dicom("110153", "Source Role ID")
    static let custodian = AuditCoding(
        system: "http://terminology.hl7.org/CodeSystem/provenance-participant-type", code: "custodian",
        display: "Custodian")

    static func participation(_ code: String, _ display: String) -> AuditCoding {
        AuditCoding(
            system: "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", code: code, display: display)
    }
}

/// What an event is in the code systems of FHIR and DICOM (PS3.15 A.5).
struct AuditCodes: Sendable {
    let type: AuditCoding
    let subtype: AuditCoding?
    /// FHIR R4 audit-event-action.
    let action: String

    init(_ kind: AuditEventKind) {
        let alert = AuditCoding.dicom("110113", "Security Alert")
        let activity = AuditCoding.dicom("110100", "Application Activity")
        let authentication = AuditCoding.dicom("110114", "User Authentication")
        let logUsed = AuditCoding.dicom("110101", "Audit Log Used")
        (type, subtype, action) =
            switch kind {
            case .create: (.rest, .interaction("create"), "C")
            case .read: (.rest, .interaction("read"), "R")
            case .vread: (.rest, .interaction("vread"), "R")
            case .historyInstance: (.rest, .interaction("history-instance"), "R")
            case .search: (.rest, .interaction("search-type"), "E")
            case .update: (.rest, .interaction("update"), "U")
            case .delete: (.rest, .interaction("delete"), "D")
            case .transaction: (.rest, .interaction("transaction"), "E")
            case .requestRefused: (.rest, nil, "E")
            case .export: (.dicom("110106", "Export"), .disclose, "R")
            case .disclosureRecorded, .download, .print: (.dicom("110106", "Export"), nil, "R")
            case .import: (.dicom("110107", "Import"), nil, "C")
            case .accountingMade, .activityReviewed, .auditExported, .auditRead, .accessReviewed: (logUsed, nil, "R")
            case .signedIn, .signInFailed, .sessionUnlocked, .steppedUp:
                (authentication, .dicom("110122", "Login"), "E")
            case .sessionEnded: (authentication, .dicom("110123", "Logout"), "E")
            case .tokenIssued, .tokenRevoked, .appAuthorized, .appLaunched: (authentication, nil, "E")
            case .start: (activity, .dicom("110120", "Application Start"), "E")
            case .stop: (activity, .dicom("110121", "Application Stop"), "E")
            case .emergencyOpened: (alert, .dicom("110127", "Emergency Override Started"), "E")
            case .emergencyEnded: (alert, .dicom("110128", "Emergency Override Stopped"), "E")
            case .rolesGranted, .rolesRefused, .rolesRequested:
                (alert, .dicom("110136", "Security Roles Changed"), "E")
            case .personAdded, .personChanged, .personDisabled, .factorAdded, .factorRemoved, .enrolmentIssued,
                .enrolmentUsed, .recoveryApproved, .recoveryAsked, .clientAdded, .clientRemoved, .appApproved,
                .appRegistered, .appRemoved:
                (alert, .dicom("110137", "User Security Attributes Changed"), "E")
            case .configurationChanged, .policyAdopted, .keysAway, .keysBack, .keysCreated, .keysOpened, .keysRecovered,
                .keysRotated, .patientKeysRotated, .recordsResealed, .storeUpgraded:
                (alert, .dicom("110131", "Security Configuration"), "E")
            case .keyDestroyed: (alert, .dicom("110131", "Security Configuration"), "D")
            case .activityReviewOverdue, .alertAnswered, .alertRaised, .clockJumped, .logInterrupted, .postureRed:
                (alert, nil, "E")
            case .egressDisclosed: (.dicom("110106", "Export"), .disclose, "R")
            case .egressRefused: (alert, nil, "E")
            case .vendorAdded, .agreementSigned, .agreementRevoked, .destinationAdded, .destinationRemoved, .noticeSet:
                (alert, .dicom("110131", "Security Configuration"), "E")
            default: (activity, nil, "E")
            }
    }
}
