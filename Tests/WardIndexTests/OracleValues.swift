import Foundation
import WardFHIR

/// JSON as a plain tree: what the oracle reads, apart from all search code.
indirect enum PlainJSON {
    case object([String: PlainJSON])
    case array([PlainJSON])
    case text(String)
    case number(String)
    case other(String)

    init(_ tape: JSONTape, _ index: Int = JSONTape.rootIndex) {
        switch tape.kind(index) {
        case .object:
            var members: [String: PlainJSON] = [:]
            tape.forEachMember(index) { key, value in members[tape.text(key)] = PlainJSON(tape, value) }
            self = .object(members)
        case .array:
            var elements: [PlainJSON] = []
            tape.forEachElement(index) { elements.append(PlainJSON(tape, $0)) }
            self = .array(elements)
        case .string: self = .text(tape.text(index))
        case .number: self = .number(tape.text(index))
        default: self = .other(tape.text(index))
        }
    }

    subscript(name: String) -> PlainJSON? {
        if case .object(let members) = self { members[name] } else { nil }
    }

    /// All values at a dotted path, arrays flattened.
    func at(_ path: ArraySlice<Substring>) -> [PlainJSON] {
        if case .array(let elements) = self { return elements.flatMap { $0.at(path) } }
        guard let first = path.first else { return [self] }
        return self[String(first)]?.at(path.dropFirst()) ?? []
    }

    func at(_ path: String) -> [PlainJSON] { at(path.split(separator: ".")[...]) }

    func text(_ name: String) -> String? {
        switch self[name] {
        case .text(let text): text
        case .number(let text): text
        default: nil
        }
    }

    var scalar: String? {
        switch self {
        case .text(let text), .number(let text), .other(let text): text
        default: nil
        }
    }
}

/// A span of time in microseconds, the end outside; nil is open.
struct OracleSpan: Equatable {
    var start: Int?
    var end: Int?

    /// By the day number of the Rata Die: nothing of the server's calendar.
    init?(_ text: String) {
        let pattern = #/(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?/#
        guard let match = text.wholeMatch(of: pattern), let year = Int(match.1), year > 0 else { return nil }
        let month = match.2.flatMap { Int($0) }
        let day = match.3.flatMap { Int($0) }
        guard (1...12).contains(month ?? 1) else { return nil }
        let length = Self.dayNumber(year, (month ?? 1) + 1, 1) - Self.dayNumber(year, month ?? 1, 1)
        guard (1...length).contains(day ?? 1) else { return nil }
        var start = Self.dayNumber(year, month ?? 1, day ?? 1) * 86_400_000_000
        var end: Int
        if day != nil {
            end = start + 86_400_000_000
        } else if let month {
            end = Self.dayNumber(year, month + 1, 1) * 86_400_000_000
        } else {
            end = Self.dayNumber(year + 1, 1, 1) * 86_400_000_000
        }
        if let hour = match.4.flatMap({ Int($0) }), let minute = match.5.flatMap({ Int($0) }) {
            guard hour < 24, minute < 60 else { return nil }
            start += (hour * 60 + minute) * 60_000_000
            end = start + 60_000_000
            if let second = match.6.flatMap({ Int($0) }) {
                guard second < 60 else { return nil }
                start += second * 1_000_000
                end = start + 1_000_000
                if let fraction = match.7 {
                    let digits = String(fraction.prefix(6))
                    var step = 1
                    for _ in 0..<(6 - digits.count) { step *= 10 }
                    start += (Int(digits) ?? 0) * step
                    end = start + step
                }
            }
            if let zone = match.8, zone != "Z", let hours = Int(zone.dropFirst().prefix(2)),
                let minutes = Int(zone.suffix(2))
            {
                let offset = (hours * 60 + minutes) * 60_000_000 * (zone.first == "-" ? 1 : -1)
                start += offset
                end += offset
            }
        }
        self.start = start
        self.end = end
    }

    init(start: Int?, end: Int?) {
        self.start = start
        self.end = end
    }

    /// Days since 1970-01-01; months beyond 12 run over.
    private static func dayNumber(_ year: Int, _ month: Int, _ day: Int) -> Int {
        if month > 12 { return dayNumber(year + 1, month - 12, day) }
        let lengths = [
            31, year % 4 == 0 && year % 100 != 0 || year % 400 == 0 ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31,
        ]
        let before = year - 1
        let days = 365 * before + before / 4 - before / 100 + before / 400 + lengths[..<(month - 1)].reduce(0, +) + day
        return days - 719_163
    }
}

/// What the oracle reads from a resource under a parameter.
enum OracleValue {
    case token(system: String?, code: String?, texts: [String])
    case identifier(system: String?, value: String?)
    case contact(String)
    case reference(String)
    case logical(system: String?, value: String?)
    case canonical(String)
    case string(String)
    case span(OracleSpan)
    case amount(low: Decimal?, high: Decimal?, system: String?, code: String?, unit: String?)
    case tuple([[OracleValue]])
    case unknown
}

enum OracleKind {
    case primitive, coding, concept, identifier, contact, reference, patient, canonical, string, name, address, date,
        number
    case quantity, range
}

/// Where the oracle finds a parameter's values; written by hand from the specification's tables.
struct OracleParameter {
    let code: String
    let type: SearchParameterType
    let sources: [(path: String, kind: OracleKind)]
    var tuple: [[(path: String, kind: OracleKind)]] = []

    func values(_ resource: PlainJSON) -> [OracleValue] {
        if tuple.isEmpty {
            return sources.flatMap { source in resource.at(source.path).flatMap { read($0, source.kind) } }
        }
        return sources.flatMap { resource.at($0.path) }.compactMap { element in
            let parts = tuple.map { sources in
                sources.flatMap { source in element.at(source.path).flatMap { read($0, source.kind) } }
            }
            return parts.contains { $0.isEmpty } ? nil : .tuple(parts)
        }
    }

    private func read(_ json: PlainJSON, _ kind: OracleKind) -> [OracleValue] {
        switch kind {
        case .primitive: return json.scalar.map { [.token(system: nil, code: $0, texts: [])] } ?? []
        case .coding: return [coding(json, text: nil)]
        case .concept:
            let codings = json["coding"]?.at("") ?? []
            let text = json.text("text")
            if codings.isEmpty { return text.map { [.token(system: nil, code: nil, texts: [$0])] } ?? [] }
            return codings.map { coding($0, text: text) }
        case .identifier: return [.identifier(system: json.text("system"), value: json.text("value"))]
        case .contact: return json.text("value").map { [.contact($0)] } ?? []
        case .reference, .patient:
            var found: [OracleValue] = []
            let literal = json.text("reference")
            guard kind == .reference || literal?.contains("Patient/") == true else { return [] }
            if let literal, !literal.hasPrefix("#") { found.append(.reference(literal)) }
            if let identifier = json["identifier"] {
                found.append(.logical(system: identifier.text("system"), value: identifier.text("value")))
            }
            return found
        case .canonical: return json.scalar.map { [.canonical($0)] } ?? []
        case .string: return json.scalar.map { [.string($0)] } ?? []
        case .name: return strings(json, ["family", "given", "prefix", "suffix", "text"])
        case .address: return strings(json, ["line", "city", "district", "state", "postalCode", "country", "text"])
        case .date: return [date(json)]
        case .number:
            guard let text = json.scalar, let value = Decimal(string: text) else { return [.unknown] }
            return [.amount(low: value, high: value, system: nil, code: nil, unit: nil)]
        case .quantity:
            guard let text = json.text("value"), let value = Decimal(string: text) else { return [] }
            return [amount(json, value, value)]
        case .range:
            let low = json["low"]?.text("value").flatMap { Decimal(string: $0) }
            let high = json["high"]?.text("value").flatMap { Decimal(string: $0) }
            return (json["low"] ?? json["high"]).map { [amount($0, low, high)] } ?? []
        }
    }

    private func amount(_ json: PlainJSON, _ low: Decimal?, _ high: Decimal?) -> OracleValue {
        .amount(low: low, high: high, system: json.text("system"), code: json.text("code"), unit: json.text("unit"))
    }

    private func coding(_ json: PlainJSON, text: String?) -> OracleValue {
        .token(
            system: json.text("system"), code: json.text("code"), texts: [json.text("display"), text].compactMap { $0 })
    }

    private func strings(_ json: PlainJSON, _ names: [String]) -> [OracleValue] {
        names.flatMap { json.at($0) }.compactMap { $0.scalar.map(OracleValue.string) }
    }

    private func date(_ json: PlainJSON) -> OracleValue {
        if let text = json.scalar { return OracleSpan(text).map(OracleValue.span) ?? .unknown }
        let start = json.text("start")
        let end = json.text("end")
        let first = start.flatMap { OracleSpan($0) }
        let last = end.flatMap { OracleSpan($0) }
        if (start != nil) != (first != nil) || (end != nil) != (last != nil) { return .unknown }
        return .span(OracleSpan(start: first?.start, end: last?.end))
    }
}
