import WardCore

/// What kind of visit it was; decides how long it takes and what it costs.
enum VisitKind: String, Sendable {
    case check = "annual-check", followUp = "follow-up", acute = "acute", nurse = "nurse", portal = "tele"

    var name: String {
        switch self {
        case .check: "Preventive visit"
        case .followUp: "Follow-up visit"
        case .acute: "Acute visit"
        case .nurse: "Nurse visit"
        case .portal: "Video visit"
        }
    }

    var minutes: Int {
        switch self {
        case .check: 40
        case .followUp: 25
        case .acute: 20
        case .nurse: 15
        case .portal: 15
        }
    }

    /// Cents, before the insurance.
    var fee: Int {
        switch self {
        case .check: 21_500
        case .followUp: 14_200
        case .acute: 12_800
        case .nurse: 4_500
        case .portal: 9_000
        }
    }

    var concept: Concept { Concept(DemoSystem.visitType, rawValue, name) }
}

/// A visit that took place.
struct Visit: Sendable {
    let reference: Reference
    let number: String
    let start: Instant
    let end: Instant
    let clinician: Staff
    let kind: VisitKind
    let reason: Diagnosis

    var day: Int64 { start.day }
    /// Within the visit, when things were measured and written.
    func at(_ minute: Int) -> Instant { start.adding(minutes: minute) }
}

extension Chart {
    /// Records a finished visit about `daysBack` before the end of the history: on a working day, in opening hours.
    mutating func visit(
        daysBack: Int, _ reason: Diagnosis, _ kind: VisitKind = .followUp, with clinician: Staff? = nil,
        problem: Reference? = nil
    ) -> Visit {
        var day = max(birthDay, lastDay - Int64(daysBack))
        // 1970-01-01 was a Thursday: 2 is Saturday, 3 is Sunday.
        let weekday = (day % 7 + 7) % 7
        if weekday == 2, day - 1 > birthDay { day -= 1 }
        if weekday == 3, day - 2 > birthDay { day -= 2 }
        let start = Instant(day: day, minutes: Int64(9 * 60 + random.int(0...30) * 15))
        let end = start.adding(minutes: kind.minutes)
        let clinician = clinician ?? person.doctor
        let room: Place = kind == .nurse ? .laboratory : random.pick([.room1, .room2, .room3, .room4])
        let number = "V-\(index)-\(visits.count + 1)"
        let reference = post(
            "Encounter",
            [
                "identifier": [.identifier(DemoSystem.visit, number)],
                "status": "finished",
                "class": .coding(
                    kind == .portal
                        ? Concept(System.actCode, "VR", "virtual") : Concept(System.actCode, "AMB", "ambulatory")),
                "type": [.concept(kind.concept)],
                "subject": .reference(patient),
                "participant": [
                    [
                        "type": [.code(System.participation, "PPRF")],
                        "individual": .reference(clinician.reference),
                    ]
                ],
                "period": .period(start, end),
                "reasonCode": [.concept(reason.concept)],
                "diagnosis": problem.map { [["condition": .reference($0), "rank": 1]] } ?? .absent,
                "location": kind == .portal
                    ? .absent : [["location": .reference(room.reference), "status": "completed"]],
                "serviceProvider": .reference(Company.clinic.reference),
            ])
        let visit = Visit(
            reference: reference, number: number, start: start, end: end, clinician: clinician, kind: kind,
            reason: reason)
        visits.append(visit)
        return visit
    }
}
