/// A coded idea, or words alone where `system` is nil.
struct Concept: Hashable, Sendable {
    let system: String?
    let code: String
    let display: String

    init(_ system: String, _ code: String, _ display: String) {
        self.system = system
        self.code = code
        self.display = display
    }

    init(words: String) {
        system = nil
        code = ""
        display = words
    }

    static func loinc(_ code: String, _ display: String) -> Concept { Concept(System.loinc, code, display) }
}

/// A unit of the Unified Code for Units of Measure, with the name people write.
struct Unit: Hashable, Sendable {
    let name: String
    let ucum: String

    init(_ name: String, _ ucum: String? = nil) {
        self.name = name
        self.ucum = ucum ?? name
    }

    static let percent = Unit("%")
    static let perMinute = Unit("/min")
    static let mmHg = Unit("mmHg", "mm[Hg]")
    static let celsius = Unit("°C", "Cel")
    static let kilogram = Unit("kg")
    static let centimetre = Unit("cm")
    static let bodyMass = Unit("kg/m²", "kg/m2")
    static let score = Unit("score", "{score}")
    static let week = Unit("weeks", "wk")
    static let year = Unit("years", "a")
}

/// Public code systems (FHIR R4 terminologies-systems.html).
enum System {
    static let loinc = "http://loinc.org"
    static let ucum = "http://unitsofmeasure.org"
    static let rxnorm = "http://www.nlm.nih.gov/research/umls/rxnorm"
    static let icd10cm = "http://hl7.org/fhir/sid/icd-10-cm"
    static let cvx = "http://hl7.org/fhir/sid/cvx"
    static let snomed = "http://snomed.info/sct"
    static let language = "urn:ietf:bcp:47"
    static let actCode = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    static let actReason = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
    static let roleCode = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
    static let participation = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
    static let maritalStatus = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus"
    static let interpretation = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
    static let conditionClinical = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    static let conditionVerified = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
    static let conditionCategory = "http://terminology.hl7.org/CodeSystem/condition-category"
    static let allergyClinical = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
    static let allergyVerified = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
    static let observationCategory = "http://terminology.hl7.org/CodeSystem/observation-category"
    static let diagnosticService = "http://terminology.hl7.org/CodeSystem/v2-0074"
    static let identifierType = "http://terminology.hl7.org/CodeSystem/v2-0203"
    static let contactRole = "http://terminology.hl7.org/CodeSystem/v2-0131"
    static let appointmentType = "http://terminology.hl7.org/CodeSystem/v2-0276"
    static let cancellation = "http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason"
    static let specimenType = "http://terminology.hl7.org/CodeSystem/v2-0487"
    static let organizationType = "http://terminology.hl7.org/CodeSystem/organization-type"
    static let physicalType = "http://terminology.hl7.org/CodeSystem/location-physical-type"
    static let claimType = "http://terminology.hl7.org/CodeSystem/claim-type"
    static let priority = "http://terminology.hl7.org/CodeSystem/processpriority"
    static let adjudication = "http://terminology.hl7.org/CodeSystem/adjudication"
    static let adjudicationError = "http://terminology.hl7.org/CodeSystem/adjudication-error"
    static let payment = "http://terminology.hl7.org/CodeSystem/ex-paymenttype"
    static let subscriber = "http://terminology.hl7.org/CodeSystem/subscriber-relationship"
    static let coverageClass = "http://terminology.hl7.org/CodeSystem/coverage-class"
    static let consentScope = "http://terminology.hl7.org/CodeSystem/consentscope"
    static let flagCategory = "http://terminology.hl7.org/CodeSystem/flag-category"
    static let goalAchievement = "http://terminology.hl7.org/CodeSystem/goal-achievement"
    static let message = "http://terminology.hl7.org/CodeSystem/communication-category"
    static let provenanceAgent = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
    static let medicationCategory = "http://terminology.hl7.org/CodeSystem/medicationrequest-category"
}

/// Namespaces of the demo's own.
enum DemoSystem {
    static let base = "https://demo.ward.example"
    static let recordNumber = base + "/identifiers/record-number"
    static let staff = base + "/identifiers/staff"
    static let organization = base + "/identifiers/organization"
    static let member = base + "/identifiers/member"
    static let visit = base + "/identifiers/visit"
    static let claim = base + "/identifiers/claim"
    static let specimen = base + "/identifiers/specimen"
    static let visitType = base + "/codes/visit-type"
    static let fee = base + "/codes/fee"
    static let task = base + "/codes/task"
}
