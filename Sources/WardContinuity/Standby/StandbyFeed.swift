import Glibc
import Synchronization
public import WardStorage

/// The primary's side: holds the lease, keeps the transactions that the follower does not have yet, and lets nobody be
/// answered who may not be.
///
/// It stands in the way of every commit (``CommitGate``): none begins without the lease, and after the sync the lease is
/// looked at again, so that a process which was stopped meanwhile answers nobody.
public final class StandbyFeed: CommitGate {
    public let rules: StandbyRules
    let storeID: String
    let epoch: Int64
    private let state: Mutex<State>
    private let clock: @Sendable () -> Int64
    /// Told when something changed that an operator should know.
    private let notice: @Sendable (Notice) -> Void
    /// Writes down that a standby was promoted, with its epoch; whether it is durable.
    private let fenced: @Sendable (Int64) -> Bool

    /// What happened.
    public enum Notice: Sendable {
        case followerCame, followerLeft, following
        /// Commits are refused, or taken again.
        case refusing, taking
        case fellBack
    }

    /// One transaction that waits for the follower.
    struct Item: Sendable {
        let sequence: Int64
        let time: Int64
        let changes: [StoreChange]
        let size: Int
    }

    private struct State {
        var lease: LeaseHolder
        var instance: UInt64
        /// The newest transaction of this process, and the newest that the follower has.
        var sequence: Int64 = 0
        var taken: Int64 = 0
        var items: [Item] = []
        var size = 0
        var follower = StandbyStatus.Follower.away
        /// Counts connections: only the newest one counts.
        var connection: Int64 = 0
        /// Since when no commit may begin, and whether one was refused since.
        var refusingSince: Int64?
        var isRefusing = false
        var hasFallenBack = false
        /// Whether the follower has had everything, once since this process began.
        var hasFollowed = false
        /// When the oldest transaction was made that is not at hand any more and that the follower may lack.
        var lostSince: Int64?
        var fencedBy: Int64?
        var isReleased = false
        var signal: AsyncStream<Void>.Continuation?
    }

    /// What waits is let go of beyond this; the follower then gets what it lacks from the store.
    private static let limit = 128 << 20

    public init(
        store storeID: String, epoch: Int64, rules: StandbyRules,
        clock: @escaping @Sendable () -> Int64 = { LeaseClock.now() },
        fenced: @escaping @Sendable (Int64) -> Bool, notice: @escaping @Sendable (Notice) -> Void
    ) {
        self.storeID = storeID
        self.epoch = epoch
        self.rules = rules
        self.clock = clock
        self.fenced = fenced
        self.notice = notice
        state = Mutex(
            State(lease: LeaseHolder(length: rules.lease * 1_000_000_000), instance: .random(in: 1 ... .max)))
    }

    public var holdsLease: Bool {
        let now = clock()
        return state.withLock { $0.lease.isHeld(at: now) && $0.fencedBy == nil }
    }

    public var status: StandbyStatus {
        let now = clock()
        return state.withLock { state in
            var status = StandbyStatus()
            status.follower = state.follower
            status.isSynchronous = rules.isSynchronous
            status.hasFallenBack = state.hasFallenBack
            status.leaseSeconds = Double(state.lease.left(at: now)) / 1e9
            status.waiting = state.sequence - state.taken
            status.lagSeconds = Double(Self.lag(state, now)) / 1e9
            status.fencedBy = state.fencedBy
            return status
        }
    }

    /// The pairing has ended: from now on nothing stands in the way of a commit, and whoever follows is cut off.
    public func release() {
        state.withLock { state in
            state.isReleased = true
            (state.items, state.size) = ([], 0)
            state.connection += 1
            state.follower = .away
            state.signal?.finish()
            state.signal = nil
        }
    }

    // MARK: Commits

    public var isOpen: Bool {
        let now = clock()
        return state.withLock { $0.isReleased || ($0.fencedBy == nil && $0.lease.isHeld(at: now)) }
    }

    public func enter() throws(StorageFailure) {
        let began = clock()
        while true {
            let now = clock()
            let (isOpen, isOver, isNew): (Bool, Bool, Bool) = state.withLock { state in
                if mayEnter(state, now) {
                    defer { (state.refusingSince, state.isRefusing) = (nil, false) }
                    return (true, false, state.isRefusing)
                }
                let since = state.refusingSince ?? began
                state.refusingSince = since
                let isOver = now - since >= rules.wait * 1_000_000_000 || state.fencedBy != nil
                defer { state.isRefusing = state.isRefusing || isOver }
                return (false, isOver, isOver && !state.isRefusing)
            }
            if isOpen {
                if isNew { notice(.taking) }
                return
            }
            if isOver {
                if isNew { notice(.refusing) }
                throw .locked
            }
            usleep(1000)
        }
    }

    private func mayEnter(_ state: State, _ now: Int64) -> Bool {
        if state.isReleased { return true }
        guard state.fencedBy == nil, state.lease.isHeld(at: now) else { return false }
        if rules.isSynchronous { return state.follower == .following || rules.fallsBack }
        // While it catches up for the first time nothing is promised of how much would be lost.
        return (state.follower == .catchingUp && !state.hasFollowed)
            || Self.lag(state, now) <= StandbyRules.longestLag * 1_000_000_000
    }

    private static func lag(_ state: State, _ now: Int64) -> Int64 {
        (state.lostSince ?? state.items.first { $0.sequence > state.taken }?.time).map { now - $0 } ?? 0
    }

    public func committed(_ commit: StoreCommit) -> Int64? {
        let now = clock()
        return state.withLock { state in
            guard !state.isReleased else { return nil }
            guard case .changes(let changes) = commit else {
                lose(&state, now)
                return nil
            }
            let kept = changes.filter { !$0.isDerived }
            guard !kept.isEmpty else { return nil }
            state.sequence += 1
            let size = kept.reduce(64) { $0 + $1.size }
            state.items.append(Item(sequence: state.sequence, time: now, changes: kept, size: size))
            state.size += size
            if state.size > Self.limit { lose(&state, now) }
            state.signal?.yield()
            // Certificates and the like, which no answer depends on, are carried over and not waited for.
            let hasEvent = kept.contains { if case .leaf = $0 { true } else { false } }
            return hasEvent ? state.sequence : nil
        }
    }

    /// What the follower lacks is no longer at hand: it gets it from the store.
    private func lose(_ state: inout State, _ now: Int64) {
        state.lostSince = state.lostSince ?? state.items.first { $0.sequence > state.taken }?.time ?? now
        state.instance = .random(in: 1 ... .max)
        (state.items, state.size) = ([], 0)
        state.connection += 1
        state.follower = .away
        state.signal?.finish()
        state.signal = nil
    }

    public func leave(_ number: Int64?) throws(StorageFailure) {
        let until = clock() + rules.wait * 1_000_000_000
        while true {
            let now = clock()
            let (isTaken, isReleased) = state.withLock { state in
                (number.map { $0 <= state.taken } ?? true, state.isReleased)
            }
            if isReleased { return }
            if !rules.isSynchronous || isTaken { break }
            if state.withLock({ $0.hasFallenBack }) { break }
            if now >= until {
                guard rules.fallsBack else { throw .locked }
                state.withLock { $0.hasFallenBack = true }
                notice(.fellBack)
                break
            }
            usleep(200)
        }
        // Last of all: whoever was stopped until here has no lease any more.
        guard holdsLease else { throw .locked }
    }

    // MARK: The follower

    /// A new connection; those before it count no more.
    func connect() -> (connection: Int64, signal: AsyncStream<Void>) {
        let (signal, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let connection = state.withLock { state in
            state.connection += 1
            state.signal?.finish()
            state.signal = continuation
            state.follower = .catchingUp
            return state.connection
        }
        notice(.followerCame)
        return (connection, signal)
    }

    func disconnect(_ connection: Int64) {
        let isNews = state.withLock { state in
            guard state.connection == connection else { return false }
            state.follower = .away
            state.signal?.finish()
            state.signal = nil
            return true
        }
        if isNews { notice(.followerLeft) }
    }

    /// Whether a follower that has everything up to `sequence` of `instance` can go on from there.
    func canContinue(_ instance: UInt64, from sequence: Int64) -> Bool {
        state.withLock { state in
            instance == state.instance && sequence <= state.sequence
                && sequence >= (state.items.first?.sequence ?? state.sequence + 1) - 1
        }
    }

    var instance: UInt64 { state.withLock { $0.instance } }

    /// Called between two transactions: what came before is in the snapshot.
    func cut() -> (instance: UInt64, sequence: Int64) {
        state.withLock { ($0.instance, $0.sequence) }
    }

    /// What comes after `sequence`, about as much as a message holds; nil if the connection counts no more.
    func items(after sequence: Int64, connection: Int64) -> [Item]? {
        state.withLock { state in
            guard state.connection == connection else { return nil }
            guard let first = state.items.first, let last = state.items.last, last.sequence > sequence else {
                return []
            }
            let start = Int(max(0, sequence + 1 - first.sequence))
            return Array(state.items[start...].prefix(64))
        }
    }

    /// The follower has everything up to there.
    func taken(_ sequence: Int64, connection: Int64) {
        let isNews = state.withLock { state in
            guard state.connection == connection, sequence <= state.sequence else { return false }
            state.taken = max(state.taken, sequence)
            let done = state.items.prefix { $0.sequence <= state.taken }
            state.size -= done.reduce(0) { $0 + $1.size }
            state.items.removeFirst(done.count)
            state.lostSince = nil
            state.hasFollowed = true
            defer { state.follower = .following }
            // Caught up again: from now on receipts are waited for again.
            if state.items.isEmpty { state.hasFallenBack = false }
            return state.follower != .following
        }
        if isNews { notice(.following) }
    }

    func ask(_ connection: Int64) -> Int64? {
        let now = clock()
        return state.withLock { state in
            guard state.connection == connection, state.fencedBy == nil else { return nil }
            return state.lease.ask(at: now)
        }
    }

    func granted(_ number: Int64, connection: Int64) {
        state.withLock { state in
            guard state.connection == connection else { return }
            state.lease.granted(number)
        }
    }

    /// Somebody was promoted: this store is never written again.
    ///
    /// - Returns: whether that is written down, so that it also holds after a restart.
    func fence(by epoch: Int64) -> Bool {
        state.withLock { $0.fencedBy = max($0.fencedBy ?? 0, epoch) }
        return fenced(epoch)
    }
}
