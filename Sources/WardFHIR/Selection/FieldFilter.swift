/// Cuts records down to a selection of their elements.
///
/// The result is valid where the record was: nothing empty stays behind, references to contained resources that go are
/// taken away, and a required value of which nothing may stay is marked as masked. It carries the tag SUBSETTED
/// (search.html#summary), so that nobody takes it for the whole and writes it back.
public struct FieldFilter: Sendable {
    private let selections: [ResourceType: FieldSelection]
    private let isHidden: @Sendable (_ system: String, _ code: String) -> Bool

    /// - Parameters:
    ///   - selections: by type; contained resources of other types go.
    ///   - isHidden: codings of meta.security and meta.tag that must not be seen.
    public init(
        _ selections: [FieldSelection], hiding isHidden: @escaping @Sendable (_ system: String, _ code: String) -> Bool
    ) {
        self.selections = Dictionary(
            selections.map { ($0.type, $0) }, uniquingKeysWith: { first, second in first.union(second) ?? first })
        self.isHidden = isHidden
    }

    /// Compact JSON of what stays of a valid resource.
    public func filtered(
        _ tape: JSONTape, at index: Int = JSONTape.rootIndex
    ) throws(FieldFilterFailure) -> [UInt8] {
        var kept: Set<String>?
        if let list = tape.member(index, "contained") { kept = try keptContained(tape, index, list) }
        var walk = FieldWalk(tape: tape, kept: kept)
        try write(index, into: &walk, isContained: false)
        return walk.writer.bytes
    }

    func selection(of type: ResourceType) -> FieldSelection? { selections[type] }

    /// Ids of contained resources that what stays refers to, directly or through each other.
    private func keptContained(_ tape: JSONTape, _ index: Int, _ list: Int) throws(FieldFilterFailure) -> Set<String> {
        var items: [String: Int] = [:]
        tape.forEachElement(list) { item in
            guard let id = tape.member(item, "id") else { return }
            items[tape.text(id)] = item
        }
        var trial = FieldWalk(tape: tape, kept: nil)
        try write(index, into: &trial, isContained: false)
        var kept: Set<String> = []
        var open = trial.fragments
        while let id = open.popFirst() {
            guard !kept.contains(id), let item = items[id],
                let type = tape.member(item, "resourceType").flatMap({ ResourceType(tape.text($0)) }),
                selections[type] != nil
            else { continue }
            kept.insert(id)
            var inner = FieldWalk(tape: tape, kept: nil)
            try write(item, into: &inner, isContained: true)
            open.formUnion(inner.fragments)
        }
        return kept
    }

    private func write(
        _ index: Int, into walk: inout FieldWalk, isContained: Bool
    ) throws(FieldFilterFailure) {
        let tape = walk.tape
        guard let name = tape.member(index, "resourceType"), let type = ResourceType(tape.text(name)) else {
            throw .notAResource
        }
        guard let selection = selections[type] else { throw .typeNotSelected }
        walk.writer.beginObject()
        walk.writer.member("resourceType", type.name)
        for key in ["id", "implicitRules", "language"] {
            guard let value = tape.member(index, named: key) else { continue }
            walk.writer.key(key)
            walk.writer.raw(tape.slice(tape.quotedRange(value)))
        }
        // A contained resource carries no labels of its own (dom-5), and is part of a whole that is marked.
        if !isContained { writeMeta(index, into: &walk) }
        _ = try walk.members(of: index, type: Definitions.r4.typeID(of: type), selection, node: 0)
        if !isContained, let list = tape.member(index, "contained"), let kept = walk.kept, !kept.isEmpty {
            walk.writer.key("contained")
            walk.writer.beginArray()
            for item in FieldWalk.elements(of: list, in: tape) {
                guard let id = tape.member(item, "id"), kept.contains(tape.text(id)) else { continue }
                try write(item, into: &walk, isContained: true)
            }
            walk.writer.endArray()
        }
        walk.writer.endObject()
    }

    private func writeMeta(_ index: Int, into walk: inout FieldWalk) {
        let tape = walk.tape
        walk.writer.key("meta")
        walk.writer.beginObject()
        let meta = tape.member(index, "meta")
        for key in ["versionId", "lastUpdated", "source", "profile"] {
            guard let value = meta.flatMap({ tape.member($0, named: key) }) else { continue }
            var nulls = false
            tape.forEachElement(value) { nulls = nulls || tape.kind($0) == .null }
            if nulls { continue }
            walk.writer.key(key)
            tape.writeCompact(value, into: &walk.writer)
        }
        for key in ["security", "tag"] {
            walk.writer.key(key)
            walk.writer.beginArray()
            let list = meta.flatMap { tape.member($0, named: key) }
            for coding in list.map({ FieldWalk.elements(of: $0, in: tape) }) ?? [] { writeCoding(coding, into: &walk) }
            walk.writer.beginObject()
            walk.writer.member("system", Self.subsetted.system)
            walk.writer.member("code", Self.subsetted.code)
            walk.writer.endObject()
            walk.writer.endArray()
        }
        walk.writer.endObject()
    }

    /// System and code only: a display or text could say what the code does not.
    private func writeCoding(_ coding: Int, into walk: inout FieldWalk) {
        let tape = walk.tape
        guard let code = tape.member(coding, "code") else { return }
        let system = tape.member(coding, "system")
        let names = (system.map { tape.text($0) } ?? "", tape.text(code))
        if names == Self.subsetted || isHidden(names.0, names.1) { return }
        walk.writer.beginObject()
        if system != nil { walk.writer.member("system", names.0) }
        walk.writer.member("code", names.1)
        walk.writer.endObject()
    }

    private static let subsetted = (
        system: "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", code: "SUBSETTED"
    )
}

/// Why a record could not be cut down; it must then not be given out at all.
public enum FieldFilterFailure: Error, Hashable, Sendable {
    /// An extension that may change the meaning of what would stay (extensibility.html#modifierExtension).
    case modifierExtension
    /// Something is written that could not be seen.
    case elementNotSelected
    case notAResource
    /// No selection for this type.
    case typeNotSelected
}
