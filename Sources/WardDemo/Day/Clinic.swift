import WardCore

// The clinic itself: organizations, rooms, staff, services, forms, calendars. All under readable ids.
extension DemoClinic {
    func clinicBundle() -> Transaction {
        var transaction = Transaction()
        for company in Company.allCases { transaction.put("Organization", id: company.rawValue, organization(company)) }
        for place in Place.allCases { transaction.put("Location", id: place.rawValue, location(place)) }
        let service = transaction.put("HealthcareService", id: "family-medicine", healthcareService())
        for (index, staff) in Staff.all.enumerated() {
            transaction.put("Practitioner", id: staff.id, practitioner(staff, index: index))
            transaction.put("PractitionerRole", id: staff.id, practitionerRole(staff, service: service))
        }
        for (id, medicine) in Pharmacy.listed {
            transaction.put("Medication", id: id, ["code": .concept(medicine.concept), "status": "active"])
        }
        transaction.put("Questionnaire", id: "phq-9", moodForm())
        transaction.put("Questionnaire", id: "intake", intakeForm())
        addCalendars(to: &transaction)
        return transaction
    }

    private func organization(_ company: Company) -> JSON {
        [
            "identifier": [.identifier(DemoSystem.organization, company.rawValue)],
            "active": true,
            "type": [.code(System.organizationType, company.type)],
            "name": .string(company.name),
            "telecom": company == .clinic
                ? [.phone(fictionalPhone(99), use: "work"), .email("frontdesk@harbor-glen.example.org")] : .absent,
            "address": company == .clinic ? [Address.clinic.asWorkplace] : .absent,
        ]
    }

    private func location(_ place: Place) -> JSON {
        [
            "identifier": [.identifier("\(DemoSystem.base)/identifiers/place", place.rawValue)],
            "status": "active",
            "name": .string(place.name),
            "mode": "instance",
            "address": place == .building ? Address.clinic.asWorkplace : .absent,
            "physicalType": .code(System.physicalType, place == .building ? "bu" : "ro"),
            "managingOrganization": .reference(Company.clinic.reference),
            "partOf": place == .building ? .absent : .reference(Place.building.reference),
        ]
    }

    private func healthcareService() -> JSON {
        [
            "active": true,
            "providedBy": .reference(Company.clinic.reference),
            "type": [.text("Family medicine")],
            "location": [.reference(Place.building.reference)],
            "name": "Family medicine, all ages",
            "appointmentRequired": true,
            "availableTime": [
                [
                    "daysOfWeek": ["mon", "tue", "wed", "thu", "fri"], "availableStartTime": "09:00:00",
                    "availableEndTime": "17:30:00",
                ]
            ],
        ]
    }

    private func practitioner(_ staff: Staff, index: Int) -> JSON {
        [
            "identifier": [.identifier(DemoSystem.staff, staff.id)],
            "active": true,
            "name": [
                [
                    "use": "official", "text": .string(staff.name), "family": .string(staff.family),
                    "given": [.string(staff.given)], "prefix": staff.prefix.map { [.string($0)] } ?? .absent,
                ]
            ],
            "telecom": [
                .phone(fictionalPhone(60 + index), use: "work"),
                .email("\(staff.id.split(separator: "-").joined(separator: "."))@harbor-glen.example.org"),
            ],
            "gender": .string(staff.gender),
            "qualification": staff.prefix == nil ? .absent : [["code": .text("Doctor of Medicine")]],
        ]
    }

    private func practitionerRole(_ staff: Staff, service: Reference) -> JSON {
        let isOwn = staff != .petrov
        return [
            "active": true,
            "practitioner": .reference(staff.reference),
            "organization": .reference((isOwn ? Company.clinic : .cardiology).reference),
            "code": [.text(staff.role.rawValue)],
            "specialty": [.text(staff.specialty)],
            "location": isOwn ? [.reference(Place.building.reference)] : .absent,
            "healthcareService": isOwn ? [.reference(service)] : .absent,
        ]
    }

    private func moodForm() -> JSON {
        [
            "url": .string(MoodForm.url), "name": "PHQ9", "title": "Mood over the last two weeks", "status": "active",
            "subjectType": ["Patient"],
            "item": .list(
                MoodForm.items.map { item in
                    [
                        "linkId": .string(item.code), "code": [.coding(item)], "text": .string(item.display),
                        "type": "integer",
                    ]
                }),
        ]
    }

    private func intakeForm() -> JSON {
        [
            "url": .string(IntakeForm.url), "name": "Intake", "title": "New patient form", "status": "active",
            "subjectType": ["Patient"],
            "item": [
                ["linkId": "reason", "text": "Why are you coming?", "type": "string"],
                ["linkId": "medicines", "text": "Medicines you take", "type": "text"],
                ["linkId": "smoking", "text": "Do you smoke?", "type": "boolean"],
            ],
        ]
    }

    /// A calendar per clinician: half hours of today, and those of the next two mornings, still free.
    private func addCalendars(to transaction: inout Transaction) {
        for staff in Staff.clinicians {
            let schedule = transaction.put(
                "Schedule", id: staff.id,
                [
                    "active": true,
                    "serviceType": [.text("Family medicine")],
                    "actor": [.reference(staff.reference), .reference(Place.building.reference)],
                    "planningHorizon": .period(hour.adding(minutes: DayPlan.opening), hour.adding(days: 60)),
                ])
            let today = Array(stride(from: DayPlan.opening, through: DayPlan.closing, by: 30))
            let later = [1, 2].flatMap { day in (0..<10).map { day * 1440 - 120 + $0 * 30 } }
            for offset in today + later {
                let start = hour.adding(minutes: offset)
                transaction.put(
                    "Slot", id: DayPlan.slotID(staff, offset),
                    [
                        "schedule": .reference(schedule),
                        "status": DayPlan.isTaken(staff, offset) ? "busy" : "free",
                        "start": .instant(start),
                        "end": .instant(start.adding(minutes: 30)),
                    ])
            }
        }
    }

    /// The last half hour that has begun: appointments of today hang on it.
    var hour: Instant { Instant(microseconds: now.microseconds - now.microseconds % 1_800_000_000) }
}
