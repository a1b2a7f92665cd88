import Glibc
import Synchronization
import WardAudit
import WardTelemetry

/// Asks the security module again and again whether it is there.
///
/// While it is not, nothing is written; after a while the server ends, and the keys in its memory with it. It does not
/// start again before the module is back.
final class KeyWatch: Sendable {
    private let keys: StoreKeys
    private let audit: AuditLog
    private let log: OperationalLog
    private let limit: Duration
    private let ended = StopSign()

    init(house: House, log: OperationalLog, limit: Duration) {
        (keys, audit, self.log, self.limit) = (house.keys, house.log, log, limit)
    }

    /// Whether it was this that ended the server.
    var hasEnded: Bool { ended.isSet() }

    /// Runs until it is cancelled.
    func run() async {
        var awaySince: ContinuousClock.Instant?
        while !Task.isCancelled {
            if (try? keys.look()) == true { await tell() }
            if keys.areHeld {
                awaySince = nil
            } else {
                let since = awaySince ?? .now
                awaySince = since
                if .now - since >= limit {
                    log.error("the security module stayed away; the server ends, and its keys with it")
                    ended.set()
                    kill(getpid(), SIGTERM)
                    return
                }
            }
            try? await Task.sleep(for: min(.seconds(10), limit / 4))
        }
    }

    private func tell() async {
        if keys.areHeld {
            log.info("the security module is back")
        } else {
            log.error("the security module does not answer; nothing is written")
        }
        _ = try? await audit.append(.system(keys.areHeld ? .keysBack : .keysAway, decision: "security-module"))
    }
}
