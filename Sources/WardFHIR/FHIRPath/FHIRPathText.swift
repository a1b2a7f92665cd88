/// String functions (FHIRPath N1, String Manipulation). Positions count characters.
extension FHIRPathEvaluator {
    func text(
        _ name: String, _ arguments: [[FHIRPathItem]], _ input: [FHIRPathItem]
    ) throws(FHIRPathFailure) -> [FHIRPathItem]? {
        switch name {
        case "join": return [.string(try joined(input, arguments.first))]
        case "upper", "lower", "length", "toChars", "trim":
            guard let text = try string(input, name) else { return [] }
            return plain(name, text)
        case "substring":
            guard let text = try string(input, name), let start = try integer(arguments[0], name) else { return [] }
            let length = arguments.count == 2 ? try integer(arguments[1], name) : nil
            return substring(text, start, length).map { [.string($0)] } ?? []
        case "indexOf", "lastIndexOf", "startsWith", "endsWith", "contains", "matches", "matchesFull", "split",
            "encode", "decode", "escape", "unescape":
            guard let text = try string(input, name), let argument = try string(arguments[0], name) else { return [] }
            return try binary(name, text, argument)
        case "replace", "replaceMatches":
            guard let text = try string(input, name), let pattern = try string(arguments[0], name),
                let substitute = try string(arguments[1], name)
            else { return [] }
            if name == "replace" { return [.string(Self.replace(text, pattern, substitute))] }
            // `$1` would need the groups' numbers in the substitute.
            if substitute.contains("$") { throw .unsupported("replaceMatches with groups") }
            if pattern.isEmpty { return [.string(text)] }
            return [.string(text.replacing(try regex(pattern, name), with: substitute))]
        default: return nil
        }
    }

    private func plain(_ name: String, _ text: String) -> [FHIRPathItem] {
        switch name {
        case "upper": [.string(text.uppercased())]
        case "lower": [.string(text.lowercased())]
        case "length": [.integer(Int64(text.count))]
        case "toChars": text.map { .string(String($0)) }
        default: [.string(Self.trimmed(text))]
        }
    }

    private static func trimmed(_ text: String) -> String {
        guard let start = text.firstIndex(where: { !$0.isWhitespace }),
            let end = text.lastIndex(where: { !$0.isWhitespace })
        else { return "" }
        return String(text[start...end])
    }

    private func binary(_ name: String, _ text: String, _ argument: String) throws(FHIRPathFailure) -> [FHIRPathItem] {
        switch name {
        case "indexOf": return [.integer(Self.position(of: argument, in: text, fromEnd: false))]
        case "lastIndexOf": return [.integer(Self.position(of: argument, in: text, fromEnd: true))]
        case "startsWith": return [.boolean(argument.isEmpty || text.hasPrefix(argument))]
        case "endsWith": return [.boolean(argument.isEmpty || text.hasSuffix(argument))]
        case "contains": return [.boolean(argument.isEmpty || text.contains(argument))]
        case "matches": return [.boolean(text.contains(try regex(argument, name)))]
        case "matchesFull": return [.boolean(text.wholeMatch(of: try regex(argument, name)) != nil)]
        case "split": return Self.split(text, argument).map { .string($0) }
        default: throw .unsupported(name)
        }
    }

    /// `.` matches line ends too (FHIRPath N1, matches).
    private func regex(_ pattern: String, _ user: String) throws(FHIRPathFailure) -> Regex<AnyRegexOutput> {
        do {
            return try Regex(pattern).dotMatchesNewlines()
        } catch {
            throw .unsupported(user + " with this pattern")
        }
    }

    private func joined(_ input: [FHIRPathItem], _ separator: [FHIRPathItem]?) throws(FHIRPathFailure) -> String {
        var parts: [String] = []
        for item in input {
            if let part = try string([item], "join") { parts.append(part) }
        }
        guard let separator else { return parts.joined() }
        return parts.joined(separator: try string(separator, "join") ?? "")
    }

    private func substring(_ text: String, _ start: Int64, _ length: Int64?) -> String? {
        guard start >= 0, start < text.count else { return nil }
        let rest = text.dropFirst(Int(start))
        return String(length.map { rest.prefix(Int(clamping: max(0, $0))) } ?? rest)
    }

    private static func position(of part: String, in text: String, fromEnd: Bool) -> Int64 {
        if part.isEmpty { return fromEnd ? Int64(text.count) : 0 }
        let (characters, wanted) = (Array(text), Array(part))
        guard wanted.count <= characters.count else { return -1 }
        var starts = Array(0...(characters.count - wanted.count))
        if fromEnd { starts.reverse() }
        for start in starts where characters[start..<start + wanted.count].elementsEqual(wanted) { return Int64(start) }
        return -1
    }

    private static func split(_ text: String, _ separator: String) -> [String] {
        separator.isEmpty
            ? text.map { String($0) }
            : text.split(separator: separator, omittingEmptySubsequences: false)
                .map(String.init)
    }

    private static func replace(_ text: String, _ pattern: String, _ substitute: String) -> String {
        guard pattern.isEmpty else { return text.replacing(pattern, with: substitute) }
        return substitute + text.map { String($0) + substitute }.joined()
    }
}
