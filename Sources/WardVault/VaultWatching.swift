public import WardCore
import WardCrypto
import WardFHIR
import WardStorage

/// What odd access is compared by: keyed digests, yes and no. No name and no address leaves the vault this way.
public struct PatientMarks: Hashable, Sendable {
    public let surname: UInt64?
    public let household: UInt64?
    /// `VIP` or `CEL` in `meta.security`.
    public let isVIP: Bool
}

extension Vault {
    /// Work for a patient that is looked for on behalf of a member of the clinic.
    public enum ClinicWork: Sendable {
        /// Coverage, claims, accounts and visits of the last three months.
        case billing
        /// Any visit or appointment within thirty days.
        case schedule
    }

    /// The marks of a patient; nil for one that is not there.
    public func marks(ofPatient id: String) -> PatientMarks? { marks("Patient", id) }

    /// The marks of a practitioner.
    public func marks(ofPractitioner id: String) -> PatientMarks? { marks("Practitioner", id) }

    /// The digest of a family name, as of a patient's.
    public func surnameMark(_ name: String) -> UInt64? { mark("surname", [name]) }

    private func marks(_ name: StaticString, _ id: String) -> PatientMarks? {
        guard let type = ResourceType("\(name)") else { return nil }
        let locator = keys.locators.locator(type: type, id: id)
        guard
            let stored = try? current(of: locator), !stored.isDeleted, let body = try? open(stored, at: locator),
            let root = (try? JSONTape(parsing: body.json))?.root
        else { return nil }
        let family = (root["name"]?.elements ?? []).lazy.compactMap { $0["family"]?.string }.first
        let home = (root["address"]?.elements ?? []).first { $0["use"]?.string != "old" }
        let labels = (root["meta"]?["security"]?.elements ?? []).compactMap { $0["code"]?.string }
        let line = home?["line"]?.elements.first?.string
        let code = home?["postalCode"]?.string
        return PatientMarks(
            surname: family.flatMap { mark("surname", [$0]) },
            household: line.flatMap { line in code.flatMap { mark("household", [$0, line]) } },
            isVIP: labels.contains("VIP") || labels.contains("CEL"))
    }

    /// A digest of texts without regard to case, blanks and punctuation; nil where nothing is left.
    private func mark(_ kind: StaticString, _ texts: [String]) -> UInt64? {
        let folded = texts.map { text in text.lowercased().filter { $0.isLetter || $0.isNumber } }
        guard folded.allSatisfy({ !$0.isEmpty }) else { return nil }
        return watching.tag(Array("\(kind)".utf8), Array(folded.joined(separator: "/").utf8)).word0
    }

    /// Whether the records say that a practitioner has, or lately had, a part in a patient's care.
    public func isRelated(practitioner: String, to patient: String) -> Bool {
        guard isReady, let type = ResourceType("Patient") else { return true }
        let now = Instant.now()
        guard let table = try? relationships.table(of: practitioner, in: self) else { return true }
        if table.rows[keys.locators.locator(type: type, id: patient)] != nil { return true }
        let own = table.own.sorted().joined(separator: ",")
        return hasAny("Appointment", patient, [("actor", own)] + Self.around(now), now)
            || hasAny("Encounter", patient, [("participant", own)] + Self.around(now), now)
    }

    /// Whether the clinic has, or lately had, work of a kind for a patient.
    public func hasWork(_ work: ClinicWork, for patient: String) -> Bool {
        guard isReady else { return true }
        let now = Instant.now()
        let schedule = { self.hasAny("Appointment", patient, Self.around(now), now) }
        let visits = { self.hasAny("Encounter", patient, Self.around(now), now) }
        if schedule() || visits() { return true }
        guard case .billing = work else { return false }
        let since = [("_lastUpdated", "ge\(now.adding(seconds: -90 * 86_400).text)")]
        return hasAny("Claim", patient, since, now) || hasAny("ExplanationOfBenefit", patient, since, now)
            || hasAny("Coverage", patient, since, now) || hasAny("Account", patient, since, now)
    }

    private static func around(_ now: Instant) -> [(String, String)] {
        [
            ("date", "ge\(now.adding(seconds: -30 * 86_400).text)"),
            ("date", "le\(now.adding(seconds: 30 * 86_400).text)"),
        ]
    }

    /// What cannot be searched counts as there: a fault of the store is no fault of whoever looked.
    private func hasAny(
        _ type: StaticString, _ patient: String, _ parameters: [(String, String)], _ now: Instant
    ) -> Bool {
        let pairs = ([("patient", "Patient/\(patient)")] + parameters).map { SearchPair(name: $0.0, value: $0.1) }
        do throws(VaultFailure) { return try !confirmed(type, pairs, now: now).isEmpty } catch { return true }
    }
}
