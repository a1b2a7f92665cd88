/// Why an expression cannot be read or evaluated; names of the expression only, never values of a record.
public enum FHIRPathFailure: Error, Hashable, Sendable {
    /// The text is no FHIRPath (FHIRPath N1, grammar); `offset` counts bytes.
    case syntax(FHIRPathSyntaxFault, offset: Int)
    /// A function, operator or conversion that this engine does not have.
    case unsupported(String)
    /// An operator or function got a value of a type it is not defined for.
    case wrongType(String)
    /// An operator or function got several values where it takes one.
    case notSingle(String)
    /// A function got too few or too many arguments.
    case wrongArguments(String)
    /// An element that the type does not have, in a strict evaluation.
    case unknownElement(String)
    /// A type specifier that is neither a FHIR nor a System type.
    case unknownType(String)
    /// `%name` that is not defined.
    case unknownVariable(String)
    /// The evaluation took more steps than allowed.
    case tooCostly
}

/// What the reader of an expression stumbled over.
public enum FHIRPathSyntaxFault: String, Sendable {
    case badCharacter = "unexpected character"
    case badEscape = "invalid escape sequence"
    case badDate = "invalid date or time"
    case badNumber = "number too large"
    case tooDeep = "nested too deeply"
    case tooLong = "too long"
    case unexpected = "unexpected token"
    case unexpectedEnd = "unexpected end"
    case unterminated = "unterminated string or comment"
}
