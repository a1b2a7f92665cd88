import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardSQLite
import WardStorage
import WardTelemetry

/// What the last look of a running server found, by row; sealed, put with the event that tells of it.
struct SealedPosture: Sendable {
    let store: any SealedStore
    let key: SealingKey
    private static let context = Array("ward/posture/1".utf8)
    private static let place = Locator(high: 0, low: 4)

    /// Result by row; nil before the first look.
    func last() throws -> (time: Instant, results: [String: String])? {
        guard let entry = try store.entry(Self.place, kind: .posture) else { return nil }
        let bytes = try key.open(entry.sealed, boundTo: Self.context)
        guard let root = (try? JSONTape(parsing: bytes))?.root, let time = root["time"]?.integer,
            let results = root["results"]
        else { throw CommandFailure("what the last look found cannot be read") }
        return (
            time: Instant(microseconds: time),
            results: Dictionary(results.members.map { ($0.key, $0.value.string ?? "") }) { $1 }
        )
    }

    /// Keeps a look, and tells the log of rows that turned red.
    ///
    /// - Returns: those rows, as `id=result`.
    func keep(_ report: PostureReport, _ log: AuditLog, at now: Instant) async throws -> [String] {
        let before = try last()?.results
        let turned = report.rows.filter { row in
            guard let earlier = before?[row.probe.id], !row.isGreen else { return false }
            return earlier == "holds" || (row.finding.result == .broken && earlier != "broken")
        }.map { "\($0.probe.id)=\($0.finding.result.rawValue)" }
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("time", now.microseconds)
        writer.key("results")
        writer.beginObject()
        for row in report.rows { writer.member(row.probe.id, row.finding.result.rawValue) }
        writer.endObject()
        writer.endObject()
        let sealed = try key.seal(writer.bytes, boundTo: Self.context)
        var event = AuditEvent.system(
            turned.isEmpty ? .postureChecked : .postureRed,
            decision: turned.isEmpty ? report.summary : turned.joined(separator: "; "))
        if !turned.isEmpty { event.outcome = .failed }
        _ = try await log.commit(event, entries: [.put(StoredEntry(id: Self.place, sealed: sealed), .posture)])
        return turned
    }
}

/// Looks at every safeguard each hour while the server runs; a row that turns red is a line of the operational log, an
/// event, and from there an alert (45 CFR 164.308(a)(8)).
struct PostureWatch: Sendable {
    private static let hour: Int64 = 3600
    /// How often it looks whether an hour is over.
    private static let interval = Duration.seconds(15)

    let house: House
    let running: RunningServer
    let log: OperationalLog

    /// Runs until it is cancelled.
    func run() async {
        var attempt: Instant?
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.interval)
            guard !Task.isCancelled else { return }
            let now = Instant.now()
            let last = attempt ?? (try? house.posture.last()?.time)
            guard last.map({ now >= $0.adding(seconds: Self.hour) || $0 > now.adding(seconds: 300) }) ?? true else {
                continue
            }
            attempt = now
            await look(now)
        }
    }

    private func look(_ now: Instant) async {
        let report = await PostureScene(house, running, keyFile: nil, isRoutine: true).look()
        guard !Task.isCancelled else { return }
        do {
            let turned = try await house.posture.keep(report, house.log, at: now)
            if turned.isEmpty {
                log.info("safeguards looked at", .count(report.rows.count { !$0.isGreen }))
            } else {
                log.error("safeguards that held do not hold any more; see: ward posture", .count(turned.count))
            }
        } catch {
            log.error("what a look at the safeguards found could not be kept")
        }
    }
}
