import WardCore

/// One patient's record while it is being written.
struct Chart: Sendable {
    let person: Person
    /// Place in the cast; numbers that must be unique hang on it.
    let index: Int
    let seed: UInt64
    let now: Instant
    let birthDay: Int64
    /// History ends here: the day before yesterday, or the day before death.
    let lastDay: Int64
    /// Everybody has her or his own height, weight and pulse.
    let body: Body

    var random: SplitMix64
    var transaction = Transaction()
    var visits: [Visit] = []
    /// Problems under care, for care plans and claims.
    var problems: [(diagnosis: Diagnosis, reference: Reference)] = []
    var coverage: Reference?
    /// Slugs of medicines on the list, so that two problems do not prescribe the same one twice.
    var medicines: Set<String> = []
    /// What was drawn at the latest visit: panels ordered together share it.
    var drawn: (visit: String, type: Concept, specimen: Reference)?

    init(of person: Person, index: Int, seed: UInt64, now: Instant) {
        var random = SplitMix64(seed: seed, stream: "person/\(person.id)")
        self.person = person
        self.index = index
        self.seed = seed
        self.now = now
        let today = now.day
        switch person.age {
        case .days(let days): birthDay = today - Int64(days)
        case .months(let months): birthDay = today - Int64(months) * 305 / 10 - 6
        case .years(let years), .about(let years):
            birthDay = today - Int64(years) * 36_525 / 100 - Int64(random.int(5...350))
        }
        lastDay = person.diedDaysAgo.map { today - Int64($0) - 1 } ?? today - 2
        body = Body(of: person, &random)
        self.random = random
    }

    var patient: Reference { person.reference }

    /// Id of a resource that people shall recognize.
    func readableID(_ part: String) -> String { "\(person.id)-\(part)" }

    func ageInMonths(on day: Int64) -> Int { max(0, Int((day - birthDay) * 10 / 304)) }

    var ageInYears: Int { ageInMonths(on: lastDay) / 12 }

    var isChild: Bool { ageInYears < 18 }

    mutating func put(_ type: String, id: String, _ body: JSON) -> Reference {
        transaction.put(type, id: id, body)
    }

    mutating func post(_ type: String, _ body: JSON) -> Reference {
        transaction.post(type, body, &random)
    }
}

/// What is measured at every visit, in a person's normal state.
struct Body: Sendable {
    /// Millimetres.
    let height: Int
    /// Kilograms per square metre, times ten.
    let bulk: Int
    let pulse: Int
    let systolic: Int
    let diastolic: Int
    /// Percent of the average child.
    let growth: Int

    init(of person: Person, _ random: inout SplitMix64) {
        switch person.sex {
        case .female: height = random.near(1640, 90)
        case .male: height = random.near(1770, 100)
        case .other: height = random.near(1710, 90)
        }
        bulk = random.near(252, 50)
        pulse = random.near(70, 10)
        systolic = random.near(116, 10) + max(0, person.age.years - 50) / 5
        diastolic = random.near(72, 7)
        growth = random.near(100, 8)
    }
}
