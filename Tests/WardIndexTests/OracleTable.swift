import WardFHIR

/// The parameters the oracle knows, by type.
let oracleTable: [String: [OracleParameter]] = [
    "Patient": [
        one("active", .token, "active", .primitive), one("gender", .token, "gender", .primitive),
        one("birthdate", .date, "birthDate", .date), one("death-date", .date, "deceasedDateTime", .date),
        one("family", .string, "name.family", .string), one("given", .string, "name.given", .string),
        one("name", .string, "name", .name), one("address", .string, "address", .address),
        one("address-city", .string, "address.city", .string), one("telecom", .token, "telecom", .contact),
        one("identifier", .token, "identifier", .identifier),
        one("language", .token, "communication.language", .concept),
        one("general-practitioner", .reference, "generalPractitioner", .reference),
        one("organization", .reference, "managingOrganization", .reference),
    ],
    "Observation": [
        one("status", .token, "status", .primitive), one("code", .token, "code", .concept),
        one("category", .token, "category", .concept), one("subject", .reference, "subject", .reference),
        one("patient", .reference, "subject", .patient), one("encounter", .reference, "encounter", .reference),
        OracleParameter(
            code: "date", type: .date,
            sources: [("effectiveDateTime", .date), ("effectivePeriod", .date), ("effectiveInstant", .date)]),
        one("value-quantity", .quantity, "valueQuantity", .quantity),
        one("component-value-quantity", .quantity, "component.valueQuantity", .quantity),
        one("component-code", .token, "component.code", .concept),
        one("value-concept", .token, "valueCodeableConcept", .concept),
        OracleParameter(
            code: "code-value-quantity", type: .composite, sources: [("", .primitive)],
            tuple: [[("code", .concept)], [("valueQuantity", .quantity)]]),
        OracleParameter(
            code: "component-code-value-quantity", type: .composite, sources: [("component", .primitive)],
            tuple: [[("code", .concept)], [("valueQuantity", .quantity)]]),
        OracleParameter(
            code: "code-value-concept", type: .composite, sources: [("", .primitive)],
            tuple: [[("code", .concept)], [("valueCodeableConcept", .concept)]]),
    ],
    "Encounter": [
        one("status", .token, "status", .primitive), one("class", .token, "class", .coding),
        one("type", .token, "type", .concept), one("date", .date, "period", .date),
        one("length", .quantity, "length", .quantity), one("subject", .reference, "subject", .reference),
        one("service-provider", .reference, "serviceProvider", .reference),
    ],
    "Condition": [
        one("code", .token, "code", .concept), one("clinical-status", .token, "clinicalStatus", .concept),
        one("subject", .reference, "subject", .reference), one("recorded-date", .date, "recordedDate", .date),
        OracleParameter(
            code: "onset-date", type: .date, sources: [("onsetDateTime", .date), ("onsetPeriod", .date)]),
        OracleParameter(
            code: "abatement-date", type: .date, sources: [("abatementDateTime", .date), ("abatementPeriod", .date)]),
    ],
    "RiskAssessment": [
        OracleParameter(
            code: "probability", type: .number,
            sources: [("prediction.probabilityDecimal", .number), ("prediction.probabilityRange", .number)]),
        one("subject", .reference, "subject", .reference),
    ],
    "ValueSet": [
        one("url", .uri, "url", .canonical), one("name", .string, "name", .string), one("date", .date, "date", .date),
        one("_profile", .uri, "meta.profile", .canonical), one("_tag", .token, "meta.tag", .coding),
        one("status", .token, "status", .primitive), one("identifier", .token, "identifier", .identifier),
    ],
    "DocumentReference": [
        one("relatesto", .reference, "relatesTo.target", .reference),
        one("relation", .token, "relatesTo.code", .primitive),
        OracleParameter(
            code: "relationship", type: .composite, sources: [("relatesTo", .primitive)],
            tuple: [[("target", .reference)], [("code", .primitive)]]),
        one("date", .date, "date", .date),
    ],
    "MedicationRequest": [
        one("authoredon", .date, "authoredOn", .date), one("intent", .token, "intent", .primitive),
        one("code", .token, "medicationCodeableConcept", .concept), one("subject", .reference, "subject", .reference),
    ],
    "DiagnosticReport": [
        one("date", .date, "effectiveDateTime", .date), one("issued", .date, "issued", .date),
        one("code", .token, "code", .concept), one("result", .reference, "result", .reference),
    ],
    "Immunization": [
        one("date", .date, "occurrenceDateTime", .date), one("vaccine-code", .token, "vaccineCode", .concept),
        one("status", .token, "status", .primitive), one("patient", .reference, "patient", .reference),
    ],
]

private func one(_ code: String, _ type: SearchParameterType, _ path: String, _ kind: OracleKind) -> OracleParameter {
    OracleParameter(code: code, type: type, sources: [(path, kind)])
}
