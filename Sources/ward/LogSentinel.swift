import Synchronization
import WardAudit
import WardCore
import WardStorage
import WardTelemetry

/// Tells of a log that cannot be written: in the operational log at once, in the log itself as soon as it takes events
/// again, from where it is an alert (45 CFR 164.308(a)(1)(ii)(D)).
///
/// What a process knew that ended meanwhile is not told: its last line in the operational log is.
struct LogSentinel: Sendable {
    private struct Trouble: Sendable {
        let failure: StorageFailure
        let began: Instant
        var isOver = false
    }

    private static let interval = Duration.milliseconds(500)

    private let audit: AuditLog
    private let log: OperationalLog
    private let state = Box()

    private final class Box: Sendable {
        let trouble = Mutex<Trouble?>(nil)
    }

    init(_ audit: AuditLog, _ log: OperationalLog) {
        self.audit = audit
        self.log = log
    }

    /// Runs until it is cancelled.
    func run() async {
        audit.observeTrouble { [self] in note($0) }
        while !Task.isCancelled {
            await tell()
            try? await Task.sleep(for: Self.interval)
        }
    }

    private func note(_ trouble: LogTrouble) {
        switch trouble {
        case .began(let failure):
            log.error("the audit log cannot be written; nothing about records is answered", .code(failure.code))
            state.trouble.withLock { known in
                // A second stretch before the first one was told lengthens it.
                known = Trouble(failure: failure, began: known?.began ?? .now())
            }
        case .ended:
            log.info("the audit log is written again")
            state.trouble.withLock { $0?.isOver = true }
        }
    }

    /// Writes what was; this is also what finds out that the log can be written, where nobody else asks.
    private func tell() async {
        guard let trouble = state.trouble.withLock({ $0 }) else { return }
        let now = Instant.now()
        let seconds = max(0, (now.microseconds - trouble.began.microseconds) / 1_000_000)
        var event = AuditEvent.system(
            .logInterrupted, decision: "\(trouble.failure.code); \(seconds) seconds, since \(trouble.began.text)")
        event.outcome = .failed
        guard (try? await audit.append(event)) != nil else { return }
        state.trouble.withLock { known in
            if known?.began == trouble.began { known = nil }
        }
    }
}

extension StorageFailure {
    /// A word for the operational log and the log.
    var code: StaticString {
        switch self {
        case .closed: "closed"
        case .corrupt: "corrupt"
        case .full: "full"
        case .engine: "database"
        case .locked: "locked"
        case .unknownFormat: "format"
        }
    }
}
