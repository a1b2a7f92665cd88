import WardCore
import WardCrypto
import WardFHIR
import WardIndex
import WardStorage

/// What odd access is compared by: keyed digests, yes and no. No name and no address leaves the vault this way.
public struct PatientMarks: Hashable, Sendable {
    public let surname: UInt64?
    public let household: UInt64?
    /// Postal code and address line without its numbers.
    public let street: UInt64?
    /// The first given name and the family name.
    public let name: UInt64?
    /// `VIP` or `CEL` in `meta.security`.
    public let isVIP: Bool

    package init(
        surname: UInt64? = nil, household: UInt64? = nil, street: UInt64? = nil, name: UInt64? = nil,
        isVIP: Bool = false
    ) {
        self.surname = surname
        self.household = household
        self.street = street
        self.name = name
        self.isVIP = isVIP
    }
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

    /// The digest of a whole name as an account shows it, without titles.
    public func nameMark(_ name: String) -> UInt64? {
        let words = name.lowercased().split { !$0.isLetter && $0 != "-" && $0 != "'" }.map(String.init)
        let kept = words.filter { !Self.titles.contains($0) }
        return kept.count >= 2 ? mark("name", kept) : nil
    }

    private static let titles: Set<String> = [
        "do", "dr", "jr", "lpn", "ma", "md", "miss", "mr", "mrs", "ms", "np", "pa", "phd", "prof", "rn", "sr",
    ]

    private func marks(_ name: StaticString, _ id: String) -> PatientMarks? {
        guard let type = ResourceType("\(name)") else { return nil }
        let locator = keys.locators.locator(type: type, id: id)
        // The head alone tells whether what is kept still holds; the body is opened once for each version.
        guard let head = try? store.head(of: locator), !head.isDeleted else { return nil }
        if let known = marked.marks(of: locator, at: head.record) { return known }
        guard
            let stored = try? current(of: locator), !stored.isDeleted, let body = try? open(stored, at: locator),
            let root = (try? JSONTape(parsing: body.json))?.root
        else { return nil }
        let family = (root["name"]?.elements ?? []).lazy.compactMap { $0["family"]?.string }.first
        let home = (root["address"]?.elements ?? []).first { $0["use"]?.string != "old" }
        let labels = (root["meta"]?["security"]?.elements ?? []).compactMap { $0["code"]?.string }
        let line = home?["line"]?.elements.first?.string
        let code = home?["postalCode"]?.string
        let given = (root["name"]?.elements ?? []).lazy.compactMap { $0["given"]?.elements.first?.string }.first
        let marks = PatientMarks(
            surname: family.flatMap { mark("surname", [$0]) },
            household: line.flatMap { line in code.flatMap { mark("household", [$0, line]) } },
            street: line.flatMap { line in code.flatMap { mark("street", [$0, Self.street(line)]) } },
            name: given.flatMap { given in family.flatMap { nameMark("\(given) \($0)") } },
            isVIP: labels.contains("VIP") || labels.contains("CEL"))
        marked.keep(marks, of: locator, at: stored.record)
        return marks
    }

    /// An address line without the words that hold a number: `12 Main Street` and `14b Main Street` are one street.
    static func street(_ line: String) -> String {
        line.split(whereSeparator: { $0.isWhitespace || $0 == "," }).filter { !$0.contains(where: \.isNumber) }
            .joined(separator: " ")
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
