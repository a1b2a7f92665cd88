import Foundation
import WardFHIR

/// A slow second opinion: understands a query parameter by itself and judges plain values, in three values of truth.
struct OracleTest {
    private let parameter: OracleParameter
    private let isNegated: Bool
    private let missing: Bool?
    private let alternatives: [(OracleValue) -> Bool?]

    init(_ parameter: OracleParameter, modifier: String?, value: String) {
        self.parameter = parameter
        isNegated = modifier == "not"
        missing = modifier == "missing" ? value == "true" : nil
        alternatives =
            modifier == "missing"
            ? [] : Self.split(value, ",").map { Self.test($0, parameter.type, parameter.code, modifier) }
    }

    /// True, false, or nil: not to be known.
    func judge(_ values: [OracleValue]) -> Bool? {
        if let missing { return values.isEmpty == missing }
        var result: Bool? = false
        for value in values {
            for test in alternatives {
                let answer: Bool? = if case .unknown = value { nil } else { test(value) }
                if answer == true { result = true }
                if answer == nil, result == false { result = nil }
            }
        }
        return isNegated ? result.map { !$0 } : result
    }

    private static func test(
        _ text: String, _ type: SearchParameterType, _ code: String, _ modifier: String?
    ) -> (OracleValue) -> Bool? {
        switch type {
        case .token where modifier == "text":
            let wanted = fold(plain(text))
            return { value in
                guard case .token(_, _, let texts) = value else { return false }
                return texts.contains { fold($0).unicodeScalars.starts(with: wanted.unicodeScalars) }
            }
        case .token: return { token(text, $0) }
        case .reference where modifier == "identifier":
            return { value in
                guard case .logical(let system, let found) = value else { return false }
                return pair(text, system, found) { $0 }
            }
        case .reference: return { reference(text, modifier, $0) }
        case .string:
            let wanted = plain(text)
            return { value in
                guard case .string(let found) = value else { return false }
                switch modifier {
                case "exact": return found == wanted
                case "contains":
                    return fold(found).range(of: fold(wanted), options: .literal) != nil
                default: return fold(found).unicodeScalars.starts(with: fold(wanted).unicodeScalars)
                }
            }
        case .uri: return { uri(plain(text), modifier, $0) }
        case .date:
            let (prefix, literal) = prefixed(text)
            guard let wanted = OracleSpan(literal) else { return { _ in nil } }
            return { value in
                guard case .span(let span) = value else { return false }
                return compare(prefix, span, wanted)
            }
        case .number, .quantity: return { amount(text, $0) }
        case .composite:
            let parts = split(text, "$")
            return { value in
                guard case .tuple(let tuple) = value else { return false }
                let second: SearchParameterType = code.hasSuffix("quantity") ? .quantity : .token
                let types: [SearchParameterType] = code == "relationship" ? [.reference, .token] : [.token, second]
                return zip(zip(parts, types), tuple).allSatisfy { part, values in
                    values.contains { test(part.0, part.1, "", nil)($0) == true }
                }
            }
        default: return { _ in nil }
        }
    }

    private static func token(_ text: String, _ value: OracleValue) -> Bool {
        switch value {
        case .token(let system, let code, _): pair(text, system, code) { $0.lowercased() }
        case .identifier(let system, let found): pair(text, system, found) { $0 }
        case .contact(let found): split(text, "|").count == 1 && found.lowercased() == plain(text).lowercased()
        default: false
        }
    }

    private static func pair(_ text: String, _ system: String?, _ code: String?, _ fold: (String) -> String) -> Bool {
        let parts = split(text, "|").map(plain)
        if parts.count == 1 { return code.map(fold) == fold(parts[0]) }
        if !parts[0].isEmpty, system != parts[0] { return false }
        if parts[0].isEmpty, system != nil { return false }
        return parts[1].isEmpty || code.map(fold) == fold(parts[1])
    }

    private static func reference(_ text: String, _ modifier: String?, _ value: OracleValue) -> Bool {
        guard case .reference(let found) = value else { return false }
        func local(_ text: String) -> String {
            text.hasPrefix(oracleBase + "/") ? String(text.dropFirst(oracleBase.count + 1)) : text
        }
        let wanted = local(plain(text))
        let target = local(found)
        let isLocal = target.wholeMatch(of: #/[A-Z][A-Za-z]+\/[^\/]+(\/_history\/[^\/]+)?/#) != nil
        let unversioned = isLocal ? target.split(separator: "/").prefix(2).joined(separator: "/") : target
        if let modifier { return unversioned == modifier + "/" + wanted }
        if wanted.contains(":") || wanted.contains("/") { return wanted == target || wanted == unversioned }
        return isLocal && unversioned.split(separator: "/").last.map(String.init) == wanted
    }

    private static func uri(_ wanted: String, _ modifier: String?, _ value: OracleValue) -> Bool {
        guard case .canonical(let found) = value else { return false }
        let url = found.split(separator: "|", maxSplits: 1).first.map(String.init) ?? found
        func isBelow(_ low: String, _ high: String) -> Bool {
            let top = high.hasSuffix("/") ? String(high.dropLast()) : high
            let cuts: [Character] = low.hasPrefix("urn:") ? [":", "."] : ["/"]
            return low == top || cuts.contains { low.hasPrefix(top + String($0)) }
        }
        switch modifier {
        case "below": return found == wanted || url == wanted || isBelow(url, wanted)
        case "above": return found == wanted || url == wanted || isBelow(wanted, url) && !url.hasSuffix("/")
        default: return found == wanted || url == wanted
        }
    }

    private static func compare(_ prefix: String, _ value: OracleSpan, _ wanted: OracleSpan) -> Bool {
        guard let first = wanted.start, let last = wanted.end else { return false }
        let start = value.start ?? .min
        let end = value.end ?? .max
        let isInside = start >= first && end <= last
        switch prefix {
        case "eq": return isInside
        case "ne": return !isInside
        case "lt": return start < first
        case "gt": return end > last
        case "le": return start < first || isInside
        case "ge": return end > last || isInside
        case "sa": return start >= last
        case "eb": return end <= first
        default:
            let slackStart = abs(first - oracleNow) / 10
            let slackEnd = abs(last - 1 - oracleNow) / 10
            return start < last + slackEnd && end > first - slackStart
        }
    }

    /// Powers of ten of the units that the resources of these tests have, dimension by dimension.
    private static let powers: [[String: Int]] = [
        ["kg": 3, "g": 0, "mg": -3, "pg": -12],
        [
            "g/dL": 1, "g/L": 0, "mg/dL": -2, "mg/L": -3, "ug/mL": -3, "ug/L": -6, "ng/mL": -6, "pg/mL": -9,
        ],
        ["10*3/uL": 3, "10*6/uL": 6], ["cm": -2, "mm": -3], ["U/L": 0, "kU/L": 3],
    ]

    private static func amount(_ text: String, _ value: OracleValue) -> Bool? {
        guard case .amount(var low, var high, let system, var code, let unit) = value else { return false }
        let parts = split(text, "|").map(plain)
        let ucum = "http://unitsofmeasure.org"
        if parts.count == 3, parts[1] == ucum, system == ucum, code != parts[2] {
            guard
                let scale = powers.first(where: { $0[code ?? ""] != nil && $0[parts[2]] != nil }),
                let (own, asked) = scale[code ?? ""].flatMap({ own in scale[parts[2]].map { (own, $0) } })
            else { return false }
            let factor = Decimal(sign: .plus, exponent: own - asked, significand: 1)
            (low, high, code) = (low.map { $0 * factor }, high.map { $0 * factor }, parts[2])
        }
        if parts.count == 3 {
            if !parts[1].isEmpty, system != parts[1] { return false }
            if !parts[2].isEmpty, parts[1].isEmpty ? code != parts[2] && unit != parts[2] : code != parts[2] {
                return false
            }
        }
        let (prefix, literal) = prefixed(parts[0])
        guard let wanted = Decimal(string: literal) else { return nil }
        let mantissa = literal.split(whereSeparator: { "eE".contains($0) })
        let places = mantissa[0].split(separator: ".", omittingEmptySubsequences: false).dropFirst().first?.count ?? 0
        let power = (mantissa.count > 1 ? Int(mantissa[1]) ?? 0 : 0) - places
        let half = Decimal(sign: .plus, exponent: power - 1, significand: 5)
        let isInside = (low.map { $0 >= wanted - half } ?? false) && (high.map { $0 < wanted + half } ?? false)
        let tenth = abs(wanted) / 10
        switch prefix {
        case "eq": return isInside
        case "ne": return !isInside
        case "gt": return high.map { $0 > wanted } ?? true
        case "ge": return high.map { $0 >= wanted } ?? true
        case "lt": return low.map { $0 < wanted } ?? true
        case "le": return low.map { $0 <= wanted } ?? true
        case "sa": return low.map { $0 > wanted } ?? false
        case "eb": return high.map { $0 < wanted } ?? false
        default: return (low.map { $0 <= wanted + tenth } ?? true) && (high.map { $0 >= wanted - tenth } ?? true)
        }
    }

    private static func prefixed(_ text: String) -> (String, String) {
        let isPrefixed = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"].contains(String(text.prefix(2)))
        return isPrefixed ? (String(text.prefix(2)), String(text.dropFirst(2))) : ("eq", text)
    }

    private static func split(_ text: String, _ separator: Unicode.Scalar) -> [String] {
        var parts: [String.UnicodeScalarView] = [.init()]
        var isEscaped = false
        for scalar in text.unicodeScalars {
            if scalar == separator, !isEscaped {
                parts.append(.init())
            } else {
                parts[parts.count - 1].append(scalar)
            }
            isEscaped = scalar == "\\" && !isEscaped
        }
        return parts.map { String($0) }
    }

    private static func plain(_ text: String) -> String {
        var output = String.UnicodeScalarView()
        var scalars = text.unicodeScalars[...]
        while let first = scalars.popFirst() {
            if first == "\\", let next = scalars.first, ",$|\\".unicodeScalars.contains(next) {
                output.append(next)
                scalars.removeFirst()
            } else {
                output.append(first)
            }
        }
        return String(output)
    }

    static func fold(_ text: String) -> String {
        let bare = text.decomposedStringWithCanonicalMapping.unicodeScalars
            .filter { $0.properties.generalCategory != .nonspacingMark }
        let folded = String(String.UnicodeScalarView(bare)).uppercased().lowercased()
            .decomposedStringWithCanonicalMapping.unicodeScalars
            .filter { $0.properties.generalCategory != .nonspacingMark }
        return String(String.UnicodeScalarView(folded)).split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}

let oracleBase = "https://ward.example/fhir"
let oracleNow = 1_780_000_000_000_000
