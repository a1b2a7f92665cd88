/// Walks the tree of one expression over one resource.
struct FHIRPathEvaluator {
    let tape: JSONTape
    private let context: FHIRPathItem
    let resource: Int
    let rootResource: Int
    let options: FHIRPathOptions
    private var stepsLeft = 2_000_000

    init(tape: JSONTape, context: FHIRPathItem, resource: Int, rootResource: Int, options: FHIRPathOptions) {
        self.tape = tape
        self.context = context
        self.resource = resource
        self.rootResource = rootResource
        self.options = options
    }

    mutating func evaluate(
        _ syntax: FHIRPathSyntax, _ focus: [FHIRPathItem], _ scope: FHIRPathScope
    ) throws(FHIRPathFailure) -> [FHIRPathItem] {
        try spend(1 + focus.count)
        switch syntax {
        case .empty: return []
        case .literal(let literal): return [item(literal)]
        case .this: return scope.this
        case .index:
            guard let index = scope.index else { throw .unknownVariable("$index") }
            return [.integer(index)]
        case .total:
            guard let total = scope.total else { throw .unknownVariable("$total") }
            return total
        case .variable(let name): return try variable(name)
        case .name(let name): return try start(name, focus)
        case .member(let left, let name): return try members(name, of: try evaluate(left, focus, scope))
        case .function(let name, let arguments): return try call(name, arguments, on: focus, scope)
        case .call(let left, let name, let arguments):
            return try call(name, arguments, on: try evaluate(left, focus, scope), scope)
        case .at(let left, let index):
            let items = try evaluate(left, focus, scope)
            guard let index = try integer(try evaluate(index, scope.this, scope), "[]") else { return [] }
            return index >= 0 && index < items.count ? [items[Int(index)]] : []
        case .negative(let operand): return try negate(try evaluate(operand, focus, scope))
        case .positive(let operand):
            let items = try evaluate(operand, focus, scope)
            _ = try negate(items)
            return items
        case .binary(let binary, let left, let right):
            let (first, second) = (try evaluate(left, focus, scope), try evaluate(right, focus, scope))
            try spend(valuesOf: first)
            try spend(valuesOf: second)
            let made = try combine(binary, first, second)
            if binary != .union { try spend(textsOf: made) }
            return made
        case .isType(let left, let type):
            let items = try left.map { (left) throws(FHIRPathFailure) in try evaluate(left, focus, scope) } ?? focus
            guard let item = try single(items, "is") else { return [] }
            return [.boolean(try matches(item, try resolve(type)))]
        case .asType(let left, let type):
            let items = try left.map { (left) throws(FHIRPathFailure) in try evaluate(left, focus, scope) } ?? focus
            // FHIRPath N1 wants a single item, but R4's own dom-3 filters a collection with it.
            if options.isStrict, items.count > 1 { throw .notSingle("as") }
            return try filter(items, try resolve(type))
        case .ofType(let left, let type):
            let items = try left.map { (left) throws(FHIRPathFailure) in try evaluate(left, focus, scope) } ?? focus
            return try filter(items, try resolve(type))
        }
    }

    mutating func spend(_ steps: Int) throws(FHIRPathFailure) {
        stepsLeft -= steps
        if stepsLeft < 0 { throw .tooCostly }
    }

    /// Texts that were made count too: 64 bytes are a step.
    mutating func spend(textsOf items: [FHIRPathItem]) throws(FHIRPathFailure) {
        for case .string(let text) in items { try spend(text.utf8.count / 64) }
    }

    /// So do values that are read.
    mutating func spend(valuesOf items: [FHIRPathItem]) throws(FHIRPathFailure) {
        for item in items {
            switch item {
            case .node(let node):
                if let value = node.value { try spend(tape.range(value).count / 64) }
            case .string(let text): try spend(text.utf8.count / 64)
            default: continue
            }
        }
    }

    private func item(_ literal: FHIRPathLiteral) -> FHIRPathItem {
        switch literal {
        case .boolean(let value): .boolean(value)
        case .string(let value): .string(value)
        case .integer(let value): .integer(value)
        case .decimal(let value): .decimal(value)
        case .temporal(let value): .temporal(value)
        case .quantity(let value, let unit): .quantity(value, unit: unit)
        }
    }

    private func variable(_ name: String) throws(FHIRPathFailure) -> [FHIRPathItem] {
        if let value = options.variables[name] { return value }
        switch name {
        case "context": return [context]
        case "resource": return [root(resource)]
        case "rootResource": return [root(rootResource)]
        case "ucum": return [.string("http://unitsofmeasure.org")]
        case "sct": return [.string("http://snomed.info/sct")]
        case "loinc": return [.string("http://loinc.org")]
        default:
            // FHIR R4 fhirpath.html#vars
            if name.hasPrefix("vs-") { return [.string("http://hl7.org/fhir/ValueSet/" + name.dropFirst(3))] }
            if name.hasPrefix("ext-") {
                return [.string("http://hl7.org/fhir/StructureDefinition/" + name.dropFirst(4))]
            }
            throw .unknownVariable("%" + name)
        }
    }

    /// The first name of a path may be the type of the focus: `Patient.name`.
    private mutating func start(_ name: String, _ focus: [FHIRPathItem]) throws(FHIRPathFailure) -> [FHIRPathItem] {
        if let first = name.utf8.first, first >= 0x41, first <= 0x5A, let type = Definitions.r4.typeID(named: name) {
            let same = focus.filter { item in
                guard case .node(let node) = item, let own = node.type else { return false }
                return Definitions.r4.type(own, isKindOf: type)
            }
            if !same.isEmpty { return same }
        }
        return try members(name, of: focus)
    }

    /// Type of the resource at `index` by its `resourceType`.
    static func resourceType(_ tape: JSONTape, _ index: Int) -> TypeID? {
        guard tape.kind(index) == .object, let name = tape.member(index, "resourceType") else { return nil }
        return Definitions.r4.typeID(named: tape.text(name))
    }
}

/// Taking single values out of collections (FHIRPath N1, Singleton Evaluation of Collections).
extension FHIRPathEvaluator {
    func single(_ items: [FHIRPathItem], _ user: String) throws(FHIRPathFailure) -> FHIRPathItem? {
        guard items.count < 2 else { throw .notSingle(user) }
        return items.first
    }

    /// A boolean operand or criterion: a single item of another type counts as true.
    func condition(_ items: [FHIRPathItem], _ user: String) throws(FHIRPathFailure) -> Bool? {
        guard let item = try single(items, user) else { return nil }
        if case .boolean(let value)? = item.system(in: tape) { return value }
        return true
    }

    func system(_ items: [FHIRPathItem], _ user: String) throws(FHIRPathFailure) -> FHIRPathItem? {
        guard let item = try single(items, user) else { return nil }
        if case .unresolved = item { throw .unsupported("content of a resolved reference") }
        guard let value = item.system(in: tape) else {
            // A primitive that has only extensions has no value; an element of another kind is a mistake.
            if case .node(let node) = item, node.value == nil { return nil }
            throw .wrongType(user)
        }
        return value
    }

    func integer(_ items: [FHIRPathItem], _ user: String) throws(FHIRPathFailure) -> Int64? {
        switch try system(items, user) {
        case nil: return nil
        case .integer(let value): return value
        default: throw .wrongType(user)
        }
    }

    func string(_ items: [FHIRPathItem], _ user: String) throws(FHIRPathFailure) -> String? {
        switch try system(items, user) {
        case nil: return nil
        case .string(let value): return value
        default: throw .wrongType(user)
        }
    }
}
