/// Table: the compartments of R4 besides a patient's (compartmentdefinition-device.html, -encounter, -practitioner,
/// -relatedperson): the type, and the parameters by which its records belong there.
public enum CompartmentTable {
    /// Types that have a compartment.
    public static let types: [ResourceType] = (["Patient"] + others.keys.sorted()).compactMap { ResourceType($0) }

    /// Parameters whose references to `owner` put a record of a type into its compartment; empty for types outside.
    public static func parameters(of type: ResourceType, in owner: ResourceType) -> [UInt16] {
        if owner.name == "Patient" { return Definitions.r4.patientCompartment(of: type) }
        return known[owner]?[type] ?? []
    }

    private static let known: [ResourceType: [ResourceType: [UInt16]]] = {
        var known: [ResourceType: [ResourceType: [UInt16]]] = [:]
        for (owner, table) in others {
            guard let owner = ResourceType(owner) else { continue }
            for item in table.split(separator: " ") {
                let parts = item.split(separator: "=")
                guard parts.count == 2, let type = ResourceType(parts[0]) else { continue }
                known[owner, default: [:]][type] = parts[1].split(separator: "+")
                    .compactMap { Definitions.r4.searchParameter(String($0), of: type)?.number }
            }
        }
        return known
    }()

    private static let others = [
        "Device":
            "Account=subject Appointment=actor AppointmentResponse=actor AuditEvent=agent"
                + " ChargeItem=enterer+performer-actor Claim=procedure-udi+item-udi+detail-udi+subdetail-udi"
                + " Communication=sender+recipient CommunicationRequest=sender+recipient Composition=author"
                + " DetectedIssue=author DeviceRequest=device+subject+requester+performer"
                + " DeviceUseStatement=device DiagnosticReport=subject DocumentManifest=subject+author"
                + " DocumentReference=subject+author"
                + " ExplanationOfBenefit=procedure-udi+item-udi+detail-udi+subdetail-udi Flag=author"
                + " Group=member Invoice=participant List=subject+source Media=subject"
                + " MedicationAdministration=device MessageHeader=target Observation=subject+device"
                + " Provenance=agent QuestionnaireResponse=author RequestGroup=author"
                + " RiskAssessment=performer Schedule=actor ServiceRequest=performer+requester"
                + " Specimen=subject SupplyRequest=requester",
        "Encounter":
            "CarePlan=encounter CareTeam=encounter ChargeItem=context Claim=encounter"
                + " ClinicalImpression=encounter Communication=encounter CommunicationRequest=encounter"
                + " Composition=encounter Condition=encounter DeviceRequest=encounter"
                + " DiagnosticReport=encounter DocumentManifest=related-ref DocumentReference=encounter"
                + " ExplanationOfBenefit=encounter Media=encounter"
                + " MedicationAdministration=context MedicationRequest=encounter NutritionOrder=encounter"
                + " Observation=encounter Procedure=encounter QuestionnaireResponse=encounter"
                + " RequestGroup=encounter ServiceRequest=encounter VisionPrescription=encounter",
        "Practitioner":
            "Account=subject AdverseEvent=recorder AllergyIntolerance=recorder+asserter Appointment=actor"
                + " AppointmentResponse=actor AuditEvent=agent Basic=author CarePlan=performer"
                + " CareTeam=participant ChargeItem=enterer+performer-actor"
                + " Claim=enterer+provider+payee+care-team ClaimResponse=requestor"
                + " ClinicalImpression=assessor Communication=sender+recipient"
                + " CommunicationRequest=sender+recipient+requester Composition=subject+author+attester"
                + " Condition=asserter CoverageEligibilityRequest=enterer+provider"
                + " CoverageEligibilityResponse=requestor DetectedIssue=author"
                + " DeviceRequest=requester+performer DiagnosticReport=performer"
                + " DocumentManifest=subject+author+recipient DocumentReference=subject+author+authenticator"
                + " Encounter=practitioner+participant EpisodeOfCare=care-manager"
                + " ExplanationOfBenefit=enterer+provider+payee+care-team Flag=author Group=member"
                + " Immunization=performer Invoice=participant Linkage=author List=source"
                + " Media=subject+operator MedicationAdministration=performer"
                + " MedicationDispense=performer+receiver MedicationRequest=requester"
                + " MedicationStatement=source MessageHeader=receiver+author+responsible+enterer"
                + " NutritionOrder=provider Observation=performer Patient=general-practitioner"
                + " PaymentNotice=provider PaymentReconciliation=requestor Person=practitioner"
                + " PractitionerRole=practitioner Procedure=performer Provenance=agent"
                + " QuestionnaireResponse=author+source RequestGroup=participant+author"
                + " ResearchStudy=principalinvestigator RiskAssessment=performer Schedule=actor"
                + " ServiceRequest=performer+requester Specimen=collector SupplyDelivery=supplier+receiver"
                + " SupplyRequest=requester VisionPrescription=prescriber",
        "RelatedPerson":
            "AdverseEvent=recorder AllergyIntolerance=asserter Appointment=actor AppointmentResponse=actor"
                + " Basic=author CarePlan=performer CareTeam=participant ChargeItem=enterer+performer-actor"
                + " Claim=payee Communication=sender+recipient"
                + " CommunicationRequest=sender+recipient+requester Composition=author Condition=asserter"
                + " Coverage=policy-holder+subscriber+payor DocumentManifest=author+recipient"
                + " DocumentReference=author Encounter=participant ExplanationOfBenefit=payee"
                + " Invoice=recipient MedicationAdministration=performer MedicationStatement=source"
                + " Observation=performer Patient=link Person=link Procedure=performer Provenance=agent"
                + " QuestionnaireResponse=author+source RequestGroup=participant"
                + " Schedule=actor ServiceRequest=performer SupplyRequest=requester",
    ]
}
