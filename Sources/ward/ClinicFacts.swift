import Synchronization
import WardCore
import WardIdentity
import WardPolicy
import WardVault
import WardWatch

/// What the detector may ask, answered by the clinic's own accounts and records.
struct ClinicFacts: WatchFacts {
    let authenticator: Authenticator
    let people: People
    let vault: Vault
    let desk: AlertDesk
    private let names = StaffNames()

    init(authenticator: Authenticator, people: People, vault: Vault, desk: AlertDesk) {
        self.authenticator = authenticator
        self.people = people
        self.vault = vault
        self.desk = desk
    }

    func person(_ actor: String) -> WatchedPerson? {
        let now = Instant.now()
        if actor.hasPrefix("client/") {
            let name = String(actor.dropFirst(7))
            return authenticator.clients.first { $0.name == name }.map { WatchedPerson(roles: [$0.role.rawValue]) }
        }
        guard actor.hasPrefix("person/"), let person = people.directory.person(String(actor.dropFirst(7))) else {
            return nil
        }
        let hasEnded = person.state == .disabled || (person.ends.map { $0 <= now } ?? false)
        let own = ownPatient(person)
        let asPatient = own.flatMap { vault.marks(ofPatient: $0) }
        let asStaff = person.practitioner.flatMap { vault.marks(ofPractitioner: $0) }
        let last = person.displayName.split(separator: " ").last.map(String.init)
        return WatchedPerson(
            roles: person.roleNames, isActive: !hasEnded, ownPatient: own,
            surname: asPatient?.surname ?? asStaff?.surname ?? last.flatMap { vault.surnameMark($0) },
            household: asPatient?.household ?? asStaff?.household, street: asPatient?.street ?? asStaff?.street,
            since: person.added)
    }

    func patient(_ id: String) -> WatchedPatient? {
        guard let marks = vault.marks(ofPatient: id) else { return nil }
        let colleague =
            people.directory.anyone { ownPatient($0) == id && !isOnlyPatient($0) }
            ?? marks.name.flatMap { name in
                people.directory.anyone { !isOnlyPatient($0) && names.mark(of: $0.displayName, in: vault) == name }
            }
        return WatchedPatient(
            surname: marks.surname, household: marks.household, street: marks.street, isVIP: marks.isVIP,
            isDecoy: desk.isDecoy(id),
            colleague: colleague.map { "person/\($0.id)" })
    }

    func isRelated(_ actor: String, to patient: String) -> Bool {
        guard actor.hasPrefix("person/"), let person = people.directory.person(String(actor.dropFirst(7))) else {
            return true
        }
        if let practitioner = person.practitioner, vault.isRelated(practitioner: practitioner, to: patient) {
            return true
        }
        let roles = Set(person.roles)
        if roles.contains(.biller), vault.hasWork(.billing, for: patient) { return true }
        return !roles.isDisjoint(with: [.frontDesk, .nurse]) && vault.hasWork(.schedule, for: patient)
    }

    /// The member's own record; of somebody who acts for a patient, the record is not their own.
    private func ownPatient(_ person: Person) -> String? {
        person.roles.contains(.proxy) ? nil : person.patients.first
    }

    private func isOnlyPatient(_ person: Person) -> Bool {
        person.roles.allSatisfy { $0 == .patient || $0 == .proxy }
    }
}

/// Digests of the names that accounts show, made once for each name.
private final class StaffNames: Sendable {
    private let known = Mutex<[String: UInt64?]>([:])

    func mark(of name: String, in vault: Vault) -> UInt64? {
        if let found = known.withLock({ $0[name] }) { return found }
        let made = vault.nameMark(name)
        known.withLock { known in
            if known.count > 10_000 { known = [:] }
            known[name] = .some(made)
        }
        return made
    }
}
