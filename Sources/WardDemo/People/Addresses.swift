/// Where people live and how they are called: invented streets and towns, 555-01xx numbers (set aside for fiction by
/// the North American Numbering Plan) and mail at example.org (RFC 2606).
struct Address: Sendable {
    let line: String
    let town: String
    let postalCode: String

    /// Everybody of one household gets the same.
    init(household: String, seed: UInt64) {
        var random = SplitMix64(seed: seed, stream: "household/\(household)")
        let street = random.pick([
            "Alder Creek Road", "Beacon Street", "Chandlery Lane", "Dory Court", "Eelgrass Way", "Foghorn Avenue",
            "Gull Rock Road", "Herring Lane", "Inlet Drive", "Juniper Street", "Kelp Alley", "Lantern Hill",
        ])
        line = "\(random.int(2...98)) \(street)"
        (town, postalCode) = random.pick([
            ("Harbor Glen", "04998"), ("Alder Creek", "04997"), ("Port Fennimore", "04996"), ("Little Cove", "04995"),
        ])
    }

    init(line: String, town: String, postalCode: String) {
        self.line = line
        self.town = town
        self.postalCode = postalCode
    }

    static let clinic = Address(line: "1 Lighthouse Square", town: "Harbor Glen", postalCode: "04998")

    var json: JSON {
        [
            "use": "home", "line": [.string(line)], "city": .string(town), "state": "ME",
            "postalCode": .string(postalCode), "country": "US",
        ]
    }

    var asWorkplace: JSON {
        .object(json.members.map { $0.0 == "use" ? ("use", "work") : $0 })
    }
}

/// Number `index` of the hundred that nobody has.
func fictionalPhone(_ index: Int) -> String {
    let number = 100 + index % 100
    return "+1-207-555-0\(number)"
}
