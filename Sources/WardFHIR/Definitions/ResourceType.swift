/// One of the 146 concrete resource types of FHIR R4 (resourcelist.html); codes follow alphabetical order.
public struct ResourceType: Hashable, Comparable, Sendable {
    /// 0 ..< 146; position in ``allCases``.
    public let code: UInt8

    /// The type of that name; nil for names that are no concrete R4 type.
    public init?(_ name: some StringProtocol) {
        let text = String(name)
        guard let type = Definitions.r4.typeID(named: text).flatMap(Definitions.r4.resourceType) else { return nil }
        self = type
    }

    init(uncheckedCode code: UInt8) {
        self.code = code
    }

    /// `Patient`, as in URLs and `resourceType`.
    public var name: String { Definitions.r4.typeNames[Int(code)] }

    public static var allCases: [ResourceType] {
        Definitions.r4.typeNames.indices.map { ResourceType(uncheckedCode: UInt8($0)) }
    }

    public static func < (left: ResourceType, right: ResourceType) -> Bool { left.code < right.code }
}
