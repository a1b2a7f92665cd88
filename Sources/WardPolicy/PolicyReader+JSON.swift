import WardFHIR

/// Reading JSON, and saying what is wrong with it.
extension PolicyReader {
    mutating func report(_ path: String, _ problem: PolicyIssue.Problem) {
        if issues.count < 100 { issues.append(PolicyIssue(path: path, problem: problem)) }
    }

    /// Whether a node is an object; keys that it must or must not have are reported.
    mutating func object(
        _ node: Int, _ path: String, required: [String], optional: [String] = []
    ) -> Bool {
        guard tape.kind(node) == .object else {
            report(path, .wrongKind)
            return false
        }
        let prefix = path.isEmpty ? "" : path + "."
        for (key, _) in JSONValue(tape: tape, index: node).members where !(required + optional).contains(key) {
            report(prefix + Self.shown(key), .unknownKey)
        }
        for key in required where tape.member(node, named: key) == nil { report(prefix + key, .missing) }
        return true
    }

    /// A key as it may stand in a message.
    static func shown(_ key: String) -> String {
        String(
            String.UnicodeScalarView(
                key.unicodeScalars.prefix(40).map { $0.value < 0x20 || $0.value == 0x7F ? "?" : $0 }))
    }

    mutating func entries(
        _ node: Int, _ key: String, in parent: String = "", limit: Int, areNames: Bool = true
    ) -> [(name: String, value: Int, path: String)] {
        guard let object = tape.member(node, named: key) else { return [] }
        let path = parent.isEmpty ? key : "\(parent).\(key)"
        guard tape.kind(object) == .object else {
            report(path, .wrongKind)
            return []
        }
        let members = JSONValue(tape: tape, index: object).members
        if members.isEmpty { report(path, .empty) }
        if members.count > limit {
            report(path, .tooMany)
            return []
        }
        return members.compactMap { name, value in
            let place = "\(path).\(Self.shown(name))"
            if areNames && !Self.isName(name) {
                report(place, .badName)
                return nil
            }
            return (name, value.index, place)
        }
    }

    mutating func list(_ node: Int, _ key: String, _ path: String) -> [Int]? {
        tape.member(node, named: key).flatMap { elements($0, path) }
    }

    mutating func elements(_ array: Int, _ path: String) -> [Int]? {
        guard tape.kind(array) == .array else {
            report(path, .wrongKind)
            return nil
        }
        var found: [Int] = []
        tape.forEachElement(array) { found.append($0) }
        if found.isEmpty { report(path, .empty) }
        return found
    }

    mutating func strings(_ node: Int, _ key: String, _ path: String) -> [(text: String, path: String)] {
        tape.member(node, named: key).map { strings($0, path) } ?? []
    }

    mutating func strings(_ array: Int, _ path: String) -> [(text: String, path: String)] {
        var found: [(text: String, path: String)] = []
        for (position, item) in (elements(array, path) ?? []).enumerated() {
            let place = "\(path)[\(position)]"
            guard tape.kind(item) == .string else {
                report(place, .wrongKind)
                continue
            }
            let text = tape.text(item)
            if found.contains(where: { $0.text == text }) { report(place, .duplicate) }
            found.append((text, place))
        }
        return found
    }

    mutating func string(_ node: Int, _ key: String, _ path: String) -> String? {
        guard let value = tape.member(node, named: key) else { return nil }
        guard tape.kind(value) == .string else {
            report(path, .wrongKind)
            return nil
        }
        let text = tape.text(value)
        if text.isEmpty { report(path, .empty) }
        return text
    }

    mutating func name(_ node: Int, _ key: String, _ path: String) -> String? {
        guard let text = string(node, key, path), !text.isEmpty else { return nil }
        if Self.isName(text) { return text }
        report(path, .badName)
        return nil
    }

    private static func isName(_ text: String) -> Bool {
        (1...40).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
    }
}
