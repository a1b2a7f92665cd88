internal import WardCore

/// All search parameters of one resource type as one walk: a tree of JSON keys with what to read at each node.
///
/// Parameters share the way to common elements, so a resource is passed over once, however many parameters there are.
struct ExtractionProgram: Sendable {
    /// One element type at one place. Node 0 is the resource itself.
    struct Node: Sendable {
        let type: TypeID
        var edges: [Edge] = []
        var guards: [GuardedNode] = []
        var readings: [Reading] = []
        var composites: [Composite] = []
    }

    /// From an element to those under one of its JSON keys.
    struct Edge: Sendable {
        let key: [UInt8]
        let node: Int
        /// Only the element at that position of the array.
        let position: Int?
    }

    /// The same element once more, if it satisfies a condition.
    struct GuardedNode: Sendable {
        let condition: Condition
        let node: Int
    }

    enum Condition: Hashable, Sendable {
        /// `where(system = 'phone')`
        case member(key: String, value: String)
        /// `where(resolve() is Patient)`
        case resolves(to: TypeID)
    }

    /// One way of reading a value, for all parameters that read it so.
    struct Reading: Sendable {
        let extraction: Extraction
        var parameters: [UInt16]
    }

    struct Composite: Sendable {
        let parameter: UInt16
        let components: [Component]
    }

    /// Start of a walk of its own, on the composite's element or on the resource.
    struct Component: Sendable {
        var starts: [(node: Int, isFromResource: Bool)]
    }

    /// A parameter whose expression is more than a path.
    struct Evaluated: Sendable {
        let parameter: UInt16
        let type: SearchParameterType
        let expression: FHIRPathExpression
    }

    var nodes: [Node] = []
    var evaluated: [Evaluated] = []
    /// Parameters with an expression that was not understood; none with the definitions of R4.
    var unreadable: [UInt16] = []
}

/// One run of a program over one resource.
struct ExtractionWalk {
    let program: ExtractionProgram
    let reader: ValueReader
    private(set) var found: [IndexedValue] = []
    private var buffer: [SearchValue] = []

    init(program: ExtractionProgram, reader: ValueReader) {
        self.program = program
        self.reader = reader
        found.reserveCapacity(64)
    }

    private var tape: JSONTape { reader.tape }

    mutating func run() {
        visit(0, reader.resource)
        for entry in program.evaluated { evaluate(entry) }
        for parameter in program.unreadable { found.append(IndexedValue(parameter: parameter, value: .undecidable)) }
    }

    /// Reads the element at `value` and walks on to its members.
    private mutating func visit(_ node: Int, _ value: Int) {
        for reading in program.nodes[node].readings {
            buffer.removeAll(keepingCapacity: true)
            reader.read(reading.extraction, value, into: &buffer)
            for parameter in reading.parameters {
                for read in buffer { found.append(IndexedValue(parameter: parameter, value: read)) }
            }
        }
        for composite in program.nodes[node].composites { compose(composite, value) }
        for guarded in program.nodes[node].guards where reader.holds(guarded.condition, value) {
            visit(guarded.node, value)
        }
        guard !program.nodes[node].edges.isEmpty, tape.kind(value) == .object else { return }
        var key = value + 1
        let limit = tape.end(value)
        while key < limit {
            for edge in program.nodes[node].edges where matches(edge.key, key) { follow(edge, key + 1) }
            key = tape.end(key + 1)
        }
    }

    private func matches(_ wanted: [UInt8], _ key: Int) -> Bool {
        if tape.isEscaped(key) { return tape.text(key).utf8.elementsEqual(wanted) }
        let range = tape.range(key)
        guard range.count == wanted.count else { return false }
        for offset in wanted.indices where tape.bytes[range.lowerBound + offset] != wanted[offset] { return false }
        return true
    }

    private mutating func follow(_ edge: ExtractionProgram.Edge, _ value: Int) {
        guard tape.kind(value) == .array else {
            if edge.position ?? 0 == 0 { visit(edge.node, value) }
            return
        }
        var element = value + 1
        var position = 0
        while element < tape.end(value) {
            if edge.position ?? position == position, tape.kind(element) != .null { visit(edge.node, element) }
            element = tape.end(element)
            position += 1
        }
    }

    /// One tuple, if every component has a value.
    private mutating func compose(_ composite: ExtractionProgram.Composite, _ value: Int) {
        var parts: [[SearchValue]] = []
        let count = found.count
        for component in composite.components {
            for start in component.starts { visit(start.node, start.isFromResource ? reader.resource : value) }
            guard found.count > count else { return }
            parts.append(found[count...].map(\.value))
            found.removeSubrange(count...)
        }
        found.append(IndexedValue(parameter: composite.parameter, value: .composite(parts)))
    }

    private mutating func evaluate(_ entry: ExtractionProgram.Evaluated) {
        buffer.removeAll(keepingCapacity: true)
        do {
            let options = FHIRPathOptions(now: Self.epoch)
            for item in try entry.expression.evaluate(on: tape, at: reader.resource, options: options) {
                reader.read(item, entry.type, into: &buffer)
            }
        } catch {
            buffer = [.undecidable]
        }
        for value in buffer { found.append(IndexedValue(parameter: entry.parameter, value: value)) }
    }

    // No search parameter of R4 asks for the time; values must depend on the resource alone.
    private static let epoch = Instant(microseconds: 0)
}
