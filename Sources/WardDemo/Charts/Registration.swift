import WardCore

// What the front desk writes down: the person, who answers for her or him, insurance, warnings.
extension Chart {
    mutating func register() {
        putPatient()
        if let guardian = person.guardian { putGuardian(guardian) }
        putCoverage()
        if person.needsInterpreter {
            raiseFlag("interpreter", category: "admin", "Needs an interpreter: \(person.language.name)")
        }
    }

    private mutating func putPatient() {
        var names: [JSON] = [humanName(person.name, use: "official")]
        if let other = person.alsoKnownAs { names.append(humanName(other, use: "usual")) }
        let phone = fictionalPhone(index)
        let birth = CalendarDay(daysSinceEpoch: birthDay)
        let isYearOnly = if case .about = person.age { true } else { false }
        let died = person.diedDaysAgo.map { JSON.dateTime(now.adding(days: -$0)) }
        _ = put(
            "Patient", id: person.id,
            [
                // Test data, by HL7's own label (security-labels.html).
                "meta": ["security": [["system": .string(System.actReason), "code": "HTEST"]]],
                "identifier": [
                    [
                        "use": "usual", "type": .code(System.identifierType, "MR"),
                        "system": .string(DemoSystem.recordNumber),
                        "value": .string(recordNumber),
                    ]
                ],
                "active": .bool(person.diedDaysAgo == nil),
                "name": .list(names),
                "telecom": .list(
                    isChild ? [.phone(phone, use: "home")] : [.phone(phone, use: "mobile"), .email(email)]),
                "gender": .string(person.sex.rawValue),
                "birthDate": .string(isYearOnly ? String(birth.year) : birth.text),
                "deceasedDateTime": died ?? .absent,
                "address": [Address(household: person.household, seed: seed).json],
                "maritalStatus": isChild
                    ? .absent : .code(System.maritalStatus, person.household == person.id ? "U" : "M"),
                "contact": contact,
                "communication": [
                    [
                        "language": .concept(Concept(System.language, person.language.rawValue, person.language.name)),
                        "preferred": true,
                    ]
                ],
                "generalPractitioner": [.reference(person.doctor.reference)],
                "managingOrganization": .reference(Company.clinic.reference),
            ])
    }

    var recordNumber: String { "HG-\(10_000 + index * 37)" }

    private var email: String { "\(person.id.split(separator: "-").joined(separator: "."))@example.org" }

    private var contact: JSON {
        guard let guardian = person.guardian.flatMap(Cast.person) else { return .absent }
        return [["relationship": [.code(System.contactRole, "N")], "name": humanName(guardian.name, use: "official")]]
    }

    private mutating func putGuardian(_ id: String) {
        guard let guardian = Cast.person(id) else { return }
        _ = put(
            "RelatedPerson", id: readableID("guardian"),
            [
                "active": true,
                "patient": .reference(patient),
                "relationship": [
                    .concept(
                        guardian.sex == .female
                            ? Concept(System.roleCode, "MTH", "mother") : Concept(System.roleCode, "FTH", "father"))
                ],
                "name": [humanName(guardian.name, use: "official")],
                "gender": .string(guardian.sex.rawValue),
                "address": [Address(household: guardian.household, seed: seed).json],
            ])
    }

    private mutating func putCoverage() {
        guard let payer = person.payer else { return }
        let subscriber = person.guardian.map { Reference("Patient/\($0)") } ?? patient
        let start = max(birthDay, now.day - Int64(random.int(900...2200)))
        coverage = put(
            "Coverage", id: readableID("coverage"),
            [
                "identifier": [.identifier(DemoSystem.member, memberNumber)],
                "status": "active",
                "type": .code(System.actCode, payer == .statePlan ? "SUBSIDIZ" : "EHCPOL"),
                "subscriber": .reference(subscriber),
                "subscriberId": .string(memberNumber),
                "beneficiary": .reference(patient),
                "relationship": .code(System.subscriber, person.guardian == nil ? "self" : "child"),
                "period": ["start": .date(start)],
                // By number on purpose: the server has to look the payer up.
                "payor": [.reference(payer.byNumber)],
                "class": [
                    [
                        "type": .code(System.coverageClass, "plan"),
                        "value": .string(payer == .statePlan ? "basic" : "silver"),
                        "name": .string("\(payer.name) \(payer == .statePlan ? "Basic" : "Silver")"),
                    ]
                ],
            ])
    }

    private var memberNumber: String { "M\(700_100 + index * 113)" }

    mutating func raiseFlag(_ slug: String, category: String, _ text: String) {
        _ = put(
            "Flag", id: readableID(slug),
            [
                "status": person.diedDaysAgo == nil ? "active" : "inactive",
                "category": [.code(System.flagCategory, category)],
                "code": .text(text),
                "subject": .reference(patient),
                "period": ["start": .date(max(birthDay, lastDay - 400))],
                "author": .reference(person.doctor.reference),
            ])
    }
}

func humanName(_ name: Person.Name, use: String) -> JSON {
    [
        "use": .string(use), "text": .string(name.text), "family": .string(name.family),
        "given": .list(name.given.map { .string($0) }),
    ]
}
