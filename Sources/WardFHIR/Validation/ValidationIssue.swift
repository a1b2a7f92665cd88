/// One offence of a resource against FHIR R4. Carries where and which rule, never a value of the record.
public struct ValidationIssue: Hashable, Sendable {
    /// FHIRPath location: `Patient.name[0].given[1]`; names come from the definitions, not from the record.
    public let expression: String
    /// Byte offset in the source, so that the sender can find an element that has no name in R4.
    public let offset: Int
    public let rule: ValidationRule

    public init(expression: String, offset: Int, rule: ValidationRule) {
        self.expression = expression
        self.offset = offset
        self.rule = rule
    }

    public var code: IssueCode { rule.code }
}

/// Codes of FHIR R4 `issue-type` that validation uses (valueset-issue-type.html).
public enum IssueCode: String, Sendable {
    case codeInvalid = "code-invalid"
    case invariant, required, structure, value
    case tooLong = "too-long"
}

/// What the validator checks; the raw value is the message.
public enum ValidationRule: String, CaseIterable, Sendable {
    // Structure (json.html)
    case arrayNotAllowed = "this element does not repeat and must not be an array"
    case arrayRequired = "this element repeats and must be an array"
    case emptyArray = "an array must not be empty"
    case emptyObject = "an object must not be empty"
    case lengthMismatch = "the arrays of values and of their extensions differ in length"
    case missingResourceType = "resourceType is missing or not a string"
    case nullNotAllowed = "null is allowed only in arrays of primitive values"
    case nullWithoutExtension = "null without an extension at the same position"
    case severalChoices = "more than one value for a choice element"
    case unexpectedResourceType = "another resource type is required here"
    case unknownElement = "unknown element"
    case unknownResourceType = "unknown resource type"
    case wrongKind = "wrong kind of JSON value"
    // Cardinality
    case missingElement = "required element is missing"
    // Formats (datatypes.html#primitive)
    case emptyString = "a string must not be empty"
    case controlCharacter = "control character in a string"
    case tooLong = "longer than 1048576 characters"
    case malformedBase64Binary = "not base64"
    case malformedCode = "not a code"
    case malformedDate = "not a date"
    case malformedDateTime = "not a dateTime"
    case malformedElementID = "an element id must not contain spaces"
    case malformedID = "not an id"
    case malformedInstant = "not an instant"
    case malformedInteger = "not an integer of 32 bits"
    case malformedOID = "not an oid"
    case malformedPositiveInt = "not a positive integer of 32 bits"
    case malformedTime = "not a time"
    case malformedUnsignedInt = "not an unsigned integer of 31 bits"
    case malformedURI = "not a uri"
    case malformedUUID = "not a uuid"
    // Bindings and references
    case codeNotInValueSet = "code is not in the required value set"
    case malformedReference = "a relative reference must be Type/id"
    case referenceTypeMismatch = "Reference.type differs from the type of the literal reference"
    case wrongTargetType = "reference to a type that is not allowed here"
    // Invariants
    case attachmentWithoutContentType = "att-1: if the Attachment has data, it must have a contentType"
    case comparatorNotAllowed = "sqt-1: the comparator is not allowed on a SimpleQuantity"
    case contactPointWithoutSystem = "cpt-2: a system is required if a value is provided"
    case containedNotReferenced = "dom-3: a contained resource must be referred to"
    case containedWithMeta = "dom-4: a contained resource must not have a meta.versionId or meta.lastUpdated"
    case containedWithoutID = "a contained resource must have an id"
    case containedWithSecurity = "dom-5: a contained resource must not have a security label"
    case duplicateContainedID = "two contained resources with the same id"
    case elementWithoutContent = "ele-1: an element must have a value or children"
    case extensionValue = "ext-1: an extension must have either extensions or value[x], not both"
    case narrativeEmpty = "txt-2: the narrative must have some non-whitespace content"
    case narrativeForbidden = "txt-1: element, attribute or address not allowed in a narrative"
    case narrativeMalformed = "the narrative is not well-formed XHTML in one div"
    case nestedContained = "dom-2: a contained resource must not contain resources"
    case periodOrder = "per-1: start must not be after end"
    case quantityCodeWithoutSystem = "qty-3: if a code for the unit is present, the system must be present"
    case unresolvedContained = "ref-1: must have a local reference to a contained resource"

    /// Its FHIR issue type.
    public var code: IssueCode {
        switch self {
        case .arrayNotAllowed, .arrayRequired, .emptyArray, .emptyObject, .lengthMismatch, .missingResourceType,
            .nullNotAllowed, .nullWithoutExtension, .severalChoices, .unexpectedResourceType,
            .unknownElement, .unknownResourceType, .wrongKind:
            .structure
        case .missingElement, .containedWithoutID: .required
        case .tooLong: .tooLong
        case .codeNotInValueSet: .codeInvalid
        case .emptyString, .controlCharacter, .malformedBase64Binary, .malformedCode, .malformedDate,
            .malformedDateTime, .malformedElementID, .malformedID, .malformedInstant, .malformedInteger,
            .malformedOID, .malformedPositiveInt, .malformedTime, .malformedUnsignedInt, .malformedURI,
            .malformedUUID, .malformedReference, .referenceTypeMismatch, .wrongTargetType:
            .value
        case .attachmentWithoutContentType, .comparatorNotAllowed, .contactPointWithoutSystem,
            .containedNotReferenced, .containedWithMeta, .containedWithSecurity, .duplicateContainedID,
            .elementWithoutContent, .extensionValue, .narrativeEmpty, .narrativeForbidden, .narrativeMalformed,
            .nestedContained, .periodOrder, .quantityCodeWithoutSystem, .unresolvedContained:
            .invariant
        }
    }
}
