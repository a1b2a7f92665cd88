import WardCore
import WardFHIR
import WardStorage

/// The patients a record concerns: whose log its changes belong in, and whose key may seal it.
extension Vault {
    /// The patients that a record concerns: those in whose compartment it is (FHIR R4
    /// compartmentdefinition-patient.html), and of types that are in none, those that it names as its subject.
    ///
    /// Where one of them is whom it is about, that one comes first.
    static func patients(
        of tape: JSONTape, at index: Int = JSONTape.rootIndex, type: ResourceType, id: String, values: [IndexedValue],
        ownBase: String
    ) -> (all: [String], isAboutFirst: Bool) {
        var subjects: [String] = type == patientType ? [id] : []
        var others: [String] = []
        let compartment = Definitions.r4.patientCompartment(of: type)
        for value in values {
            guard case .reference(let target, let id, _) = value.value, target == patientType else { continue }
            let code = Definitions.r4.searchParameter(number: value.parameter)?.code ?? ""
            if type != patientType, ["patient", "subject", "beneficiary"].contains(code) {
                if !subjects.contains(id) { subjects.append(id) }
            } else if compartment.contains(value.parameter), !others.contains(id) {
                others.append(id)
            }
        }
        if type.name == "Binary", let context = tape.member(index, "securityContext"),
            let reference = tape.member(context, "reference")
        {
            let parts = localReference(tape.text(reference), base: ownBase).split(separator: "/")
            if parts.count == 2, parts[0] == "Patient" { subjects.append(String(parts[1])) }
        }
        if type.name == "Bundle" { others += patients(ofEntries: tape, at: index, ownBase: ownBase) }
        let all = subjects + others.filter { !subjects.contains($0) }
        return (all, subjects.count == 1)
    }

    private static func patients(ofEntries tape: JSONTape, at index: Int, ownBase: String) -> [String] {
        var found: [String] = []
        guard let entries = tape.member(index, "entry") else { return [] }
        tape.forEachElement(entries) { entry in
            guard let resource = tape.member(entry, "resource"),
                let type = tape.member(resource, "resourceType").flatMap({ ResourceType(tape.text($0)) })
            else { return }
            let values = SearchExtractor.values(of: tape, at: resource, type: type, ownBase: ownBase)
            let id = tape.member(resource, "id").map { tape.text($0) } ?? ""
            for patient in patients(of: tape, at: resource, type: type, id: id, values: values, ownBase: ownBase).all
            where !patient.isEmpty && !found.contains(patient) {
                found.append(patient)
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
