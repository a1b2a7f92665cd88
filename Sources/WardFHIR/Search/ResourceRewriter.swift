public import WardCore

/// Gives a resource its identity on this server, and leaves everything else to the character.
public enum ResourceRewriter {
    /// Compact JSON of the resource at `index`: `resourceType`, `id` and `meta` first, then all other members in source
    /// order.
    ///
    /// `meta` gets version and time and keeps its other members in their order. Strings and numbers are copied, except
    /// those whose quoted range is a key of `replacements`, which become the text given there.
    ///
    /// - Parameter stored: the version before; its labels stay where the new one says nothing of labels
    ///   (resource.html#security-labels: only what is taken out on purpose goes).
    public static func rewritten(
        _ tape: JSONTape, at index: Int = JSONTape.rootIndex, id: String, versionId: String, lastUpdated: Instant,
        replacing replacements: [(range: Range<Int>, text: String)] = [], keepingLabelsOf stored: JSONTape? = nil
    ) -> [UInt8] {
        var copier = JSONCopier(tape: tape, replacements: replacements)
        copier.writer.beginObject()
        if let type = tape.member(index, "resourceType") { copier.member("resourceType", type) }
        copier.writer.member("id", id)
        copier.writer.key("meta")
        copier.writer.beginObject()
        copier.writer.member("versionId", versionId)
        copier.writer.member("lastUpdated", lastUpdated.text)
        let meta = tape.member(index, "meta")
        if let stored, meta.flatMap({ tape.member($0, "security") }) == nil,
            let labels = stored.member(JSONTape.rootIndex, "meta").flatMap({ stored.member($0, "security") })
        {
            copier.writer.key("security")
            stored.writeCompact(labels, into: &copier.writer)
        }
        if let meta {
            copier.members(of: meta, except: ["versionId", "_versionId", "lastUpdated", "_lastUpdated"])
        }
        copier.writer.endObject()
        copier.members(of: index, except: ["resourceType", "id", "meta"])
        copier.writer.endObject()
        return copier.writer.bytes
    }
}

/// Copies values from a tape into a writer, with some strings replaced.
private struct JSONCopier {
    let tape: JSONTape
    /// By first byte of the quoted string.
    private let replacements: [Int: String]
    var writer: JSONWriter

    init(tape: JSONTape, replacements: [(range: Range<Int>, text: String)]) {
        self.tape = tape
        self.replacements = Dictionary(
            replacements.map { ($0.range.lowerBound, $0.text) }, uniquingKeysWith: { first, _ in first })
        writer = JSONWriter(reservingCapacity: tape.bytes.count + 256)
    }

    mutating func members(of object: Int, except names: [StaticString]) {
        guard tape.kind(object) == .object else { return }
        var key = object + 1
        while key < tape.end(object) {
            if !names.contains(where: { tape.equals(key, $0) }) {
                self.key(key)
                value(key + 1)
            }
            key = tape.end(key + 1)
        }
    }

    mutating func member(_ name: String, _ value: Int) {
        writer.key(name)
        self.value(value)
    }

    private mutating func key(_ key: Int) {
        writer.rawKey(tape.slice(tape.quotedRange(key)))
    }

    private mutating func value(_ index: Int) {
        switch tape.kind(index) {
        case .object:
            writer.beginObject()
            members(of: index, except: [])
            writer.endObject()
        case .array:
            writer.beginArray()
            var element = index + 1
            while element < tape.end(index) {
                value(element)
                element = tape.end(element)
            }
            writer.endArray()
        case .string:
            let range = tape.quotedRange(index)
            if let text = replacements[range.lowerBound] { writer.string(text) } else { writer.raw(tape.slice(range)) }
        default:
            writer.raw(tape.slice(tape.range(index)))
        }
    }
}
