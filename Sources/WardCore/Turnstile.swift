import Synchronization

/// Lets one in at a time, and turns others away.
public final class Turnstile: Sendable {
    private let isTaken = Mutex(false)

    public init() {}

    /// Whether nobody else is inside; then ``leave()`` must follow.
    public func enter() -> Bool {
        isTaken.withLock { isTaken in
            defer { isTaken = true }
            return !isTaken
        }
    }

    public func leave() { isTaken.withLock { $0 = false } }
}
