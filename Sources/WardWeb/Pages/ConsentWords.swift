import WardFHIR
import WardPolicy

/// Scopes as the people who decide on them would say it.
enum ConsentWords {
    static func text(of scope: String) -> String {
        switch scope {
        case "openid": return "Recognise you when you come back"
        case "fhirUser": return "Know which entry of this clinic's records you are"
        case "profile": return "Know your name"
        case "launch": return "Know the patient you chose here"
        case "launch/patient": return "Know which patient it is about"
        case "offline_access": return "Go on for up to 90 days, also when you are signed out"
        case "online_access": return "Go on for as long as you are signed in here"
        default: break
        }
        guard let parsed = try? Scope(parsing: scope) else { return scope }
        var text = "\(verbs(parsed.actions)) \(parsed.type.map(things) ?? "every kind of record")"
        switch parsed.context {
        case .patient: text += " of this patient"
        case .user: text += " of everybody whose records you may open"
        case .system: break
        }
        if !parsed.constraint.isEmpty {
            let conditions = parsed.constraint.map { "\($0.name) is \($0.value)" }.joined(separator: " and ")
            text += ", only where \(conditions)"
        }
        return text
    }

    private static func verbs(_ actions: Set<Action>) -> String {
        var words: [String] = []
        if actions.contains(.read) { words.append(actions.contains(.search) ? "see and search" : "see") }
        if !actions.contains(.read), actions.contains(.search) { words.append("search") }
        if actions.contains(.create) { words.append("add") }
        if actions.contains(.update) { words.append("change") }
        if actions.contains(.delete) { words.append("delete") }
        let text =
            words.count > 1
            ? words.dropLast().joined(separator: ", ") + " and " + (words.last ?? "") : words.first ?? ""
        return text.prefix(1).uppercased() + text.dropFirst()
    }

    private static func things(_ type: ResourceType) -> String {
        switch type.name {
        case "AllergyIntolerance": "allergies"
        case "Appointment": "appointments"
        case "CarePlan": "care plans"
        case "CareTeam": "care teams"
        case "Condition": "diagnoses and problems"
        case "Coverage": "insurance"
        case "DiagnosticReport": "reports"
        case "DocumentReference": "documents and notes"
        case "Encounter": "visits"
        case "Goal": "goals"
        case "Immunization": "vaccinations"
        case "MedicationRequest": "prescriptions"
        case "Observation": "results and measurements"
        case "Patient": "name, address and other personal details"
        case "Procedure": "procedures"
        default: "records of the kind \(type.name)"
        }
    }
}
