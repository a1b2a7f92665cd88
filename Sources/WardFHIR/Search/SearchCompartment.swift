/// The records about one resource: `Patient/23/Observation` (FHIR R4 compartmentdefinition.html).
public struct SearchCompartment: Hashable, Sendable {
    public let owner: ResourceType
    public let id: String

    /// Nil for types without a compartment, and for text that is no id.
    public init?(_ owner: ResourceType, _ id: String) {
        guard CompartmentTable.types.contains(owner), isResourceID(id) else { return nil }
        self.owner = owner
        self.id = id
    }

    /// Whether records of a type can belong to it. The owner is in its own compartment.
    public func holds(_ type: ResourceType) -> Bool {
        type == owner || !CompartmentTable.parameters(of: type, in: owner).isEmpty
    }

    /// What ties a record of a type to the owner: any of the links, of those that count.
    public func criterion(
        for type: ResourceType, where counts: (UInt16) -> Bool = { _ in true }
    ) -> SearchCriterion {
        let test = ValueTest.reference(types: [owner], id: id, version: nil)
        let links = CompartmentTable.parameters(of: type, in: owner).filter(counts)
            .map { SearchCriterion.matches(parameter: $0, test) }
        let all = type == owner ? [.id(id)] + links : links
        return all.isEmpty ? .never : all.count == 1 ? all[0] : .any(all)
    }
}
