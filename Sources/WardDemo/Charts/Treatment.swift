import WardCore

// Problems, medicines, vaccines, procedures, allergies.
extension Chart {
    /// A problem that lasts, known since about `daysBack`.
    @discardableResult
    mutating func problem(_ diagnosis: Diagnosis, daysBack: Int) -> Reference {
        if let known = problems.first(where: { $0.diagnosis.slug == diagnosis.slug }) { return known.reference }
        let day = max(birthDay, lastDay - Int64(daysBack))
        let date = CalendarDay(daysSinceEpoch: day)
        // The older, the less exactly people remember.
        let onset = daysBack > 4000 ? String(date.year) : daysBack > 1500 ? String(date.text.prefix(7)) : date.text
        let reference = put(
            "Condition", id: readableID(diagnosis.slug),
            [
                "clinicalStatus": .code(System.conditionClinical, "active"),
                "verificationStatus": .code(System.conditionVerified, "confirmed"),
                "category": [.code(System.conditionCategory, "problem-list-item")],
                "code": .concept(diagnosis.concept),
                "subject": .reference(patient),
                "onsetDateTime": .string(onset),
                "recordedDate": .date(day),
                "recorder": .reference(person.doctor.reference),
            ])
        problems.append((diagnosis, reference))
        return reference
    }

    /// An illness of one visit, over after `days`.
    @discardableResult
    mutating func illness(_ diagnosis: Diagnosis, at visit: Visit, days: Int) -> Reference {
        let abated = min(visit.day + Int64(days), lastDay)
        return post(
            "Condition",
            [
                "clinicalStatus": .code(System.conditionClinical, "resolved"),
                "verificationStatus": .code(System.conditionVerified, "confirmed"),
                "category": [.code(System.conditionCategory, "encounter-diagnosis")],
                "code": .concept(diagnosis.concept),
                "subject": .reference(patient),
                "encounter": .reference(visit.reference),
                "onsetDateTime": .date(max(birthDay, visit.day - 2)),
                "abatementDateTime": .date(max(abated, visit.day)),
                "recordedDate": .dateTime(visit.at(10)),
            ])
    }

    /// A course of medicine that has ended.
    mutating func prescribeOnce(_ medicine: Medicine, at visit: Visit, reason: Reference? = nil) {
        _ = post("MedicationRequest", prescription(medicine, status: "completed", at: visit, reason: reason))
    }

    /// A medicine taken from `visit` on; also what the patient says about it.
    mutating func prescribe(_ medicine: Medicine, at visit: Visit, reason: Reference? = nil) {
        guard medicines.insert(medicine.slug).inserted else { return }
        let status = person.diedDaysAgo == nil ? "active" : "stopped"
        let request = put(
            "MedicationRequest", id: readableID(medicine.slug),
            prescription(medicine, status: status, at: visit, reason: reason))
        _ = put(
            "MedicationStatement", id: readableID("takes-\(medicine.slug)"),
            [
                "status": .string(status),
                "medicationCodeableConcept": .concept(medicine.concept),
                "subject": .reference(patient),
                "context": .reference(visit.reference),
                "effectivePeriod": ["start": .date(visit.day)],
                "dateAsserted": .date(lastDay),
                "informationSource": .reference(isChild ? person.doctor.reference : patient),
                "derivedFrom": [.reference(request)],
                "reasonReference": reason.map { [.reference($0)] } ?? .absent,
                "dosage": [["text": .string(medicine.instruction)]],
            ])
    }

    private func prescription(_ medicine: Medicine, status: String, at visit: Visit, reason: Reference?) -> JSON {
        let timing: JSON =
            medicine.timesADay.map { ["repeat": ["frequency": .integer($0), "period": 1, "periodUnit": "d"]] }
            ?? .absent
        let stocked = Pharmacy.stocked[medicine]
        return [
            "status": .string(status),
            "intent": "order",
            "category": [.code(System.medicationCategory, "community")],
            "medicationCodeableConcept": stocked == nil ? .concept(medicine.concept) : .absent,
            "medicationReference": stocked.map { .reference($0) } ?? .absent,
            "subject": .reference(patient),
            "encounter": .reference(visit.reference),
            "authoredOn": .dateTime(visit.at(15)),
            "requester": .reference(visit.clinician.reference),
            "reasonReference": reason.map { [.reference($0)] } ?? .absent,
            "dosageInstruction": [
                [
                    "text": .string(medicine.instruction),
                    "timing": timing,
                    "asNeededBoolean": medicine.timesADay == nil ? true : .absent,
                    "doseAndRate": [["doseQuantity": .quantity(Decimal(medicine.dose), medicine.form)]],
                ]
            ],
            "dispenseRequest": [
                "numberOfRepeatsAllowed": status == "completed" ? 0 : 3,
                "quantity": .quantity(Decimal(medicine.timesADay.map { $0 * medicine.dose * 30 } ?? 20), medicine.form),
            ],
        ]
    }

    mutating func vaccinate(_ vaccine: Vaccine, dose: Int?, at visit: Visit) {
        _ = post(
            "Immunization",
            [
                "status": "completed",
                "vaccineCode": .concept(vaccine.concept),
                "patient": .reference(patient),
                "encounter": .reference(visit.reference),
                "occurrenceDateTime": .dateTime(visit.at(14)),
                "primarySource": true,
                "location": .reference(Place.building.reference),
                "lotNumber": .string("DEMO\(random.int(1000...9999))"),
                "performer": [["actor": .reference(random.pick([Staff.brandt, .tanaka]).reference)]],
                "protocolApplied": dose.map { [["doseNumberPositiveInt": .integer($0)]] } ?? .absent,
            ])
    }

    @discardableResult
    mutating func procedure(_ name: String, at visit: Visit, by staff: Staff? = nil, reason: Reference? = nil)
        -> Reference
    {
        post(
            "Procedure",
            [
                "status": "completed",
                "code": .text(name),
                "subject": .reference(patient),
                "encounter": .reference(visit.reference),
                "performedPeriod": .period(visit.at(10), visit.end),
                "performer": [["actor": .reference((staff ?? visit.clinician).reference)]],
                "location": .reference(Place.building.reference),
                "reasonReference": reason.map { [.reference($0)] } ?? .absent,
            ])
    }

    /// "No known allergy" is a statement of its own, with the day somebody asked.
    mutating func noKnownAllergy(at visit: Visit) {
        _ = put(
            "AllergyIntolerance", id: readableID("no-known-allergy"),
            [
                "clinicalStatus": .code(System.allergyClinical, "active"),
                "verificationStatus": .code(System.allergyVerified, "confirmed"),
                "code": .concept(Concept(System.snomed, "716186003", "No known allergy")),
                "patient": .reference(patient),
                "recordedDate": .dateTime(visit.at(6)),
                "recorder": .reference(visit.clinician.reference),
                "asserter": isChild ? .absent : .reference(patient),
            ])
    }

    mutating func allergy(
        _ slug: String, to substance: Concept, category: String, severe: Bool, manifestation: String, at visit: Visit
    ) {
        _ = put(
            "AllergyIntolerance", id: readableID("allergy-\(slug)"),
            [
                "clinicalStatus": .code(System.allergyClinical, "active"),
                "verificationStatus": .code(System.allergyVerified, "confirmed"),
                "type": "allergy",
                "category": [.string(category)],
                "criticality": .string(severe ? "high" : "low"),
                "code": .concept(substance),
                "patient": .reference(patient),
                "recordedDate": .dateTime(visit.at(6)),
                "recorder": .reference(visit.clinician.reference),
                "reaction": [
                    [
                        "manifestation": [.text(manifestation)], "severity": .string(severe ? "severe" : "mild"),
                    ]
                ],
            ])
    }
}

/// Medicines kept as resources of their own, since several prescriptions share them.
enum Pharmacy {
    static let stocked: [Medicine: Reference] = [
        .warfarin: Reference("Medication/warfarin-5mg"), .albuterol: Reference("Medication/albuterol-inhaler"),
        .epinephrine: Reference("Medication/epinephrine-injector"),
    ]

    static let listed: [(id: String, medicine: Medicine)] = [
        ("warfarin-5mg", .warfarin), ("albuterol-inhaler", .albuterol), ("epinephrine-injector", .epinephrine),
    ]
}
