import Synchronization
import Testing
import WardAudit
import WardContinuity
import WardCore
import WardCrypto
import WardSQLite
import WardStorage
import WardTestKit

/// A primary and its follower in one process; what goes between them can be held up, altered and cut.
extension StandbyTests {
    /// One end of a connection in memory.
    final class End: StandbyLink {
        let received: AsyncStream<[UInt8]>
        private let arriving: AsyncStream<[UInt8]>.Continuation
        private let peer = Mutex<AsyncStream<[UInt8]>.Continuation?>(nil)
        private let alter: @Sendable ([UInt8]) -> [UInt8]?

        private init(_ alter: @escaping @Sendable ([UInt8]) -> [UInt8]?) {
            (received, arriving) = AsyncStream<[UInt8]>.makeStream()
            self.alter = alter
        }

        /// - Parameter alter: what becomes of a message of the primary's; nil for one that is lost.
        static func pair(
            _ alter: @escaping @Sendable ([UInt8]) -> [UInt8]? = { $0 }
        ) -> (primary: End, follower: End) {
            let (primary, follower) = (End(alter), End { $0 })
            primary.peer.withLock { $0 = follower.arriving }
            follower.peer.withLock { $0 = primary.arriving }
            return (primary, follower)
        }

        func send(_ message: [UInt8]) async throws(StandbyFailure) {
            guard let peer = peer.withLock({ $0 }) else { throw .cut }
            if let message = alter(message) { peer.yield(message) }
        }

        func cut() {
            arriving.finish()
            peer.withLock { peer in
                peer?.finish()
                peer = nil
            }
        }
    }

    /// A follower's disk.
    struct Disk {
        let folder: TemporaryFolder
        let store: SQLiteStore

        init() throws {
            folder = try TemporaryFolder()
            store = try SQLiteStore(path: "\(folder.path)/ward.db")
        }
    }

    /// Stands still until it is let go: a busy machine then ends no lease, and makes no follower late.
    final class Clock: Sendable {
        private let isStanding: Mutex<Bool>

        init(isStanding: Bool = true) { self.isStanding = Mutex(isStanding) }

        func go() { isStanding.withLock { $0 = false } }

        func now() -> Int64 { isStanding.withLock { $0 } ? 1 : LeaseClock.now() }
    }

    static func feed(
        _ rules: StandbyRules = StandbyRules(lease: 60, wait: 1), clock: Clock = Clock()
    ) -> StandbyFeed {
        StandbyFeed(
            store: BackupHouse.id, epoch: 1, rules: rules, clock: { clock.now() }, fenced: { _ in true }
        ) { _ in }
    }

    static func pairing(_ house: BackupHouse, epoch: Int64 = 1) -> StandbyFollower.Pairing {
        StandbyFollower.Pairing(
            store: BackupHouse.id, epoch: epoch, origin: house.log.origin, publicKey: house.log.publicKey)
    }

    /// Follows until it is told to stop; what ended it, if anything but that did.
    struct Following {
        let end: End
        let session: Task<Void, Never>
        let following: Task<StandbyFailure?, Never>

        init(
            _ feed: StandbyFeed, _ house: BackupHouse, into disk: Disk, pairing: StandbyFollower.Pairing? = nil,
            grants: @escaping @Sendable () -> Bool = { true },
            alter: @escaping @Sendable ([UInt8]) -> [UInt8]? = { $0 }
        ) {
            let (primary, follower) = End.pair(alter)
            end = follower
            let (store, pairing) = (house.store, pairing ?? StandbyTests.pairing(house))
            session = Task.detached { await StandbySession(feed, of: store, over: primary).run() }
            following = Task.detached {
                do throws(StandbyFailure) {
                    try await StandbyFollower(pairing, into: disk.store, grants: grants) { _, _ in }
                        .run(over: follower)
                    return nil
                } catch {
                    return error
                }
            }
        }

        func stop() async -> StandbyFailure? {
            end.cut()
            await session.value
            return await following.value
        }
    }

    /// Waits for something that another task does.
    static func wait(_ what: String, until condition: () -> Bool) async throws {
        for _ in 0..<12_000 {
            if condition() { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        Issue.record("\(what) did not come true within a minute")
    }

    static func isCaughtUp(_ feed: StandbyFeed) -> Bool {
        feed.status.follower == .following && feed.status.waiting == 0
    }

    static func differences(_ house: BackupHouse, _ disk: Disk) throws -> [String] {
        try StoreContent(house.store).differences(from: StoreContent(disk.store)).filter { $0 != "metadata standby" }
    }
}
