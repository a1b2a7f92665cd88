/// Elements of one resource type that stay when a record is cut down to what somebody needs (search.html#elements).
///
/// A path keeps everything below it except extensions; `name.extension:URL` keeps one kind of them, `onsetDateTime` one
/// type of a choice. Type, id, meta,
/// implicitRules and language always stay; narrative, contained resources and other extensions are never selected.
public struct FieldSelection: Sendable {
    /// One element on a selected path.
    struct Node: Sendable {
        let type: TypeID
        /// Whether everything below stays.
        var isWhole = false
        /// Of a choice, the types that stay; empty: all.
        var choices: Set<TypeID> = []
        /// By position of the element in the table.
        var children: [Int: Int] = [:]
        /// URLs of extensions that stay on this element.
        var extensions: Set<String> = []
    }

    public let type: ResourceType
    /// As given, sorted.
    public private(set) var paths: [String]
    /// The resource itself comes first.
    private(set) var nodes: [Node]

    /// Selects `paths`, written without the type: `name`, `participant.actor`, `deceased[x]`.
    public init(_ type: ResourceType, paths: [String]) throws(FieldPathFailure) {
        self.type = type
        self.paths = paths.sorted()
        nodes = [Node(type: Definitions.r4.typeID(of: type))]
        if Self.holdsResources.contains(type.name) { throw FieldPathFailure(position: 0, reason: .notSelectable) }
        for (position, path) in paths.enumerated() {
            do throws(FieldPathFailure.Reason) { try add(path) } catch {
                throw FieldPathFailure(position: position, reason: error)
            }
        }
    }

    /// Whatever either of both keeps; nil for different types.
    public func union(_ other: FieldSelection) -> FieldSelection? {
        guard type == other.type else { return nil }
        var result = self
        result.merge(other, from: 0, into: 0)
        result.paths = Set(paths + other.paths).sorted()
        return result
    }

    private mutating func merge(_ other: FieldSelection, from source: Int, into target: Int) {
        let node = other.nodes[source]
        let isEither = nodes[target].isWhole && node.isWhole
        if isEither, nodes[target].choices.isEmpty || node.choices.isEmpty {
            nodes[target].choices = []
        } else {
            nodes[target].choices.formUnion(node.choices)
        }
        nodes[target].isWhole = nodes[target].isWhole || node.isWhole
        nodes[target].extensions.formUnion(node.extensions)
        for (element, child) in node.children {
            merge(other, from: child, into: self.child(element, of: target, type: other.nodes[child].type))
        }
    }

    private mutating func add(_ path: String) throws(FieldPathFailure.Reason) {
        var names = path[...]
        var url: Substring?
        if let range = path.firstRange(of: "extension:"),
            range.lowerBound == path.startIndex || path[..<range.lowerBound].last == "."
        {
            url = path[range.upperBound...]
            names = path[..<range.lowerBound]
            if names.last == "." { names.removeLast() }
        }
        var at = 0
        let parts = names.isEmpty ? [] : names.split(separator: ".", omittingEmptySubsequences: false)
        var choice: TypeID?
        for part in parts {
            if choice != nil { throw .unknownElement }
            (at, choice) = try step(part, from: at)
        }
        if let url {
            guard !url.isEmpty else { throw .unknownElement }
            nodes[at].extensions.insert(String(url))
        } else {
            guard at != 0 else { throw .unknownElement }
            if nodes[at].isWhole {
                guard let choice, !nodes[at].choices.isEmpty, !nodes[at].choices.contains(choice) else {
                    throw .repeated
                }
            }
            nodes[at].isWhole = true
            if let choice { nodes[at].choices.insert(choice) }
        }
    }

    /// The node of an element, and the one type that a name such as `onsetDateTime` means.
    private mutating func step(
        _ part: Substring, from node: Int
    ) throws(FieldPathFailure.Reason) -> (node: Int, choice: TypeID?) {
        let isChoice = part.hasSuffix("[x]")
        let name = String(isChoice ? part.dropLast(3) : part)
        let type = nodes[node].type
        guard let facts = Definitions.r4.element(named: name, of: type) else {
            guard !isChoice, let match = Definitions.r4.element(name, of: type) else { throw .unknownElement }
            return (child(match.element, of: node, type: Self.element), match.type)
        }
        if isChoice && !facts.isChoice { throw .unknownElement }
        if Self.neverSelected.contains(name) || node == 0 && Self.alwaysKept.contains(name) { throw .notSelectable }
        guard let only = facts.types.first else { throw .unknownElement }
        return (child(facts.element, of: node, type: facts.isChoice ? Self.element : only), nil)
    }

    /// Whether a value of `type` stays at a node.
    func keeps(_ type: TypeID, at node: Int) -> Bool {
        nodes[node].choices.isEmpty || nodes[node].choices.contains(type)
    }

    private mutating func child(_ element: Int, of node: Int, type: TypeID) -> Int {
        if let known = nodes[node].children[element] { return known }
        nodes.append(Node(type: type))
        nodes[node].children[element] = nodes.count - 1
        return nodes.count - 1
    }

    /// A choice is selected as a whole: below it there is nothing to name.
    private static let element = Definitions.r4.typeID(named: "Element") ?? TypeID(index: 0)

    static let alwaysKept: Set<String> = ["id", "meta", "implicitRules", "language"]
    private static let neverSelected: Set<String> = ["text", "contained", "extension", "modifierExtension"]
    /// Their elements are other records, each with a type and rules of its own.
    private static let holdsResources: Set<String> = ["Bundle", "Parameters"]
}

/// A path that selects nothing.
public struct FieldPathFailure: Error, Hashable, Sendable {
    public enum Reason: String, Error, Hashable, Sendable {
        case notSelectable = "cannot be selected"
        case repeated = "is selected twice"
        case unknownElement = "no such element"
    }

    /// Among the paths given.
    public let position: Int
    public let reason: Reason

    public init(position: Int, reason: Reason) {
        self.position = position
        self.reason = reason
    }
}

/// An element that a selection must not leave out.
public struct FieldOmission: Hashable, Sendable {
    public enum Reason: String, Hashable, Sendable {
        case modifier = "changes the meaning of the rest and is left out"
        case required = "is required and left out"
    }

    /// With the type: `Appointment.status`.
    public let path: String
    public let reason: Reason
}

extension FieldSelection {
    /// Required and modifying elements that are left out (search.html#elements: servers should always return both).
    public var omissions: [FieldOmission] { omissions(at: 0, path: type.name) }

    private func omissions(at node: Int, path: String) -> [FieldOmission] {
        if nodes[node].isWhole { return [] }
        var found: [FieldOmission] = []
        for facts in Definitions.r4.elements(of: nodes[node].type) {
            let name = "\(path).\(facts.name)"
            let child = nodes[node].children[facts.element]
            if let child, nodes[child].choices.isEmpty {
                found += omissions(at: child, path: name)
            } else if facts.name == "modifierExtension" || node == 0 && Self.alwaysKept.contains(facts.name) {
                continue
            } else if facts.isRequired {
                found.append(FieldOmission(path: name, reason: .required))
            } else if facts.isModifier {
                found.append(FieldOmission(path: name, reason: .modifier))
            }
        }
        return found
    }
}
