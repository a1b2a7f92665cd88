import WardCore

/// One operation of a FHIRPath Patch (FHIR R4 fhirpatch.html).
struct PathPatchStep: Sendable {
    private enum Operation {
        case add(name: String, PatchValue)
        case delete
        case insert(PatchValue, at: Int)
        case move(from: Int, to: Int)
        case replace(PatchValue)
    }

    private let operation: Operation
    private let path: FHIRPathExpression

    init(_ node: JSONValue) throws(PatchFailure.Reason) {
        guard node["name"]?.string == "operation" else { throw .unknownOperation }
        var parts: [String: JSONValue] = [:]
        for part in node["part"]?.elements ?? [] {
            guard let name = part["name"]?.string, parts.updateValue(part, forKey: name) == nil else {
                throw .malformedOperation
            }
        }
        func text(_ name: String) -> String? {
            parts[name].flatMap { $0["valueCode"] ?? $0["valueString"] }?.string
        }
        func number(_ name: String) throws(PatchFailure.Reason) -> Int {
            guard let value = parts[name]?["valueInteger"]?.integer, (0...1_000_000).contains(value) else {
                throw .malformedOperation
            }
            return Int(value)
        }
        func value() throws(PatchFailure.Reason) -> PatchValue {
            guard let part = parts["value"] else { throw .missingValue }
            return try PatchValue(part)
        }
        guard let text = text("path"), text.utf8.count <= 4096, let path = try? FHIRPathExpression(text),
            path.syntax.isNavigation
        else { throw .malformedPath }
        self.path = path
        switch parts["type"].flatMap({ $0["valueCode"] ?? $0["valueString"] })?.string {
        case "add":
            guard let name = parts["name"].flatMap({ $0["valueString"] ?? $0["valueCode"] })?.string else {
                throw .malformedOperation
            }
            operation = .add(name: name, try value())
        case "delete": operation = .delete
        case "insert": operation = .insert(try value(), at: try number("index"))
        case "move": operation = .move(from: try number("source"), to: try number("destination"))
        case "replace": operation = .replace(try value())
        default: throw .unknownOperation
        }
    }

    /// Whether it says something of the labels.
    var namesLabels: Bool { path.syntax.namesLabels }

    /// - Parameter tape: the tree as it is now.
    func apply(
        to tree: inout JSONTree, seenAs tape: JSONTape, now: Instant, budget: inout Int
    ) throws(PatchFailure.Reason) {
        let places = try places(in: tape, now)
        switch operation {
        case .delete:
            guard places.count <= 1 else { throw .severalAtPath }
            // Deleting what is not there is no error (fhirpatch.html).
            if let place = places.first { try Self.delete(place, in: &tree) }
        case .replace(let value):
            let place = try Self.one(places)
            guard let last = place.last else { throw .malformedPath }
            let owner = Array(place.dropLast())
            if JSONTree.index(last) == nil {
                let match = try Self.element(last, at: owner, of: tree)
                let (key, json) = try value.made(for: Definitions.r4.facts(match.element), &budget)
                guard !match.isCollection else { throw .severalAtPath }
                try Self.check(json, under: place)
                try tree.replace(json, at: place)
                // Id and extensions of the value before are not those of the new one.
                if tree.value(at: (owner + ["_" + last])[...]) != nil { try tree.remove(at: owner + ["_" + last]) }
                if key != last {
                    try tree.remove(at: place)
                    try tree.add(json, at: owner + [key])
                }
            } else {
                guard let list = owner.last else { throw .malformedPath }
                let match = try Self.element(list, at: Array(owner.dropLast()), of: tree)
                let (_, json) = try value.made(for: Definitions.r4.facts(match.element), &budget)
                try Self.check(json, under: place)
                try tree.replace(json, at: place)
                try Self.clear(siblingOf: place, in: &tree)
            }
        case .add(let name, let value):
            try Self.add(name, value, at: try Self.one(places), in: &tree, &budget)
        case .insert(let value, let index):
            let list = try Self.list(places)
            let match = try Self.element(list[list.count - 1], at: Array(list.dropLast()), of: tree)
            let (_, json) = try value.made(for: Definitions.r4.facts(match.element), &budget)
            guard index <= places.count else { throw .noSuchPath }
            try Self.check(json, under: list + ["0"])
            try tree.add(json, at: list + [String(index)])
            let sibling = Self.sibling(of: list)
            if tree.value(at: sibling[...]) != nil {
                try tree.add(.scalar(.null, Array("null".utf8)), at: sibling + [String(index)])
            }
        case .move(let source, let destination):
            let list = try Self.list(places)
            guard source < places.count, destination < places.count else { throw .noSuchPath }
            for list in [list, Self.sibling(of: list)] {
                guard let value = tree.value(at: (list + [String(source)])[...]) else { continue }
                try tree.remove(at: list + [String(source)])
                try tree.add(value, at: list + [String(destination)])
            }
        }
    }

    // MARK: Places

    /// Where the elements are that the path names.
    private func places(in tape: JSONTape, _ now: Instant) throws(PatchFailure.Reason) -> [JSONPointer] {
        let items: [FHIRPathItem]
        do throws(FHIRPathFailure) {
            items = try path.evaluate(on: tape, options: FHIRPathOptions(now: now))
        } catch {
            throw .malformedPath
        }
        guard items.count <= 1000 else { throw .severalAtPath }
        var places: [JSONPointer] = []
        for item in items {
            guard case .node(let node) = item, let index = node.value ?? node.sibling else { throw .malformedPath }
            places.append(Self.pointer(to: index, in: tape))
        }
        return places
    }

    private static func pointer(to index: Int, in tape: JSONTape) -> JSONPointer {
        var steps: JSONPointer = []
        var at = JSONTape.rootIndex
        while at != index {
            var next: Int?
            switch tape.kind(at) {
            case .object:
                tape.forEachMember(at) { key, value in
                    guard next == nil, value <= index, index < tape.end(value) else { return }
                    steps.append(tape.text(key))
                    next = value
                }
            case .array:
                var place = 0
                tape.forEachElement(at) { element in
                    if next == nil, element <= index, index < tape.end(element) {
                        steps.append(String(place))
                        next = element
                    }
                    place += 1
                }
            default: break
            }
            guard let next else { return steps }
            at = next
        }
        return steps
    }

    private static func one(_ places: [JSONPointer]) throws(PatchFailure.Reason) -> JSONPointer {
        guard let first = places.first else { throw .noSuchPath }
        guard places.count == 1 else { throw .severalAtPath }
        return first
    }

    /// The list that the elements are all of.
    private static func list(_ places: [JSONPointer]) throws(PatchFailure.Reason) -> JSONPointer {
        guard let first = places.first else { throw .noSuchPath }
        for (number, place) in places.enumerated() {
            guard place.dropLast() == first.dropLast(), place.last == String(number), place.count > 1 else {
                throw .notOneList
            }
        }
        return Array(first.dropLast())
    }

    /// `[name, 0, _given]` of `[name, 0, given]`.
    private static func sibling(of path: JSONPointer) -> JSONPointer {
        guard let last = path.last else { return path }
        return path.dropLast() + ["_" + last]
    }

    private static func check(_ value: JSONTree, under path: JSONPointer) throws(PatchFailure.Reason) {
        guard path.count + value.depth <= RecordPatch.depthLimit else { throw .tooLarge }
    }

    // MARK: Changes

    private static func delete(_ place: JSONPointer, in tree: inout JSONTree) throws(PatchFailure.Reason) {
        guard let last = place.last else { throw .malformedPath }
        guard JSONTree.index(last) != nil else {
            try tree.remove(at: place)
            let sibling = sibling(of: place)
            if tree.value(at: sibling[...]) != nil { try tree.remove(at: sibling) }
            return
        }
        let list = Array(place.dropLast())
        try tree.remove(at: place)
        let twin = sibling(of: list) + [last]
        if tree.value(at: twin[...]) != nil { try tree.remove(at: twin) }
    }

    /// Takes id and extensions away from a primitive of a list.
    private static func clear(siblingOf place: JSONPointer, in tree: inout JSONTree) throws(PatchFailure.Reason) {
        guard let last = place.last else { return }
        let twin = sibling(of: Array(place.dropLast())) + [last]
        if tree.value(at: twin[...]) != nil { try tree.replace(.scalar(.null, Array("null".utf8)), at: twin) }
    }

    private static func add(
        _ name: String, _ value: PatchValue, at owner: JSONPointer, in tree: inout JSONTree, _ budget: inout Int
    ) throws(PatchFailure.Reason) {
        guard case .object? = tree.value(at: owner[...]) else { throw .noSuchPath }
        guard let type = type(at: owner, of: tree), let facts = Definitions.r4.element(named: name, of: type) else {
            throw .unknownElement
        }
        let (key, json) = try value.made(for: facts, &budget)
        try check(json, under: owner + [key, "0"])
        let place = owner + [key]
        if facts.isCollection {
            if tree.value(at: place[...]) == nil { try tree.add(.array([]), at: place) }
            try tree.add(json, at: place + ["-"])
            let twin = sibling(of: place)
            if tree.value(at: twin[...]) != nil { try tree.add(.scalar(.null, Array("null".utf8)), at: twin + ["-"]) }
        } else {
            guard tree.value(at: place[...]) == nil, tree.value(at: sibling(of: place)[...]) == nil else {
                throw .notRepeating
            }
            try tree.add(json, at: place)
        }
    }

    // MARK: Types

    private static func element(
        _ key: String, at owner: JSONPointer, of tree: JSONTree
    ) throws(PatchFailure.Reason) -> ElementMatch {
        guard let type = type(at: owner, of: tree), let match = Definitions.r4.element(key, of: type) else {
            throw .unknownElement
        }
        return match
    }

    /// The type of the object at a place.
    private static func type(at path: JSONPointer, of tree: JSONTree) -> TypeID? {
        var type = resourceType(of: tree)
        for (depth, step) in path.enumerated() where JSONTree.index(step) == nil {
            guard let known = type, let match = Definitions.r4.element(step, of: known) else { return nil }
            type = match.type
            if Definitions.r4.isResource(match.type) {
                let isList = path.count > depth + 1 && JSONTree.index(path[depth + 1]) != nil
                type = tree.value(at: path[...(isList ? depth + 1 : depth)]).flatMap(resourceType)
            }
        }
        return type
    }

    private static func resourceType(of tree: JSONTree) -> TypeID? {
        guard case .scalar(.string, let name)? = tree["resourceType"] else { return nil }
        return Definitions.r4.typeID(named: unescaped(name[1..<name.count - 1]))
    }
}

/// The value of an operation: `value[x]`, parts that make up an element of a type of its own, or a resource.
struct PatchValue: Sendable {
    private indirect enum Content: Sendable {
        /// The suffix names the type: `String`, `CodeableConcept`.
        case typed(suffix: String, JSONTree)
        case parts([(name: String, value: PatchValue)])
        case resource(JSONTree)
    }

    private let content: Content

    init(_ part: JSONValue) throws(PatchFailure.Reason) {
        try self.init(part, level: 0)
    }

    private init(_ part: JSONValue, level: Int) throws(PatchFailure.Reason) {
        guard level < 16 else { throw .tooLarge }
        var found: [Content] = []
        for (key, value) in part.members where key != "name" {
            switch key {
            case "part":
                var parts: [(name: String, value: PatchValue)] = []
                for inner in value.elements {
                    guard let name = inner["name"]?.string else { throw .malformedOperation }
                    parts.append((name: name, value: try PatchValue(inner, level: level + 1)))
                }
                found.append(.parts(parts))
            case "resource": found.append(.resource(JSONTree(value.tape, at: value.index)))
            default:
                // Id and extensions of a primitive cannot be carried over.
                guard key.hasPrefix("value"), key.utf8.count > 5 else { throw .malformedOperation }
                found.append(
                    .typed(suffix: String(key.dropFirst(5)), JSONTree(value.tape, at: value.index)))
            }
        }
        guard let content = found.first, found.count == 1 else { throw .missingValue }
        self.content = content
    }

    /// The value as JSON of an element, and the key it has there.
    func made(for element: ElementFacts, _ budget: inout Int) throws(PatchFailure.Reason) -> (String, JSONTree) {
        switch content {
        case .typed(let suffix, let value):
            budget -= value.size + 16
            guard budget > 0 else { throw .tooLarge }
            return (element.isChoice ? element.name + suffix : element.name, value)
        case .resource(let value):
            budget -= value.size + 16
            guard budget > 0 else { throw .tooLarge }
            return (element.name, value)
        case .parts(let parts):
            guard !element.isChoice, let type = element.types.first else { throw .unknownElement }
            var tree = JSONTree.object([])
            for part in parts {
                guard let facts = Definitions.r4.element(named: part.name, of: type) else { throw .unknownElement }
                let (key, json) = try part.value.made(for: facts, &budget)
                if facts.isCollection {
                    if tree[key] == nil { try tree.add(.array([]), at: [key]) }
                    try tree.add(json, at: [key, "-"])
                } else {
                    guard tree[key] == nil else { throw .notRepeating }
                    try tree.add(json, at: [key])
                }
            }
            return (element.name, tree)
        }
    }
}
