package import WardCore
import WardFHIR
package import WardPolicy

/// The default policy once more: slow, and written from what it says in words, not from its document.
package enum PlainWords {
    /// What is known, one word each.
    package struct Facts: Sendable {
        package var careTeam = false
        package var appointmentToday = false
        package var assigned = false
        package var own = false
        package var proxy = false
        package var author = false
        package var emergency = false
        package var fresh = false
        package var labels: Set<String> = []
        package var consents: Set<String> = []
        package var reasons: Set<String> = []

        package init() {}

        var hasRelationship: Bool { careTeam || appointmentToday || assigned }
    }

    package enum Answer: Hashable, Sendable {
        case refused
        case whole
        case fields(String)
    }

    package static func answer(_ role: Role, _ action: Action, _ type: String?, _ purpose: PurposeOfUse, _ facts: Facts)
        -> Answer
    {
        guard let type else { return system(role, action, purpose, facts) ? .whole : .refused }
        let answer: Answer =
            switch role.rawValue {
            case "clinician", "nurse": care(role == .nurse, action, type, purpose, facts)
            case "front-desk": frontDesk(action, type, purpose)
            case "biller": biller(action, type, purpose)
            case "patient": own(action, type, purpose, facts.own)
            case "proxy": own(action, type, purpose, facts.proxy)
            case "integration": integration(action, purpose, facts)
            // Administrators and officers see no patient data; an app alone acts for nobody.
            default: .refused
            }
        return answer != .refused && staysHidden(role, action, purpose, facts) ? .refused : answer
    }

    /// Whether a label keeps a record from somebody. Writing something new discloses nothing.
    private static func staysHidden(_ role: Role, _ action: Action, _ purpose: PurposeOfUse, _ facts: Facts) -> Bool {
        if action == .create || action == .import { return false }
        let isForPatient = role == .patient || role == .proxy
        if facts.labels.contains("psychotherapy") && !facts.author { return true }
        if isForPatient { return false }
        if facts.labels.contains("restricted") && !facts.careTeam { return true }
        if facts.labels.contains("part2") && !facts.consents.contains("part2") && !facts.reasons.contains("part2") {
            return true
        }
        return facts.labels.contains("self-pay") && purpose == .payment
    }

    private static func care(
        _ isNurse: Bool, _ action: Action, _ type: String, _ purpose: PurposeOfUse, _ facts: Facts
    ) -> Answer {
        guard [.treatment, .operations, .patientRequest].contains(purpose) else { return .refused }
        guard [.create, .delete, .history, .read, .search, .update].contains(action) else { return .refused }
        let isReading = action == .read || action == .search || action == .history
        if type == "PractitionerRole" && !isReading { return .refused }
        if ["CareTeam", "Consent", "EpisodeOfCare"].contains(type) && !isReading {
            if action == .delete && isNurse { return .refused }
            return facts.careTeam || facts.assigned ? .whole : .refused
        }
        if action == .delete {
            if isNurse { return .refused }
            return notAboutPatients.contains(type) || facts.hasRelationship ? .whole : .refused
        }
        if notAboutPatients.contains(type) || demographicsAndSchedule.contains(type) { return .whole }
        return facts.hasRelationship || facts.emergency ? .whole : .refused
    }

    private static func frontDesk(_ action: Action, _ type: String, _ purpose: PurposeOfUse) -> Answer {
        if purpose == .systemAdministration { return .refused }
        let reads = action == .read || action == .search || action == .history
        switch type {
        case "Appointment", "AppointmentResponse", "Coverage", "Patient", "RelatedPerson":
            return reads || action == .create || action == .update ? .fields("front-desk") : .refused
        case "Practitioner": return reads ? .fields("front-desk") : .refused
        case "HealthcareService", "InsurancePlan", "Location", "Organization", "PractitionerRole", "Schedule", "Slot":
            return reads ? .whole : .refused
        default: return .refused
        }
    }

    private static func biller(_ action: Action, _ type: String, _ purpose: PurposeOfUse) -> Answer {
        guard purpose == .payment || purpose == .operations else { return .refused }
        if coverageAndClaims.contains(type) {
            return [.create, .history, .read, .search, .update].contains(action) ? .whole : .refused
        }
        guard action == .read || action == .search else { return .refused }
        switch type {
        case "Condition", "DiagnosticReport", "Encounter", "Immunization", "MedicationAdministration", "Patient",
            "Procedure", "RelatedPerson", "ServiceRequest":
            return .fields("billing")
        case "HealthcareService", "Location", "Organization", "PractitionerRole": return .whole
        case "Practitioner": return .fields("directory")
        default: return .refused
        }
    }

    private static func own(_ action: Action, _ type: String, _ purpose: PurposeOfUse, _ isTheirs: Bool) -> Answer {
        guard purpose == .patientRequest else { return .refused }
        if action == .read || action == .search {
            if type == "Practitioner" { return .fields("directory") }
            if ["HealthcareService", "Location", "Medication", "Organization", "PractitionerRole"].contains(type) {
                return .whole
            }
        }
        let isReading = action == .read || action == .search || action == .history
        return isReading && isTheirs && isInCompartment(type) ? .whole : .refused
    }

    private static func integration(_ action: Action, _ purpose: PurposeOfUse, _ facts: Facts) -> Answer {
        if purpose == .systemAdministration { return .refused }
        switch action {
        case .export: return facts.fresh ? .whole : .refused
        case .create, .delete, .history, .import, .read, .search, .update: return .whole
        default: return .refused
        }
    }

    private static func system(_ role: Role, _ action: Action, _ purpose: PurposeOfUse, _ facts: Facts) -> Bool {
        let needsFresh = ["administer", "export", "manage-keys", "manage-people", "open-emergency"]
        if needsFresh.contains(action.rawValue) && !facts.fresh { return false }
        switch role.rawValue {
        case "administrator":
            return purpose == .systemAdministration
                && ["administer", "manage-people", "manage-keys", "read-audit"].contains(action.rawValue)
        case "security-officer":
            return purpose == .systemAdministration
                && ["manage-sessions", "read-alerts", "manage-keys", "read-audit"].contains(action.rawValue)
        case "privacy-officer":
            return (purpose == .operations || purpose == .patientRequest)
                && [
                    "read-alerts", "read-audit", "review-emergency", "review-access", "account-disclosures",
                ].contains(action.rawValue)
        case "auditor": return purpose == .operations && action == .readAudit
        case "clinician", "nurse": return purpose == .treatment && action == .openEmergency
        case "integration": return purpose != .systemAdministration && (action == .import || action == .export)
        default: return false
        }
    }

    private static let compartment = Set(
        ResourceType.allCases.filter { !Definitions.r4.patientCompartment(of: $0).isEmpty || $0.name == "Patient" }
            .map(\.name))

    package static func isInCompartment(_ type: String) -> Bool { compartment.contains(type) }

    private static let demographicsAndSchedule: Set<String> = [
        "Patient", "RelatedPerson", "Person", "Appointment", "AppointmentResponse", "Schedule", "Slot",
    ]

    private static let coverageAndClaims: Set<String> = [
        "Coverage", "CoverageEligibilityRequest", "CoverageEligibilityResponse", "EnrollmentRequest",
        "EnrollmentResponse", "InsurancePlan", "Account", "ChargeItem", "ChargeItemDefinition", "Claim",
        "ClaimResponse", "ExplanationOfBenefit", "Invoice", "PaymentNotice", "PaymentReconciliation",
    ]

    /// The types of an R4 server that are about patients, money or single devices, one by one; all others are about
    /// none.
    private static let notAboutPatients: Set<String> = {
        let about = """
            Account AdverseEvent AllergyIntolerance Appointment AppointmentResponse AuditEvent Basic Binary \
            BiologicallyDerivedProduct BodyStructure Bundle CarePlan CareTeam ChargeItem ChargeItemDefinition Claim \
            ClaimResponse ClinicalImpression Communication CommunicationRequest Composition Condition Consent Contract \
            Coverage CoverageEligibilityRequest CoverageEligibilityResponse DetectedIssue Device DeviceMetric \
            DeviceRequest DeviceUseStatement DiagnosticReport DocumentManifest DocumentReference Encounter \
            EnrollmentRequest EnrollmentResponse EpisodeOfCare ExplanationOfBenefit FamilyMemberHistory Flag Goal Group \
            GuidanceResponse ImagingStudy Immunization ImmunizationEvaluation ImmunizationRecommendation InsurancePlan \
            Invoice Linkage List MeasureReport Media MedicationAdministration MedicationDispense MedicationRequest \
            MedicationStatement MessageHeader MolecularSequence NutritionOrder Observation OperationOutcome Parameters \
            Patient PaymentNotice PaymentReconciliation Person Procedure Provenance QuestionnaireResponse RelatedPerson \
            RequestGroup ResearchStudy ResearchSubject RiskAssessment Schedule ServiceRequest Slot Specimen \
            Subscription SupplyDelivery SupplyRequest Task VerificationResult VisionPrescription
            """
        return Set(ResourceType.allCases.map(\.name)).subtracting(about.split(separator: " ").map(String.init))
    }()

    package static var typesAboutNobody: Set<String> { notAboutPatients }
}
