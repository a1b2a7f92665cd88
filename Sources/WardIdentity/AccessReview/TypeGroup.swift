public import WardFHIR

/// Resource types as somebody who reviews rights thinks of them.
public enum TypeGroup: String, CaseIterable, Sendable {
    /// Who the patients are and who belongs to them.
    case demographics
    case schedule
    /// Coverage and claims.
    case billing
    /// Everything said about a patient's health, and every type that is in no other group.
    case clinical
    /// Staff, organizations, places and services.
    case directory
    /// Definitions, catalogs and terminology: about no patient.
    case knowledge

    public init(_ type: ResourceType) { self = Self.groups[type.name] ?? .clinical }

    private static let groups: [String: TypeGroup] = {
        var groups: [String: TypeGroup] = [:]
        for (group, names) in names { for name in names.split(separator: " ") { groups[String(name)] = group } }
        return groups
    }()

    private static let names: [(TypeGroup, String)] = [
        (.demographics, "Patient Person RelatedPerson"),
        (.schedule, "Appointment AppointmentResponse Schedule Slot"),
        (
            .billing,
            "Account ChargeItem ChargeItemDefinition Claim ClaimResponse Coverage CoverageEligibilityRequest "
                + "CoverageEligibilityResponse EnrollmentRequest EnrollmentResponse ExplanationOfBenefit InsurancePlan "
                + "Invoice PaymentNotice PaymentReconciliation"
        ),
        (
            .directory,
            "Endpoint HealthcareService Location Organization OrganizationAffiliation Practitioner PractitionerRole"
        ),
        (
            .knowledge,
            "ActivityDefinition CapabilityStatement CatalogEntry CodeSystem CompartmentDefinition ConceptMap "
                + "DeviceDefinition EffectEvidenceSynthesis EventDefinition Evidence EvidenceVariable ExampleScenario "
                + "GraphDefinition ImplementationGuide Library Measure Medication MedicationKnowledge "
                + "MedicinalProduct MedicinalProductAuthorization MedicinalProductContraindication "
                + "MedicinalProductIndication MedicinalProductIngredient MedicinalProductInteraction "
                + "MedicinalProductManufactured MedicinalProductPackaged MedicinalProductPharmaceutical "
                + "MedicinalProductUndesirableEffect MessageDefinition NamingSystem ObservationDefinition "
                + "OperationDefinition PlanDefinition Questionnaire ResearchDefinition ResearchElementDefinition "
                + "RiskEvidenceSynthesis SearchParameter SpecimenDefinition StructureDefinition StructureMap Substance "
                + "SubstanceNucleicAcid SubstancePolymer SubstanceProtein SubstanceReferenceInformation "
                + "SubstanceSourceMaterial SubstanceSpecification TerminologyCapabilities TestReport TestScript "
                + "ValueSet"
        ),
    ]
}
