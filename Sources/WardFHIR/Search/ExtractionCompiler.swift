/// Builds the walk of one resource type from the FHIRPath of its search parameters.
struct ExtractionCompiler {
    private let base: ResourceType
    private var program = ExtractionProgram()
    private let r4 = Definitions.r4

    static func program(for base: ResourceType) -> ExtractionProgram {
        var compiler = ExtractionCompiler(base)
        for parameter in Definitions.r4.searchParameters(of: base) where !parameter.expression.isEmpty {
            compiler.add(parameter)
        }
        return compiler.program
    }

    private init(_ base: ResourceType) {
        self.base = base
        program.nodes = [ExtractionProgram.Node(type: r4.typeID(of: base))]
    }

    private mutating func add(_ parameter: SearchParameter) {
        do throws(FHIRPathFailure) {
            let expression = try FHIRPathExpression(parameter.expression)
            guard let ends = try ends(of: expression.syntax, from: 0) else {
                if parameter.type == .composite { throw .unsupported(parameter.expression) }
                program.evaluated.append(
                    ExtractionProgram.Evaluated(
                        parameter: parameter.number, type: parameter.type, expression: expression))
                return
            }
            for end in ends.map(\.node) {
                if parameter.type == .composite {
                    let composite = try composite(parameter, at: end)
                    program.nodes[end].composites.append(composite)
                } else {
                    addReading(parameter.type, parameter.number, at: end)
                }
            }
        } catch {
            program.unreadable.append(parameter.number)
        }
    }

    private mutating func addReading(_ type: SearchParameterType, _ parameter: UInt16, at node: Int) {
        guard let extraction = Extraction(type, program.nodes[node].type) else { return }
        if let index = program.nodes[node].readings.firstIndex(where: { $0.extraction == extraction }) {
            if !program.nodes[node].readings[index].parameters.contains(parameter) {
                program.nodes[node].readings[index].parameters.append(parameter)
            }
        } else {
            program.nodes[node].readings.append(
                ExtractionProgram.Reading(extraction: extraction, parameters: [parameter]))
        }
    }

    private mutating func composite(
        _ parameter: SearchParameter, at node: Int
    ) throws(FHIRPathFailure) -> ExtractionProgram.Composite {
        var components: [ExtractionProgram.Component] = []
        for component in parameter.components {
            guard let target = r4.searchParameter(number: component.parameter) else {
                throw .unsupported(component.expression)
            }
            let expression = try FHIRPathExpression(component.expression)
            // A tree of its own for each component, so that each collects only its own values.
            let own = program.nodes.count
            program.nodes.append(ExtractionProgram.Node(type: program.nodes[node].type))
            let resource = program.nodes.count
            program.nodes.append(ExtractionProgram.Node(type: r4.typeID(of: base)))
            guard let ends = try ends(of: expression.syntax, from: own, resource: resource) else {
                throw .unsupported(component.expression)
            }
            for end in ends { addReading(target.type, component.parameter, at: end.node) }
            var starts: [(node: Int, isFromResource: Bool)] = []
            if ends.contains(where: { !$0.isFromResource }) { starts.append((own, false)) }
            if ends.contains(where: \.isFromResource) { starts.append((resource, true)) }
            components.append(ExtractionProgram.Component(starts: starts))
        }
        return ExtractionProgram.Composite(parameter: parameter.number, components: components)
    }
}

/// Following paths; a nil result means that the expression is more than a path.
extension ExtractionCompiler {
    private typealias End = (node: Int, isFromResource: Bool)

    private mutating func ends(
        of syntax: FHIRPathSyntax, from start: Int, resource: Int = 0
    ) throws(FHIRPathFailure) -> [End]? {
        switch syntax {
        case .name(let name) where name == base.name && start == 0: return [(start, false)]
        case .this: return [(start, false)]
        case .name(let name): return try step(name, from: (start, false))
        case .variable("resource"): return [(resource, true)]
        case .member(let left, let name):
            guard let lefts = try ends(of: left, from: start, resource: resource) else {
                return nil
            }
            var found: [End] = []
            for left in lefts { found += try step(name, from: left) }
            return found
        case .binary(.union, let left, let right):
            guard let first = try ends(of: left, from: start, resource: resource),
                let second = try ends(of: right, from: start, resource: resource)
            else { return nil }
            return first + second
        case .asType(let left?, let type), .ofType(let left?, let type):
            guard let lefts = try ends(of: left, from: start, resource: resource) else {
                return nil
            }
            guard let wanted = typeID(type) else { throw .unknownType(type.name) }
            return lefts.filter { keeps(program.nodes[$0.node].type, wanted) }
        case .call(let left, "where", let arguments):
            guard arguments.count == 1, let condition = condition(arguments[0]),
                let lefts = try ends(of: left, from: start, resource: resource)
            else { return nil }
            return lefts.map { (guarded(condition, $0.node), $0.isFromResource) }
        case .at(.member(.name(base.name), let name), .literal(.integer(let position))) where start == 0:
            return try step(name, from: (0, false), position: Int(position))
        default:
            return nil
        }
    }

    /// As the engine's `as`: of primitives only the type itself, so that a canonical is no uri.
    private func keeps(_ type: TypeID, _ wanted: TypeID) -> Bool {
        type == wanted || !r4.isPrimitive(type) && r4.type(type, isKindOf: wanted)
    }

    /// The search parameters of R4 once write `DateTime` for `dateTime`.
    private func typeID(_ type: FHIRPathTypeName) -> TypeID? {
        guard type.namespace == nil || type.namespace == "FHIR" else { return nil }
        return r4.typeID(named: type.name) ?? r4.typeID(named: type.name.prefix(1).lowercased() + type.name.dropFirst())
    }

    private func condition(_ syntax: FHIRPathSyntax) -> ExtractionProgram.Condition? {
        switch syntax {
        case .binary(.equal, .name(let key), .literal(.string(let value))): .member(key: key, value: value)
        case .isType(.function("resolve", []), let type): typeID(type).map { .resolves(to: $0) }
        default: nil
        }
    }

    private mutating func guarded(_ condition: ExtractionProgram.Condition, _ node: Int) -> Int {
        if let known = program.nodes[node].guards.first(where: { $0.condition == condition }) { return known.node }
        let new = program.nodes.count
        program.nodes.append(ExtractionProgram.Node(type: program.nodes[node].type))
        program.nodes[node].guards.append(ExtractionProgram.GuardedNode(condition: condition, node: new))
        return new
    }

    /// One element on; a choice has an edge for each of its types.
    private mutating func step(_ name: String, from end: End, position: Int? = nil) throws(FHIRPathFailure) -> [End] {
        let type = program.nodes[end.node].type
        guard let facts = r4.element(named: name, of: type) else { throw .unknownElement(name) }
        var found: [End] = []
        for target in facts.types {
            let suffix = r4.typeName(target)
            let key = facts.isChoice ? name + suffix.prefix(1).uppercased() + suffix.dropFirst() : name
            guard let match = r4.element(key, of: type) else { continue }
            found.append((edge(Array(key.utf8), to: match.type, position, from: end.node), end.isFromResource))
        }
        if found.isEmpty { throw .unknownElement(name) }
        return found
    }

    private mutating func edge(_ key: [UInt8], to type: TypeID, _ position: Int?, from node: Int) -> Int {
        if let known = program.nodes[node].edges.first(where: { $0.key == key && $0.position == position }) {
            return known.node
        }
        let new = program.nodes.count
        program.nodes.append(ExtractionProgram.Node(type: type))
        program.nodes[node].edges.append(ExtractionProgram.Edge(key: key, node: new, position: position))
        return new
    }
}
