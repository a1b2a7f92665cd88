import WardCore

/// A patient who does not exist, with what a registration has: for records that nobody has a reason to open.
public struct InventedPatient: Sendable {
    public let id: String
    /// A FHIR R4 Patient.
    public let json: [UInt8]

    /// - Parameter bytes: chance; the first eight decide.
    public init(bytes: [UInt8]) {
        var chance = SplitMix64(seed: bytes.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
        id = chance.uuid()
        let isFemale = chance.chance(percent: 52)
        let given = chance.pick(isFemale ? Self.women : Self.men)
        let family = chance.pick(Self.families)
        let born = CalendarDay(daysSinceEpoch: Int64(chance.int(-12_000...14_000))).text
        let phone = "555-01\(chance.int(10...99))"
        let street = "\(chance.int(2...480)) \(chance.pick(Self.streets))"
        json = Array(
            """
            {"resourceType":"Patient","id":"\(id)","active":true,\
            "name":[{"use":"official","family":"\(family)","given":["\(given)"]}],\
            "telecom":[{"system":"phone","value":"\(phone)","use":"home"}],\
            "gender":"\(isFemale ? "female" : "male")","birthDate":"\(born)",\
            "address":[{"use":"home","line":["\(street)"],"city":"\(chance.pick(Self.towns))",\
            "state":"MA","postalCode":"0\(chance.int(1001...2799))","country":"US"}]}
            """.utf8)
    }

    private static let women = [
        "Alice", "Brenda", "Carmen", "Denise", "Elena", "Fatima", "Grace", "Helen", "Irene", "Julia", "Karen", "Lucia",
    ]
    private static let men = [
        "Aaron", "Brian", "Carlos", "Dennis", "Ethan", "Frank", "George", "Henry", "Ivan", "Jason", "Kevin", "Luis",
    ]
    private static let families = [
        "Adler", "Barnes", "Castillo", "Dawson", "Ellis", "Fuentes", "Grant", "Hayes", "Ingram", "Jensen", "Keller",
        "Lowell", "Mercer", "Norris", "Ortega", "Palmer", "Quinn", "Reyes", "Sutton", "Tanner", "Vaughn", "Weber",
    ]
    private static let streets = [
        "Maple Street", "Cedar Avenue", "Mill Road", "Elm Street", "Harbor Lane", "Chestnut Street", "Park Avenue",
    ]
    private static let towns = ["Ashby", "Brookfield", "Clifton", "Dunmore", "Eastham", "Fairview"]
}
