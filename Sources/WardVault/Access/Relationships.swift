import Synchronization
import WardCore
import WardFHIR
import WardIdentity
import WardIndex
import WardPolicy

/// What people are to patients, as the records say it.
///
/// - care team: member of an active CareTeam whose period has not ended;
/// - appointment today: takes part in an Appointment within 16 hours either side, a long working day, since the
///   clinic's time zone is not known;
/// - assigned: general practitioner, participant of an open Encounter, care manager of an open EpisodeOfCare;
/// - own record and proxy: by the account.
final class Relationships: Sendable {
    private struct Table {
        let revision: UInt64
        let made: Instant
        /// By locator of the Patient.
        let rows: [Locator: RelationshipSet]
    }

    /// Relationships that begin or end by the clock alone are seen within this many seconds.
    private static let lifetime: Int64 = 60
    private static let capacity = 1000
    private static let working: Int64 = 16 * 3600

    private let tables = Mutex<[String: Table]>([:])

    /// The relationships to every one of `patients`.
    func of(
        _ principal: Principal, to patients: [String], in vault: Vault, now: Instant
    ) throws(VaultFailure) -> RelationshipSet {
        guard !patients.isEmpty else { return [] }
        var common: RelationshipSet = []
        if patients.allSatisfy(principal.patients.contains) {
            if principal.roles.contains(.patient) { common.insert(.ownRecord) }
            if principal.roles.contains(.proxy) { common.insert(.proxy) }
        }
        guard let practitioner = principal.practitioner, let patientType = ResourceType("Patient") else {
            return common
        }
        let rows = try rows(of: practitioner, in: vault, now: now)
        var care: RelationshipSet = [.careTeam, .appointmentToday, .assigned]
        for patient in patients {
            care.formIntersection(rows[vault.keys.locators.locator(type: patientType, id: patient)] ?? [])
        }
        return common.union(care)
    }

    private func rows(
        of practitioner: String, in vault: Vault, now: Instant
    ) throws(VaultFailure) -> [Locator: RelationshipSet] {
        // Read before the records are: a change that comes between is seen at the next look.
        let revision = vault.index.revision(of: Self.sources)
        if let known = tables.withLock({ $0[practitioner] }), known.revision == revision,
            known.made <= now, known.made.adding(seconds: Self.lifetime) > now
        {
            return known.rows
        }
        let rows = try gathered(practitioner, vault, now)
        tables.withLock { tables in
            if tables.count >= Self.capacity, let victim = tables.keys.randomElement() { tables[victim] = nil }
            tables[practitioner] = Table(revision: revision, made: now, rows: rows)
        }
        return rows
    }

    private func gathered(
        _ practitioner: String, _ vault: Vault, _ now: Instant
    ) throws(VaultFailure) -> [Locator: RelationshipSet] {
        var own = "Practitioner/\(practitioner)"
        let roles = [SearchPair(name: "practitioner", value: own)]
        for role in try vault.confirmed("PractitionerRole", roles, now: now) {
            own += ",PractitionerRole/\(try vault.open(try vault.version(role.record), at: role.locator).id)"
        }
        let (start, end) = (now.adding(seconds: -Self.working).text, now.adding(seconds: Self.working).text)
        let day = now.text.prefix(10)
        let searches: [(relationship: RelationshipSet, type: StaticString, parameters: [(String, String)])] = [
            (.careTeam, "CareTeam", [("participant", own), ("status", "active"), ("date", "ge\(day)")]),
            (.careTeam, "CareTeam", [("participant", own), ("status", "active"), ("date:missing", "true")]),
            (
                .appointmentToday, "Appointment",
                [
                    ("actor", own), ("status", "pending,booked,arrived,checked-in,fulfilled"),
                    ("date", "ge\(start)"), ("date", "le\(end)"),
                ]
            ),
            (
                .assigned, "Encounter",
                [("participant", own), ("status", "planned,arrived,triaged,in-progress,onleave")]
            ),
            (.assigned, "EpisodeOfCare", [("care-manager", own), ("status", "planned,waitlist,active,onhold")]),
            (.assigned, "Patient", [("general-practitioner", own)]),
        ]
        var rows: [Locator: RelationshipSet] = [:]
        for (relationship, type, parameters) in searches {
            let pairs = parameters.map { SearchPair(name: $0.0, value: $0.1) }
            for hit in try vault.confirmed(type, pairs, now: now) {
                for patient in vault.patients(of: hit, type) { rows[patient, default: []].insert(relationship) }
            }
        }
        return rows
    }

    /// Types whose records say who treats whom.
    private static let sources = [
        "Appointment", "CareTeam", "Encounter", "EpisodeOfCare", "Patient", "PractitionerRole",
    ].compactMap { ResourceType($0) }
}

extension Vault {
    /// Records that certainly match a search of our own.
    func confirmed(
        _ name: StaticString, _ pairs: [SearchPair], now: Instant
    ) throws(VaultFailure) -> [SearchHit] {
        guard let type = ResourceType("\(name)"), let query = parsed(pairs, of: type, now: now) else { throw .damaged }
        var sure: [SearchHit] = []
        for hit in index.evaluate(query, residual: .unrestricted).hits {
            if hit.isSure {
                sure.append(hit)
            } else if isMatch(try open(try version(hit.record), at: hit.locator), query) {
                sure.append(hit)
            }
        }
        return sure
    }

    /// Locators of the patients that a record of a type refers to by its `patient` parameter; of a Patient, its own.
    fileprivate func patients(of hit: SearchHit, _ name: StaticString) -> [Locator] {
        guard let type = ResourceType("\(name)") else { return [] }
        if type.name == "Patient" { return [hit.locator] }
        guard let parameter = Definitions.r4.searchParameter("patient", of: type) else { return [] }
        return index.links(of: hit.record, parameter: parameter.number)
    }
}
