import WardCore
import WardFHIR

/// Who opened one patient's record, in plain words: one line for whoever did the same thing on the same day.
public struct AccessReport: Sendable {
    public struct Line: Sendable {
        /// `Anna Berg, nurse, read 3 measurements or lab results on 12 Nov 2026 for treatment`.
        public let sentence: String
        /// The newest event of the line.
        public let newest: LoggedEvent
        /// How many events it stands for.
        public let count: Int
    }

    /// Newest first.
    public let lines: [Line]

    /// - Parameters:
    ///   - events: newest first.
    ///   - patient: whose record; of events about several, what is theirs is told.
    public init(_ events: [LoggedEvent], about patient: String) {
        var groups: [(key: Key, newest: LoggedEvent, parts: [AuditEvent], isShared: Bool)] = []
        var places: [Key: Int] = [:]
        for logged in events {
            let event = logged.event
            let key = Key(event)
            let share = event.share(of: patient)
            let isShared = share.records.isEmpty && !event.records.isEmpty
            if let place = places[key] {
                groups[place].parts.append(share)
                groups[place].isShared = groups[place].isShared || isShared
            } else {
                places[key] = groups.count
                groups.append((key, logged, [share], isShared))
            }
        }
        lines = groups.map { group in
            Line(
                sentence: Self.sentence(group.key, group.parts, isShared: group.isShared), newest: group.newest,
                count: group.parts.count)
        }
    }

    private struct Key: Hashable {
        let day: CalendarDay
        let actor: AuditActor?
        let verb: String
        let purpose: PurposeOfUse?
        let isEmergency: Bool

        init(_ event: AuditEvent) {
            day = event.day
            actor = event.actor
            verb = Words.verb(event)
            purpose = event.purpose
            isEmergency = event.emergency != nil
        }
    }

    private static func sentence(_ key: Key, _ parts: [AuditEvent], isShared: Bool) -> String {
        let who = key.actor.map(Words.name) ?? "The system"
        // The same record looked at five times is one record.
        var seen: Set<String> = []
        var counts: [(type: String, count: Int)] = []
        for record in parts.flatMap(\.records) where seen.insert("\(record.type.name)/\(record.id)").inserted {
            if let known = counts.firstIndex(where: { $0.type == record.type.name }) {
                counts[known].count += 1
            } else {
                counts.append((record.type.name, 1))
            }
        }
        var what = counts.sorted { $0.count > $1.count }.map { Words.counted($0.type, $0.count) }
        if isShared { what.append("a list with several patients") }
        if what.isEmpty {
            what = parts.compactMap(\.type).first.map { ["something of \(Words.plural($0.name))"] } ?? []
        }
        let list = Words.list(what)
        let why = key.purpose.map { " \(Words.purpose($0))" } ?? ""
        let app = key.actor?.app.map { " through \($0)" } ?? ""
        let emergency = key.isEmergency ? ", in an emergency" : ""
        let done = list.isEmpty ? key.verb : "\(key.verb) \(list)"
        return visibleText("\(who), \(done) on \(Words.day(key.day))\(why)\(app)\(emergency)")
    }
}

/// Words for whoever has never seen a log.
private enum Words {
    static func name(_ actor: AuditActor) -> String {
        let role = actor.role.split(separator: " ").filter { $0 != "app" }.map { role in
            switch role {
            case "integration": "another system"
            case "front-desk": "front desk"
            case "privacy-officer": "privacy officer"
            case "security-officer": "security officer"
            case "proxy": "acting for the patient"
            default: String(role)
            }
        }
        let name = actor.name.isEmpty ? (actor.isPatient ? "An account of the patient's side" : actor.id) : actor.name
        return role.isEmpty ? name : "\(name), \(list(role))"
    }

    static func verb(_ event: AuditEvent) -> String {
        let verb =
            switch event.kind {
            case .read, .vread: "read"
            case .historyInstance: "read earlier versions of"
            case .search: "saw in a search"
            case .create: "wrote"
            // A first version under an id of the client's choice.
            case .update: event.records.allSatisfy { $0.interaction == .create } ? "wrote" : "changed"
            case .delete: "deleted"
            case .transaction, .import: "sent in"
            case .export: "took out in a data export"
            case .download: "downloaded the list of who opened the record"
            case .print: "printed the list of who opened the record"
            case .disclosureRecorded: "noted that records were given out to \(event.recipient ?? "somebody")"
            case .emergencyOpened: "opened the record in an emergency"
            case .appAuthorized: "allowed an app to see the record"
            default: "did “\(event.kind.rawValue)” with"
            }
        switch event.outcome {
        case .success: return verb
        case .denied: return "was refused what they asked for (\(event.kind.rawValue))"
        case .failed: return "tried, without getting anything (\(event.kind.rawValue)),"
        }
    }

    static func purpose(_ purpose: PurposeOfUse) -> String {
        switch purpose {
        case .treatment: "for treatment"
        case .payment: "for billing"
        case .operations: "for running the clinic"
        case .patientRequest: "at the patient's request"
        case .systemAdministration: "for running the system"
        }
    }

    static func day(_ day: CalendarDay) -> String {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        return "\(day.day) \(months[Int(day.month) - 1]) \(day.year)"
    }

    static func counted(_ type: String, _ count: Int) -> String {
        count == 1 ? one(type) : "\(count) \(plural(type))"
    }

    static func list(_ words: [String]) -> String {
        guard let last = words.last, words.count > 1 else { return words.first ?? "" }
        return "\(words.dropLast().joined(separator: ", ")) and \(last)"
    }

    private static func one(_ type: String) -> String {
        switch type {
        case "Patient": "the personal details"
        default: "1 \(singular(type))"
        }
    }

    private static func singular(_ type: String) -> String {
        switch type {
        case "AllergyIntolerance": "allergy"
        case "Appointment": "appointment"
        case "Claim": "bill"
        case "Condition": "diagnosis"
        case "Coverage": "insurance"
        case "DiagnosticReport": "report"
        case "DocumentReference": "document"
        case "Encounter": "visit"
        case "Immunization": "vaccination"
        case "MedicationRequest": "prescription"
        case "Observation": "measurement or lab result"
        case "Procedure": "procedure"
        default: spaced(type)
        }
    }

    static func plural(_ type: String) -> String {
        switch type {
        case "AllergyIntolerance": "allergies"
        case "Condition": "diagnoses"
        case "Observation": "measurements or lab results"
        case "Patient": "personal details"
        default: singular(type).hasSuffix("s") ? singular(type) : "\(singular(type))s"
        }
    }

    /// `CarePlan` as `care plan`.
    private static func spaced(_ type: String) -> String {
        type.reduce(into: "") { text, letter in
            if letter.isUppercase, !text.isEmpty { text.append(" ") }
            text += letter.lowercased()
        }
    }
}
