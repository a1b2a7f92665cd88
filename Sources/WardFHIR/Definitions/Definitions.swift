/// Facts of FHIR R4 (4.0.1) that the binary carries: types, elements, bindings, search parameters, compartments.
public struct Definitions: Sendable {
    /// The embedded table, parsed once.
    public static let r4 = Definitions()

    /// Names of the concrete resource types, sorted.
    public let typeNames: [String]
    let typeCodes: [String: UInt8]
    /// All search parameters; a parameter's number is its position.
    public let searchParameters: [SearchParameter]

    private init() {
        typeNames = []
        typeCodes = [:]
        searchParameters = []
    }
}
