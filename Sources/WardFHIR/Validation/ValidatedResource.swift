/// A resource that passed the validator: the only form in which the vault takes one.
public struct ValidatedResource: Sendable {
    public let tape: JSONTape
    /// Node of the resource in the tape.
    public let index: Int
    public let type: ResourceType
    /// Logical id in the resource, if it has one.
    public let id: String?

    // Internal on purpose: what was not validated is not stored.
    init(tape: JSONTape, index: Int, type: ResourceType, id: String?) {
        self.tape = tape
        self.index = index
        self.type = type
        self.id = id
    }
}

/// A resource that did not pass, with every offence.
public struct ValidationFailure: Error, Sendable {
    public let issues: [ValidationIssue]
}

extension ResourceValidator {
    /// Validates the resource at `index`.
    ///
    /// - Throws: ``ValidationFailure`` with all issues found.
    public static func validated(
        _ tape: JSONTape, at index: Int = JSONTape.rootIndex, expecting expected: ResourceType? = nil,
        isTransactionEntry: Bool = false
    ) throws(ValidationFailure) -> ValidatedResource {
        let issues = validate(tape, at: index, expecting: expected, isTransactionEntry: isTransactionEntry)
        guard
            issues.isEmpty, let type = tape.member(index, "resourceType").flatMap({ ResourceType(tape.text($0)) })
        else { throw ValidationFailure(issues: issues) }
        let id = tape.member(index, "id").map { tape.text($0) }
        return ValidatedResource(tape: tape, index: index, type: type, id: id)
    }
}

extension ValidationIssue {
    /// The same issue of a resource inside another: `Bundle.entry[3].resource` + `Patient.name` is
    /// `Bundle.entry[3].resource.name`.
    public func moved(to place: String) -> ValidationIssue {
        let rest = expression.firstIndex(of: ".").map { expression[$0...] } ?? ""
        return ValidationIssue(expression: place + rest, offset: offset, rule: rule)
    }
}

extension ResourceType {
    /// The type of that code; nil above the last.
    public init?(code: UInt8) {
        guard Int(code) < Definitions.r4.typeNames.count else { return nil }
        self.init(uncheckedCode: code)
    }
}
