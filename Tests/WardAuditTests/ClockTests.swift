import Synchronization
import Testing
import WardAudit
import WardCore
import WardCrypto
import WardStorage
import WardTestKit

@Suite struct `A clock that jumps` {
    private let house = LogHouse()

    /// The machine's clocks, moved by hand.
    private final class Hands: Sendable {
        private let reading = Mutex(ClockReading(wall: Instant(microseconds: 1_800_000_000_000_000), steady: 0))

        func move(wall: Int64, steady: Int64) {
            reading.withLock {
                $0 = ClockReading(wall: $0.wall.adding(seconds: wall), steady: $0.steady + steady * 1_000_000)
            }
        }

        func read() -> ClockReading { reading.withLock { $0 } }

        func pass(_ seconds: Int64) { move(wall: seconds, steady: seconds) }
    }

    private func open(_ store: MemoryStore, _ hands: Hands) throws -> AuditLog {
        try AuditLog(store: store, keys: house.keys, origin: LogHouse.origin, clock: { hands.read() })
    }

    private func happening(_ hands: Hands) -> AuditEvent {
        var happening = event("somebody")
        happening.time = hands.read().wall
        return happening
    }

    private func jumps(_ log: AuditLog) async throws -> [String] {
        // What was submitted before is durable by then.
        _ = try await log.append(event("probe", kind: .start))
        return try log.events(with: [.kind(.clockJumped)], limit: 20).reversed().map(\.event.decision)
    }

    @Test func `is no jump when time passes, or a time service corrects it`() async throws {
        let (store, hands) = (MemoryStore(), Hands())
        let log = try open(store, hands)
        for (wall, steady) in [(1, 1), (3600, 3600), (86_400, 86_400), (-119, 0), (119, 0), (300, 0), (0, 500)]
            as [(Int64, Int64)]
        {
            hands.move(wall: wall, steady: steady)
            #expect(!log.isClockBehind())
        }
        #expect(try await jumps(log) == [])
    }

    @Test func `back is told once, and refused for as long as it is behind`() async throws {
        let (store, hands) = (MemoryStore(), Hands())
        let log = try open(store, hands)
        _ = try await log.append(happening(hands))
        #expect(!log.isClockBehind())
        hands.move(wall: -121, steady: 1)
        for _ in 0..<5 { #expect(log.isClockBehind()) }
        #expect(try await jumps(log) == ["behind by 121 s"])
        hands.pass(2)
        #expect(!log.isClockBehind())
        hands.move(wall: -3600, steady: 1)
        #expect(log.isClockBehind())
        #expect(try await jumps(log).count == 2)
    }

    @Test func `ahead is told once and refused never`() async throws {
        let (store, hands) = (MemoryStore(), Hands())
        let log = try open(store, hands)
        hands.move(wall: 302, steady: 1)
        for _ in 0..<3 { #expect(!log.isClockBehind()) }
        #expect(try await jumps(log) == ["ahead by 301 s"])
    }

    @Test func `back is known after a restart, however many events came since`() async throws {
        let (store, hands) = (MemoryStore(), Hands())
        let log = try open(store, hands)
        _ = try await log.append(happening(hands))
        hands.move(wall: -7200, steady: 1)
        func restarted() throws -> AuditLog { try open(MemoryStore(try store.snapshot()), hands) }
        #expect(try restarted().isClockBehind())
        #expect(log.isClockBehind())
        for _ in 0..<100 { _ = try await log.append(happening(hands)) }
        #expect(try restarted().isClockBehind())
        hands.pass(7200)
        #expect(try !restarted().isClockBehind())
    }

    @Test func `back is gone on with once somebody vouches for it`() async throws {
        let (store, hands) = (MemoryStore(), Hands())
        let log = try open(store, hands)
        var late = happening(hands)
        late.time = late.time.adding(seconds: 86_400 * 3650)
        _ = try await log.append(late)
        // A log whose newest event is of another decade.
        let reopened = try open(store, hands)
        #expect(reopened.isClockBehind())
        try await reopened.acceptClock(by: nil, purpose: .systemAdministration, source: .system)
        #expect(!reopened.isClockBehind())
        #expect(try await jumps(reopened).last == "accepted")
        #expect(try !open(store, hands).isClockBehind())
    }
}
