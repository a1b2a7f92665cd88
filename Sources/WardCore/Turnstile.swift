import Synchronization

/// Lets one in at a time, and turns others away or lets them wait.
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

    /// Waits until nobody else is inside; several that wait come in any order.
    ///
    /// - Returns: false if the task was cancelled before; else ``leave()`` must follow.
    public func enterInTurn() async -> Bool {
        while !enter() {
            do { try await Task.sleep(for: .milliseconds(5)) } catch { return false }
        }
        return true
    }

    public func leave() { isTaken.withLock { $0 = false } }
}
