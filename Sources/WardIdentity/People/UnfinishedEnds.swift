import Synchronization
import WardAudit
import WardStorage

/// Ends of access that hold in memory and that the log could not take yet.
///
/// Whoever ends something first ends it in memory, so that nobody goes on whatever becomes of the log. What could not be
/// written waits here and is tried again until it is durable; it is lost only with the process.
final class UnfinishedEnds: Sendable {
    private struct End {
        let event: AuditEvent
        let writes: [EntryWrite]
    }

    private let state = Mutex<[End]>([])
    private let vault: EntryVault
    private let log: AuditLog

    init(vault: EntryVault, log: AuditLog) {
        self.vault = vault
        self.log = log
    }

    /// How many wait.
    var count: Int { state.withLock { $0.count } }

    /// Makes an end durable, or keeps it for later.
    ///
    /// - Throws: ``IdentityFailure/auditUnavailable`` if it waits now.
    func commit(_ event: AuditEvent, _ writes: [EntryWrite]) async throws(IdentityFailure) {
        do throws(IdentityFailure) {
            try await vault.commit(event, to: log, writes)
        } catch {
            state.withLock { $0.append(End(event: event, writes: writes)) }
            throw error
        }
    }

    /// Tries again what waits, oldest first, until one fails.
    func retry() async {
        // Taken out meanwhile, so that two who try at once write nothing twice.
        var waiting = state.withLock { waiting in
            defer { waiting = [] }
            return waiting[...]
        }
        while let end = waiting.first, (try? await vault.commit(end.event, to: log, end.writes)) != nil {
            waiting.removeFirst()
        }
        state.withLock { $0.insert(contentsOf: waiting, at: 0) }
    }
}
