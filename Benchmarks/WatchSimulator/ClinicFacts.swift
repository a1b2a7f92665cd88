import Synchronization
import WardAudit
public import WardCore
public import WardWatch

/// What the clinic's records say of its people and patients, imperfect as in life, at the time that the reader has reached.
public final class ClinicFacts: WatchFacts {
    /// For how long, and since when, a part in somebody's care is on record.
    struct Span {
        var from: Int64
        var until: Int64
    }

    private struct State {
        var now: Int64 = 0
        var spans: [UInt64: [Span]] = [:]
        var isActive: [String: (since: Int64, until: Int64)] = [:]
    }

    private let people: [String: (index: Int, person: WatchedPerson, groups: [Int])]
    private let patients: [String: (index: Int, patient: WatchedPatient)]
    private let state = Mutex(State())

    init(_ population: Population, _ staff: Staff, _ calendar: ClinicCalendar) {
        var people: [String: (index: Int, person: WatchedPerson, groups: [Int])] = [:]
        var active: [String: (since: Int64, until: Int64)] = [:]
        for member in staff.members {
            people[member.actor.id] = (
                member.index,
                WatchedPerson(
                    roles: [member.role.rawValue],
                    ownPatient: member.isLinked ? member.ownPatient.map { population.patients[$0].id } : nil,
                    surname: Self.digest(1, member.surname), household: Self.digest(2, member.knownAddress),
                    street: Self.digest(3, member.knownAddress / Population.homesOfStreet),
                    since: calendar.time(member.hired, 0)),
                Self.groups(of: member)
            )
            active[member.actor.id] = (
                calendar.time(member.hired, 0).microseconds,
                member.disabled.map { calendar.time($0, 0).microseconds } ?? .max
            )
        }
        self.people = people
        // Whoever bears the name of a member of staff is taken for them, by whoever looks at names alone.
        var names: [UInt64: String] = [:]
        for member in staff.members { names[Self.name(of: member, population)] = member.actor.id }
        var patients: [String: (index: Int, patient: WatchedPatient)] = [:]
        for (index, patient) in population.patients.enumerated() {
            let colleague =
                patient.colleague.map { staff.members[$0] }.flatMap { $0.isLinked ? $0.actor.id : nil }
                ?? names[Self.name(patient.surname, given: Self.given(index))]
            patients[patient.id] = (
                index,
                WatchedPatient(
                    surname: Self.digest(1, patient.surname), household: Self.digest(2, patient.address),
                    street: Self.digest(3, patient.address / Population.homesOfStreet),
                    isVIP: patient.isVIP, isDecoy: patient.isDecoy, colleague: colleague)
            )
        }
        self.patients = patients
        state.withLock { $0.isActive = active }
    }

    public func person(_ actor: String) -> WatchedPerson? {
        if actor == Simulation.interface.id { return WatchedPerson(roles: ["integration"]) }
        guard var person = people[actor]?.person else { return nil }
        person.isActive = state.withLock { state in
            state.isActive[actor].map { $0.since <= state.now && state.now < $0.until } ?? false
        }
        return person
    }

    public func patient(_ id: String) -> WatchedPatient? { patients[id]?.patient }

    public func isRelated(_ actor: String, to patient: String) -> Bool {
        guard let member = people[actor], let index = patients[patient]?.index else { return false }
        return state.withLock { state in
            member.groups.contains { group in
                state.spans[Self.key(group, index)]?.contains { $0.from <= state.now && state.now < $0.until } ?? false
            }
        }
    }

    /// Facts are those of that time from now on.
    public func advance(to time: Instant) { state.withLock { $0.now = time.microseconds } }

    // MARK: For the simulation

    static let frontDesk = 2000
    static let billers = 3000
    static func pod(_ pod: Int) -> Int { 1000 + pod }

    /// Members hold what they are recorded for by name, and what their pod, the front desk or the billers are.
    static func groups(of member: Member) -> [Int] {
        switch member.role {
        case .nurse: [member.index, pod(member.pod)]
        case .frontDesk: [member.index, frontDesk]
        case .biller: [member.index, billers]
        default: [member.index]
        }
    }

    func relate(_ group: Int, _ patient: Int, from: Instant, until: Instant) {
        state.withLock {
            $0.spans[Self.key(group, patient), default: []].append(
                Span(from: from.microseconds, until: until.microseconds))
        }
    }

    func isRelated(_ member: Member, _ patient: Int, at time: Instant) -> Bool {
        state.withLock { state in
            Self.groups(of: member).contains { group in
                state.spans[Self.key(group, patient)]?.contains {
                    $0.from <= time.microseconds && time.microseconds < $0.until
                } ?? false
            }
        }
    }

    /// The name on the account: of those who are patients here, nine in ten are called the same in their record.
    private static func name(of member: Member, _ population: Population) -> UInt64 {
        guard let own = member.ownPatient, mixed(UInt64(member.index) << 20 | UInt64(own)) % 10 != 0 else {
            return name(member.surname, given: given(100_000 + member.index))
        }
        return name(population.patients[own].surname, given: given(own))
    }

    /// One of 400 given names, the first ones much commoner than the last.
    private static func given(_ index: Int) -> Int {
        let share = Double(mixed(0x6769_7665 << 32 | UInt64(index)) % 100_000) / 100_000
        return Int(400 * share * share)
    }

    private static func name(_ surname: Int, given: Int) -> UInt64 { digest(4, surname << 12 | given) }

    private static func key(_ group: Int, _ patient: Int) -> UInt64 { UInt64(group) << 32 | UInt64(patient) }
    private static func digest(_ kind: UInt64, _ number: Int) -> UInt64 { mixed(kind << 48 ^ UInt64(number)) }
}
