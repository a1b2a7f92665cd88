import Synchronization
import WardCore
import WardFHIR
import WardIdentity
import WardIndex
import WardPolicy

/// What one member of the clinic is to patients, as the records say it.
struct RelationshipTable: Sendable {
    /// By locator of the Patient.
    var rows: [Locator: RelationshipSet] = [:]
    /// `Practitioner/ID`, and the `PractitionerRole/ID` of every post held.
    var own: Set<String> = []

    static let none = RelationshipTable()
}

/// Finds out who is what to which patient.
///
/// - care team: member, now, of an active CareTeam;
/// - appointment today: takes part, without having declined, in an Appointment within 16 hours either side: a long
///   working day, since the clinic's time zone is not known;
/// - assigned: general practitioner, participant, still, of an open Encounter, care manager of an open EpisodeOfCare.
final class Relationships: Sendable {
    private struct Entry {
        let revision: UInt64
        let made: Instant
        let table: RelationshipTable
    }

    /// Relationships that begin or end by the clock alone are seen within this many seconds.
    private static let lifetime: Int64 = 60
    private static let capacity = 1000
    private static let working: Int64 = 16 * 3600
    /// Posts of one person beyond that are not looked at.
    private static let postLimit = 200

    private let entries = Mutex<[String: Entry]>([:])

    /// The table of a member of the clinic.
    func table(of practitioner: String, in vault: Vault) throws(VaultFailure) -> RelationshipTable {
        // Read before the records are: a change that comes between is seen at the next look.
        let revision = vault.index.revision(of: Self.sources)
        let now = Instant.now()
        if let known = entries.withLock({ $0[practitioner] }), known.revision == revision,
            known.made <= now, known.made.adding(seconds: Self.lifetime) > now
        {
            return known.table
        }
        let table = try gathered(practitioner, vault, now)
        entries.withLock { entries in
            if entries.count >= Self.capacity, let victim = entries.keys.randomElement() { entries[victim] = nil }
            entries[practitioner] = Entry(revision: revision, made: now, table: table)
        }
        return table
    }

    private func gathered(
        _ practitioner: String, _ vault: Vault, _ now: Instant
    ) throws(VaultFailure) -> RelationshipTable {
        var table = RelationshipTable(own: ["Practitioner/\(practitioner)"])
        let posts = [SearchPair(name: "practitioner", value: "Practitioner/\(practitioner)")]
        for post in try vault.confirmed("PractitionerRole", posts, now: now).prefix(Self.postLimit) {
            let (body, tape) = try vault.opened(post)
            if tape.root["active"]?.kind != .false, FHIRPeriod(tape.root["period"]).contains(now) {
                table.own.insert("PractitionerRole/\(body.id)")
            }
        }
        let own = table.own.sorted().joined(separator: ",")
        let (start, end) = (now.adding(seconds: -Self.working).text, now.adding(seconds: Self.working).text)
        let searches: [(relationship: RelationshipSet, type: StaticString, parameters: [(String, String)])] = [
            (.careTeam, "CareTeam", [("participant", own), ("status", "active")]),
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
        for (relationship, type, parameters) in searches {
            let pairs = parameters.map { SearchPair(name: $0.0, value: $0.1) }
            for hit in try vault.confirmed(type, pairs, now: now) {
                guard try isParticipant(hit, table.own, vault, now) else { continue }
                for patient in vault.patients(of: hit, type) { table.rows[patient, default: []].insert(relationship) }
            }
        }
        return table
    }

    /// Whether the part that the record gives one of `own` is one of now.
    private func isParticipant(
        _ hit: SearchHit, _ own: Set<String>, _ vault: Vault, _ now: Instant
    ) throws(VaultFailure) -> Bool {
        let (body, tape) = try vault.opened(hit)
        let element: StaticString
        switch body.type.name {
        case "Appointment": element = "actor"
        case "CareTeam": element = "member"
        case "Encounter": element = "individual"
        default: return true
        }
        if body.type.name == "CareTeam", !FHIRPeriod(tape.root["period"]).contains(now) { return false }
        return (tape.root["participant"]?.elements ?? []).contains { participant in
            own.contains(localReference(participant[element]?["reference"]?.string ?? "", base: vault.ownBase))
                && FHIRPeriod(participant["period"]).contains(now) && participant["status"]?.string != "declined"
        }
    }

    /// Types whose records say who treats whom.
    private static let sources = [
        "Appointment", "CareTeam", "Encounter", "EpisodeOfCare", "Patient", "PractitionerRole",
    ].compactMap { ResourceType($0) }
}

/// `Type/id` of a reference, without this server's base and without a version.
func localReference(_ text: String, base: String) -> String {
    var rest = text[...]
    if rest.hasPrefix(base + "/") { rest = rest.dropFirst(base.utf8.count + 1) }
    if let version = rest.firstRange(of: "/_history/") { rest = rest[..<version.lowerBound] }
    return String(rest)
}

/// FHIR R4 Period; without bounds, or with bounds that cannot be read, open on that side.
struct FHIRPeriod: Sendable {
    private(set) var low = Int64.min
    private(set) var high = Int64.max

    init() {}

    init(_ value: JSONValue?, within outer: FHIRPeriod = FHIRPeriod()) {
        self = outer
        if let start = value?["start"]?.string.flatMap({ FHIRDate.interval($0) }) { low = max(low, start.low) }
        if let end = value?["end"]?.string.flatMap({ FHIRDate.interval($0) }) { high = min(high, end.high) }
    }

    func contains(_ instant: Instant) -> Bool { low <= instant.microseconds && instant.microseconds <= high }
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
            } else if let body = try openIfThere(try version(hit.record), at: hit.locator), isMatch(body, query) {
                sure.append(hit)
            }
        }
        return sure
    }

    /// A hit, opened for a decision; nothing of it is shown.
    func opened(_ hit: SearchHit) throws(VaultFailure) -> (body: RecordBody, tape: JSONTape) {
        let body = try open(try version(hit.record), at: hit.locator)
        guard let tape = try? JSONTape(parsing: body.json) else { throw .damaged }
        return (body, tape)
    }

    /// Locators of the patients that a record of a type refers to by its `patient` parameter; of a Patient, its own.
    fileprivate func patients(of hit: SearchHit, _ name: StaticString) -> [Locator] {
        guard let type = ResourceType("\(name)") else { return [] }
        if type.name == "Patient" { return [hit.locator] }
        guard let parameter = Definitions.r4.searchParameter("patient", of: type) else { return [] }
        return index.links(of: hit.record, parameter: parameter.number)
    }
}
