import Glibc
import Synchronization
public import WardCore
import WardCrypto
import WardStorage

/// What the machine's clocks say at one moment.
public struct ClockReading: Sendable {
    /// The clock that events are dated by; somebody can set it.
    public let wall: Instant
    /// Microseconds of a clock that only goes forward.
    public let steady: Int64

    public init(wall: Instant, steady: Int64) {
        self.wall = wall
        self.steady = steady
    }

    public static func now() -> ClockReading {
        // It goes on while the machine sleeps, so that waking up is no jump.
        var time = timespec()
        unsafe clock_gettime(CLOCK_BOOTTIME, &time)
        return ClockReading(wall: .now(), steady: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }
}

/// Notices a clock that was set back behind the log, or that leapt ahead.
///
/// Events are in the order of the log whatever their times say; but a record of who saw what and when is worth little
/// under a clock that can be set. While it is more than two minutes behind the newest event, records are refused.
final class AuditClock: Sendable {
    /// How far behind the newest event the clock may be: what a time service corrects.
    static let bound: Int64 = 120
    /// How far ahead of the steady clock it may get between two looks.
    static let leap: Int64 = 300

    enum Jump: Sendable {
        case ahead(seconds: Int64)
        case behind(seconds: Int64)
    }

    private struct State {
        var newest: Instant
        var last: ClockReading
        var isBehind = false
    }

    private let state: Mutex<State>
    private let read: @Sendable () -> ClockReading

    /// - Parameter newest: time of the newest event in the log.
    init(newest: Instant, read: @escaping @Sendable () -> ClockReading) {
        let now = read()
        self.read = read
        state = Mutex(State(newest: newest, last: now))
    }

    /// Looks at the clock: whether it is behind, and what it did since the last look, once for each jump.
    func look() -> (isBehind: Bool, jump: Jump?, newest: Instant) {
        let now = read()
        return state.withLock { state in
            let ahead =
                now.wall.microseconds - state.last.wall.microseconds - (now.steady - state.last.steady)
            let behind = state.newest.microseconds - now.wall.microseconds
            let wasBehind = state.isBehind
            state.last = now
            state.isBehind = behind > Self.bound * 1_000_000
            if state.isBehind {
                return (true, wasBehind ? nil : .behind(seconds: behind / 1_000_000), state.newest)
            }
            state.newest = max(state.newest, now.wall)
            let leapt = ahead > Self.leap * 1_000_000 && !wasBehind
            return (false, leapt ? .ahead(seconds: ahead / 1_000_000) : nil, state.newest)
        }
    }

    /// Notes that an event was written now.
    func note() {
        let now = read()
        state.withLock { $0.newest = max($0.newest, now.wall) }
    }

    /// Takes the clock as it is: somebody vouches for it.
    func accept() {
        let now = read()
        state.withLock { $0 = State(newest: now.wall, last: now) }
    }
}

extension AuditLog {
    /// Whether the clock is behind the newest event by more than two minutes, so that nothing about records may be
    /// answered.
    ///
    /// A jump, back or ahead, is put into the log when it is first seen.
    public func isClockBehind() -> Bool {
        let (isBehind, jump, newest) = clock.look()
        if let jump { note(jump, newest) }
        return isBehind
    }

    /// Goes on with the clock as it is, though it is behind the newest event: after a clock that was wrong for a while.
    public func acceptClock(by actor: AuditActor?, purpose: PurposeOfUse?, source: RequestSource)
        async throws(AuditFailure)
    {
        var event = AuditEvent(
            kind: .clockJumped, time: .now(), outcome: .success, actor: actor, purpose: purpose, source: source,
            decision: Self.acceptance)
        event.query = nil
        _ = try await append(event)
        clock.accept()
    }

    private static let acceptance = "accepted"

    private func note(_ jump: AuditClock.Jump, _ newest: Instant) {
        var event = AuditEvent(
            kind: .clockJumped, time: .now(), outcome: .success, actor: nil, purpose: .systemAdministration,
            source: .system, decision: "")
        switch jump {
        case .ahead(let seconds): event.decision = "ahead by \(seconds) s"
        case .behind(let seconds):
            event.decision = "behind by \(seconds) s"
            // So that a restart knows it too, however many events follow.
            event.query = "newest \(newest.microseconds)"
        }
        guard let leaves = try? keys.seal(event) else { return }
        submit(Submission(leaves: leaves, writes: [], entries: [], applied: { _ in }, answer: { _ in }))
    }

    /// The time of the newest event, as a start finds it.
    ///
    /// - Parameter index: finds the newest jump of the clock, which may be far back.
    static func newestTime(
        _ store: any SealedStore, _ keys: AuditKeys, _ index: AuditIndex
    ) throws(AuditFailure) -> Instant {
        let size: Int64
        do throws(StorageFailure) { size = try store.leafCount() } catch { throw .storage }
        func event(_ number: Int64) throws(AuditFailure) -> AuditEvent? {
            let leaf: StoredLeaf?
            do throws(StorageFailure) { leaf = try store.leaves(from: number, limit: 1).first } catch { throw .storage }
            guard let leaf, !leaf.isPruned else { return nil }
            return try keys.open(leaf: leaf.leaf, payload: leaf.payload)
        }
        var newest = Instant(microseconds: 0)
        var first = max(0, size - 64)
        for number in try index.leaves(carrying: .kind(.clockJumped), keys, limit: 64) {
            // Those of a spool were another machine's, in a time of its own.
            guard let jump = try event(number), jump.spooled == nil else { continue }
            if jump.decision == acceptance { first = max(first, number) }
            if let text = jump.query, text.hasPrefix("newest "), let time = Int64(text.dropFirst(7)) {
                newest = Instant(microseconds: time)
            }
            break
        }
        for number in first..<max(first, size) {
            guard let event = try event(number), event.spooled == nil else { continue }
            newest = max(newest, event.time)
        }
        return newest
    }
}
