/// Somebody who works at the clinic, or whom it refers to.
struct Staff: Hashable, Sendable {
    enum Role: String, Sendable {
        case physician, nursePractitioner = "nurse-practitioner", nurse, assistant, receptionist, biller, manager
    }

    let id: String
    let given: String
    let family: String
    let prefix: String?
    let role: Role
    let specialty: String
    let gender: String

    init(
        _ given: String, _ family: String, id: String, prefix: String? = nil, _ role: Role, _ specialty: String,
        _ gender: String
    ) {
        self.given = given
        self.family = family
        self.id = id
        self.prefix = prefix
        self.role = role
        self.specialty = specialty
        self.gender = gender
    }

    var name: String { [prefix, given, family].compactMap { $0 }.joined(separator: " ") }

    var reference: Reference { Reference("Practitioner/\(id)", display: name) }

    /// The same person, to be found by staff number.
    var byNumber: Reference { .matching("Practitioner", identifier: id, in: DemoSystem.staff) }
}

extension Staff {
    static let okafor = Staff(
        "Amara", "Okafor", id: "amara-okafor", prefix: "Dr.", .physician, "Family medicine", "female")
    static let reyes = Staff(
        "Daniel", "Reyes", id: "daniel-reyes", prefix: "Dr.", .physician, "Internal medicine", "male")
    static let lindqvist = Staff(
        "Astrid", "Lindqvist", id: "astrid-lindqvist", prefix: "Dr.", .physician, "Pediatrics", "female")
    static let haddad = Staff(
        "Samir", "Haddad", id: "samir-haddad", .nursePractitioner, "Family medicine", "male")
    static let brandt = Staff("Ulrike", "Brandt", id: "ulrike-brandt", .nurse, "Nursing", "female")
    static let tanaka = Staff("Kenji", "Tanaka", id: "kenji-tanaka", .nurse, "Nursing", "male")
    static let moreau = Staff("Chloé", "Moreau", id: "chloe-moreau", .assistant, "Medical assistance", "female")
    static let silva = Staff("João", "Silva", id: "joao-silva", .receptionist, "Front desk", "male")
    static let novak = Staff("Petra", "Nováková", id: "petra-novakova", .biller, "Billing", "female")
    static let grey = Staff("Alex", "Grey", id: "alex-grey", .manager, "Practice management", "other")
    /// Heart specialist elsewhere.
    static let petrov = Staff("Ivan", "Petrov", id: "ivan-petrov", prefix: "Dr.", .physician, "Cardiology", "male")

    static let all = [okafor, reyes, lindqvist, haddad, brandt, tanaka, moreau, silva, novak, grey, petrov]
    /// Those who see patients by appointment.
    static let clinicians = [okafor, reyes, lindqvist, haddad]
}

/// Rooms and places of the clinic.
enum Place: String, CaseIterable, Sendable {
    case building = "harbor-glen", waitingRoom = "waiting-room", room1 = "exam-room-1", room2 = "exam-room-2"
    case room3 = "exam-room-3", room4 = "exam-room-4", laboratory = "blood-draw"

    var name: String {
        switch self {
        case .building: "Harbor Glen Family Clinic"
        case .waitingRoom: "Waiting room"
        case .room1: "Exam room 1"
        case .room2: "Exam room 2"
        case .room3: "Exam room 3"
        case .room4: "Exam room 4"
        case .laboratory: "Blood draw"
        }
    }

    var reference: Reference { Reference("Location/\(rawValue)", display: name) }
}

/// Organizations the clinic is or deals with.
enum Company: String, CaseIterable, Sendable {
    case clinic = "harbor-glen-clinic", laboratory = "tidewater-laboratory", mutual = "evergreen-mutual"
    case statePlan = "coastal-state-plan", cardiology = "north-shore-cardiology"

    var name: String {
        switch self {
        case .clinic: "Harbor Glen Family Clinic"
        case .laboratory: "Tidewater Laboratory"
        case .mutual: "Evergreen Mutual Insurance"
        case .statePlan: "Coastal State Health Plan"
        case .cardiology: "North Shore Cardiology"
        }
    }

    /// Code of HL7's organization-type.
    var type: String {
        switch self {
        case .clinic, .laboratory, .cardiology: "prov"
        case .mutual, .statePlan: "pay"
        }
    }

    var reference: Reference { Reference("Organization/\(rawValue)", display: name) }

    /// The same organization, to be found by its number.
    var byNumber: Reference { .matching("Organization", identifier: rawValue, in: DemoSystem.organization) }
}
