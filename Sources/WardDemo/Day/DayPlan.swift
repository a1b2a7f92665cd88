/// Today's appointments: who is where, in words.
///
/// Minutes count from the half hour that has just begun.
struct DayPlan: Sendable {
    /// How far a visit has come: the columns of the Today board.
    enum Stage: Sendable {
        case booked, arrived, roomed, withClinician
        /// The visit is over, the note is not signed.
        case unsigned
        /// The visit is over, signed and billed.
        case signed
        case noShow, cancelled

        /// FHIR R4 appointmentstatus.
        var appointment: String {
            switch self {
            case .booked: "booked"
            case .arrived: "arrived"
            case .roomed: "checked-in"
            case .withClinician, .unsigned, .signed: "fulfilled"
            case .noShow: "noshow"
            case .cancelled: "cancelled"
            }
        }

        /// FHIR R4 encounter-status; nil while there is no visit.
        var encounter: String? {
            switch self {
            case .booked, .noShow, .cancelled: nil
            case .arrived: "arrived"
            case .roomed: "triaged"
            case .withClinician: "in-progress"
            case .unsigned, .signed: "finished"
            }
        }
    }

    let offset: Int
    let patient: String
    let clinician: Staff
    let reason: Diagnosis
    let kind: VisitKind
    let stage: Stage
    let place: Place

    init(
        _ offset: Int, _ patient: String, _ clinician: Staff, _ reason: Diagnosis, _ kind: VisitKind, _ stage: Stage,
        _ place: Place = .waitingRoom
    ) {
        self.offset = offset
        self.patient = patient
        self.clinician = clinician
        self.reason = reason
        self.kind = kind
        self.stage = stage
        self.place = place
    }

    static let opening = -240
    static let closing = 240

    static let today: [DayPlan] = [
        // Over
        DayPlan(-240, "lakshmi-venkat", .okafor, .hypothyroidism, .followUp, .signed, .room1),
        DayPlan(-240, "kwame-mensah", .reyes, .hypertension, .followUp, .signed, .room2),
        DayPlan(-210, "caleb-stone", .lindqvist, .childCheck, .check, .signed, .room3),
        DayPlan(-210, "bjork-thorsdottir", .haddad, .urinaryInfection, .acute, .signed, .room4),
        DayPlan(-180, "ruth-oyelaran", .okafor, .cold, .acute, .unsigned, .room1),
        DayPlan(-180, "viktor-petrenko", .reyes, .copd, .followUp, .unsigned, .room2),
        DayPlan(-150, "noor-elmasri", .lindqvist, .asthma, .followUp, .signed, .room3),
        DayPlan(-150, "thabo-dlamini", .haddad, .cold, .acute, .noShow),
        DayPlan(-120, "keiko-yamamoto", .okafor, .hypertension, .followUp, .signed, .room1),
        DayPlan(-120, "lukasz-wojcik", .reyes, .kidneyStage3, .followUp, .unsigned, .room2),
        DayPlan(-90, "nokuthula-dlamini", .lindqvist, .childCheck, .check, .cancelled),
        DayPlan(-90, "rowan-ashgrove", .haddad, .hayFever, .followUp, .unsigned, .room4),
        DayPlan(-60, "fatima-alzahrawi", .okafor, .depression, .followUp, .unsigned, .room1),
        DayPlan(-60, "jean-luc-daubigne", .reyes, .coronary, .followUp, .cancelled),
        // Under way
        DayPlan(-30, "zoe-nunez", .okafor, .pregnancy, .followUp, .withClinician, .room1),
        DayPlan(-30, "meiling-chen", .reyes, .diabetes, .followUp, .withClinician, .room2),
        DayPlan(-30, "declan-obrien", .lindqvist, .asthma, .followUp, .roomed, .room3),
        DayPlan(-30, "ghulam-noorzai", .haddad, .backPain, .followUp, .roomed, .room4),
        // In the waiting room
        DayPlan(0, "walter-abernathy", .okafor, .anticoagulation, .followUp, .arrived),
        DayPlan(0, "peggy-oshaughnessy", .reyes, .fibrillation, .followUp, .arrived),
        DayPlan(0, "minh-an-nguyen", .lindqvist, .newbornWeight, .check, .arrived),
        DayPlan(0, "jose-nanez", .haddad, .adultCheck, .check, .arrived),
        // To come
        DayPlan(30, "huong-nguyen", .okafor, .postpartum, .followUp, .booked),
        DayPlan(30, "lucia-nunez", .lindqvist, .childCheck, .check, .booked),
        DayPlan(60, "grace-littlewater", .reyes, .diabetes, .followUp, .booked),
        DayPlan(60, "elodie-fontaine", .haddad, .migraine, .followUp, .booked),
        DayPlan(90, "ibrahim-traore", .okafor, .hypertension, .followUp, .booked),
        DayPlan(120, "aanya-krishnamurthy", .lindqvist, .eczema, .followUp, .booked),
        DayPlan(120, "patrick-obrien", .reyes, .hypertension, .followUp, .booked),
        DayPlan(150, "hannah-grunwald", .haddad, .anemia, .followUp, .booked),
        DayPlan(210, "agnieszka-wojcik", .reyes, .hyperlipidemia, .followUp, .booked),
        DayPlan(240, "ximena-barragan", .lindqvist, .attention, .followUp, .booked),
        // The next two days
        DayPlan(1440, "oluwaseun-adebayo", .haddad, .asthma, .followUp, .booked),
        DayPlan(1440 + 60, "marisol-quispe", .okafor, .depression, .followUp, .booked),
        DayPlan(2880, "tyrone-whitfield", .lindqvist, .wristFracture, .followUp, .booked),
        DayPlan(2880 + 90, "rohan-krishnamurthy", .reyes, .prediabetes, .followUp, .booked),
    ]

    static func isTaken(_ staff: Staff, _ offset: Int) -> Bool {
        today.contains { plan in
            plan.clinician == staff && plan.offset == offset && plan.stage != .cancelled
        }
    }

    static func slotID(_ staff: Staff, _ offset: Int) -> String {
        "slot-\(staff.id)-\((offset - opening) / 30)"
    }
}
