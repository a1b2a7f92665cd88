import Synchronization
import WardCore

/// Slows down an address that keeps presenting bad credentials, and nobody else.
final class FailureThrottle: Sendable {
    /// Failures an address may make in one window.
    static let limit = 30
    /// Seconds.
    static let window: Int64 = 30

    private let limit: Int
    private let window: Int64

    init(limit: Int = FailureThrottle.limit, window: Int64 = FailureThrottle.window) {
        self.limit = limit
        self.window = window
    }

    private struct Count {
        var failures: Int
        let until: Instant
    }

    private let counts = Mutex<[String: Count]>([:])

    /// Whether the address has used up its failures.
    func isBlocked(_ address: String, now: Instant) -> Bool {
        counts.withLock { counts in
            guard let count = counts[address], count.until > now else { return false }
            return count.failures >= limit
        }
    }

    func count(_ address: String, now: Instant) {
        counts.withLock { counts in
            if counts.count > 10_000 { counts = counts.filter { $0.value.until > now } }
            if let count = counts[address], count.until > now {
                counts[address] = Count(failures: count.failures + 1, until: count.until)
            } else {
                counts[address] = Count(failures: 1, until: now.adding(seconds: window))
            }
        }
    }
}
