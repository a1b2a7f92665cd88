import WardAudit
import WardCore
import WardFHIR

/// A session that somebody is in.
struct SignedIn: Sendable {
    let number: String
    let station: Station
    let since: Double
    var last: Double
}

/// Writes down what happens as the real log would hold it.
struct Scribe: Sendable {
    struct Draft: Sendable {
        var event: AuditEvent
        /// Number of the planted incident it belongs to.
        let incident: Int?
    }

    let calendar: ClinicCalendar
    let types: [String: ResourceType]
    var drafts: [Draft] = []
    private var requests = 0

    init(calendar: ClinicCalendar) {
        self.calendar = calendar
        types = Dictionary(uniqueKeysWithValues: ResourceType.allCases.map { ($0.name, $0) })
    }

    /// Where and when an event happens.
    struct Scene {
        let day: Int
        var time: Double
        let member: Member
        let session: SignedIn
        let incident: Int?
        var emergency: String?
    }

    mutating func write(
        _ kind: AuditEventKind, in scene: Scene, _ outcome: AuditOutcome = .success, decision: String,
        type: String? = nil, records: [AuditedRecord] = [], patients: [String] = [], candidates: Int = 0,
        query: String? = nil, isNewDevice: Bool = false
    ) {
        requests += 1
        var event = AuditEvent(
            kind: kind, time: calendar.time(scene.day, scene.time), outcome: outcome, actor: scene.member.actor,
            purpose: purpose(of: scene.member.role),
            source: RequestSource(address: scene.session.station.address, request: "r\(requests)"), decision: decision,
            type: type.flatMap { types[$0] }, records: records, patients: patients, candidates: candidates)
        event.session = scene.session.number
        event.device = scene.session.station.device
        event.isNewDevice = isNewDevice
        event.query = query
        event.emergency = scene.emergency
        drafts.append(Draft(event: event, incident: scene.incident))
    }

    /// A sign-in that failed: nobody is known, whom it was for stands in the subject.
    mutating func fail(day: Int, time: Double, subject: String?, address: String, count: Int, incident: Int?) {
        var event = AuditEvent(
            kind: .signInFailed, time: calendar.time(day, time), outcome: .failed, actor: nil, purpose: nil,
            source: RequestSource(address: address, request: ""), decision: "two-factors-not-shown", count: count)
        event.subject = subject
        drafts.append(Draft(event: event, incident: incident))
    }

    /// What a machine does by itself.
    mutating func run(
        _ kind: AuditEventKind, day: Int, time: Double, actor: AuditActor, type: String?, records: [AuditedRecord],
        patients: [String]
    ) {
        var event = AuditEvent(
            kind: kind, time: calendar.time(day, time), outcome: .success, actor: actor, purpose: .treatment,
            source: RequestSource(address: "10.0.9.5", request: "i\(requests)"), decision: "integration-exchanges",
            type: type.flatMap { types[$0] }, records: records, patients: patients)
        event.session = nil
        requests += 1
        drafts.append(Draft(event: event, incident: nil))
    }

    /// Takes what happened before that day in the order of time.
    mutating func take(before day: Int) -> [Draft] {
        let end = calendar.time(day, 0)
        let ready = drafts.filter { $0.event.time < end }
        drafts.removeAll { $0.event.time < end }
        // Stable, so that a seed gives one order.
        return ready.enumerated().sorted {
            ($0.element.event.time, $0.offset) < ($1.element.event.time, $1.offset)
        }.map(\.element)
    }

    private func purpose(of role: Role) -> PurposeOfUse {
        switch role {
        case .clinician, .nurse: .treatment
        case .biller: .payment
        case .frontDesk, .privacyOfficer: .operations
        case .securityOfficer, .administrator: .systemAdministration
        }
    }

    // MARK: Records

    /// The records of a type that a patient has: always the same ones.
    func records(_ type: String, of patient: Int, in population: Population) -> [AuditedRecord] {
        guard let code = types[type] else { return [] }
        if type == "Patient" {
            return [AuditedRecord(type: code, id: population.patients[patient].id, version: 1)]
        }
        let hash = mixed(UInt64(patient) << 8 | UInt64(code.code))
        return (0..<Int(hash % 6)).map { number in
            AuditedRecord(
                type: code, id: "\(patient)-\(code.code)-\(number)", version: Int64(1 + (hash >> 20) % 3))
        }
    }

    func fresh(_ type: String, _ patient: Int, _ dice: inout Dice) -> [AuditedRecord] {
        types[type].map {
            [AuditedRecord(type: $0, id: String(dice.next(), radix: 36), version: 1, hash: nil, interaction: .create)]
        } ?? []
    }
}
