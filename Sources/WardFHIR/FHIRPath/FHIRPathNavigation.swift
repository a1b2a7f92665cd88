/// From elements to their children, and the types of both.
extension FHIRPathEvaluator {
    /// The children called `name`, choices under their plain name.
    mutating func members(_ name: String, of items: [FHIRPathItem]) throws(FHIRPathFailure) -> [FHIRPathItem] {
        var found: [FHIRPathItem] = []
        for item in items {
            switch item {
            case .node(let node):
                let count = found.count
                try appendChildren(of: node, named: name, to: &found)
                if options.isStrict, found.count == count, let type = node.type,
                    Definitions.r4.element(named: name, of: type) == nil
                {
                    throw .unknownElement(name)
                }
            case .unresolved: throw .unsupported("content of a resolved reference")
            case .type(let type): if let part = Self.part(name, of: type) { found.append(part) }
            default: continue
            }
        }
        return found
    }

    private static func part(_ name: String, of type: FHIRPathTypeName) -> FHIRPathItem? {
        name == "name" ? .string(type.name) : name == "namespace" ? .string(type.namespace ?? "System") : nil
    }

    /// All children, or those called `wanted`, in source order.
    mutating func appendChildren(
        of node: FHIRPathNode, named wanted: String?, to found: inout [FHIRPathItem]
    ) throws(FHIRPathFailure) {
        if let value = node.value, tape.kind(value) == .object {
            try appendMembers(of: value, type: node.type, named: wanted, to: &found)
        } else if let sibling = node.sibling {
            let element = Definitions.r4.typeID(named: "Element")
            try appendMembers(of: sibling, type: element, named: wanted, to: &found)
        }
    }

    private mutating func appendMembers(
        of object: Int, type: TypeID?, named wanted: String?, to found: inout [FHIRPathItem]
    ) throws(FHIRPathFailure) {
        var key = object + 1
        let limit = tape.end(object)
        while key < limit {
            let value = key + 1
            defer { key = tape.end(value) }
            try spend(1)
            guard let child = child(object, key, value, type, wanted) else { continue }
            append(child, to: &found)
        }
    }

    /// One member as a node whose value may still be an array; nil if it is not wanted or not known.
    private func child(_ object: Int, _ key: Int, _ value: Int, _ type: TypeID?, _ wanted: String?) -> FHIRPathNode? {
        let isSibling = tape.bytes[tape.range(key)].first == 0x5F
        var text = tape.text(key)
        if isSibling {
            text.removeFirst()
            // Seen together with its value.
            if tape.member(object, named: text) != nil { return nil }
        }
        if let wanted, !text.hasPrefix(wanted) { return nil }
        var name = text
        var childType: TypeID?
        if let type {
            guard let match = Definitions.r4.element(text, of: type) else { return nil }
            name = Definitions.r4.elementName(match.element)
            childType = match.type
        } else if text == "resourceType" {
            return nil
        }
        if let wanted, name != wanted { return nil }
        let sibling = isSibling ? value : tape.member(object, named: "_" + text)
        return FHIRPathNode(value: isSibling ? nil : value, sibling: sibling, type: childType, name: name)
    }

    /// Adds the elements of an array one by one, each with its own sibling.
    private func append(_ child: FHIRPathNode, to found: inout [FHIRPathItem]) {
        let isArray = (child.value ?? child.sibling).map { tape.kind($0) == .array } ?? false
        guard isArray else {
            found.append(.node(narrowed(child)))
            return
        }
        var values: [Int?] = []
        var siblings: [Int?] = []
        if let array = child.value {
            tape.forEachElement(array) { values.append(tape.kind($0) == .null ? nil : $0) }
        }
        if let array = child.sibling {
            tape.forEachElement(array) { siblings.append(tape.kind($0) == .null ? nil : $0) }
        }
        for position in 0..<max(values.count, siblings.count) {
            let value = position < values.count ? values[position] : nil
            let sibling = position < siblings.count ? siblings[position] : nil
            guard value != nil || sibling != nil else { continue }
            found.append(
                .node(narrowed(FHIRPathNode(value: value, sibling: sibling, type: child.type, name: child.name))))
        }
    }

    /// A contained resource or the resource of a bundle entry has the type that it names itself.
    private func narrowed(_ node: FHIRPathNode) -> FHIRPathNode {
        guard let value = node.value, let type = node.type, Definitions.r4.isResource(type) else { return node }
        let own = Self.resourceType(tape, value) ?? type
        return FHIRPathNode(value: value, sibling: node.sibling, type: own, name: node.name)
    }
}

/// A type specifier made out.
enum FHIRPathType: Hashable {
    case fhir(TypeID)
    case system(String)
    /// `Quantity` without namespace names both.
    case either(TypeID, String)
}

extension FHIRPathEvaluator {
    func resolve(_ name: FHIRPathTypeName) throws(FHIRPathFailure) -> FHIRPathType {
        let fhir = name.namespace == "System" ? nil : Definitions.r4.typeID(named: name.name)
        let isSystem = name.namespace == "System" || name.namespace == nil && Self.systemTypes.contains(name.name)
        switch (fhir, isSystem) {
        case (let type?, true): return .either(type, name.name)
        case (let type?, false): return .fhir(type)
        case (nil, true): return .system(name.name)
        default: throw .unknownType(name.name)
        }
    }

    /// What `as` and `ofType` keep. Unlike `is`, they take primitives of exactly that type only: a code is a string,
    /// but `as(string)` does not yield it (HL7's test suite, testFHIRPathAsFunction).
    func filter(_ items: [FHIRPathItem], _ type: FHIRPathType) throws(FHIRPathFailure) -> [FHIRPathItem] {
        var found: [FHIRPathItem] = []
        for item in items where try matches(item, type) {
            if case .node(let node) = item, case .fhir(let wanted) = type, let own = node.type, own != wanted,
                Definitions.r4.isPrimitive(own)
            {
                continue
            }
            found.append(item)
        }
        return found
    }

    func matches(_ item: FHIRPathItem, _ type: FHIRPathType) throws(FHIRPathFailure) -> Bool {
        switch item {
        case .node(let node):
            guard let own = node.type else { throw .unsupported("type of an unknown element") }
            switch type {
            case .fhir(let wanted), .either(let wanted, _): return Definitions.r4.type(own, isKindOf: wanted)
            case .system(let name): return name == "Any"
            }
        case .unresolved(let own):
            guard case .fhir(let wanted) = type else { return false }
            return Definitions.r4.type(own, isKindOf: wanted)
        default:
            switch type {
            case .fhir: return false
            case .system(let name), .either(_, let name): return name == "Any" || name == Self.systemType(item)
            }
        }
    }

    static func systemType(_ item: FHIRPathItem) -> String? {
        switch item {
        case .boolean: "Boolean"
        case .string: "String"
        case .integer: "Integer"
        case .decimal: "Decimal"
        case .temporal(let value): value.kind == .date ? "Date" : value.kind == .dateTime ? "DateTime" : "Time"
        case .quantity: "Quantity"
        case .node, .type, .unresolved: nil
        }
    }

    private static let systemTypes: Set<String> = [
        "Any", "Boolean", "Date", "DateTime", "Decimal", "Integer", "Quantity", "String", "Time",
    ]
}
