/// One item of a FHIRPath collection (FHIRPath N1, Types).
public enum FHIRPathItem: Sendable {
    /// An element of the resource.
    case node(FHIRPathNode)
    case boolean(Bool)
    case string(String)
    case integer(Int64)
    case decimal(ExactDecimal)
    case temporal(FHIRTemporal)
    case quantity(ExactDecimal, unit: String)
    /// What `type()` yields.
    case type(FHIRPathTypeName)
    /// What `resolve()` yields for a reference to something that is not in this resource: only its type is known.
    case unresolved(TypeID)
}

/// An element as it lies in the tape: its value, and for primitives the `_name` sibling with id and extensions.
public struct FHIRPathNode: Hashable, Sendable {
    /// Index in the tape; nil if only the sibling is there.
    public let value: Int?
    /// Index of the object under `_name`.
    public let sibling: Int?
    /// Nil where the definitions do not know the element.
    public let type: TypeID?
    /// Name of the element in its parent, choices without type suffix.
    let name: String

    init(value: Int?, sibling: Int?, type: TypeID?, name: String) {
        self.value = value
        self.sibling = sibling
        self.type = type
        self.name = name
    }
}

extension FHIRPathItem {
    /// The value as `toString()` writes it; nil for elements without a value of their own.
    public func text(in tape: JSONTape) -> String? { system(in: tape)?.text }

    /// `code`, `HumanName`, or for values that are no elements the System type: `String`. Nil if unknown.
    public var typeName: String? {
        switch self {
        case .node(let node): node.type.map(Definitions.r4.typeName)
        case .unresolved(let type): Definitions.r4.typeName(type)
        default: FHIRPathEvaluator.systemType(self)
        }
    }

    /// The item as a System value: primitives and quantities of the resource become what FHIR R4 fhirpath.html#types
    /// says; nil for complex elements and for primitives without a value.
    func system(in tape: JSONTape) -> FHIRPathItem? {
        guard case .node(let node) = self else {
            if case .unresolved = self { return nil }
            return self
        }
        guard let value = node.value else { return nil }
        switch tape.kind(value) {
        case .true: return .boolean(true)
        case .false: return .boolean(false)
        case .null, .array: return nil
        case .object: return Self.quantity(node, value, tape)
        case .number:
            let bytes = tape.slice(tape.range(value))
            let kind = node.type.flatMap(Definitions.r4.primitiveKind)
            let isInteger = kind.map { $0 != .decimal } ?? !bytes.contains(0x2E)
            guard let number = ExactDecimal(bytes: bytes) else { return nil }
            if isInteger, let whole = number.wholeNumber { return .integer(whole) }
            return .decimal(number)
        case .string:
            let text = tape.text(value)
            switch node.type.flatMap(Definitions.r4.primitiveKind) {
            case .date: return FHIRTemporal(.date, text).map(FHIRPathItem.temporal) ?? .string(text)
            case .dateTime, .instant: return FHIRTemporal(.dateTime, text).map(FHIRPathItem.temporal) ?? .string(text)
            case .time: return FHIRTemporal(.time, text).map(FHIRPathItem.temporal) ?? .string(text)
            default: return .string(text)
            }
        }
    }

    private static func quantity(_ node: FHIRPathNode, _ object: Int, _ tape: JSONTape) -> FHIRPathItem? {
        guard let type = node.type, let quantity = Definitions.r4.typeID(named: "Quantity"),
            Definitions.r4.type(type, isKindOf: quantity), let value = tape.member(object, "value"),
            tape.member(object, "comparator") == nil, let number = ExactDecimal(bytes: tape.slice(tape.range(value)))
        else { return nil }
        let code = tape.member(object, "code") ?? tape.member(object, "unit")
        return .quantity(number, unit: code.map(tape.text) ?? "1")
    }
}
