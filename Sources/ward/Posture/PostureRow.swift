import WardCore
import WardFHIR

/// What one look at one safeguard found.
struct PostureFinding: Sendable {
    enum Result: String, Sendable, CaseIterable {
        /// Looked at now, and found in force.
        case holds
        /// As it is set up it protects less than it could, or somebody's duty is late.
        case gap
        /// Tried now, and it did not hold.
        case broken
        /// Could not be looked at; the finding says why.
        case notChecked = "not-checked"
    }

    let result: Result
    /// What was seen: numbers, names of settings and elements, nothing of a record.
    let found: String

    static func holds(_ found: String) -> PostureFinding { PostureFinding(result: .holds, found: found) }
    static func gap(_ found: String) -> PostureFinding { PostureFinding(result: .gap, found: found) }
    static func broken(_ found: String) -> PostureFinding { PostureFinding(result: .broken, found: found) }
    static func notChecked(_ found: String) -> PostureFinding { PostureFinding(result: .notChecked, found: found) }
}

/// One safeguard, how it is looked at, and what the look does not prove.
struct PostureProbe: Sendable {
    /// Never changes once released: programs compare rows by it.
    let id: String
    let checks: String
    let covers: [PostureLine]
    /// Of 45 CFR unless it says otherwise.
    let clause: String
    let limits: String
    let look: @Sendable (PostureScene) async throws -> PostureFinding
}

/// Probes that are shown together.
struct PostureGroup: Sendable {
    let name: String
    let probes: [PostureProbe]
}

/// The ten common mistakes of makers of health software, and the technical lines of the checklist that every such
/// system is held against; docs/posture.md says what each is.
enum PostureLine: String, CaseIterable, Sendable {
    case recordsInLogs = "mistake-1"
    case weakSignIn = "mistake-2"
    case fullAccessForAll = "mistake-3"
    case noEncryption = "mistake-4"
    case noAuditLog = "mistake-5"
    case vendorsWithoutAgreement = "mistake-6"
    case secretsInCode = "mistake-7"
    case poorSessions = "mistake-8"
    case noBackups = "mistake-9"
    case tooSmall = "mistake-10"
    case encryptionAtRest = "encryption-at-rest"
    case encryptionInTransit = "encryption-in-transit"
    case uniqueUsers = "unique-users"
    case sessionTimeout = "session-timeout"
    case auditOfAccess = "audit-of-access"
    case emergencyAccess = "emergency-access"
    case agreements
    case secondFactor = "second-factor"
    case leastPrivilege = "least-privilege"
    case keysInHardware = "keys-in-hardware"
    case whoWhatWhenWhere = "who-what-when-where"
    case appendOnlyLog = "append-only-log"
    case logsSixYears = "logs-six-years"
    case alerts
    case coveredServices = "covered-services"
    case segmentation
    case plainNotices = "plain-notices"
    case protectedBackups = "protected-backups"
    case ongoing
}

/// One row of a posture: a probe with what it found, when.
struct PostureRow: Sendable {
    let group: String
    let probe: PostureProbe
    let finding: PostureFinding
    let time: Instant

    var isGreen: Bool { finding.result == .holds }
}

/// All rows of one look.
struct PostureReport: Sendable {
    let rows: [PostureRow]

    var isGreen: Bool { rows.allSatisfy(\.isGreen) }

    func count(_ result: PostureFinding.Result) -> Int { rows.count { $0.finding.result == result } }

    /// `holds=30 gap=2 broken=0 not-checked=1`: for the log.
    var summary: String {
        PostureFinding.Result.allCases.map { "\($0.rawValue)=\(count($0))" }.joined(separator: " ")
    }

    var text: [String] {
        var lines: [String] = []
        var group = ""
        for row in rows {
            if row.group != group {
                group = row.group
                lines += ["", group]
            }
            let result = row.finding.result.rawValue
            lines.append("  \(result.padded(to: 12))\(row.probe.id.padded(to: 24))\(row.finding.found)")
            guard !row.isGreen else { continue }
            lines.append("              \(row.probe.checks)  (45 CFR \(row.probe.clause))")
            lines.append("              does not show: \(row.probe.limits)")
        }
        lines += ["", summary]
        lines.append("not looked at: what people do (risk analysis, training, incidents, devices, media, buildings)")
        return lines
    }

    var json: String {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("green")
        writer.bool(isGreen)
        for result in PostureFinding.Result.allCases { writer.member(result.rawValue, Int64(count(result))) }
        writer.key("rows")
        writer.beginArray()
        for row in rows {
            writer.beginObject()
            writer.member("id", row.probe.id)
            writer.member("group", row.group)
            writer.member("result", row.finding.result.rawValue)
            writer.member("found", row.finding.found)
            writer.member("checks", row.probe.checks)
            writer.member("time", row.time.text)
            writer.member("clause", "45 CFR \(row.probe.clause)")
            writer.member("limits", row.probe.limits)
            writer.key("covers")
            writer.beginArray()
            for line in row.probe.covers { writer.string(line.rawValue) }
            writer.endArray()
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        let missing = width - count
        return missing > 0 ? self + String(repeating: " ", count: missing) : self + " "
    }
}
