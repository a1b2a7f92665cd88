import Foundation

/// Random numbers that a printed seed repeats (SplitMix64).
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func pick<Element>(_ choices: [Element]) -> Element {
        choices[Int.random(in: 0..<choices.count, using: &self)]
    }

    mutating func chance(_ share: Double) -> Bool { Double.random(in: 0..<1, using: &self) < share }
}

/// A record as the oracle holds it: lists of texts by search parameter, read from nothing but what it was made of.
struct TiedRecord: Sendable {
    let type: String
    let id: String
    /// Values of plain parameters.
    var values: [String: [String]] = [:]
    /// `Type/id` by reference parameter.
    var links: [String: [String]] = [:]
    var json: [String: String] = [:]
    var label: String?

    var name: String { "\(type)/\(id)" }

    var text: String {
        var parts = [#""resourceType":"\#(type)""#, #""id":"\#(id)""#]
        if let label {
            let system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
            parts.append(#""meta":{"security":[{"system":"\#(system)","code":"\#(label)"}]}"#)
        }
        parts += json.sorted { $0.key < $1.key }.map { #""\#($0.key)":\#($0.value)"# }
        return "{\(parts.joined(separator: ","))}"
    }
}

/// What a generated question asks: a leaf, or a step to other records.
indirect enum TiedStep: Sendable {
    case leaf(parameter: String, value: String)
    case chain(parameter: String, type: String?, TiedStep)
    case has(type: String, parameter: String, TiedStep)

    /// The name of the parameter in a request, and its value.
    var asked: (name: String, value: String) {
        switch self {
        case .leaf(let parameter, let value): return (parameter, value)
        case .chain(let parameter, let type, let rest):
            return ("\(parameter)\(type.map { ":" + $0 } ?? "").\(rest.asked.name)", rest.asked.value)
        case .has(let type, let parameter, let rest):
            return ("_has:\(type):\(parameter):\(rest.asked.name)", rest.asked.value)
        }
    }

    /// Names of the parameters, by type where it is known.
    func parameters(of type: String?) -> [(type: String?, code: String)] {
        switch self {
        case .leaf(let parameter, _): return [(type, parameter)]
        case .chain(let parameter, let target, let rest): return [(type, parameter)] + rest.parameters(of: target)
        case .has(let source, let parameter, let rest): return [(source, parameter)] + rest.parameters(of: source)
        }
    }
}

/// Generated records, and a slow answer to every question about them.
struct TiedWorld {
    private(set) var records: [TiedRecord] = []
    private var random: SeededNumbers
    /// What may be referred to, by parameter.
    static let links: [String: [String: [String]]] = [
        "Patient": [
            "organization": ["Organization"], "general-practitioner": ["Practitioner", "Organization"],
            "link": ["Patient"],
        ],
        "Organization": ["partof": ["Organization"]],
        "Practitioner": [:],
        "Encounter": [
            "subject": ["Patient"], "patient": ["Patient"], "service-provider": ["Organization"],
            "part-of": ["Encounter"],
        ],
        "Observation": [
            "subject": ["Patient"], "patient": ["Patient"], "encounter": ["Encounter"],
            "performer": ["Practitioner", "Organization"],
        ],
        "Condition": ["subject": ["Patient"], "encounter": ["Encounter"]],
    ]
    static let leaves: [String: [String]] = [
        "Patient": ["gender", "family", "name", "_id"], "Organization": ["name"], "Practitioner": ["family", "name"],
        "Encounter": ["status", "_id"], "Observation": ["status", "code"], "Condition": ["code"],
    ]
    private static let words = ["alpha", "alphabet", "beta", "gamma"]
    private static let codes = ["c1", "c2", "c3"]

    init(seed: UInt64, size: Int) {
        random = SeededNumbers(seed: seed)
        for (type, count) in [
            ("Organization", 4), ("Practitioner", 3), ("Patient", size), ("Encounter", size * 2),
            ("Observation", size * 4),
            ("Condition", size),
        ] {
            for number in 0..<count { records.append(make(type, "\(type.lowercased().prefix(3))\(number)")) }
        }
    }

    private mutating func make(_ type: String, _ id: String) -> TiedRecord {
        var made = TiedRecord(type: type, id: id)
        made.values["_id"] = [id]
        func quoted(_ text: String) -> String { "\"\(text)\"" }
        func concept(_ code: String) -> String { #"{"coding":[{"system":"urn:codes","code":"\#(code)"}]}"# }
        switch type {
        case "Patient", "Practitioner":
            let family = random.pick(Self.words)
            made.values["family"] = [family]
            made.values["name"] = [family]
            made.json["name"] = #"[{"family":"\#(family)"}]"#
            if type == "Patient", random.chance(0.8) {
                let gender = random.pick(["male", "female"])
                made.values["gender"] = [gender]
                made.json["gender"] = quoted(gender)
            }
        case "Organization":
            let name = random.pick(Self.words)
            made.values["name"] = [name]
            made.json["name"] = quoted(name)
        case "Encounter":
            let status = random.pick(["planned", "finished"])
            made.values["status"] = [status]
            made.json["status"] = quoted(status)
            made.json["class"] = #"{"code":"AMB"}"#
        default:
            let code = random.pick(Self.codes)
            made.values["code"] = [code]
            made.json["code"] = concept(code)
            if type == "Observation" {
                let status = random.pick(["final", "amended"])
                made.values["status"] = [status]
                made.json["status"] = quoted(status)
                if random.chance(0.7) {
                    let value = random.pick(["1", "1.5", "10", "-3", "2.50"])
                    made.values["value-quantity"] = [value]
                    made.json["valueQuantity"] = #"{"value":\#(value)}"#
                }
                if random.chance(0.7) {
                    let day = random.pick(["2020-01-01", "2021-05-06", "2019-12-31"])
                    made.values["date"] = [day]
                    made.json["effectiveDateTime"] = quoted(day)
                }
            }
            if random.chance(0.25) { made.label = random.pick(["R", "N"]) }
        }
        refer(&made)
        return made
    }

    private mutating func refer(_ made: inout TiedRecord) {
        let elements: [String: (String, Bool)] = [
            "organization": ("managingOrganization", false), "general-practitioner": ("generalPractitioner", true),
            "partof": ("partOf", false), "subject": ("subject", false), "service-provider": ("serviceProvider", false),
            "part-of": ("partOf", false), "encounter": ("encounter", false), "performer": ("performer", true),
        ]
        for (parameter, targets) in (Self.links[made.type] ?? [:]).sorted(by: { $0.key < $1.key })
        where parameter != "patient" && (parameter == "subject" || random.chance(0.7)) {
            let target = random.pick(targets)
            let known = records.filter { $0.type == target }.map(\.name)
            // One in ten refers to what is not there.
            let name = known.isEmpty || random.chance(0.1) ? "\(target)/none" : random.pick(known)
            if parameter == "link" {
                made.json["link"] = #"[{"other":{"reference":"\#(name)"},"type":"seealso"}]"#
            } else if let (element, isList) = elements[parameter] {
                let reference = #"{"reference":"\#(name)"}"#
                made.json[element] = isList ? "[\(reference)]" : reference
            }
            made.links[parameter] = [name]
            if parameter == "subject", Self.links[made.type]?["patient"] != nil { made.links["patient"] = [name] }
        }
    }

    /// A question about records of a type.
    mutating func question(_ type: String, depth: Int) -> TiedStep {
        let onward = (Self.links[type] ?? [:]).sorted { $0.key < $1.key }
        let back = Self.links.flatMap { source, links in
            links.filter { $0.value.contains(type) }.map { (source, $0.key) }
        }.sorted { $0 < $1 }
        if depth == 0 || onward.isEmpty && back.isEmpty || random.chance(0.1) {
            let parameter = random.pick(Self.leaves[type] ?? [])
            let known = records.filter { $0.type == type }.flatMap { $0.values[parameter] ?? [] }
            return .leaf(parameter: parameter, value: random.pick(known))
        }
        if !back.isEmpty, onward.isEmpty || random.chance(0.5) {
            let (source, parameter) = random.pick(back)
            return .has(type: source, parameter: parameter, question(source, depth: depth - 1))
        }
        let (parameter, targets) = random.pick(onward)
        let target = random.pick(targets)
        return .chain(
            parameter: parameter, type: random.chance(0.5) ? target : nil, question(target, depth: depth - 1))
    }

    mutating func type() -> String { random.pick(Self.links.keys.sorted()) }

    mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

    mutating func sortKeys(_ type: String) -> [(code: String, isDescending: Bool)] {
        let choices = (Self.leaves[type] ?? []) + (type == "Observation" ? ["value-quantity", "date", "subject"] : [])
        return (0..<number(1...3)).map { _ in (random.pick(choices), random.chance(0.5)) }
    }

    /// Whether a record answers the question, for somebody who sees those records and no others.
    func answers(_ record: TiedRecord, _ step: TiedStep, seeing visible: Set<String>) -> Bool {
        switch step {
        case .leaf(let parameter, let value):
            let values = record.values[parameter] ?? []
            let isText = ["family", "name"].contains(parameter)
            return values.contains { isText ? $0.hasPrefix(value) : $0 == value }
        case .chain(let parameter, let type, let rest):
            let targets = Set(record.links[parameter] ?? []).intersection(visible)
            return records.contains { other in
                targets.contains(other.name) && type ?? other.type == other.type && Self.knows(other.type, rest)
                    && answers(other, rest, seeing: visible)
            }
        case .has(let type, let parameter, let rest):
            return records.contains { other in
                other.type == type && visible.contains(other.name)
                    && (other.links[parameter] ?? []).contains(record.name) && answers(other, rest, seeing: visible)
            }
        }
    }

    private static func knows(_ type: String, _ step: TiedStep) -> Bool {
        switch step {
        case .leaf(let parameter, _): (leaves[type] ?? []).contains(parameter) || parameter == "_id"
        case .chain(let parameter, _, _): links[type]?[parameter] != nil
        case .has(let source, let parameter, _): links[source]?[parameter]?.contains(type) ?? false
        }
    }

    /// Records in the order of some keys: without a value last, then newest first.
    func sorted(_ names: Set<String>, by keys: [(code: String, isDescending: Bool)]) -> [String] {
        let positions = Dictionary(uniqueKeysWithValues: records.enumerated().map { ($1.name, $0) })
        return records.filter { names.contains($0.name) }.sorted { left, right in
            for key in keys {
                let first = (left.values[key.code] ?? left.links[key.code])?.first
                let second = (right.values[key.code] ?? right.links[key.code])?.first
                guard let first, let second else {
                    if first == nil, second == nil { continue }
                    return first != nil
                }
                if key.code == "value-quantity" {
                    let (a, b) = (Double(first) ?? 0, Double(second) ?? 0)
                    if a != b { return key.isDescending ? b < a : a < b }
                } else if first != second {
                    return key.isDescending ? second < first : first < second
                }
            }
            return positions[left.name] ?? 0 > positions[right.name] ?? 0
        }.map(\.name)
    }
}
