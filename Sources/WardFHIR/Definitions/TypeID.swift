/// Any type of FHIR R4: resource, abstract type, datatype, primitive, or backbone element (`Patient.contact`).
public struct TypeID: Hashable, Sendable {
    /// Position in the table; concrete resource types come first, in the order of ``ResourceType/code``.
    public let index: UInt16
}

/// The primitive types of FHIR R4 (datatypes.html#primitive).
public enum PrimitiveKind: String, Sendable {
    case base64Binary, boolean, canonical, code, date, dateTime, decimal, id, instant, integer, markdown, oid
    case positiveInt, string, time, unsignedInt, uri, url, uuid, xhtml
}

/// What a JSON key means within a type: `valueQuantity` of Observation is element `value` as Quantity.
public struct ElementMatch: Hashable, Sendable {
    /// Position in the table of elements; see ``Definitions/facts(_:)``.
    public let element: Int
    public let type: TypeID
    /// Whether JSON has an array here.
    public let isCollection: Bool
}

/// What R4 says about one element of one type.
public struct ElementFacts: Hashable, Sendable {
    /// Position in the table of elements.
    public let element: Int
    /// Without type suffix: `value`.
    public let name: String
    /// Allowed types; several if and only if ``isChoice``, or a choice with one type.
    public let types: [TypeID]
    public let isChoice: Bool
    public let isCollection: Bool
    public let isRequired: Bool
    public let isModifier: Bool
    /// Part of `_summary=true`.
    public let isSummary: Bool
}

/// One type as the table holds it.
struct TypeRow: Sendable {
    enum Kind: UInt8 {
        case resource, abstract, datatype, primitive, backbone
    }

    let kind: Kind
    let primitive: PrimitiveKind?
    let base: TypeID?
    let invariant: TypeInvariant
    /// First of its elements, inherited ones before its own.
    var firstElement: Int = 0
    var elementCount: Int = 0
    /// Bit n: element n must be there.
    var required: UInt64 = 0
}

/// One element as the table holds it; inherited elements are repeated in each type.
struct ElementRow: Sendable {
    struct Flags: OptionSet {
        let rawValue: UInt8
        static let choice = Flags(rawValue: 1)
        static let modifier = Flags(rawValue: 2)
        static let summary = Flags(rawValue: 4)
        static let withoutComparator = Flags(rawValue: 8)
        static let required = Flags(rawValue: 16)
        static let plain = Flags(rawValue: 32)
    }

    /// Source range of the name in the table text.
    let name: Range<Int>
    let flags: Flags
    /// R4 knows only 1 and no limit.
    let isCollection: Bool
    let firstType: Int
    let typeCount: Int
    /// Value set of a required binding.
    let valueSet: Int?
    /// Set of allowed reference targets.
    let targets: Int?
}

/// Datatypes whose content the validator looks at beyond the table.
enum TypeInvariant: UInt8 {
    case none, attachment, codeableConcept, coding, contactPoint, `extension`, period, quantity, reference, resource

    init(typeName: String) {
        self =
            switch typeName {
            case "Attachment": .attachment
            case "CodeableConcept": .codeableConcept
            case "Coding": .coding
            case "ContactPoint": .contactPoint
            case "Extension": .extension
            case "Period": .period
            case "Age", "Count", "Distance", "Duration", "Quantity": .quantity
            case "Reference": .reference
            case "Resource": .resource
            default: .none
            }
    }
}
