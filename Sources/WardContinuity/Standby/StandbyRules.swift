/// What a primary does where its follower does not keep up.
public struct StandbyRules: Hashable, Sendable {
    /// How long a lease runs, in seconds.
    public var lease: Int64
    /// Whether a commit is answered only when the follower has it on disk.
    public var isSynchronous: Bool
    /// How long a commit waits for lease and follower, in seconds, before it is refused.
    public var wait: Int64
    /// Whether a synchronous primary goes on without the follower's receipt after that time, for as long as it has its lease.
    public var fallsBack: Bool
    /// How much later a follower may have a commit than this store, in seconds, before no more are taken.
    public static let longestLag: Int64 = 5

    public init(lease: Int64, isSynchronous: Bool = false, wait: Int64 = 5, fallsBack: Bool = false) {
        self.lease = lease
        self.isSynchronous = isSynchronous
        self.wait = wait
        self.fallsBack = fallsBack
    }
}

/// How a primary stands with its follower.
public struct StandbyStatus: Hashable, Sendable {
    public enum Follower: String, Sendable {
        case away, catchingUp = "catching-up", following
    }

    public internal(set) var follower = Follower.away
    public internal(set) var isSynchronous = false
    /// Whether commits are answered without the follower's receipt although they should not be.
    public internal(set) var hasFallenBack = false
    /// Seconds that the lease still runs; 0 for none.
    public internal(set) var leaseSeconds = 0.0
    /// Transactions that the follower does not have yet, and how old the oldest is.
    public internal(set) var waiting: Int64 = 0
    public internal(set) var lagSeconds = 0.0
    /// The epoch of a standby that was promoted in this store's place.
    public internal(set) var fencedBy: Int64?
}
