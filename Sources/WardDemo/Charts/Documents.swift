import WardCore

// Notes, letters, forms and plans.
extension Chart {
    /// A signed progress note, with its Provenance when `traced`.
    mutating func note(at visit: Visit, _ text: NoteText, traced: Bool) {
        let note = post(
            "Composition",
            composition(
                text, patient: patient, visit: visit.reference, author: visit.clinician, written: visit.end,
                signed: visit.end.adding(minutes: 20)))
        guard traced else { return }
        _ = post(
            "Provenance",
            [
                "target": [.reference(note), .reference(visit.reference)],
                "occurredDateTime": .dateTime(visit.end.adding(minutes: 20)),
                "recorded": .instant(visit.end.adding(minutes: 20)),
                "activity": .text("Signed"),
                "agent": [
                    [
                        "type": .code(System.provenanceAgent, "author"),
                        "who": .reference(visit.clinician.reference),
                        "onBehalfOf": .reference(Company.clinic.reference),
                    ]
                ],
            ])
    }

    /// A letter or an outside report as plain text.
    @discardableResult
    mutating func letter(_ title: String, _ text: String, type: Concept, at visit: Visit, author: Reference)
        -> Reference
    {
        post(
            "DocumentReference",
            [
                "status": "current",
                "docStatus": "final",
                "type": .concept(type),
                "subject": .reference(patient),
                "date": .instant(visit.end.adding(minutes: 30)),
                "author": [.reference(author)],
                "custodian": .reference(Company.clinic.reference),
                "description": .string(title),
                "content": [["attachment": .plainText(text, title: title, created: visit.end)]],
                "context": ["encounter": [.reference(visit.reference)]],
            ])
    }

    /// Sends the patient to the heart specialist and files the answer.
    mutating func referToCardiology(_ why: String, answer: String, at visit: Visit, problem: Reference?) {
        _ = post(
            "ServiceRequest",
            [
                "status": "completed",
                "intent": "order",
                "priority": "routine",
                "code": .text("Referral to cardiology"),
                "subject": .reference(patient),
                "encounter": .reference(visit.reference),
                "authoredOn": .dateTime(visit.at(18)),
                "requester": .reference(visit.clinician.reference),
                "performer": [.reference(Staff.petrov.byNumber)],
                "reasonReference": problem.map { [.reference($0)] } ?? .absent,
                "note": [.annotation(why)],
            ])
        letter(
            "Letter from North Shore Cardiology",
            """
            Dear colleague,

            Thank you for sending \(person.name.text).

            \(answer)

            With kind regards
            Dr. Ivan Petrov

            """,
            type: .loinc("11488-4", "Consult note"), at: visit, author: Staff.petrov.byNumber)
    }

    /// PHQ-9: nine answers of 0 to 3, and their sum as an Observation derived from the form.
    mutating func moodQuestionnaire(total: Int, at visit: Visit) {
        var left = total
        let answers = MoodForm.items.enumerated().map { index, item in
            let open = MoodForm.items.count - 1 - index
            let score = max(left - 3 * open, min(3, min(left, random.int(0...3))))
            left -= score
            return (item, score)
        }
        let form = post(
            "QuestionnaireResponse",
            [
                "questionnaire": .string(MoodForm.url),
                "status": "completed",
                "subject": .reference(patient),
                "encounter": .reference(visit.reference),
                "authored": .dateTime(visit.at(3)),
                "author": .reference(patient),
                "source": .reference(patient),
                "item": .list(
                    answers.map { item, score in
                        [
                            "linkId": .string(item.code), "text": .string(item.display),
                            "answer": [["valueInteger": .integer(score)]],
                        ]
                    }),
            ])
        _ = post(
            "Observation",
            [
                "status": "final",
                "category": [.code(System.observationCategory, "survey")],
                "code": .concept(.loinc("44261-6", "Patient Health Questionnaire 9 item (PHQ-9) total score")),
                "subject": .reference(patient),
                "encounter": .reference(visit.reference),
                "effectiveDateTime": .dateTime(visit.at(3)),
                "valueQuantity": .quantity(Decimal(total), .score),
                "derivedFrom": [.reference(form)],
            ])
    }

    /// Goal, team and plan for one problem.
    mutating func carePlan(_ title: String, goal: String, steps: [String], for problem: Reference, since daysBack: Int)
    {
        let start = lastDay - Int64(daysBack)
        let slug = String(title.lowercased().filter { $0.isASCII && $0.isLetter })
        let status = person.diedDaysAgo == nil ? "active" : "completed"
        let goal = put(
            "Goal", id: readableID("goal-\(slug)"),
            [
                "lifecycleStatus": .string(status),
                "achievementStatus": .code(System.goalAchievement, "in-progress"),
                "description": .text(goal),
                "subject": .reference(patient),
                "startDate": .date(start),
                "addresses": [.reference(problem)],
            ])
        let team = put(
            "CareTeam", id: readableID("team-\(slug)"),
            [
                "status": person.diedDaysAgo == nil ? "active" : "inactive",
                "name": .string("\(title) team of \(person.name.text)"),
                "subject": .reference(patient),
                "period": ["start": .date(start)],
                "participant": [
                    ["role": [.text("Responsible clinician")], "member": .reference(person.doctor.reference)],
                    ["role": [.text("Care coordinator")], "member": .reference(Staff.brandt.reference)],
                ],
                "managingOrganization": [.reference(Company.clinic.reference)],
            ])
        _ = put(
            "CarePlan", id: readableID("plan-\(slug)"),
            [
                "status": .string(status),
                "intent": "plan",
                "title": .string(title),
                "subject": .reference(patient),
                "period": ["start": .date(start)],
                "created": .date(start),
                "author": .reference(person.doctor.reference),
                "careTeam": [.reference(team)],
                "addresses": [.reference(problem)],
                "goal": [.reference(goal)],
                "activity": .list(
                    steps.map { step in
                        [
                            "detail": [
                                "status": .string(status == "active" ? "in-progress" : "completed"),
                                "description": .string(step),
                            ]
                        ]
                    }),
            ])
    }
}

/// The four parts of a progress note.
struct NoteText: Sendable {
    let subjective: String
    let objective: String
    let assessment: String
    let plan: String
}

/// A progress note; preliminary until `signed`.
func composition(
    _ text: NoteText, patient: Reference, visit: Reference, author: Staff, written: Instant, signed: Instant?,
    confidentiality: String = "N"
) -> JSON {
    let sections: [(String, String, String, String)] = [
        ("Subjective", "61150-9", "Subjective Narrative", text.subjective),
        ("Objective", "61149-1", "Objective Narrative", text.objective),
        ("Assessment", "51848-0", "Evaluation note", text.assessment),
        ("Plan", "18776-5", "Plan of care note", text.plan),
    ]
    return [
        "status": signed == nil ? "preliminary" : "final",
        "type": .concept(.loinc("11506-3", "Progress note")),
        "subject": .reference(patient),
        "encounter": .reference(visit),
        "date": .dateTime(written),
        "author": [.reference(author.reference)],
        "title": "Progress note",
        "confidentiality": .string(confidentiality),
        "attester": signed.map { time in
            [["mode": "professional", "time": .dateTime(time), "party": .reference(author.reference)]]
        } ?? .absent,
        "custodian": .reference(Company.clinic.reference),
        "section": .list(
            sections.filter { !$0.3.isEmpty }.map { title, code, display, words in
                ["title": .string(title), "code": .concept(.loinc(code, display)), "text": .narrative(words)]
            }),
    ]
}

/// The PHQ-9 form, in short words; item ids are the LOINC codes.
enum MoodForm {
    static let url = "\(DemoSystem.base)/fhir/Questionnaire/phq-9"
    static let items: [Concept] = [
        .loinc("44250-9", "Little interest or pleasure"), .loinc("44255-8", "Feeling down or hopeless"),
        .loinc("44259-0", "Trouble with sleep"), .loinc("44254-1", "Feeling tired"),
        .loinc("44251-7", "Poor appetite or overeating"), .loinc("44258-2", "Feeling bad about yourself"),
        .loinc("44252-5", "Trouble concentrating"), .loinc("44253-3", "Moving or speaking slowly, or restless"),
        .loinc("44260-8", "Thoughts of being better off dead"),
    ]
}
