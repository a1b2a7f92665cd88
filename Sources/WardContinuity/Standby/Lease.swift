import Glibc

/// The primary's side of the lease: it may write until a time that it reckons from when it asked.
///
/// Times are nanoseconds of a clock that never goes back and counts while the machine sleeps (CLOCK_BOOTTIME). Nothing of
/// it outlives the process: a program that starts, or a machine that boots, holds no lease.
public struct LeaseHolder: Sendable {
    public let length: Int64
    private var asked: [(number: Int64, time: Int64)] = []
    private var last: Int64 = 0
    private var until: Int64?

    public init(length: Int64) {
        self.length = length
    }

    /// Asks for the lease; the number goes with the question and comes back with the answer.
    public mutating func ask(at now: Int64) -> Int64 {
        last += 1
        asked.append((last, now))
        // What was asked longer ago than the lease is long would end before now.
        asked.removeAll { now - $0.time >= length }
        return last
    }

    /// Takes an answer: the lease runs from when it was asked for, not from when the answer came.
    public mutating func granted(_ number: Int64) {
        guard let question = asked.first(where: { $0.number == number }) else { return }
        asked.removeAll { $0.number <= number }
        until = max(until ?? .min, question.time + length)
    }

    /// Whether it is held now.
    public func isHeld(at now: Int64) -> Bool { until.map { now < $0 } ?? false }

    /// How long it still is held.
    public func left(at now: Int64) -> Int64 { max(0, (until ?? now) - now) }
}

/// The follower's side: it promises with each grant not to be promoted before the lease is over on any clock.
public struct LeaseGiver: Sendable {
    public let length: Int64
    /// For clocks that do not run equally fast.
    public var margin: Int64 { Self.margin(of: length) }
    private var promised: Int64
    private var isStopped = false

    /// - Parameter now: when this process began, which knows nothing of what the one before it has granted.
    public init(length: Int64, startedAt now: Int64) {
        self.length = length
        promised = now + length + Self.margin(of: length)
    }

    /// Two seconds and a twentieth.
    public static func margin(of length: Int64) -> Int64 { 2_000_000_000 + length / 20 }

    /// Whether the lease is granted, from now on for its length.
    public mutating func grant(at now: Int64) -> Bool {
        guard !isStopped else { return false }
        promised = max(promised, now + length + margin)
        return true
    }

    /// From now on nothing is granted.
    public mutating func stop() { isStopped = true }

    /// How long until a promotion is safe; nil while leases are granted.
    public func wait(at now: Int64) -> Int64? { isStopped ? max(0, promised - now) : nil }
}

/// The clock of leases.
public enum LeaseClock {
    /// Nanoseconds since the machine booted, sleep included.
    public static func now() -> Int64 {
        var time = timespec()
        guard unsafe clock_gettime(CLOCK_BOOTTIME, &time) == 0 else { return .max / 2 }
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
