internal import WardCore

/// Functions of FHIR on elements, types and references (FHIR R4 fhirpath.html#functions), and the clock.
extension FHIRPathEvaluator {
    mutating func record(
        _ name: String, _ arguments: [[FHIRPathItem]], _ input: [FHIRPathItem]
    ) throws(FHIRPathFailure) -> [FHIRPathItem]? {
        switch name {
        case "extension", "hasExtension":
            guard let url = try string(arguments[0], name) else { return name == "extension" ? [] : [.boolean(false)] }
            let found = try extensions(url, of: input)
            return name == "extension" ? found : [.boolean(!found.isEmpty)]
        case "hasValue":
            guard let item = try single(input, name) else { return [.boolean(false)] }
            return [.boolean(isPrimitive(item) && item.system(in: tape) != nil)]
        case "getValue":
            guard let item = try single(input, name), isPrimitive(item) else { return [] }
            return item.system(in: tape).map { [$0] } ?? []
        case "type":
            var found: [FHIRPathItem] = []
            for item in input {
                if let type = try type(of: item) { found.append(type) }
            }
            return found
        case "resolve":
            var found: [FHIRPathItem] = []
            for item in input {
                if let target = resolved(item) { found.append(target) }
            }
            return found
        // Only says that it was there; values go to no log.
        case "trace": return input
        case "now", "today", "timeOfDay": return clock(name)
        default: return nil
        }
    }

    private mutating func extensions(
        _ url: String, of items: [FHIRPathItem]
    ) throws(FHIRPathFailure) -> [FHIRPathItem] {
        var all: [FHIRPathItem] = []
        for case .node(let node) in items { try appendChildren(of: node, named: "extension", to: &all) }
        return all.filter { item in
            guard case .node(let node) = item, let value = node.value, let member = tape.member(value, "url") else {
                return false
            }
            return tape.text(member) == url
        }
    }

    private func isPrimitive(_ item: FHIRPathItem) -> Bool {
        switch item {
        case .node(let node): node.value.map { tape.kind($0) != .object } ?? false
        case .type, .unresolved: false
        default: true
        }
    }

    private func type(of item: FHIRPathItem) throws(FHIRPathFailure) -> FHIRPathItem? {
        switch item {
        case .node(let node):
            guard let type = node.type else { throw .unsupported("type of an unknown element") }
            return .type(FHIRPathTypeName(namespace: "FHIR", name: Definitions.r4.typeName(type)))
        case .unresolved(let type):
            return .type(FHIRPathTypeName(namespace: "FHIR", name: Definitions.r4.typeName(type)))
        default:
            return Self.systemType(item).map { .type(FHIRPathTypeName(namespace: "System", name: $0)) }
        }
    }

    /// The contained resource that a reference names, or the type of what it names elsewhere.
    private func resolved(_ item: FHIRPathItem) -> FHIRPathItem? {
        guard case .node(let node) = item, let value = node.value else { return nil }
        let target =
            tape.kind(value) == .object
            ? ReferenceTarget(reference: value, in: tape, containers: [rootResource, resource])
            : ReferenceTarget(text: tape.text(value), in: tape, containers: [rootResource, resource])
        switch target {
        case .contained(let index): return root(index)
        case .elsewhere(let type): return .unresolved(type)
        case .unknown: return nil
        }
    }

    func root(_ index: Int) -> FHIRPathItem {
        .node(FHIRPathNode(value: index, sibling: nil, type: Self.resourceType(tape, index), name: ""))
    }

    private func clock(_ name: String) -> [FHIRPathItem] {
        let text = options.now.text
        let parts = text.split(separator: "T")
        let value: FHIRTemporal? =
            switch name {
            case "now": FHIRTemporal(.dateTime, text)
            case "today": FHIRTemporal(.date, parts[0])
            default: FHIRTemporal(.time, parts[1].dropLast())
            }
        return value.map { [.temporal($0)] } ?? []
    }
}

/// What a Reference points to, as far as the resource itself tells.
enum ReferenceTarget {
    case contained(Int)
    case elsewhere(TypeID)
    case unknown

    /// A Reference element: by its literal reference, else by `Reference.type`.
    init(reference: Int, in tape: JSONTape, containers: [Int]) {
        self = .unknown
        if let literal = tape.member(reference, "reference"), tape.kind(literal) == .string {
            self = ReferenceTarget(text: tape.text(literal), in: tape, containers: containers)
        }
        guard case .unknown = self, let stated = tape.member(reference, "type"),
            let name = tape.text(stated).split(separator: "/").last, let type = ResourceType(name)
        else { return }
        self = .elsewhere(Definitions.r4.typeID(of: type))
    }

    /// A literal: `#id`, or the type in `Patient/1`, `https://elsewhere/fhir/Patient/1/_history/2`.
    init(text: String, in tape: JSONTape, containers: [Int]) {
        self = .unknown
        if text.hasPrefix("#") {
            for container in containers {
                guard let list = tape.member(container, "contained") else { continue }
                tape.forEachElement(list) { element in
                    guard let id = tape.member(element, "id"), tape.text(id) == text.dropFirst() else { return }
                    self = .contained(element)
                }
            }
            return
        }
        var parts = text.split(separator: "/", omittingEmptySubsequences: false)
        if parts.count >= 4, parts[parts.count - 2] == "_history" { parts.removeLast(2) }
        guard parts.count >= 2, let type = ResourceType(parts[parts.count - 2]) else { return }
        self = .elsewhere(Definitions.r4.typeID(of: type))
    }
}
