/// A patient of the demo, as the cast describes her or him.
struct Person: Sendable {
    enum Sex: String, Sendable {
        case female, male, other
    }

    enum Age: Sendable {
        case days(Int), months(Int), years(Int)
        /// Nobody knows the day: only a year of birth stands in the record.
        case about(years: Int)

        /// For sorting people by how old they are.
        var years: Int {
            switch self {
            case .days, .months: 0
            case .years(let years), .about(let years): years
            }
        }
    }

    enum Language: String, Sendable {
        case english = "en", spanish = "es", vietnamese = "vi", polish = "pl", chinese = "zh", arabic = "ar", dari =
            "prs"
        case japanese = "ja", french = "fr"

        var name: String {
            switch self {
            case .english: "English"
            case .spanish: "Spanish"
            case .vietnamese: "Vietnamese"
            case .polish: "Polish"
            case .chinese: "Chinese"
            case .arabic: "Arabic"
            case .dari: "Dari"
            case .japanese: "Japanese"
            case .french: "French"
            }
        }
    }

    struct Name: Sendable {
        let given: [String]
        let family: String

        init(_ given: String..., family: String) {
            self.given = given
            self.family = family
        }

        var text: String { given.joined(separator: " ") + " " + family }
    }

    let id: String
    let name: Name
    /// The name in its own script, or the one she or he goes by.
    let alsoKnownAs: Name?
    let sex: Sex
    let age: Age
    /// People of one household share an address.
    let household: String
    let language: Language
    let needsInterpreter: Bool
    let doctor: Staff
    /// Nil pays by herself or himself.
    let payer: Company?
    /// Id of the patient, listed earlier, who answers for this one.
    let guardian: String?
    let diedDaysAgo: Int?
    let stories: [Story]

    init(
        _ id: String, _ name: Name, also: Name? = nil, _ sex: Sex, _ age: Age, household: String? = nil,
        speaks language: Language = .english, interpreter: Bool = false, doctor: Staff, payer: Company? = .mutual,
        guardian: String? = nil, diedDaysAgo: Int? = nil, _ stories: Story...
    ) {
        self.id = id
        self.name = name
        alsoKnownAs = also
        self.sex = sex
        self.age = age
        self.household = household ?? id
        self.language = language
        needsInterpreter = interpreter
        self.doctor = doctor
        self.payer = payer
        self.guardian = guardian
        self.diedDaysAgo = diedDaysAgo
        self.stories = stories
    }

    var reference: Reference { Reference("Patient/\(id)", display: name.text) }
}

/// What a patient's record tells; each has a function of its own in `Stories`.
enum Story: Sendable {
    case diabetes(kidneys: Bool)
    case hypertension
    case hyperlipidemia
    case kidneyDisease(stage: Int)
    case hypothyroidism
    case asthma
    case copd
    case depression
    case pregnancy(week: Int)
    case postpartum
    case peanutAllergy
    case fracture
    case backPain
    case fibrillation(warfarin: Bool)
    case heartFailure
    /// A lasting problem with at most one medicine and nothing special to it.
    case lasting(Diagnosis, Medicine?)
    /// Came, was treated, went away.
    case passing(Diagnosis, Medicine?)
    /// Registered lately: no history but a form.
    case newPatient
}
