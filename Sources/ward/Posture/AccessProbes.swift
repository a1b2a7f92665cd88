import WardIdentity
import WardCore
import WardFHIR
import WardPolicy

/// What the policy in force says, asked as the gate asks it.
extension PostureScene {
    static let access = PostureGroup(
        name: "who may see what",
        probes: [
            PostureProbe(
                id: "front-desk-notes", checks: "the policy in force is asked for notes and findings as front desk",
                covers: [.fullAccessForAll, .leastPrivilege], clause: "164.502(b)",
                limits: "what people tell each other; what is written into fields that front desk does see",
                look: { $0.frontDesk() }),
            PostureProbe(
                id: "administrator-records",
                checks: "the policy in force is asked for every type of record as administrator",
                covers: [.fullAccessForAll, .leastPrivilege], clause: "164.308(a)(4)",
                limits: "that an administrator has no other account", look: { $0.administrator() }),
            PostureProbe(
                id: "nobody-by-default", checks: "a role that no rule names, and no role at all, are put to the policy",
                covers: [.fullAccessForAll, .leastPrivilege], clause: "164.308(a)(4)",
                limits: "whether the rules of known roles are wise: ward policy explain, ward access review",
                look: { $0.nobody() }),
        ])

    /// With every relationship, so that nothing but the role keeps it from them.
    private func isPermitted(_ action: Action, _ type: ResourceType, _ roles: [Role]) -> Bool {
        let facts = RecordFacts(patients: ["probe"], relationships: [.careTeam, .appointmentToday, .assigned])
        return PurposeOfUse.allCases.contains { purpose in
            house.people.directory.policy.decide(
                AccessQuestion(action: action, type: type, roles: roles, purpose: purpose, isFresh: true, facts: facts)
            ).isPermitted
        }
    }

    private func permitted(_ types: [ResourceType], _ roles: [Role]) -> [String] {
        types.filter { type in
            [Action.read, .search, .history, .create, .update, .delete].contains { isPermitted($0, type, roles) }
        }.map(\.name)
    }

    private func frontDesk() -> PostureFinding {
        let notes = [
            "DocumentReference", "Composition", "ClinicalImpression", "Observation", "Condition", "DiagnosticReport",
            "CarePlan", "MedicationRequest", "Communication", "QuestionnaireResponse", "Media", "Binary",
        ].compactMap { ResourceType($0) }
        let open = permitted(notes, [.frontDesk])
        return open.isEmpty
            ? .holds("denied for \(notes.count) types of clinical records, whatever the purpose")
            : .broken("the policy lets front desk at \(open.joined(separator: ", "))")
    }

    private func administrator() -> PostureFinding {
        let about = ["Patient", "Observation", "Condition", "DocumentReference", "Encounter", "MedicationRequest"]
            .compactMap { ResourceType($0) }
        let open = permitted(about, [.administrator])
        return open.isEmpty
            ? .holds("an administrator sees no patient")
            : .broken("the policy lets administrators at \(open.joined(separator: ", "))")
    }

    private func nobody() -> PostureFinding {
        let types = ["Patient", "Observation", "DocumentReference", "Practitioner"].compactMap { ResourceType($0) }
        guard permitted(types, []).isEmpty, permitted(types, [Role(rawValue: "no-such-role")].compactMap { $0 }).isEmpty
        else { return .broken("the policy permits something to nobody") }
        return .holds("nothing is permitted without a rule")
    }
}
