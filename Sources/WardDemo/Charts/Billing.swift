import WardCore

// Claim, the payer's answer, and the explanation for the patient.
extension Chart {
    /// Bills a visit that was paid in full but for the copay.
    mutating func bill(_ visit: Visit) {
        guard let coverage, let payer = person.payer else { return }
        let sent = visit.start.adding(days: 1)
        let answered = min(visit.start.adding(days: random.int(6...20)), Instant(day: now.day - 1, minutes: 600))
        guard answered > sent else { return }
        let copay = person.payer == .statePlan ? 0 : 2_000
        let claim = post(
            "Claim",
            claimBody(
                number: "C-\(visit.number)", patient: patient, visit: visit.reference, on: visit.day,
                reason: visit.reason,
                kind: visit.kind, payer: payer, coverage: coverage, created: sent))
        let response = post(
            "ClaimResponse",
            [
                "status": "active",
                "type": .code(System.claimType, "professional"),
                "use": "claim",
                "patient": .reference(patient),
                "created": .dateTime(answered),
                "insurer": .reference(payer.reference),
                "requestor": .reference(Company.clinic.reference),
                "request": .reference(claim),
                "outcome": "complete",
                "disposition": "Paid as billed, less the copay.",
                "item": [["itemSequence": 1, "adjudication": adjudication(fee: visit.kind.fee, copay: copay)]],
                "total": totals(fee: visit.kind.fee, copay: copay),
                "payment": [
                    "type": .code(System.payment, "complete"), "date": .date(answered.day),
                    "amount": .money(cents: visit.kind.fee - copay),
                ],
            ])
        _ = post(
            "ExplanationOfBenefit",
            [
                "status": "active",
                "type": .code(System.claimType, "professional"),
                "use": "claim",
                "patient": .reference(patient),
                "billablePeriod": ["start": .date(visit.day), "end": .date(visit.day)],
                "created": .dateTime(answered),
                "insurer": .reference(payer.reference),
                "provider": .reference(Company.clinic.reference),
                "claim": .reference(claim),
                "claimResponse": .reference(response),
                "outcome": "complete",
                "insurance": [["focal": true, "coverage": .reference(coverage)]],
                "item": [
                    [
                        "sequence": 1,
                        "productOrService": .concept(fee(visit.kind)),
                        "servicedDate": .date(visit.day),
                        "net": .money(cents: visit.kind.fee),
                        "encounter": [.reference(visit.reference)],
                        "adjudication": adjudication(fee: visit.kind.fee, copay: copay),
                    ]
                ],
                "total": totals(fee: visit.kind.fee, copay: copay),
                "payment": ["date": .date(answered.day), "amount": .money(cents: visit.kind.fee - copay)],
            ])
    }

    private func adjudication(fee: Int, copay: Int) -> JSON {
        [
            ["category": .code(System.adjudication, "eligible"), "amount": .money(cents: fee)],
            ["category": .code(System.adjudication, "copay"), "amount": .money(cents: copay)],
            ["category": .code(System.adjudication, "benefit"), "amount": .money(cents: fee - copay)],
        ]
    }

    private func totals(fee: Int, copay: Int) -> JSON {
        [
            ["category": .code(System.adjudication, "submitted"), "amount": .money(cents: fee)],
            ["category": .code(System.adjudication, "benefit"), "amount": .money(cents: fee - copay)],
        ]
    }
}

/// What a visit of `kind` is billed as.
func fee(_ kind: VisitKind) -> Concept { Concept(DemoSystem.fee, "FEE-\(kind.rawValue)", kind.name) }

/// A professional claim of one item.
func claimBody(
    number: String, patient: Reference, visit: Reference, on day: Int64, reason: Diagnosis, kind: VisitKind,
    payer: Company, coverage: Reference, created: Instant
) -> JSON {
    [
        "identifier": [.identifier(DemoSystem.claim, number)],
        "status": "active",
        "type": .code(System.claimType, "professional"),
        "use": "claim",
        "patient": .reference(patient),
        "billablePeriod": ["start": .date(day), "end": .date(day)],
        "created": .dateTime(created),
        "enterer": .reference(Staff.novak.reference),
        "insurer": .reference(payer.reference),
        "provider": .reference(Company.clinic.reference),
        "priority": .code(System.priority, "normal"),
        "diagnosis": [["sequence": 1, "diagnosisCodeableConcept": .concept(reason.concept)]],
        "insurance": [["sequence": 1, "focal": true, "coverage": .reference(coverage)]],
        "item": [
            [
                "sequence": 1,
                "diagnosisSequence": [1],
                "productOrService": .concept(fee(kind)),
                "servicedDate": .date(day),
                "quantity": ["value": 1],
                "unitPrice": .money(cents: kind.fee),
                "net": .money(cents: kind.fee),
                "encounter": [.reference(visit)],
            ]
        ],
        "total": .money(cents: kind.fee),
    ]
}
