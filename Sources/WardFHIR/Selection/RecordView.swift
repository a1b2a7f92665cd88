/// How much of a record somebody asks to be shown: `_summary` and `_elements` (FHIR R4 search.html#summary).
///
/// Applied to what policy lets through, never instead of it.
public struct RecordView: Hashable, Sendable {
    enum Content: Hashable, Sendable {
        case whole
        /// `_summary=true`.
        case summary
        /// `_summary=text`: narrative, id, meta and what is required.
        case text
        /// `_summary=data`: all but the narrative.
        case data
        /// `_elements`: names, or `Type.name`.
        case elements(Set<String>)
    }

    let content: Content

    public static let whole = RecordView(content: .whole)
    public static let summary = RecordView(content: .summary)
    public static let text = RecordView(content: .text)
    public static let data = RecordView(content: .data)

    /// - Parameter names: elements of the resource itself, `name` or `Type.name`.
    public static func elements(_ names: Set<String>) -> RecordView { RecordView(content: .elements(names)) }

    public var isWhole: Bool { content == .whole }

    /// What marks a record that was cut down by what was asked for; it is refused when it comes back to be stored.
    public static let marker = (system: "urn:ward:view", code: "part")

    /// Whether the resource at `index` carries that mark.
    public static func isMarked(_ tape: JSONTape, at index: Int = JSONTape.rootIndex) -> Bool {
        guard let tags = tape.member(index, "meta").flatMap({ tape.member($0, "tag") }) else { return false }
        var isMarked = false
        tape.forEachElement(tags) { tag in
            if tape.member(tag, "system").map({ tape.text($0) }) == marker.system { isMarked = true }
        }
        return isMarked
    }

    /// Compact JSON of the part of a valid resource that is asked for, marked SUBSETTED.
    ///
    /// Required elements, modifiers and modifier extensions stay, as do contained resources that what stays refers to.
    public func cut(_ tape: JSONTape) -> [UInt8] {
        guard content != .whole, let name = tape.member(JSONTape.rootIndex, "resourceType"),
            let type = ResourceType(tape.text(name))
        else { return tape.bytes }
        let whole = Definitions.r4.typeID(of: type)
        var kept: [(key: Int, value: Int)] = []
        var contained: (key: Int, value: Int)?
        tape.forEachMember(JSONTape.rootIndex) { key, value in
            let text = tape.text(key)
            switch text {
            case "resourceType", "id", "meta": break
            case "contained": contained = (key, value)
            default: if keeps(text, of: type, whole) { kept.append((key, value)) }
            }
        }
        var body = JSONWriter(reservingCapacity: tape.bytes.count / 2)
        body.beginObject()
        for (key, value) in kept { write(key, value, of: tape, type: whole, into: &body) }
        body.endObject()
        var writer = JSONWriter(reservingCapacity: body.bytes.count + 256)
        writer.beginObject()
        writer.member("resourceType", type.name)
        if let id = tape.member(JSONTape.rootIndex, "id") { writer.member("id", tape.text(id)) }
        Self.writeMeta(tape.member(JSONTape.rootIndex, "meta"), of: tape, into: &writer)
        if let contained, Self.refersWithin(body.bytes) {
            writer.rawKey(tape.slice(tape.quotedRange(contained.key)))
            tape.writeCompact(contained.value, into: &writer)
        }
        // Without the braces.
        if body.bytes.count > 2 { writer.rawMembers(body.bytes[1..<body.bytes.count - 1]) }
        writer.endObject()
        return writer.bytes
    }

    private func keeps(_ key: String, of type: ResourceType, _ whole: TypeID) -> Bool {
        let plain = key.hasPrefix("_") ? String(key.dropFirst()) : key
        if ["implicitRules", "language", "modifierExtension"].contains(plain) { return true }
        if plain == "text" { return content == .text || isNamed("text", type) }
        guard let match = Definitions.r4.element(plain, of: whole) else { return false }
        let facts = Definitions.r4.facts(match.element)
        if facts.isRequired || facts.isModifier { return true }
        switch content {
        case .whole, .data: return true
        case .summary: return facts.isSummary
        case .text: return false
        case .elements: return isNamed(plain, type) || isNamed(facts.name, type)
        }
    }

    private func isNamed(_ name: String, _ type: ResourceType) -> Bool {
        guard case .elements(let names) = content else { return false }
        return names.contains(name) || names.contains("\(type.name).\(name)")
    }

    /// One member; of a backbone element in a summary only what belongs there.
    private func write(_ key: Int, _ value: Int, of tape: JSONTape, type: TypeID, into writer: inout JSONWriter) {
        writer.rawKey(tape.slice(tape.quotedRange(key)))
        guard content == .summary, let match = Definitions.r4.element(tape.text(key), of: type),
            Definitions.r4.typeName(match.type).contains(".")
        else { return tape.writeCompact(value, into: &writer) }
        if tape.kind(value) == .array {
            writer.beginArray()
            tape.forEachElement(value) { writeBackbone($0, of: tape, type: match.type, into: &writer) }
            writer.endArray()
        } else {
            writeBackbone(value, of: tape, type: match.type, into: &writer)
        }
    }

    private func writeBackbone(_ object: Int, of tape: JSONTape, type: TypeID, into writer: inout JSONWriter) {
        var kept: [(key: Int, value: Int)] = []
        tape.forEachMember(object) { key, value in
            let text = tape.text(key)
            let plain = text.hasPrefix("_") ? String(text.dropFirst()) : text
            guard let match = Definitions.r4.element(plain, of: type) else { return }
            let facts = Definitions.r4.facts(match.element)
            if facts.isSummary || facts.isRequired || facts.isModifier { kept.append((key, value)) }
        }
        // Nothing empty stays behind.
        guard !kept.isEmpty else { return tape.writeCompact(object, into: &writer) }
        writer.beginObject()
        for (key, value) in kept { write(key, value, of: tape, type: type, into: &writer) }
        writer.endObject()
    }

    private static func refersWithin(_ bytes: [UInt8]) -> Bool {
        let wanted = Array(#""reference":"#.utf8) + [0x22, 0x23]
        guard bytes.count >= wanted.count else { return false }
        return (0...bytes.count - wanted.count).contains { start in
            bytes[start] == 0x22 && bytes[start..<start + wanted.count].elementsEqual(wanted)
        }
    }

    private static func writeMeta(_ meta: Int?, of tape: JSONTape, into writer: inout JSONWriter) {
        let subsetted = ("http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "SUBSETTED")
        writer.key("meta")
        writer.beginObject()
        var tags: [Int] = []
        if let meta {
            tape.forEachMember(meta) { key, value in
                if tape.equals(key, "tag") {
                    tape.forEachElement(value) { tags.append($0) }
                } else {
                    writer.rawKey(tape.slice(tape.quotedRange(key)))
                    tape.writeCompact(value, into: &writer)
                }
            }
        }
        writer.key("tag")
        writer.beginArray()
        var marks = [subsetted, (marker.system, marker.code)]
        for tag in tags {
            tape.writeCompact(tag, into: &writer)
            let system = tape.member(tag, "system").map { tape.text($0) }
            let code = tape.member(tag, "code").map { tape.text($0) }
            marks.removeAll { $0.0 == system && $0.1 == code }
        }
        for (system, code) in marks {
            writer.beginObject()
            writer.member("system", system)
            writer.member("code", code)
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
    }
}

extension JSONTape {
    /// Appends a value over several lines, two spaces a level; strings and numbers to the character (`_pretty`).
    /// Stops soon after `limit` bytes.
    func writePretty(_ index: Int, indent: Int = 0, limit: Int, into output: inout [UInt8]) {
        guard output.count <= limit else { return }
        func line(_ level: Int) {
            output.append(0x0A)
            output += [UInt8](repeating: 0x20, count: 2 * level)
        }
        switch kind(index) {
        case .object:
            output.append(0x7B)
            var isFirst = true
            forEachMember(index) { key, value in
                if !isFirst { output.append(0x2C) }
                isFirst = false
                line(indent + 1)
                output += bytes[quotedRange(key)]
                output += [0x3A, 0x20]
                writePretty(value, indent: indent + 1, limit: limit, into: &output)
            }
            if !isFirst { line(indent) }
            output.append(0x7D)
        case .array:
            output.append(0x5B)
            var isFirst = true
            forEachElement(index) { element in
                if !isFirst { output.append(0x2C) }
                isFirst = false
                line(indent + 1)
                writePretty(element, indent: indent + 1, limit: limit, into: &output)
            }
            if !isFirst { line(indent) }
            output.append(0x5D)
        default:
            output += bytes[quotedRange(index)]
        }
    }

    /// The whole document over several lines; nil if that would be more than ``prettyLimit`` bytes.
    public var pretty: [UInt8]? {
        guard bytes.count < Self.prettyLimit else { return nil }
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count * 3 / 2)
        writePretty(Self.rootIndex, limit: Self.prettyLimit, into: &output)
        output.append(0x0A)
        return output.count <= Self.prettyLimit ? output : nil
    }

    /// Most bytes of a text over several lines.
    public static let prettyLimit = 8 << 20
}
