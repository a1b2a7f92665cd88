import WardCore

// Laboratory work: order, specimen, results, report.
extension Chart {
    /// Reports `panel` for blood or urine taken at `visit`; `values` replace what healthy people have.
    @discardableResult
    mutating func laboratory(_ panel: LabPanel, at visit: Visit, _ values: [LabTest: Int] = [:]) -> Reference {
        let order = post(
            "ServiceRequest",
            [
                "status": "completed",
                "intent": "order",
                "category": [.text("Laboratory procedure")],
                "code": .concept(panel.concept),
                "subject": .reference(patient),
                "encounter": .reference(visit.reference),
                "authoredOn": .dateTime(visit.at(10)),
                "requester": .reference(visit.clinician.reference),
                "performer": [.reference(Company.laboratory.byNumber)],
            ])
        let specimen = specimen(panel.specimen, for: order, at: visit)
        let issued = visit.end.adding(minutes: random.int(120...1300))
        let results = panel.tests.map { test in
            result(test, values[test] ?? random.int(test.usual), at: visit, issued: issued, specimen: specimen)
        }
        return post(
            "DiagnosticReport",
            [
                "basedOn": [.reference(order)],
                "status": "final",
                "category": [.code(System.diagnosticService, "LAB")],
                "code": .concept(panel.concept),
                "subject": .reference(patient),
                "encounter": .reference(visit.reference),
                "effectiveDateTime": .dateTime(visit.at(12)),
                "issued": .instant(issued),
                "performer": [.reference(Company.laboratory.reference)],
                "specimen": [.reference(specimen)],
                "result": .references(results),
            ])
    }

    private mutating func specimen(_ type: Concept, for order: Reference, at visit: Visit) -> Reference {
        if let drawn, drawn.visit == visit.number, drawn.type == type { return drawn.specimen }
        let specimen = post(
            "Specimen",
            [
                "identifier": [.identifier(DemoSystem.specimen, "S-\(index)-\(transaction.count)")],
                "status": "available",
                "type": .concept(type),
                "subject": .reference(patient),
                "request": [.reference(order)],
                "collection": [
                    "collector": .reference(Staff.tanaka.reference), "collectedDateTime": .dateTime(visit.at(12)),
                ],
            ])
        drawn = (visit.number, type, specimen)
        return specimen
    }

    private mutating func result(
        _ test: LabTest, _ value: Int, at visit: Visit, issued: Instant, specimen: Reference
    ) -> Reference {
        post(
            "Observation",
            labResult(
                test, value, patient: patient, visit: visit.reference, taken: visit.at(12), issued: issued,
                specimen: specimen,
                status: "final"))
    }

    /// An X-ray or the like, with its finding in words.
    mutating func imaging(_ name: String, finding: String, at visit: Visit) {
        _ = post(
            "DiagnosticReport",
            [
                "status": "final",
                "category": [.code(System.diagnosticService, "RAD")],
                "code": .concept(.loinc("18748-4", "Diagnostic imaging study")),
                "subject": .reference(patient),
                "encounter": .reference(visit.reference),
                "effectiveDateTime": .dateTime(visit.at(15)),
                "issued": .instant(visit.end.adding(minutes: 90)),
                "performer": [.reference(Company.laboratory.reference)],
                "conclusion": .string("\(name): \(finding)"),
                "presentedForm": [.plainText("\(name)\n\n\(finding)\n", title: name, created: visit.end)],
            ])
    }
}

/// One laboratory result as an Observation.
func labResult(
    _ test: LabTest, _ value: Int, patient: Reference, visit: Reference, taken: Instant, issued: Instant,
    specimen: Reference, status: String
) -> JSON {
    let low = test.low.map { JSON.quantity(Decimal($0, places: test.places), test.unit) }
    let high = test.high.map { JSON.quantity(Decimal($0, places: test.places), test.unit) }
    return [
        "status": .string(status),
        "category": [.code(System.observationCategory, "laboratory")],
        "code": .concept(test.concept),
        "subject": .reference(patient),
        "encounter": .reference(visit),
        "effectiveDateTime": .dateTime(taken),
        "issued": .instant(issued),
        "performer": [.reference(Company.laboratory.reference)],
        "valueQuantity": .quantity(Decimal(value, places: test.places), test.unit),
        "interpretation": [.code(System.interpretation, test.interpretation(of: value))],
        "specimen": .reference(specimen),
        "referenceRange": low == nil && high == nil ? .absent : [["low": low ?? .absent, "high": high ?? .absent]],
    ]
}
