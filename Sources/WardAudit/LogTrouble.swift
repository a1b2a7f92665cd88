import Synchronization
public import WardStorage

/// The log cannot be written, or can be again.
public enum LogTrouble: Hashable, Sendable {
    /// The first commit that failed after one that did not; nobody is answered about records from here on.
    case began(StorageFailure)
    /// A commit that followed is on disk.
    case ended
}

/// A function in a box, for the reason of ``LogObserver``.
struct LogTroubleObserver: Sendable {
    let tell: @Sendable (LogTrouble) -> Void
}

extension AuditLog {
    /// Whether the last commit reached the disk; also while none was tried.
    public var isWritten: Bool { !sequencer.isTroubled.withLock { $0 } }

    /// Hands `observer` the beginning and the end of each stretch in which the log cannot be written.
    ///
    /// Runs on the log's own queue, at once: the observer takes note and works elsewhere. One at a time.
    public func observeTrouble(_ observer: @escaping @Sendable (LogTrouble) -> Void) {
        sequencer.troubleObserver.withLock { $0 = LogTroubleObserver(tell: observer) }
    }
}
