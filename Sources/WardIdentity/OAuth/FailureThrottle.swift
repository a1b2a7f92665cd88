import Synchronization
public import WardCore

/// Slows down an address that keeps presenting bad credentials, and nobody else.
///
/// Counts by ``AddressGroup``, and beside it by the client that a request names, so that clients behind one address do not
/// slow each other.
public final class FailureThrottle: Sendable {
    /// Failures that an address, or one client there, may make in one window.
    public static let limit = 30
    /// Seconds.
    public static let window: Int64 = 30

    private struct Key: Hashable {
        let group: String
        /// Nil for the address itself.
        let client: String?
    }

    private struct Count {
        var failures: Int
        let until: Instant
    }

    private let counts = Mutex<[Key: Count]>([:])
    private let capacity: Int
    private let limit: Int
    private let window: Int64

    /// - Parameters:
    ///   - capacity: counts kept at once, whatever comes.
    ///   - limit: what an address may do in one window.
    ///   - window: seconds.
    public init(
        capacity: Int = 10_000, limit: Int = FailureThrottle.limit, window: Int64 = FailureThrottle.window
    ) {
        self.capacity = capacity
        self.limit = limit
        self.window = window
    }

    /// Counts kept at the moment.
    public var size: Int { counts.withLock(\.count) }

    /// Whether the address, or the client named there, has used up its failures.
    public func isBlocked(_ address: String, client: String? = nil, now: Instant) -> Bool {
        let key = Key(group: AddressGroup.of(address), client: client)
        return counts.withLock { counts in
            guard let count = counts[key], count.until > now else { return false }
            return count.failures >= limit
        }
    }

    /// Counts a failure of the address, and of the client that it named.
    public func count(_ address: String, client: String? = nil, now: Instant) {
        let group = AddressGroup.of(address)
        counts.withLock { counts in
            add(Key(group: group, client: nil), to: &counts, now)
            if let client { add(Key(group: group, client: client), to: &counts, now) }
        }
    }

    private func add(_ key: Key, to counts: inout [Key: Count], _ now: Instant) {
        if let count = counts[key], count.until > now {
            counts[key] = Count(failures: count.failures + 1, until: count.until)
            return
        }
        if counts.count >= capacity { makeRoom(in: &counts, now) }
        counts[key] = Count(failures: 1, until: now.adding(seconds: window))
    }

    /// What is over goes first, then who is far from the limit: a flood of new addresses evicts itself.
    private func makeRoom(in counts: inout [Key: Count], _ now: Instant) {
        counts = counts.filter { $0.value.until > now }
        guard counts.count >= capacity else { return }
        let kept = counts.sorted { ($0.value.failures, $0.value.until) > ($1.value.failures, $1.value.until) }
        counts = Dictionary(uniqueKeysWithValues: kept.prefix(capacity * 3 / 4).map { ($0.key, $0.value) })
    }
}
