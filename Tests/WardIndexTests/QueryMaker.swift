import Foundation
import WardFHIR

/// Makes queries around values that records have.
struct QueryMaker {
    var maker: ResourceMaker

    /// One parameter: code, modifier, value.
    mutating func term(_ parameter: OracleParameter, _ samples: [OracleValue]) -> (modifier: String?, value: String) {
        if maker.chance(0.05) { return ("missing", maker.pick(["true", "false"])) }
        let modifier = modifier(parameter)
        let count = maker.chance(0.2) ? 2 : 1
        let parts = (0..<count).compactMap { _ in
            literal(parameter.type, samples.isEmpty ? nil : maker.pick(samples), modifier)
        }
        return parts.isEmpty ? ("missing", "false") : (modifier, parts.joined(separator: ","))
    }

    private mutating func modifier(_ parameter: OracleParameter) -> String? {
        switch parameter.type {
        case .token: maker.pick([nil, nil, nil, "not", "not", "text"])
        case .string: maker.pick([nil, nil, "exact", "contains"])
        case .uri: maker.pick([nil, "below", "above"])
        case .reference: maker.pick([nil, nil, nil, "identifier"])
        default: nil
        }
    }

    private mutating func literal(_ type: SearchParameterType, _ value: OracleValue?, _ modifier: String?) -> String? {
        switch (type, value) {
        case (.token, .token(let system, let code, let texts)):
            if modifier == "text" { return words(cut(texts.first ?? maker.word())) }
            return token(system, code.map { maker.chance(0.3) ? $0.uppercased() : $0 })
        case (.token, .identifier(let system, let value)): return modifier == "text" ? nil : token(system, value)
        case (.token, .contact(let text)): return modifier == "text" ? nil : escaped(text.uppercased())
        case (.token, _): return modifier == "text" ? words(maker.word()) : token(maker.system(), maker.code())
        case (.reference, .logical(let system, let value)): return modifier == "identifier" ? token(system, value) : nil
        case (.reference, .reference(let text)):
            if modifier == "identifier" { return nil }
            let isLocal = text.wholeMatch(of: #/[A-Za-z]+\/[A-Za-z0-9.-]+(\/_history\/\d)?/#) != nil
            guard isLocal else { return text.contains("?") ? nil : text }
            let parts = text.split(separator: "/")
            return maker.pick([text, String(parts[1]), oracleBase + "/" + text, "Patient/3"])
        case (.reference, _): return modifier == "identifier" ? token(maker.system(), maker.code()) : "Patient/1"
        case (.string, .string(let text)):
            let part =
                modifier == "contains" ? String(text.dropFirst(Int.random(in: 0...2, using: &maker.random))) : cut(text)
            let asked = modifier == "exact" ? text : maker.chance(0.3) ? part.uppercased() : part
            return words(asked)
        case (.string, _): return words(maker.word())
        case (.uri, .canonical(let text)): return escaped(maker.chance(0.7) ? text : maker.uri())
        case (.uri, _): return escaped(maker.uri())
        case (.date, _):
            var text = maker.date()
            if case .span(let span)? = value, let moment = span.start ?? span.end, maker.chance(0.6) {
                text = near(moment)
            }
            return text.contains(":60Z") ? nil : prefix() + text
        case (.number, .amount(let low, let high, _, _, _)), (.quantity, .amount(let low, let high, _, _, _)):
            var text = maker.number()
            if let edge = low ?? high, maker.chance(0.5) { text = "\(edge)" }
            guard type == .quantity, case .amount(_, _, let system, let code, let unit)? = value else {
                return prefix() + text
            }
            let name = maker.chance(0.3) ? maker.pick(["mg", "g"]) : code ?? unit ?? "mg"
            return prefix() + text + maker.pick(["", "||\(name)", "|\(system ?? "http://unitsofmeasure.org")|\(name)"])
        case (.number, _), (.quantity, _): return prefix() + maker.number()
        case (.composite, .tuple(let parts)):
            let literals = parts.compactMap { part -> String? in
                let value = maker.pick(part)
                let type: SearchParameterType =
                    switch value {
                    case .amount: .quantity
                    case .reference, .logical: .reference
                    default: .token
                    }
                return literal(type, value, nil)
            }
            return literals.count == parts.count ? literals.joined(separator: "$") : nil
        default: return nil
        }
    }

    /// Marks and spaces alone are no question.
    private func words(_ text: String) -> String? { OracleTest.fold(text).isEmpty ? nil : escaped(text) }

    private mutating func prefix() -> String { maker.pick(["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]) }

    private mutating func token(_ system: String?, _ code: String?) -> String {
        let code = escaped(code ?? maker.code())
        guard let system else { return maker.pick([code, "|" + code]) }
        return maker.pick([code, "\(escaped(system))|\(code)", "\(escaped(system))|", "|" + code])
    }

    private mutating func cut(_ text: String) -> String {
        maker.chance(0.5) ? text : String(text.prefix(Int.random(in: 1...4, using: &maker.random)))
    }

    /// The moment itself, or a microsecond beside it.
    private mutating func near(_ moment: Int) -> String {
        let moved = moment + maker.pick([-1, 0, 0, 1])
        let days = Int((Double(moved) / 86_400_000_000).rounded(.down))
        let rest = moved - days * 86_400_000_000
        guard rest >= 0, rest < 86_400_000_000 else { return maker.date() }
        let date = Date(timeIntervalSince1970: Double(days) * 86_400)
        let day = date.formatted(.iso8601.year().month().day())
        guard day.count == 10, !day.hasPrefix("0000") else { return maker.date() }
        let clock = String(
            format: "T%02d:%02d:%02d.%06d", rest / 3_600_000_000, rest / 60_000_000 % 60, rest / 1_000_000 % 60,
            rest % 1_000_000)
        return maker.pick([day, day + clock + "Z", day + String(clock.prefix(9)) + "Z", String(day.prefix(7))])
    }

    private func escaped(_ text: String) -> String {
        var output = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if "\\,$|".unicodeScalars.contains(scalar) { output.append("\\") }
            output.append(scalar)
        }
        return String(output)
    }
}
