import Synchronization

/// Lets one in at a time, and turns others away.
final class Turnstile: Sendable {
    private let isTaken = Mutex(false)

    /// Whether nobody else is inside; then ``leave()`` must follow.
    func enter() -> Bool {
        isTaken.withLock { isTaken in
            defer { isTaken = true }
            return !isTaken
        }
    }

    func leave() { isTaken.withLock { $0 = false } }
}
