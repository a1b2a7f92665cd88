import Synchronization
import WardAudit
import WardContinuity
import WardCore
import WardEgress
import WardTelemetry

/// When a backup in storage is worth a round.
///
/// Each connection is an event, and each event a commit that wants to be carried: a clinic at rest would talk to its
/// storage for ever about having talked to it. So rounds for such events alone wait some minutes, and after a failure the
/// next ones come later and later.
struct BackupPace {
    private static let idle = Duration.seconds(300)
    private static let longestWait = Duration.seconds(60)

    private let house: House
    private let isRemote: Bool
    /// Events that were not the doors' own, when the last round began.
    private var carried: Int64 = -1
    private var last = ContinuousClock.now
    private var wait = Duration.zero
    /// Whether the last round went well.
    private(set) var isWell = true

    init(_ house: House, isRemote: Bool) {
        (self.house, self.isRemote) = (house, isRemote)
    }

    /// To be taken before a round: what comes while it is carried over waits for the next one.
    var mark: Int64 { house.log.checkpoint.size - house.broker.notedEvents }

    var isDue: Bool {
        guard isRemote else { return true }
        guard .now - last >= wait else { return false }
        return !isWell || mark != carried || .now - last >= Self.idle
    }

    mutating func done(_ mark: Int64) {
        (carried, last, wait, isWell) = (mark, .now, .zero, true)
    }

    mutating func failed() {
        (last, isWell) = (.now, false)
        wait = min(max(wait * 2, .seconds(2)), Self.longestWait)
    }
}

/// Whether a current agreement covers the backup's place; looks in the register, and makes no packet.
final class BackupCover: Sendable {
    private let destination: String?
    private let state = Mutex(true)

    init(_ destination: String?) { self.destination = destination }

    var isCovered: Bool { state.withLock { $0 } }

    /// Looks, and raises the alarm when it has ended.
    func look(_ house: House, _ log: OperationalLog) async {
        guard let destination else { return }
        let isNow = (try? house.register.proof(for: destination, kind: .storage, at: .now())) != nil
        let was = state.withLock { state in
            defer { state = isNow }
            return state
        }
        guard was != isNow else { return }
        if isNow { return log.info("the backup's place is covered again") }
        log.error("nothing covers the backup's place any more: no backup is made")
        try? await house.backups.fail("not-covered")
    }
}
