import WardCore
import WardFHIR
import WardStorage

/// The patients a record concerns: whose log its changes belong in, and whose key may seal it.
extension Vault {
    /// The patients in whose compartment a record is (FHIR R4 compartmentdefinition-patient.html).
    static func patients(of type: ResourceType, id: String, values: [IndexedValue]) -> [String] {
        var found: [String] = type == patientType ? [id] : []
        let parameters = Definitions.r4.patientCompartment(of: type)
        for value in values where parameters.contains(value.parameter) {
            if case .reference(let target, let id, _) = value.value, target == patientType, !found.contains(id) {
                found.append(id)
            }
        }
        return found
    }

    /// The patients of the version that a change follows, if they can be others than those `now`.
    func earlierPatients(_ head: Head, at locator: Locator, now: [String]) throws(VaultFailure) -> [String] {
        guard let stored = try current(of: locator), stored.version == head.version else { return [] }
        let owner = keys.masked(stored.maskedOwner, locator: locator, version: stored.version)
        // Sealed under the key of the same one patient: nobody else was concerned.
        if now.count == 1, owner == keys.owner(ofPatient: now[0]) { return [] }
        return try open(stored, at: locator).patients
    }

    private static let patientType = ResourceType("Patient")
}
