/// Facts of FHIR R4 (4.0.1) that the binary carries: types, elements, bindings, search parameters, compartments.
public struct Definitions: Sendable {
    /// The embedded table, parsed once.
    public static let r4 = DefinitionReader().read()

    /// Names of the concrete resource types, sorted.
    public let typeNames: [String]
    /// All search parameters; a parameter's number is its position.
    public let searchParameters: [SearchParameter]

    /// The table's text; element names are ranges of it.
    let text: [UInt8]
    /// Names of all types, by ``TypeID/index``.
    let names: [String]
    let types: [TypeRow]
    let elements: [ElementRow]
    /// Pool of the elements' types.
    let elementTypes: [TypeID]
    /// Owner 0, type name -> ``TypeID/index``.
    let typeTable: ByteTable
    /// Owner type, JSON key -> element and type, packed by ``KeyPayload``.
    let keyTable: ByteTable
    /// Owner ``CodeOwner``, code -> 0.
    let codeTable: ByteTable
    /// Owner 0, URL of a code system -> its number.
    let systemTable: ByteTable
    /// By value set: its lines of codes, each of one code system, in ``text``.
    let codeLines: [[Range<Int>]]
    /// Allowed reference targets: 146 bits each.
    let targetSets: [ResourceTypeSet]
    /// Owner resource type, code -> number.
    let parameterTable: ByteTable
    /// Ranges of ``searchParameters``, by ``ResourceType/code``.
    let parameterRanges: [Range<Int>]
    /// By ``ResourceType/code``.
    let compartments: [[UInt16]]
}

extension Definitions {
    /// The parameters of one resource type, sorted by code, those of every resource included.
    public func searchParameters(of type: ResourceType) -> ArraySlice<SearchParameter> {
        searchParameters[parameterRanges[Int(type.code)]]
    }

    /// The parameter `code` of one resource type: `Patient?birthdate=`.
    public func searchParameter(_ code: String, of type: ResourceType) -> SearchParameter? {
        parameterTable.find(owner: UInt32(type.code), code.utf8Span.span).map { searchParameters[Int($0)] }
    }

    /// The parameter with that ``SearchParameter/number``.
    public func searchParameter(number: UInt16) -> SearchParameter? {
        Int(number) < searchParameters.count ? searchParameters[Int(number)] : nil
    }

    /// The codes of one code system that a value under `parameter` can be, where a required binding implies the system:
    /// an element of type `code` has none of its own (search.html#token). Empty for any other system or parameter.
    public func impliedCodes(of parameter: SearchParameter, system: String) -> [String] {
        guard let valueSet = parameter.valueSet else { return [] }
        return codeLines[valueSet].flatMap { line in
            let fields = text[line].split(separator: 0x7C)
            guard fields[0].elementsEqual(system.utf8) else { return [String]() }
            return fields[1...].map { String(decoding: $0, as: UTF8.self) }
        }
    }

    /// Parameters whose references to a Patient put a record into that patient's compartment
    /// (compartmentdefinition-patient.html). Empty for types outside; a Patient is also in its own compartment.
    public func patientCompartment(of type: ResourceType) -> [UInt16] { compartments[Int(type.code)] }
}

/// A set of concrete resource types.
struct ResourceTypeSet: Hashable, Sendable {
    private var bits: (UInt64, UInt64, UInt64) = (0, 0, 0)

    mutating func insert(_ type: ResourceType) {
        let bit: UInt64 = 1 << UInt64(type.code & 63)
        switch type.code >> 6 {
        case 0: bits.0 |= bit
        case 1: bits.1 |= bit
        default: bits.2 |= bit
        }
    }

    func contains(_ type: ResourceType) -> Bool {
        let word = type.code >> 6 == 0 ? bits.0 : type.code >> 6 == 1 ? bits.1 : bits.2
        return word >> UInt64(type.code & 63) & 1 == 1
    }

    static func == (left: ResourceTypeSet, right: ResourceTypeSet) -> Bool { left.bits == right.bits }

    func hash(into hasher: inout Hasher) {
        hasher.combine(bits.0)
        hasher.combine(bits.1)
        hasher.combine(bits.2)
    }
}
