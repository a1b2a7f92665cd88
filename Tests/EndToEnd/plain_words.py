"""What the standard policy says, once more in plain words: for people through an app that may do all they may.

Written by hand from what each role is for, apart from the program and from its Swift tests. A record is "near" a member
who is in the patient's care team, or the patient's own; "far" if it is of a stranger; "nobody" if it is of no known patient.
"""

REFUSED, WHOLE, FIELDS = "refused", "whole", "fields"

#: Types that can be about a patient, with the element that says whose they are (FHIR R4 compartmentdefinition-patient).
ABOUT = {
    "Account": "subject[]", "AdverseEvent": "subject", "AllergyIntolerance": "patient",
    "Appointment": "participant.actor", "AppointmentResponse": "actor", "AuditEvent": "entity.what",
    "Basic": "subject", "BodyStructure": "patient", "CarePlan": "subject", "CareTeam": "subject",
    "ChargeItem": "subject", "Claim": "patient", "ClaimResponse": "patient", "ClinicalImpression": "subject",
    "Communication": "subject", "CommunicationRequest": "subject", "Composition": "subject", "Condition": "subject",
    "Consent": "patient", "Coverage": "beneficiary", "CoverageEligibilityRequest": "patient",
    "CoverageEligibilityResponse": "patient", "DetectedIssue": "patient", "DeviceRequest": "subject",
    "DeviceUseStatement": "subject", "DiagnosticReport": "subject", "DocumentManifest": "subject",
    "DocumentReference": "subject", "Encounter": "subject", "EnrollmentRequest": "candidate",
    "EpisodeOfCare": "patient", "ExplanationOfBenefit": "patient", "FamilyMemberHistory": "patient", "Flag": "subject",
    "Goal": "subject", "Group": "member.entity", "ImagingStudy": "subject", "Immunization": "patient",
    "ImmunizationEvaluation": "patient", "ImmunizationRecommendation": "patient", "Invoice": "subject",
    "List": "subject", "MeasureReport": "subject", "Media": "subject", "MedicationAdministration": "subject",
    "MedicationDispense": "subject", "MedicationRequest": "subject", "MedicationStatement": "subject",
    "MolecularSequence": "patient", "NutritionOrder": "patient", "Observation": "subject", "Person": "link.target",
    "Procedure": "subject", "Provenance": "target[]", "QuestionnaireResponse": "subject", "RelatedPerson": "patient",
    "RequestGroup": "subject", "ResearchSubject": "individual", "RiskAssessment": "subject", "Schedule": "actor[]",
    "ServiceRequest": "subject", "Specimen": "subject", "SupplyDelivery": "patient", "SupplyRequest": "deliverTo",
    "VisionPrescription": "patient",
}

#: Names, addresses, appointments: who treats anybody here finds them of everybody.
DEMOGRAPHICS_AND_SCHEDULE = {
    "Patient", "RelatedPerson", "Person", "Appointment", "AppointmentResponse", "Schedule", "Slot"}

MONEY = {
    "Coverage", "CoverageEligibilityRequest", "CoverageEligibilityResponse", "EnrollmentRequest", "EnrollmentResponse",
    "InsurancePlan", "Account", "ChargeItem", "ChargeItemDefinition", "Claim", "ClaimResponse", "ExplanationOfBenefit",
    "Invoice", "PaymentNotice", "PaymentReconciliation"}

#: Definitions, places, products and people of the trade: about no patient, no payment, no single device.
ABOUT_NOBODY = {
    "ActivityDefinition", "CapabilityStatement", "CatalogEntry", "CodeSystem", "CompartmentDefinition", "ConceptMap",
    "DeviceDefinition", "EffectEvidenceSynthesis", "Endpoint", "EventDefinition", "Evidence", "EvidenceVariable",
    "ExampleScenario", "GraphDefinition", "HealthcareService", "ImplementationGuide", "Library", "Location", "Measure",
    "Medication", "MedicationKnowledge", "MedicinalProduct", "MedicinalProductAuthorization",
    "MedicinalProductContraindication", "MedicinalProductIndication", "MedicinalProductIngredient",
    "MedicinalProductInteraction", "MedicinalProductManufactured", "MedicinalProductPackaged",
    "MedicinalProductPharmaceutical", "MedicinalProductUndesirableEffect", "MessageDefinition", "NamingSystem",
    "ObservationDefinition", "OperationDefinition", "Organization", "OrganizationAffiliation", "PlanDefinition",
    "Practitioner", "PractitionerRole", "Questionnaire", "ResearchDefinition", "ResearchElementDefinition",
    "RiskEvidenceSynthesis", "SearchParameter", "SpecimenDefinition", "StructureDefinition", "StructureMap",
    "Substance", "SubstanceNucleicAcid", "SubstancePolymer", "SubstanceProtein", "SubstanceReferenceInformation",
    "SubstanceSourceMaterial", "SubstanceSpecification", "TerminologyCapabilities", "TestReport", "TestScript",
    "ValueSet"}

#: What a claim needs the codes and dates of.
CLAIMED = {
    "Condition", "DiagnosticReport", "Encounter", "Immunization", "MedicationAdministration", "Patient", "Procedure",
    "RelatedPerson", "ServiceRequest"}

PLACES = {"HealthcareService", "Location", "Organization", "PractitionerRole"}

#: Roles that people have; what an app alone or a machine may is not asked here.
ROLES = (
    "administrator", "security-officer", "privacy-officer", "auditor", "clinician", "nurse", "front-desk", "biller",
    "patient", "proxy")


def answer(role, action, kind, group):
    """What comes of `action` ("read", "search" or "create") on a record without labels."""
    if role in ("clinician", "nurse"):
        return care(action, kind, group == "near")
    if role == "front-desk":
        return front_desk(action, kind)
    if role == "biller":
        return biller(action, kind)
    if role in ("patient", "proxy"):
        return own(action, kind, group == "near")
    # Whoever runs or oversees the system sees no patient data.
    return REFUSED


def care(action, kind, is_cared_for):
    if kind == "PractitionerRole" and action == "create":
        return REFUSED
    # These make somebody part of a patient's care, so that the new ones are a matter of those who are.
    if kind in ("CareTeam", "Consent", "EpisodeOfCare") and action == "create":
        return WHOLE if is_cared_for else REFUSED
    if kind in ABOUT_NOBODY or kind in DEMOGRAPHICS_AND_SCHEDULE:
        return WHOLE
    return WHOLE if is_cared_for else REFUSED


def front_desk(action, kind):
    if kind in ("Appointment", "AppointmentResponse", "Coverage", "Patient", "RelatedPerson"):
        return FIELDS
    if action == "create":
        return REFUSED
    if kind == "Practitioner":
        return FIELDS
    return WHOLE if kind in PLACES | {"InsurancePlan", "Schedule", "Slot"} else REFUSED


def biller(action, kind):
    if kind in MONEY:
        return WHOLE
    if action == "create":
        return REFUSED
    if kind in CLAIMED or kind == "Practitioner":
        return FIELDS
    return WHOLE if kind in PLACES else REFUSED


def own(action, kind, is_theirs):
    if action == "create":
        return REFUSED
    if kind == "Practitioner":
        return FIELDS
    if kind in PLACES | {"Medication"}:
        return WHOLE
    return WHOLE if is_theirs and (kind in ABOUT or kind == "Patient") else REFUSED
