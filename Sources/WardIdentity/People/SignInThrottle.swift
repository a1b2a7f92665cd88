internal import Synchronization
public import WardCore
public import WardCrypto

/// Slows guessing down without letting a stranger lock anybody out (NIST SP 800-63B-4 §3.2.2).
///
/// Failures are counted three ways: by account and address, by address alone, and by account over all devices that the
/// account was never used from. A device that has signed in before is counted by itself, so that nobody at it is held up
/// by what others try, not even behind the same address. Accounts are counted by a keyed hash of the name, whether there is one or not, so that waiting tells
/// nothing about who has an account.
public final class SignInThrottle: Sendable {
    /// Failures that cost nothing but themselves.
    static let freeFailures = 5
    /// Longest wait in seconds.
    static let longestWait: Int64 = 900
    /// Failures of one address, over all accounts, before it waits.
    static let freeFailuresOfAddress = 30
    /// A count without new failures is forgotten after this many seconds.
    static let memory: Int64 = 86_400

    private struct Count {
        var failures = 0
        var last: Instant
        var until: Instant
    }

    private let counts = Mutex<[Digest: Count]>([:])
    private let key: MacKey
    private let capacity: Int

    /// - Parameter capacity: counts kept; beyond it the oldest go first.
    public init(key: MacKey, capacity: Int = 50_000) {
        self.key = key
        self.capacity = capacity
    }

    /// Who tries, as far as it can be told.
    public struct Attempt: Sendable {
        /// Nil where what is shown names the account by itself and cannot be guessed.
        public let account: String?
        public let address: String
        /// The mark of a device that has signed in to this account before; nil for any other.
        public let knownDevice: String?

        public init(account: String?, address: String, knownDevice: String?) {
            self.account = account
            self.address = address
            self.knownDevice = knownDevice
        }
    }

    /// Seconds until `attempt` will be looked at; 0 for now.
    public func wait(for attempt: Attempt, at now: Instant) -> Int64 {
        let keys = counters(attempt)
        return counts.withLock { counts in
            keys.map { key in
                guard var count = counts[key.digest], count.until > now else { return 0 }
                // After the clock was set back, a wait begins anew: it never lasts longer than the longest.
                let longest = now.adding(seconds: Self.longestWait)
                if count.until > longest {
                    (count.until, count.last) = (longest, min(count.last, now))
                    counts[key.digest] = count
                }
                return (count.until.microseconds - now.microseconds + 999_999) / 1_000_000
            }.max() ?? 0
        }
    }

    /// Counts a failure.
    public func fail(_ attempt: Attempt, at now: Instant) {
        let keys = counters(attempt)
        counts.withLock { counts in
            for key in keys {
                var count = counts[key.digest] ?? Count(last: now, until: now)
                if now.microseconds - count.last.microseconds > Self.memory * 1_000_000 { count.failures = 0 }
                count.failures += 1
                count.last = now
                count.until = now.adding(seconds: Self.wait(after: count.failures, free: key.free))
                counts[key.digest] = count
            }
            guard counts.count > capacity else { return }
            // Those whose wait is over and that are oldest make room: a flood of new names evicts itself first.
            let kept = counts.sorted { ($0.value.until, $0.value.last) > ($1.value.until, $1.value.last) }
            counts = Dictionary(uniqueKeysWithValues: kept.prefix(capacity * 3 / 4).map { ($0.key, $0.value) })
        }
    }

    /// Forgets what was counted against this account at this address; the address itself stays counted.
    public func succeed(_ attempt: Attempt) {
        guard attempt.account != nil, let mine = counters(attempt).first else { return }
        counts.withLock { counts in counts[mine.digest] = nil }
    }

    /// 1, 2, 4 … seconds after the free ones, up to the longest.
    static func wait(after failures: Int, free: Int) -> Int64 {
        guard failures > free else { return 0 }
        let doublings = min(failures - free - 1, 20)
        return min(1 << Int64(doublings), longestWait)
    }

    private func counters(_ attempt: Attempt) -> [(digest: Digest, free: Int)] {
        let address = Array(attempt.address.utf8)
        let byAddress = (digest: key.tag(Array("address".utf8), address), free: Self.freeFailuresOfAddress)
        guard let account = attempt.account.map({ Array($0.utf8) }) else { return [byAddress] }
        if let device = attempt.knownDevice {
            return [(key.tag(Array("device".utf8), account, Array(device.utf8)), Self.freeFailures)]
        }
        return [
            (key.tag(Array("pair".utf8), account, address), Self.freeFailures),
            byAddress,
            (key.tag(Array("account".utf8), account), Self.freeFailuresOfAddress),
        ]
    }
}
