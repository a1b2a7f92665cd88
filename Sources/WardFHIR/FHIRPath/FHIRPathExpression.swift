public import WardCore

/// A FHIRPath expression, read once and evaluated often (hl7.org/fhirpath N1; FHIR R4 fhirpath.html).
///
/// The whole grammar is read. What the engine cannot evaluate fails with ``FHIRPathFailure/unsupported(_:)``; it never
/// guesses. Nothing is fetched: `resolve()` finds contained resources and otherwise knows only the type.
public struct FHIRPathExpression: Sendable {
    let syntax: FHIRPathSyntax

    /// Reads `text`.
    public init(_ text: String) throws(FHIRPathFailure) {
        syntax = try FHIRPathParser.syntax(of: text)
    }

    /// Evaluates on the resource at `index` of `tape`.
    public func evaluate(
        on tape: JSONTape, at index: Int = JSONTape.rootIndex, options: FHIRPathOptions
    ) throws(FHIRPathFailure) -> [FHIRPathItem] {
        let type = FHIRPathEvaluator.resourceType(tape, index)
        let node = FHIRPathNode(value: index, sibling: nil, type: type, name: "")
        return try evaluate(on: .node(node), in: tape, resource: index, options: options)
    }

    /// Evaluates on one element. `resource` is what `%resource` names; if that is a contained one, `rootResource` is
    /// the resource that contains it.
    public func evaluate(
        on focus: FHIRPathItem, in tape: JSONTape, resource: Int, rootResource: Int? = nil, options: FHIRPathOptions
    ) throws(FHIRPathFailure) -> [FHIRPathItem] {
        var evaluator = FHIRPathEvaluator(
            tape: tape, context: focus, resource: resource, rootResource: rootResource ?? resource, options: options)
        return try evaluator.evaluate(syntax, [focus], FHIRPathScope(this: [focus]))
    }

    /// As ``evaluate(on:at:options:)`` for a condition: empty is nil, a single non-boolean is true (FHIRPath N1,
    /// Singleton Evaluation of Collections).
    public func test(
        _ focus: FHIRPathItem, in tape: JSONTape, resource: Int, rootResource: Int? = nil, options: FHIRPathOptions
    ) throws(FHIRPathFailure) -> Bool? {
        var evaluator = FHIRPathEvaluator(
            tape: tape, context: focus, resource: resource, rootResource: rootResource ?? resource, options: options)
        return try evaluator.condition(try evaluator.evaluate(syntax, [focus], FHIRPathScope(this: [focus])), "test")
    }
}

/// What an evaluation depends on besides expression and resource.
public struct FHIRPathOptions: Sendable {
    /// What `now()` and `today()` yield.
    public var now: Instant
    /// Whether names that the definitions do not know fail instead of yielding nothing, and `as` on several items.
    public var isStrict: Bool
    /// Values of `%name`.
    public var variables: [String: [FHIRPathItem]]

    public init(now: Instant, isStrict: Bool = false, variables: [String: [FHIRPathItem]] = [:]) {
        self.now = now
        self.isStrict = isStrict
        self.variables = variables
    }
}

/// `$this`, `$index` and `$total` of the innermost iteration.
struct FHIRPathScope {
    var this: [FHIRPathItem]
    var index: Int64?
    var total: [FHIRPathItem]?
}
