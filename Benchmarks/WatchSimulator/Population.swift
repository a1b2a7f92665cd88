import Glibc

/// The patients: households, surnames as common as in life, and those who are special.
struct Population: Sendable {
    struct Patient: Sendable {
        let id: String
        var surname: Int
        var household: Int
        /// Homes of one building share the postal code and the address line.
        var address: Int
        var isAdult: Bool
        /// Index of the clinician whose panel it is in.
        var clinician = 0
        /// How often they come, against the others.
        var need: Double
        var isInCareTeam: Bool
        var isVIP = false
        var isDecoy = false
        /// Index of the member of staff that it is.
        var colleague: Int?
    }

    var patients: [Patient] = []
    /// Patients of each household; households next to each other in number are neighbours.
    var households: [[Int]] = []
    /// Patients of each panel.
    var panels: [[Int]] = []
    var surnames: [Int: [Int]] = [:]
    private(set) var famous: [Int] = []
    private(set) var decoys: [Int] = []

    /// So many addresses in a row make a street, so that who lives next door is mostly of the same street.
    static let homesOfStreet = 24

    init(count: Int, clinicians: Int, dice: inout Dice) {
        var address = 0
        var flats = 0
        while patients.count < count {
            let home = households.count
            if flats > 0 { flats -= 1 } else { address += 1 }
            // One home in eight or so stands in a building whose flats have one address line.
            if flats == 0, dice.chance(0.02) { flats = dice.int(3...10) }
            let surname = Self.surname(&dice)
            var members: [Int] = []
            let size = 1 + dice.poisson(1.3)
            for place in 0..<min(size, count - patients.count) {
                members.append(patients.count)
                patients.append(
                    Patient(
                        id: "pt-\(100_000 + patients.count)",
                        surname: place > 0 && dice.chance(0.18) ? Self.surname(&dice) : surname, household: home,
                        address: address, isAdult: place < 2, need: min(1, 0.04 + dice.exponential(0.18)),
                        isInCareTeam: dice.chance(0.6)))
            }
            households.append(members)
        }
        spread(over: clinicians, &dice)
        for index in patients.indices { surnames[patients[index].surname, default: []].append(index) }
        markSpecial(&dice)
    }

    /// Families mostly share a clinician.
    private mutating func spread(over clinicians: Int, _ dice: inout Dice) {
        panels = Array(repeating: [], count: clinicians)
        for members in households {
            let shared = dice.int(0...clinicians - 1)
            for member in members {
                let clinician = dice.chance(0.8) ? shared : dice.int(0...clinicians - 1)
                patients[member].clinician = clinician
                panels[clinician].append(member)
            }
        }
    }

    private mutating func markSpecial(_ dice: inout Dice) {
        famous = dice.sample(Array(patients.indices.filter { patients[$0].isAdult }), 14)
        for patient in famous { patients[patient].isVIP = true }
        // Single homes with common names, as the planted ones are made to look.
        let common = surnames.values.filter { $0.count >= 12 }.flatMap(\.self).sorted()
        decoys = dice.sample(common.filter { households[patients[$0].household].count == 1 }, 25)
        for patient in decoys {
            patients[patient].isDecoy = true
            patients[patient].need = 0
        }
    }

    /// About 0.9 % have the commonest surname, 0.1 % the hundredth (United States census of 2010).
    static func surname(_ dice: inout Dice) -> Int { Int(12 * exp(dice.unit() * log(8000.0))) - 12 }

    /// Somebody of that panel, those oftener who come often.
    func visitor(of clinician: Int, _ dice: inout Dice) -> Int {
        let panel = panels[clinician]
        for _ in 0..<200 {
            let patient = panel[dice.int(0...panel.count - 1)]
            if dice.unit() < patients[patient].need { return patient }
        }
        return panel[0]
    }

    /// Anybody who is no decoy.
    func anybody(_ dice: inout Dice) -> Int {
        while true {
            let patient = dice.int(0...patients.count - 1)
            if !patients[patient].isDecoy { return patient }
        }
    }
}
