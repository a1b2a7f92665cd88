import WardAudit
import WardCore

/// Work that people do here, as roles of the default policy.
enum Role: String, Sendable, CaseIterable {
    case clinician, nurse, biller, administrator
    case frontDesk = "front-desk"
    case privacyOfficer = "privacy-officer"
    case securityOfficer = "security-officer"

    var isCare: Bool { self == .clinician || self == .nurse }
    /// Opens patients' records for a living.
    var seesPatients: Bool { isCare || self == .frontDesk || self == .biller }
}

/// A browser, and the network it is used from.
struct Station: Sendable, Hashable {
    var device: String
    var address: String
}

/// One account of the clinic.
struct Member: Sendable {
    let index: Int
    let actor: AuditActor
    let role: Role
    var surname = 0
    var address = 0
    var household: Int?
    var ownPatient: Int?
    /// Whether the account names the patient record of its owner.
    var isLinked = true
    /// The address that the account holds; not the true one of people who moved.
    var knownAddress = 0
    /// Bits of weekdays, 0 for Monday.
    var workdays: Set<Int> = [0, 1, 2, 3, 4]
    var saturdays = 0
    var starts = 8.0 * 3600
    var length = 8.5 * 3600
    /// Seconds that what they do takes, against the average.
    var pace = 1.0
    var panel: Int?
    var pod = 0
    var hired = -1000
    /// First day on which they no longer work here.
    var left: Int?
    /// First day on which the account is off.
    var disabled: Int?
    var away: [ClosedRange<Int>] = []
    var evenings = 0.0
    var desk: Station
    var home: Station
    /// Marks of browsers the account was used from.
    var known: Set<String> = []
    var mistypes = 0.02
    /// Works through papers and faxes of patients who are not here.
    var keepsRecords = false
    /// Stands in now and then; the account sleeps in between.
    var isLocum = false

    func isEmployed(_ day: Int) -> Bool { day >= hired && day < left ?? .max && !isLocum }
    func isAway(_ day: Int) -> Bool { away.contains { $0.contains(day) } }
}

/// Everybody who has an account, those who leave and those who come for them included.
struct Staff: Sendable {
    var members: [Member] = []
    let clinicians: Int

    static func clinicians(of people: Int) -> Int { people * 11 / 40 }

    init(people: Int, days: Int, population: inout Population, dice: inout Dice) {
        clinicians = Self.clinicians(of: people)
        let counts: [(Role, Int)] = [
            (.clinician, clinicians), (.frontDesk, people / 5), (.biller, people / 8), (.privacyOfficer, 1),
            (.securityOfficer, 1), (.administrator, 1),
        ]
        for (role, count) in counts { for _ in 0..<count { add(role, &population, &dice) } }
        while members.count < people { add(.nurse, &population, &dice) }
        for index in 0..<clinicians {
            members[index].panel = index
            members[index].pod = index / 3
        }
        for (place, index) in members.indices.filter({ members[$0].role == .nurse }).enumerated() {
            members[index].pod = place % ((clinicians + 2) / 3)
        }
        for index in members.indices { plan(index, days, &dice) }
        for (place, index) in members.indices.filter({ members[$0].role == .frontDesk }).enumerated() {
            members[index].keepsRecords = place == 0
        }
        replaceLeavers(days, &population, &dice)
        for _ in 0..<2 {
            add(.clinician, &population, &dice)
            members[members.count - 1].isLocum = true
        }
        // One comes back from a long leave within the time simulated.
        if let back = members.indices.last(where: {
            members[$0].role == .nurse && members[$0].left == nil && members[$0].hired < 0
        }) {
            members[back].away = [-70...dice.int(35...max(36, days - 30))]
        }
    }

    private mutating func add(_ role: Role, _ population: inout Population, _ dice: inout Dice) {
        let index = members.count
        let number = String(mixed(dice.next()), radix: 16)
        var member = Member(
            index: index, actor: AuditActor(id: "person/\(number)", name: "Member \(index)", role: role.rawValue),
            role: role, desk: Station(device: "browser-desk-\(index)", address: "10.0.4.\(20 + index)"),
            home: Station(device: "browser-home-\(index)", address: Self.line(&dice)))
        settle(&member, &population, &dice)
        member.pace = dice.between(0.8, 1.25)
        member.mistypes = dice.between(0.005, 0.05)
        member.known = [member.desk.device, member.home.device]
        for _ in 0..<(role == .clinician ? 5 : role == .nurse ? 4 : 1) {
            member.known.insert("browser-room-\(dice.int(1...12))")
        }
        members.append(member)
    }

    /// Most live in town: some are patients here themselves, of some the family is.
    private func settle(_ member: inout Member, _ population: inout Population, _ dice: inout Dice) {
        let kind = dice.unit()
        var chosen = dice.int(0...population.patients.count - 1)
        while !population.patients[chosen].isAdult || population.patients[chosen].colleague != nil
            || population.patients[chosen].isVIP || population.patients[chosen].isDecoy
            || population.patients[chosen].clinician == member.index
        {
            chosen = dice.int(0...population.patients.count - 1)
        }
        let relative = population.patients[chosen]
        member.surname = kind < 0.5 || dice.chance(0.6) ? relative.surname : Population.surname(&dice)
        member.household = relative.household
        member.address = relative.address
        if kind < 0.5 {
            member.ownPatient = chosen
            population.patients[chosen].colleague = member.index
            member.isLinked = dice.chance(0.85)
        } else if kind > 0.78 {
            member.surname = Population.surname(&dice)
            member.household = nil
            member.address = 1_000_000 + member.index
        }
        member.knownAddress = dice.chance(0.9) ? member.address : 2_000_000 + member.index
    }

    private mutating func plan(_ index: Int, _ days: Int, _ dice: inout Dice) {
        let role = members[index].role
        if dice.chance(0.3) {
            members[index].workdays = Set(dice.sample([0, 1, 2, 3, 4], dice.int(2...4)))
        }
        members[index].saturdays = dice.int(0...3)
        let early: [Role: Double] = [.frontDesk: 7.25, .nurse: 7.5, .clinician: 7.75, .biller: 8.0]
        members[index].starts = 3600 * ((early[role] ?? 8.25) + Double(dice.int(0...5)) * 0.25)
        members[index].length = 3600 * (role == .clinician ? 9.0 : dice.between(7.5, 9))
        members[index].evenings = role == .clinician ? dice.between(0.05, 0.55) : role == .biller ? 0.12 : 0.02
        for _ in 0..<dice.poisson(Double(days) / 70) {
            let start = dice.int(0...days)
            members[index].away.append(start...start + dice.int(2...11))
        }
    }

    /// About a sixth of those without a panel leaves in four months; for each, somebody new comes.
    private mutating func replaceLeavers(_ days: Int, _ population: inout Population, _ dice: inout Dice) {
        let leaving = dice.sample(
            members.indices.filter { members[$0].role.seesPatients && !members[$0].keepsRecords },
            members.count * 7 / 40)
        for (place, leaver) in leaving.enumerated() {
            let last = 40 + (days - 46) * place / max(1, leaving.count - 1) + dice.int(0...4)
            members[leaver].left = last
            // One account in three is forgotten.
            members[leaver].disabled = place % 3 == 2 ? nil : last + dice.int(0...3)
            members[leaver].away.removeAll { $0.upperBound >= last - 16 }
            add(members[leaver].role, &population, &dice)
            let new = members.count - 1
            plan(new, days, &dice)
            members[new].hired = last + dice.int(-5...12)
            members[new].pod = members[leaver].pod
            members[new].panel = members[leaver].panel
            members[new].known = []
        }
    }

    /// A line of some household or hotel.
    static func line(_ dice: inout Dice) -> String {
        "\(dice.int(24...98)).\(dice.int(1...250)).\(dice.int(1...250)).\(dice.int(1...250))"
    }

    /// Who has the panel on that day.
    func owner(of panel: Int, on day: Int) -> Int? {
        members.first { $0.panel == panel && $0.isEmployed(day) }?.index
    }
}
