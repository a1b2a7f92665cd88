/// One copy of one resource, without what is not selected.
struct FieldWalk {
    let tape: JSONTape
    /// Ids of the contained resources that stay; nil while that is being found out.
    let kept: Set<String>?
    /// Ids of contained resources that what was written refers to.
    private(set) var fragments: Set<String> = []
    var writer: JSONWriter
    private let definitions = Definitions.r4

    init(tape: JSONTape, kept: Set<String>?) {
        self.tape = tape
        self.kept = kept
        writer = JSONWriter(reservingCapacity: 1024)
    }

    static func elements(of array: Int, in tape: JSONTape) -> [Int] {
        var found: [Int] = []
        tape.forEachElement(array) { found.append($0) }
        return found
    }

    /// Writes the members of an object that stay; whether there is any besides `id`.
    ///
    /// - Parameter node: of the selection; nil below an element that stays as a whole.
    mutating func members(
        of object: Int, type: TypeID, _ selection: FieldSelection, node: Int?
    ) throws(FieldFilterFailure) -> Bool {
        let row = node.map { selection.nodes[$0] }
        let isRoot = node == 0
        let isWhole = row?.isWhole ?? true
        var isAny = false
        var key = object + 1
        let end = tape.end(object)
        let hasExtras = hasExtras(object)
        while key < end {
            defer { key = tape.end(key + 1) }
            if tape.equals(key, "modifierExtension") { throw .modifierExtension }
            if tape.equals(key, "extension") {
                if let urls = row?.extensions, !urls.isEmpty || !isRoot {
                    isAny = writeExtensions(key + 1, urls) || isAny
                } else if !isRoot {
                    isAny = writeExtensions(key + 1, []) || isAny
                }
                continue
            }
            if tape.equals(key, "id") {
                if !isRoot { copy(key) }
                continue
            }
            let isExtra = tape.bytes[tape.range(key).lowerBound] == 0x5F
            guard let match = element(key, isExtra: isExtra, of: type) else { continue }
            let child = row?.children[match.element]
            guard isWhole || child != nil else { continue }
            if let child, !selection.keeps(match.type, at: child) { continue }
            if isRoot, !isWhole, isAlwaysKept(match) { continue }
            if definitions.isPrimitive(match.type) {
                let sibling = isExtra || hasExtras ? sibling(of: key, isExtra: isExtra, in: object) : nil
                // Both keys of a primitive are written at the first of its plain one.
                if isExtra && sibling != nil { continue }
                let pair = (value: isExtra ? nil : key + 1, extra: isExtra ? key + 1 : sibling)
                let urls = child.map { selection.nodes[$0].extensions } ?? []
                isAny = primitive(pair.value, pair.extra, key: name(key, isExtra), match, urls) || isAny
            } else {
                isAny = try complex(key, match, selection, child) || isAny
            }
        }
        return isAny
    }

    // MARK: Complex values

    private mutating func complex(
        _ key: Int, _ match: ElementMatch, _ selection: FieldSelection, _ child: Int?
    ) throws(FieldFilterFailure) -> Bool {
        let mark = writer.mark
        writer.rawKey(tape.slice(tape.quotedRange(key)))
        let value = key + 1
        var isAny = false
        if tape.kind(value) == .array {
            writer.beginArray()
            for item in Self.elements(of: value, in: tape) {
                isAny = try object(item, match.type, selection, child) || isAny
            }
            if !isAny, isRequired(match) { isAny = writeMasked() }
            writer.endArray()
        } else {
            isAny = try object(value, match.type, selection, child)
            if !isAny, isRequired(match) { isAny = writeMasked() }
        }
        if !isAny { writer.rewind(to: mark) }
        return isAny
    }

    private mutating func object(
        _ value: Int, _ type: TypeID, _ selection: FieldSelection, _ child: Int?
    ) throws(FieldFilterFailure) -> Bool {
        guard tape.kind(value) == .object else { return false }
        // A resource within a resource is another record: not part of any element that may stay.
        if definitions.isResource(type) || definitions.typeName(type) == "Narrative" { return false }
        let mark = writer.mark
        writer.beginObject()
        let isAny = try members(of: value, type: type, selection, node: child)
        writer.endObject()
        if !isAny { writer.rewind(to: mark) }
        return isAny
    }

    /// What stands for a required value of which nothing may stay (data-absent-reason: masked).
    private mutating func writeMasked() -> Bool {
        writer.raw(Self.masked)
        return true
    }

    private static let masked = Array(
        #"{"extension":[{"url":"\#(absentReason)","valueCode":"masked"}]}"#.utf8)
    private static let absentReason = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"

    /// Copies the extensions with these URLs, and whatever says why a value is absent.
    private mutating func writeExtensions(_ list: Int, _ urls: Set<String>) -> Bool {
        let kept = keptExtensions(list, urls)
        if kept.isEmpty { return false }
        writer.key("extension")
        writer.beginArray()
        for item in kept { copyValue(item) }
        writer.endArray()
        return true
    }

    private func keptExtensions(_ list: Int, _ urls: Set<String>) -> [Int] {
        Self.elements(of: list, in: tape).filter { item in
            guard let url = tape.member(item, "url") else { return false }
            let text = tape.text(url)
            return text == Self.absentReason || urls.contains(text)
        }
    }

    // MARK: Primitives (json.html#primitive)

    private mutating func primitive(
        _ value: Int?, _ extra: Int?, key: String, _ match: ElementMatch, _ urls: Set<String>
    ) -> Bool {
        if match.isCollection { return primitives(value, extra, key: key, match, urls) }
        let extensions = extra.map { self.extensions(of: $0, urls) } ?? []
        if let value {
            if isLostFragment(value, match, key) { return false }
            writer.key(key)
            writer.raw(tape.slice(tape.quotedRange(value)))
        }
        if !extensions.isEmpty {
            writer.key("_" + key)
            writeExtra(extensions)
        } else if value == nil {
            guard isRequired(match) else { return false }
            writer.key("_" + key)
            return writeMasked()
        }
        return true
    }

    private mutating func primitives(
        _ value: Int?, _ extra: Int?, key: String, _ match: ElementMatch, _ urls: Set<String>
    ) -> Bool {
        let values = value.map { Self.elements(of: $0, in: tape) } ?? []
        let extras = extra.map { Self.elements(of: $0, in: tape) } ?? []
        var kept: [(value: Int?, extensions: [Int])] = []
        for position in 0..<max(values.count, extras.count) {
            let value = position < values.count && tape.kind(values[position]) != .null ? values[position] : nil
            let extensions = position < extras.count ? self.extensions(of: extras[position], urls) : []
            if value != nil || !extensions.isEmpty { kept.append((value, extensions)) }
        }
        if kept.isEmpty {
            guard isRequired(match) else { return false }
            writer.key("_" + key)
            writer.beginArray()
            _ = writeMasked()
            writer.endArray()
            return true
        }
        if kept.contains(where: { $0.value != nil }) {
            writer.key(key)
            writer.beginArray()
            for pair in kept {
                if let value = pair.value { writer.raw(tape.slice(tape.quotedRange(value))) } else { writer.null() }
            }
            writer.endArray()
        }
        if kept.contains(where: { !$0.extensions.isEmpty }) {
            writer.key("_" + key)
            writer.beginArray()
            for pair in kept { if pair.extensions.isEmpty { writer.null() } else { writeExtra(pair.extensions) } }
            writer.endArray()
        }
        return true
    }

    private func extensions(of extra: Int, _ urls: Set<String>) -> [Int] {
        tape.member(extra, "extension").map { keptExtensions($0, urls) } ?? []
    }

    private mutating func writeExtra(_ extensions: [Int]) {
        writer.beginObject()
        writer.key("extension")
        writer.beginArray()
        for item in extensions { copyValue(item) }
        writer.endArray()
        writer.endObject()
    }

    // MARK: References

    /// Whether a value is `#id` of a contained resource that goes; otherwise its use is noted.
    private mutating func isLostFragment(_ value: Int, _ match: ElementMatch, _ key: String) -> Bool {
        let range = tape.range(value)
        guard tape.kind(value) == .string, range.count > 1 else { return false }
        guard tape.isEscaped(value) || tape.bytes[range.lowerBound] == 0x23 else { return false }
        let text = tape.text(value)
        guard text.hasPrefix("#") else { return false }
        fragments.insert(String(text.dropFirst()))
        guard key == "reference", let kept else { return false }
        return !kept.contains(String(text.dropFirst()))
    }

    // MARK: Names

    private func element(_ key: Int, isExtra: Bool, of type: TypeID) -> ElementMatch? {
        if tape.isEscaped(key) { return definitions.element(name(key, isExtra), of: type) }
        let range = tape.range(key)
        return definitions.element(
            tape.bytes.span.extracting(range.lowerBound + (isExtra ? 1 : 0)..<range.upperBound), of: type)
    }

    /// The plain name of a key.
    private func name(_ key: Int, _ isExtra: Bool) -> String {
        let text = tape.text(key)
        return isExtra ? String(text.dropFirst()) : text
    }

    private func hasExtras(_ object: Int) -> Bool {
        var found = false
        tape.forEachMember(object) { key, _ in
            let range = tape.range(key)
            found = found || !range.isEmpty && tape.bytes[range.lowerBound] == 0x5F
        }
        return found
    }

    private func sibling(of key: Int, isExtra: Bool, in object: Int) -> Int? {
        tape.member(object, named: isExtra ? name(key, true) : "_" + name(key, false))
    }

    private func isRequired(_ match: ElementMatch) -> Bool {
        definitions.elements[match.element].flags.contains(.required)
    }

    private func isAlwaysKept(_ match: ElementMatch) -> Bool {
        FieldSelection.alwaysKept.contains(definitions.elementName(match.element))
    }

    private mutating func copy(_ key: Int) {
        writer.rawKey(tape.slice(tape.quotedRange(key)))
        copyValue(key + 1)
    }

    private mutating func copyValue(_ index: Int) { tape.writeCompact(index, into: &writer) }
}
