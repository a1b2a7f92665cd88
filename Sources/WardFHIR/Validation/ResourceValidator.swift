/// Checks a resource against FHIR R4: structure, cardinality, formats, required bindings, reference targets and the
/// general invariants (validation.html). Profiles and terminology beyond HL7's own codes are not its business.
public enum ResourceValidator {
    /// Most issues that one call reports.
    public static let issueLimit = 100

    /// Every offence of the resource at node `index`, in document order within each object, at most ``issueLimit``.
    ///
    /// - Parameters:
    ///   - expected: the only acceptable type, as in `PUT /Patient/1`.
    ///   - isTransactionEntry: accept conditional references (http.html#trules), as in any Bundle.
    public static func validate(
        _ tape: JSONTape, at index: Int = JSONTape.rootIndex, expecting expected: ResourceType? = nil,
        isTransactionEntry: Bool = false
    ) -> [ValidationIssue] {
        var walker = ResourceWalker(tape, expected: expected, isTransactionEntry: isTransactionEntry)
        walker.resource(index)
        return walker.issues
    }

    /// Whether anything at or below node `index` carries a modifierExtension: it may change the meaning of the whole,
    /// so who does not know it must not act on the record (extensibility.html#modifierExtension).
    public static func hasModifierExtension(_ tape: JSONTape, at index: Int = JSONTape.rootIndex) -> Bool {
        switch tape.kind(index) {
        case .object:
            var found = false
            tape.forEachMember(index) { key, value in
                found = found || tape.equals(key, "modifierExtension") || hasModifierExtension(tape, at: value)
            }
            return found
        case .array:
            var found = false
            tape.forEachElement(index) { element in
                found = found || hasModifierExtension(tape, at: element)
            }
            return found
        default:
            return false
        }
    }
}

/// One walk over one resource. Split by concern: objects, primitives, references, invariants.
struct ResourceWalker {
    /// Where the walk is: an element of the table, and the position in its array or -1.
    private struct Step {
        let element: Int
        let position: Int
    }

    /// A resource with its contained resources: what `#id` means.
    struct Container {
        /// By position in `contained`.
        var types: [ResourceType?] = []
        var positions: [String: Int] = [:]
        /// Position of one that has the id of an earlier one.
        var duplicate: Int?
        var used: Set<Int> = []
        /// Whether the walk is inside one of the contained resources, and in which.
        var current: Int?
    }

    let tape: JSONTape
    let definitions: Definitions
    let expected: ResourceType?
    private(set) var issues: [ValidationIssue] = []
    var container = Container()
    private var path: [Step] = []
    private var rootName: String
    private let isTransactionEntry: Bool

    init(_ tape: JSONTape, expected: ResourceType?, isTransactionEntry: Bool) {
        self.tape = tape
        self.expected = expected
        self.isTransactionEntry = isTransactionEntry
        definitions = Definitions.r4
        rootName = expected?.name ?? "Resource"
        path.reserveCapacity(64)
    }

    // MARK: Reporting

    /// Whether `Patient?identifier=` may stand for a reference: in a transaction, until it is carried out.
    var allowsConditions: Bool { isTransactionEntry || rootName == "Bundle" }

    /// Reports an offence at the current location, at the child `element` of it, or at one of its contained resources.
    mutating func report(_ rule: ValidationRule, at node: Int, element: Int? = nil, position: Int? = nil) {
        guard issues.count < ResourceValidator.issueLimit else { return }
        var expression = rootName
        for step in path {
            expression += "." + definitions.elementName(step.element)
            if step.position >= 0 { expression += "[\(step.position)]" }
        }
        if let position { expression += ".contained[\(position)]" }
        if let element { expression += "." + definitions.elementName(element) }
        issues.append(ValidationIssue(expression: expression, offset: tape.range(node).lowerBound, rule: rule))
    }

    mutating func enter(_ element: Int, position: Int = -1) { path.append(Step(element: element, position: position)) }

    mutating func leave() { path.removeLast() }

    // MARK: Resources

    /// A resource that stands for itself: the document, an entry of a Bundle, a parameter.
    mutating func resource(_ node: Int) {
        let outer = container
        container = Container()
        defer { container = outer }
        guard let type = resourceType(node) else { return }
        if path.isEmpty {
            rootName = type.name
            if let expected, expected != type { report(.unexpectedResourceType, at: node) }
        }
        gatherContained(node)
        object(node, type: definitions.typeID(of: type), as: .resource)
        reportUnusedContained(node)
    }

    /// A resource within ``container`` (references.html#contained).
    mutating func containedResource(_ node: Int, position: Int) {
        guard let type = resourceType(node) else { return }
        let isNested = container.current != nil
        if isNested { report(.nestedContained, at: node) }
        container.current = isNested ? container.current : position
        object(node, type: definitions.typeID(of: type), as: .resource)
        checkContained(node)
        if !isNested { container.current = nil }
    }

    private mutating func resourceType(_ node: Int) -> ResourceType? {
        guard tape.kind(node) == .object else {
            report(.wrongKind, at: node)
            return nil
        }
        guard let name = tape.member(node, "resourceType"), tape.kind(name) == .string else {
            report(.missingResourceType, at: node)
            return nil
        }
        guard let type = resourceType(named: name) else {
            report(.unknownResourceType, at: name)
            return nil
        }
        return type
    }

    func resourceType(named node: Int) -> ResourceType? {
        if tape.isEscaped(node) { return ResourceType(tape.text(node)) }
        return definitions.typeID(named: tape.bytes.span.extracting(tape.range(node)))
            .flatMap(definitions.resourceType)
    }
}
