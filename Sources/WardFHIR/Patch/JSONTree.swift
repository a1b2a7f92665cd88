/// A JSON value that can be changed. Strings and numbers keep the characters of their source.
indirect enum JSONTree: Sendable {
    case object([JSONTreeMember])
    case array([JSONTree])
    /// Source bytes of a string with its quotes, of a number, or of a literal.
    case scalar(JSONKind, [UInt8])

    init(_ tape: JSONTape, at index: Int = JSONTape.rootIndex) {
        switch tape.kind(index) {
        case .object:
            var members: [JSONTreeMember] = []
            tape.forEachMember(index) { key, value in
                members.append(JSONTreeMember(key: tape.text(key), value: JSONTree(tape, at: value)))
            }
            self = .object(members)
        case .array:
            var elements: [JSONTree] = []
            tape.forEachElement(index) { elements.append(JSONTree(tape, at: $0)) }
            self = .array(elements)
        default: self = .scalar(tape.kind(index), Array(tape.slice(tape.quotedRange(index))))
        }
    }

    /// Compact JSON.
    var json: [UInt8] {
        var writer = JSONWriter()
        write(into: &writer)
        return writer.bytes
    }

    private func write(into writer: inout JSONWriter) {
        switch self {
        case .object(let members):
            writer.beginObject()
            for member in members {
                writer.key(member.key)
                member.value.write(into: &writer)
            }
            writer.endObject()
        case .array(let elements):
            writer.beginArray()
            for element in elements { element.write(into: &writer) }
            writer.endArray()
        case .scalar(_, let bytes): writer.raw(bytes)
        }
    }

    /// Bytes of its JSON, nearly.
    var size: Int {
        switch self {
        case .object(let members): members.reduce(2) { $0 + $1.key.utf8.count + 4 + $1.value.size }
        case .array(let elements): elements.reduce(2) { $0 + 1 + $1.size }
        case .scalar(_, let bytes): bytes.count
        }
    }

    /// Levels of objects and arrays.
    var depth: Int {
        switch self {
        case .object(let members): 1 + (members.lazy.map(\.value.depth).max() ?? 0)
        case .array(let elements): 1 + (elements.lazy.map(\.depth).max() ?? 0)
        case .scalar: 0
        }
    }

    var isEmptyContainer: Bool {
        switch self {
        case .object(let members): members.isEmpty
        case .array(let elements): elements.isEmpty
        case .scalar: false
        }
    }

    /// Without objects and arrays in which nothing is left (FHIR R4 json.html: none is empty).
    var pruned: JSONTree {
        switch self {
        case .object(let members):
            .object(
                members.map { JSONTreeMember(key: $0.key, value: $0.value.pruned) }
                    .filter { !$0.value.isEmptyContainer })
        case .array(let elements): .array(elements.map(\.pruned).filter { !$0.isEmptyContainer })
        case .scalar: self
        }
    }

    subscript(key: String) -> JSONTree? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    /// Equal as RFC 6902 §4.6 has it: members in any order, strings by their text, numbers by their value.
    func equals(_ other: JSONTree) -> Bool {
        switch (self, other) {
        case (.object(let left), .object(let right)):
            guard left.count == right.count else { return false }
            let found = Dictionary(right.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
            return left.allSatisfy { member in found[member.key].map(member.value.equals) ?? false }
        case (.array(let left), .array(let right)):
            return left.count == right.count && zip(left, right).allSatisfy { $0.equals($1) }
        case (.scalar(.string, let left), .scalar(.string, let right)):
            return left == right || unescaped(left[1..<left.count - 1]) == unescaped(right[1..<right.count - 1])
        case (.scalar(.number, let left), .scalar(.number, let right)):
            if left == right { return true }
            guard let first = ExactDecimal(bytes: left[...]), let second = ExactDecimal(bytes: right[...]) else {
                return false
            }
            return first == second
        case (.scalar(let left, _), .scalar(let right, _)): return left == right
        default: return false
        }
    }
}

/// One member of an object.
struct JSONTreeMember: Sendable {
    var key: String
    var value: JSONTree
}

/// One step down: the text of a reference token (RFC 6901 §3).
typealias JSONPointer = [String]

extension JSONTree {
    /// The value there; nil if there is none.
    func value(at path: ArraySlice<String>) -> JSONTree? {
        guard let step = path.first else { return self }
        switch self {
        case .object: return self[step]?.value(at: path.dropFirst())
        case .array(let elements):
            guard let place = Self.index(step), place < elements.count else { return nil }
            return elements[place].value(at: path.dropFirst())
        case .scalar: return nil
        }
    }

    /// Changes the container in which `path` ends.
    ///
    /// - Parameter change: gets the container and the last step.
    /// - Throws: ``PatchFailure/Reason/noSuchPath`` if a step before the last is not there.
    mutating func change(
        at path: ArraySlice<String>,
        _ change: (inout JSONTree, String) throws(PatchFailure.Reason) -> Void
    ) throws(PatchFailure.Reason) {
        guard let step = path.first else { throw .noSuchPath }
        guard path.count > 1 else { return try change(&self, step) }
        switch self {
        case .object(var members):
            guard let place = members.firstIndex(where: { $0.key == step }) else { throw .noSuchPath }
            // Out of the tree meanwhile, so that it is changed in its place.
            self = .array([])
            var failure: PatchFailure.Reason?
            do throws(PatchFailure.Reason) {
                try members[place].value.change(at: path.dropFirst(), change)
            } catch { failure = error }
            self = .object(members)
            if let failure { throw failure }
        case .array(var elements):
            guard let place = Self.index(step), place < elements.count else { throw .noSuchPath }
            self = .array([])
            var failure: PatchFailure.Reason?
            do throws(PatchFailure.Reason) {
                try elements[place].change(at: path.dropFirst(), change)
            } catch { failure = error }
            self = .array(elements)
            if let failure { throw failure }
        case .scalar: throw .noSuchPath
        }
    }

    /// RFC 6902 §4.1.
    mutating func add(_ value: JSONTree, at path: JSONPointer) throws(PatchFailure.Reason) {
        guard !path.isEmpty else {
            self = value
            return
        }
        try change(at: path[...]) { (container, step) throws(PatchFailure.Reason) in
            switch container {
            case .object(var members):
                if let place = members.firstIndex(where: { $0.key == step }) {
                    members[place].value = value
                } else {
                    members.append(JSONTreeMember(key: step, value: value))
                }
                container = .object(members)
            case .array(var elements):
                let place = step == "-" ? elements.count : Self.index(step)
                guard let place, place <= elements.count else { throw .noSuchPath }
                elements.insert(value, at: place)
                container = .array(elements)
            case .scalar: throw .noSuchPath
            }
        }
    }

    /// RFC 6902 §4.2.
    mutating func remove(at path: JSONPointer) throws(PatchFailure.Reason) {
        try change(at: path[...]) { (container, step) throws(PatchFailure.Reason) in
            switch container {
            case .object(var members):
                guard let place = members.firstIndex(where: { $0.key == step }) else { throw .noSuchPath }
                members.remove(at: place)
                container = .object(members)
            case .array(var elements):
                guard let place = Self.index(step), place < elements.count else { throw .noSuchPath }
                elements.remove(at: place)
                container = .array(elements)
            case .scalar: throw .noSuchPath
            }
        }
    }

    /// RFC 6902 §4.3, in place.
    mutating func replace(_ value: JSONTree, at path: JSONPointer) throws(PatchFailure.Reason) {
        guard !path.isEmpty else {
            self = value
            return
        }
        try change(at: path[...]) { (container, step) throws(PatchFailure.Reason) in
            switch container {
            case .object(var members):
                guard let place = members.firstIndex(where: { $0.key == step }) else { throw .noSuchPath }
                members[place].value = value
                container = .object(members)
            case .array(var elements):
                guard let place = Self.index(step), place < elements.count else { throw .noSuchPath }
                elements[place] = value
                container = .array(elements)
            case .scalar: throw .noSuchPath
            }
        }
    }

    /// RFC 6901 §4: digits without leading zeros.
    static func index(_ step: String) -> Int? {
        guard (1...9).contains(step.utf8.count), step.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            step == "0" || step.utf8.first != 0x30
        else { return nil }
        return Int(step)
    }
}
