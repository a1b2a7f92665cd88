import Synchronization
import WardAudit
import WardCore
import WardFHIR
import WardWatch

/// Facts that a test writes down.
final class KnownFacts: WatchFacts {
    struct State {
        var people: [String: WatchedPerson] = [:]
        var patients: [String: WatchedPatient] = [:]
        var related: Set<String> = []
    }

    let state = Mutex(State())

    func person(_ actor: String) -> WatchedPerson? { state.withLock { $0.people[actor] } }
    func patient(_ id: String) -> WatchedPatient? { state.withLock { $0.patients[id] } }
    func isRelated(_ actor: String, to patient: String) -> Bool {
        state.withLock { $0.related.contains("\(actor) \(patient)") }
    }

    func relate(_ actor: String, _ patient: String) { state.withLock { _ = $0.related.insert("\(actor) \(patient)") } }
    func set(_ actor: String, _ person: WatchedPerson) { state.withLock { $0.people[actor] = person } }
    func set(_ patient: String, _ facts: WatchedPatient) { state.withLock { $0.patients[patient] = facts } }
}

/// A small clinic whose days a test plays, hour by hour.
final class WatchClinic {
    static let clinicians = (1...6).map { "person/c\($0)" }
    static let desk = ["person/f1", "person/f2"]

    let facts = KnownFacts()
    var watch: Watch
    var index: Int64 = 0
    /// A Monday, at midnight.
    var day: Int64 = 20_605
    var alerts: [Alert] = []

    init() {
        watch = Watch(facts: facts)
        for (number, id) in Self.clinicians.enumerated() {
            facts.set(
                id,
                WatchedPerson(roles: ["clinician"], surname: UInt64(9000 + number), household: UInt64(9000 + number)))
        }
        for id in Self.desk { facts.set(id, WatchedPerson(roles: ["front-desk"], surname: 8000, household: 8000)) }
        for number in 0..<600 {
            facts.set(Self.patient(number), WatchedPatient(surname: UInt64(number % 97), household: UInt64(number)))
        }
    }

    /// Ids that tell nothing of their order.
    static func patient(_ number: Int) -> String { "p\(number * 7919 % 100_003)x" }

    func time(_ hour: Double) -> Instant {
        Instant(microseconds: day * 86_400_000_000 + Int64(hour * 3_600_000_000))
    }

    @discardableResult
    func event(
        _ kind: AuditEventKind, _ actor: String?, at hour: Double, patients: [String] = [],
        from address: String = "192.0.2.10", outcome: AuditOutcome = .success, subject: String? = nil, count: Int = 1,
        change: (inout AuditEvent) -> Void = { _ in }
    ) -> [Alert] {
        var event = AuditEvent(
            kind: kind, time: time(hour), outcome: outcome,
            actor: actor.map { AuditActor(id: $0, name: $0, role: facts.person($0)?.roles.first ?? "") },
            purpose: .treatment, source: RequestSource(address: address, request: "r"), decision: "test",
            patients: patients, count: count)
        event.subject = subject
        event.session = actor.map { "\($0)-\(day)" }
        change(&event)
        let found = watch.take(LoggedEvent(index: index, event: event))
        index += 1
        alerts += found
        return found
    }

    /// So many working days: each clinician has ten appointments, the desk looks at whoever calls and comes.
    func work(days: Int, also: (Int64) -> Void = { _ in }) {
        for _ in 0..<days {
            if day % 7 != 2, day % 7 != 3 { workDay() }
            also(day)
            day += 1
        }
    }

    private func workDay() {
        for id in Self.clinicians + Self.desk { event(.signedIn, id, at: 8) }
        for slot in 0..<10 {
            let hour = 8.2 + Double(slot) * 0.8
            for (number, id) in Self.clinicians.enumerated() {
                let patient = Self.patient((Int(day) * 17 + slot * 6 + number * 10) % 500)
                facts.relate(id, patient)
                event(.read, id, at: hour + Double(number) / 100, patients: [patient])
                event(.update, id, at: hour + 0.3 + Double(number) / 100, patients: [patient])
                facts.relate(Self.desk[number % 2], patient)
                event(.read, Self.desk[number % 2], at: hour + 0.31 + Double(number) / 100, patients: [patient])
            }
            // Somebody calls, without an appointment; of two calls one ends in a note.
            let caller = Self.patient((Int(day) * 211 + slot * 53) % 500)
            lookUp(caller, Self.desk[slot % 2], at: hour + 0.5, writes: slot % 4 < 2)
        }
    }

    /// Looks for a patient by name, and opens the record.
    @discardableResult
    func lookUp(
        _ patient: String, _ actor: String, at hour: Double, writes: Bool = false, among others: [String] = []
    ) -> [Alert] {
        let before = alerts.count
        event(.search, actor, at: hour, patients: [patient] + others) {
            $0.type = ResourceType("Patient")
            $0.query = "name=somebody"
        }
        event(.read, actor, at: hour + 0.001, patients: [patient])
        if writes { event(.update, actor, at: hour + 0.02, patients: [patient]) }
        return Array(alerts.dropFirst(before))
    }

    /// An hour with nothing, so that looks settle.
    func wait(after hour: Double) { event(.signedIn, Self.desk[0], at: hour) }

    func rules() -> [WatchRule] { alerts.map(\.rule) }
}
