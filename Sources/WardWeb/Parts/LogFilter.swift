import WardAudit
import WardCore
import WardFHIR
import WardIdentity
import WardPolicy

/// What is asked on the page of the log: the fields of its form, checked.
struct LogFilter {
    /// Fields of the form by name, as typed, in the form's order; empty ones are left out.
    let typed: [(name: String, value: String)]
    let query: AuditQuery
    let problems: [Problem]
    let sort: LogSort
    let before: Int64

    static let names: [StaticString] = [
        "person", "about", "patient", "record", "kind", "type", "outcome", "purpose", "role", "app", "address",
        "session", "device", "from", "to", "emergency", "new-device", "sort",
    ]

    /// - Parameter person: the id of whoever has a login name.
    init(_ form: FormFields, person: (String) -> String?) {
        var typed: [(name: String, value: String)] = []
        var problems: [Problem] = []
        var query = AuditQuery()
        func value(_ name: StaticString) -> String? {
            guard let value = form[name].map({ $0.trimmed }), !value.isEmpty else { return nil }
            typed.append((name: "\(name)", value: value))
            return value
        }
        func actor(_ name: StaticString) -> String? {
            guard let text = value(name) else { return nil }
            if text.contains("/") { return text }
            if let id = person(text) { return "person/\(id)" }
            return "client/\(text)"
        }
        if let actor = actor("person") { query.facets.append(.actor(actor)) }
        if let subject = actor("about") { query.facets.append(.subject(subject)) }
        if let patient = value("patient") {
            let id = patient.hasPrefix("Patient/") ? String(patient.dropFirst(8)) : patient
            if isRecordID(id) {
                query.facets.append(.patient(id))
            } else {
                problems.append(Visit.badRecordID("patient"))
            }
        }
        if let record = value("record") {
            let parts = record.split(separator: "/", omittingEmptySubsequences: false)
            if parts.count == 2, let type = ResourceType(parts[0]) {
                query.facets.append(.record(type: type, id: String(parts[1])))
            } else {
                problems.append(Problem("record", "Write a record as Type/id, such as Observation/o1."))
            }
        }
        if let kind = value("kind") {
            if let kind = AuditEventKind(rawValue: kind) {
                query.facets.append(.kind(kind))
            } else {
                problems.append(Problem("kind", "There is no such kind of event."))
            }
        }
        if let type = value("type") {
            if let type = ResourceType(type) {
                query.filter.type = type
            } else {
                problems.append(Problem("type", "This is not a type of FHIR R4."))
            }
        }
        if let outcome = value("outcome") {
            switch AuditOutcome(rawValue: outcome) {
            case .success: query.filter.isSuccess = true
            case let other?: query.facets.append(.outcome(other))
            case nil: problems.append(Problem("outcome", "There is no such outcome."))
            }
        }
        if let purpose = value("purpose") {
            query.filter.purpose = PurposeOfUse(rawValue: purpose)
            if query.filter.purpose == nil { problems.append(Problem("purpose", "There is no such purpose.")) }
        }
        query.filter.role = value("role")
        if let app = value("app") { query.facets.append(.app(app)) }
        if let address = value("address") { query.facets.append(.address(address)) }
        if let session = value("session") { query.facets.append(.session(session)) }
        query.filter.device = value("device")
        for name in ["from", "to"] as [StaticString] {
            guard let text = value(name) else { continue }
            guard let (low, high) = FHIRDate.interval(text) else {
                problems.append(Problem(name, "Write a day as 2026-11-21."))
                continue
            }
            if "\(name)" == "from" {
                query.filter.from = Instant(microseconds: low)
            } else {
                query.filter.to = Instant(microseconds: high + 1)
            }
        }
        if let emergency = value("emergency") {
            if emergency == "any" {
                query.filter.isEmergency = true
            } else {
                query.facets.append(.emergency(emergency))
            }
        }
        if let new = value("new-device") {
            query.filter.isNewDevice = true
            if new != "yes" { problems.append(Problem("new-device", "Choose yes, or nothing.")) }
        }
        var (sort, before) = (LogSort.newest, Int64.max)
        if let order = value("sort") {
            if let known = LogSort(rawValue: order) {
                sort = known
            } else {
                problems.append(Problem("sort", "There is no such order."))
            }
        }
        if let text = form["before"], !text.isEmpty {
            if let index = Int64(text), index >= 0 {
                before = index
            } else {
                problems.append(Problem(nil, "“before” is the place of an event in the log."))
            }
        }
        // Of two values neither would count, and everything would be shown.
        let doubled = (Self.names + ["before"]).filter { form.all($0).count > 1 }
        problems += doubled.map { Problem($0, "Give this once only.") }
        self.sort = sort
        self.before = before
        self.typed = typed
        self.problems = problems
        self.query = query
    }

    subscript(_ name: StaticString) -> String? { typed.first { $0.name == "\(name)" }?.value }

    /// The fields as the query of an address.
    func text(before: Int64? = nil) -> String {
        var pairs = typed
        if let before { pairs.append(("before", String(before))) }
        return pairs.map { "\($0.name)=\(percentEncoded($0.value))" }.joined(separator: "&")
    }
}

/// The order of a list. By time it goes on page by page; by anything else the newest events are put in order.
enum LogSort: String, CaseIterable {
    case newest, oldest, who, kind, outcome, patient, records, purpose, address, app, session, device, role, type

    /// Events that are put in order by anything but newest first.
    static let most = 1000

    func sorted(_ events: [LoggedEvent]) -> [LoggedEvent] {
        func by(_ key: (LoggedEvent) -> String) -> [LoggedEvent] {
            events.map { (key($0), $0) }.sorted { $0.0 == $1.0 ? $0.1.index > $1.1.index : $0.0 < $1.0 }.map(\.1)
        }
        switch self {
        case .newest: return events
        case .oldest: return events.reversed()
        case .who: return by { $0.event.actor.map { "\($0.name) \($0.id)" } ?? "" }
        case .kind: return by { $0.event.kind.rawValue }
        case .outcome: return by { $0.event.outcome.rawValue }
        case .patient: return by { $0.event.patients.first ?? "" }
        case .records: return events.sorted { $0.event.records.count > $1.event.records.count }
        case .purpose: return by { $0.event.purpose?.rawValue ?? "" }
        case .address: return by { $0.event.source.address }
        case .app: return by { $0.event.actor?.app ?? "" }
        case .session: return by { $0.event.session ?? "" }
        case .device: return by { $0.event.device ?? "" }
        case .role: return by { $0.event.actor?.role ?? "" }
        case .type: return by { ($0.event.type ?? $0.event.records.first?.type)?.name ?? "" }
        }
    }
}

extension String {
    /// Without blanks around it.
    fileprivate var trimmed: String {
        String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}

/// Whether a text is an id as records have (FHIR R4 datatypes.html#id).
func isRecordID(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count)
        && text.utf8.allSatisfy { byte in
            switch byte {
            case 0x2D, 0x2E, 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            default: false
            }
        }
}
