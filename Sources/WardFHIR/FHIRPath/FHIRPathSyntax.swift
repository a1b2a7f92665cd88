/// The tree of an expression (FHIRPath N1, grammar).
indirect enum FHIRPathSyntax: Hashable, Sendable {
    /// `{}`, or a literal value.
    case empty
    case literal(FHIRPathLiteral)
    /// `$this`, `$index`, `$total`.
    case this, index, total
    /// `%name`.
    case variable(String)
    /// A name at the start of a path: an element of the focus, or the type of the focus itself.
    case name(String)
    /// A function on the current focus.
    case function(String, [FHIRPathSyntax])
    /// `left.name`.
    case member(FHIRPathSyntax, String)
    /// `left.function(...)`.
    case call(FHIRPathSyntax, String, [FHIRPathSyntax])
    /// `left[index]`.
    case at(FHIRPathSyntax, FHIRPathSyntax)
    /// `-operand` and `+operand`.
    case negative(FHIRPathSyntax)
    case positive(FHIRPathSyntax)
    case binary(FHIRPathOperator, FHIRPathSyntax, FHIRPathSyntax)
    /// `left is Type`, `left.is(Type)`; a nil left is the focus.
    case isType(FHIRPathSyntax?, FHIRPathTypeName)
    case asType(FHIRPathSyntax?, FHIRPathTypeName)
    case ofType(FHIRPathSyntax?, FHIRPathTypeName)
}

/// A literal of the grammar.
enum FHIRPathLiteral: Hashable, Sendable {
    case boolean(Bool)
    case string(String)
    case integer(Int64)
    case decimal(ExactDecimal)
    case temporal(FHIRTemporal)
    case quantity(ExactDecimal, unit: String)
}

/// `FHIR.Patient`, `System.String`, or without namespace.
public struct FHIRPathTypeName: Hashable, Sendable {
    /// `FHIR`, `System` or nil.
    public let namespace: String?
    public let name: String

    public init(namespace: String?, name: String) {
        self.namespace = namespace
        self.name = name
    }
}

/// Binary operators; `is` and `as` have nodes of their own.
enum FHIRPathOperator: String, Hashable, Sendable {
    case multiply = "*", divide = "/", wholeDivide = "div", modulo = "mod"
    case add = "+", subtract = "-", concatenate = "&"
    case union = "|"
    case less = "<", lessOrEqual = "<=", greater = ">", greaterOrEqual = ">="
    case equal = "=", equivalent = "~", notEqual = "!=", notEquivalent = "!~"
    case isIn = "in", contains
    case and
    case or, xor
    case implies

    /// FHIRPath N1, operator precedence; higher binds tighter. `is` and `as` are 10, signs 13.
    var precedence: Int {
        switch self {
        case .multiply, .divide, .wholeDivide, .modulo: 12
        case .add, .subtract, .concatenate: 11
        case .union: 9
        case .less, .lessOrEqual, .greater, .greaterOrEqual: 8
        case .equal, .equivalent, .notEqual, .notEquivalent: 7
        case .isIn, .contains: 6
        case .and: 5
        case .or, .xor: 4
        case .implies: 3
        }
    }
}
