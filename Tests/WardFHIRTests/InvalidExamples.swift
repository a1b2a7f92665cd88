/// HL7's own R4 examples that break R4, each checked by hand against the definitions: file -> rule and location,
/// positions left out.
enum InvalidExamples {
    static let issues: [String: Set<String>] = [
        // The div holds white space only.
        "ActivityDefinition-blood-tubes-supply": ["narrativeEmpty ActivityDefinition.text.div"],
        "ActivityDefinition-heart-valve-replacement": ["narrativeEmpty ActivityDefinition.text.div"],
        "EventDefinition-example": ["narrativeEmpty EventDefinition.text.div"],
        "Questionnaire-zika-virus-exposure-assessment": ["narrativeEmpty Questionnaire.text.div"],
        // Refers to a DeviceDefinition; only Device is allowed.
        "DeviceMetric-example": ["wrongTargetType DeviceMetric.parent"],
        // Refers to a Procedure; allowed are Condition, Observation, DiagnosticReport, DocumentReference, Media.
        "DeviceUseStatement-example": ["wrongTargetType DeviceUseStatement.reasonReference"],
        // Refers to a Practitioner; only Organization is allowed.
        "MedicationRequest-medrx0301": ["wrongTargetType MedicationRequest.dispenseRequest.performer"],
        // Refers to an Encounter, which performs nothing.
        "Observation-clinical-gender": ["wrongTargetType Observation.performer"],
        // No name, no status, and an id of more than 64 characters in one reference.
        "ImplementationGuide-fhir": implementationGuide, "ig-r4": implementationGuide,
        // Display items without linkId, on three levels.
        "Questionnaire-qs1": [
            "missingElement Questionnaire.item.item.linkId", "missingElement Questionnaire.item.item.item.linkId",
            "missingElement Questionnaire.item.item.item.item.linkId",
        ],
        // The id has more than 64 characters.
        "SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject":
            ["malformedID SearchParameter.id"],
        // No base.
        "SearchParameter-codesystem-extensions-CodeSystem-author": searchParameter,
        "SearchParameter-codesystem-extensions-CodeSystem-effective": searchParameter,
        "SearchParameter-codesystem-extensions-CodeSystem-end": searchParameter,
        "SearchParameter-codesystem-extensions-CodeSystem-keyword": searchParameter,
        "SearchParameter-codesystem-extensions-CodeSystem-workflow": searchParameter,
        "SearchParameter-valueset-extensions-ValueSet-author": searchParameter,
        "SearchParameter-valueset-extensions-ValueSet-effective": searchParameter,
        "SearchParameter-valueset-extensions-ValueSet-end": searchParameter,
        "SearchParameter-valueset-extensions-ValueSet-keyword": searchParameter,
        "SearchParameter-valueset-extensions-ValueSet-workflow": searchParameter,
        // Not a resource: the manifest of the package.
        "package": ["missingResourceType Resource"],
    ]

    private static let implementationGuide: Set<String> = [
        "malformedReference ImplementationGuide.manifest.resource.reference",
        "missingElement ImplementationGuide.name", "missingElement ImplementationGuide.status",
    ]
    private static let searchParameter: Set<String> = ["missingElement SearchParameter.base"]
}
