import Synchronization
import WardAudit
import WardClinic
import WardCore
import WardFHIR
import WardGate
import WardTelemetry
import WardVault

extension OperatorService {
    func verify(_ request: OperatorRequest, _ reply: @escaping Reply) async throws {
        let principal = try await principal(request)
        let earlier = try earlierCheckpoint(request)
        let result: StoreVerification
        do {
            let grant = try await house.gate.authorize(
                Administer.self, on: .store, principal: principal, source: Self.source)
            result = try await house.vault.verify(
                against: earlier, isResumed: request.options["resume"] != nil, with: grant,
                progress: { reply(.progress(done: Int($0.done), total: Int($0.total), what: "\($0.step) verified")) })
        } catch let failure as GateFailure {
            throw CommandFailure(ClinicAnswer(failure).sentence)
        }
        report(result.log, against: earlier, request, reply)
        for fault in result.faults { reply(.output("FAULT  \(fault.record): \(fault.fault)")) }
        guard result.isWhole else { return reply(.unsound) }
        reply(.output("\(result.records) stored versions agree with the log"))
        reply(.output("\(result.entries) accounts, sessions, registrations and marks agree with the log"))
        if result.notCovered > 0 {
            reply(
                .output(
                    "\(result.notCovered) entries and keys are older than the log's account of them: not covered before"
                ))
        }
    }

    func verificationStatus(_ request: OperatorRequest, _ reply: Reply) throws {
        let status = try house.vault.verificationStatus()
        let total = house.log.checkpoint.size
        if request.options["json"] != nil {
            var writer = JSONWriter()
            writer.beginObject()
            if let last = status.lastFull { writer.member("lastFull", last.text) }
            writer.member("events", status.events)
            writer.member("of", total)
            writer.member("notCovered", status.notCovered)
            if let unfinished = status.unfinished {
                writer.member("started", unfinished.started.text)
                writer.member("step", unfinished.progress.step.rawValue)
                writer.member("done", unfinished.progress.done)
                writer.member("total", unfinished.progress.total)
            }
            writer.endObject()
            return reply(.output(String(decoding: writer.bytes, as: UTF8.self)))
        }
        reply(.output("last full verification  \(status.lastFull?.text ?? "never")"))
        reply(.output("held against the store  \(status.events) of \(total) events"))
        if let unfinished = status.unfinished {
            let (progress, started) = (unfinished.progress, unfinished.started.text)
            reply(
                .output(
                    "under way               \(progress.done) of \(progress.total) \(progress.step), since \(started)"))
        }
        if status.notCovered > 0 { reply(.output("not covered before      \(status.notCovered) entries and keys")) }
    }
}

/// Verifies everything once a day while the server runs, at a quarter of one core at most.
///
/// It goes on where it was when the server stopped. A fault is told in the operational log and stands in the audit log;
/// what is faulty does not open, and the next start refuses what would be served falsely.
struct DailyVerification: Sendable {
    private static let day: Int64 = 86_400
    /// How often it looks whether a day is over.
    private static let interval = Duration.seconds(20)

    let house: House
    let log: OperationalLog

    /// Runs until it is cancelled.
    func run() async {
        var attempt: Instant?
        while !Task.isCancelled {
            // A faulty store is verified once a day as well, and not all the time.
            let now = Instant.now()
            if attempt.map({ Self.isOver($0, at: now) }) ?? true, isDue {
                attempt = now
                do throws(VaultFailure) {
                    if let result = try await house.vault.verifyInBackground(isStopped: stop.isSet) {
                        result.isWhole ? log.info("store verified") : log.error("the store is faulty; run: ward verify")
                    }
                } catch {
                    log.error("the store could not be verified")
                }
            }
            try? await Task.sleep(for: Self.interval)
        }
    }

    /// Asks a verification that runs to keep what it has and stop.
    func end() { stop.set() }

    private let stop = StopSign()
    private let started = Instant.now()

    init(house: House, log: OperationalLog) {
        self.house = house
        self.log = log
    }

    private var isDue: Bool {
        guard let status = try? house.vault.verificationStatus() else { return false }
        guard let last = status.lastFull else {
            // A new store has nothing to verify on its first day; an old one is not left for longer.
            return Instant.now() >= started.adding(seconds: Self.firstWait)
        }
        return Self.isOver(last, at: .now())
    }

    /// Whether a day is over since. A time to come is that of a clock that was set back: it says nothing about how long
    /// ago it was.
    private static func isOver(_ last: Instant, at now: Instant) -> Bool {
        now >= last.adding(seconds: day) || last > now.adding(seconds: slack)
    }

    private static let firstWait: Int64 = 600
    private static let slack: Int64 = 3600
}

/// Set once.
final class StopSign: Sendable {
    private let state = Mutex(false)

    func set() { state.withLock { $0 = true } }
    func isSet() -> Bool { state.withLock { $0 } }
}
