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
struct StandbyTests {
    /// One end of a connection in memory.
    private final class End: StandbyLink {
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
    private struct Disk {
        let folder: TemporaryFolder
        let store: SQLiteStore

        init() throws {
            folder = try TemporaryFolder()
            store = try SQLiteStore(path: "\(folder.path)/ward.db")
        }
    }

    /// Stands still until it is let go: a busy machine then ends no lease, and makes no follower late.
    private final class Clock: Sendable {
        private let isStanding: Mutex<Bool>

        init(isStanding: Bool = true) { self.isStanding = Mutex(isStanding) }

        func go() { isStanding.withLock { $0 = false } }

        func now() -> Int64 { isStanding.withLock { $0 } ? 1 : LeaseClock.now() }
    }

    private static func feed(
        _ rules: StandbyRules = StandbyRules(lease: 60, wait: 1), clock: Clock = Clock()
    ) -> StandbyFeed {
        StandbyFeed(store: BackupHouse.id, epoch: 1, rules: rules, clock: { clock.now() }) { _ in }
    }

    private static func pairing(_ house: BackupHouse, epoch: Int64 = 1) -> StandbyFollower.Pairing {
        StandbyFollower.Pairing(
            store: BackupHouse.id, epoch: epoch, origin: house.log.origin, publicKey: house.log.publicKey)
    }

    /// Follows until it is told to stop; what ended it, if anything but that did.
    private struct Following {
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
    private static func wait(_ what: String, until condition: () -> Bool) async throws {
        for _ in 0..<12_000 {
            if condition() { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        Issue.record("\(what) did not come true within a minute")
    }

    private static func isCaughtUp(_ feed: StandbyFeed) -> Bool {
        feed.status.follower == .following && feed.status.waiting == 0
    }

    private static func differences(_ house: BackupHouse, _ disk: Disk) throws -> [String] {
        try StoreContent(house.store).differences(from: StoreContent(disk.store)).filter { $0 != "metadata standby" }
    }

    @Test func `a copy is equal from empty, behind a cut, and after the primary was started again`() async throws {
        let (house, disk) = (try await BackupHouse(), try Disk())
        let feed = Self.feed()
        try await house.write(0..<400)
        house.store.guardCommits(by: feed)
        var following = Following(feed, house, into: disk)
        try await Self.wait("the first copy") { Self.isCaughtUp(feed) }
        #expect(try Self.differences(house, disk) == [])
        try await house.write(400..<500)
        try await house.write(0..<50, version: 1)
        try await Self.wait("commits") { Self.isCaughtUp(feed) }
        #expect(try Self.differences(house, disk) == [])
        // Cut, while the primary goes on: its lease has not ended.
        #expect(await following.stop() == .cut)
        try await house.write(500..<520)
        following = Following(feed, house, into: disk)
        try await Self.wait("what was missed") { Self.isCaughtUp(feed) }
        #expect(try Self.differences(house, disk) == [])
        _ = await following.stop()
        // Another process of the primary knows nothing of what was carried over.
        let again = Self.feed()
        house.store.guardCommits(by: nil)
        try await house.write(520..<700)
        try await house.write(50..<60, version: 1)
        house.store.guardCommits(by: again)
        following = Following(again, house, into: disk)
        try await Self.wait("what was written meanwhile") { Self.isCaughtUp(again) }
        #expect(try Self.differences(house, disk) == [])
        _ = await following.stop()
        await house.log.close()
    }

    @Test func `a key that is destroyed is gone from the copy, also one that went while nobody followed`() async throws
    {
        let (house, disk) = (try await BackupHouse(), try Disk())
        func destroy(_ number: UInt64) async throws -> [UInt8] {
            let id = Locator(high: number, low: 5)
            let wrapped = try #require(try house.store.patientKey(id))
            _ = try await house.log.destroyKey(
                of: "p\(number)", id: id, wrapped: wrapped, basis: .requiredByLaw,
                entry: StoredEntry(id: Locator(high: number, low: 6), sealed: randomBytes(40)),
                as: BackupHouse.event("destroyed"), at: .now()
            ) {}
            return wrapped
        }
        func isInFiles(_ wrapped: [UInt8]) throws -> Bool {
            try ["", "-wal"].contains { suffix in
                let bytes = try PrivateFile.read(
                    "\(disk.folder.path)/ward.db\(suffix)", secret: false, limit: 1 << 30)
                return bytes.firstRange(of: wrapped) != nil
            }
        }
        try await house.write(0..<50)
        let feed = Self.feed()
        house.store.guardCommits(by: feed)
        let following = Following(feed, house, into: disk)
        try await Self.wait("the first copy") { Self.isCaughtUp(feed) }
        let first = try #require(try house.store.patientKey(Locator(high: 7, low: 5)))
        let (_, second) = (try await destroy(7), try #require(try house.store.patientKey(Locator(high: 8, low: 5))))
        try await Self.wait("the destruction") { Self.isCaughtUp(feed) }
        #expect(try Self.differences(house, disk).filter { $0 != "metadata erasure" } == [])
        #expect(try !isInFiles(first) && isInFiles(second))
        _ = await following.stop()
        house.store.guardCommits(by: nil)
        _ = try await destroy(8)
        let again = Self.feed()
        house.store.guardCommits(by: again)
        let later = Following(again, house, into: disk)
        try await Self.wait("what went meanwhile") { Self.isCaughtUp(again) }
        #expect(try Self.differences(house, disk).filter { $0 != "metadata erasure" } == [])
        #expect(try !isInFiles(second))
        _ = await later.stop()
        await house.log.close()
    }

    @Test func `nothing is written without a lease, and after a while nobody waits for one`() async throws {
        let house = try await BackupHouse()
        let before = try house.store.leafCount()
        house.store.guardCommits(by: Self.feed(clock: Clock(isStanding: false)))
        await #expect(throws: SubmissionFailure.unavailable) { try await house.write(0..<1) }
        #expect(try house.store.leafCount() == before)
        await house.log.close()
    }

    @Test func `a lease that ends during a commit leaves it unanswered`() async throws {
        let (house, disk) = (try await BackupHouse(), try Disk())
        let time = Mutex<Int64>(0)
        // The machine stands still at the moment at which the transaction is durable.
        let feed = StandbyFeed(
            store: BackupHouse.id, epoch: 1, rules: StandbyRules(lease: 60, wait: 1), clock: { time.withLock { $0 } }
        ) { _ in }
        let gate = Stopping(feed) { time.withLock { $0 += 61_000_000_000 } }
        house.store.guardCommits(by: gate)
        let following = Following(feed, house, into: disk)
        try await Self.wait("the copy") { Self.isCaughtUp(feed) && feed.holdsLease }
        let before = try house.store.leafCount()
        gate.isArmed.withLock { $0 = true }
        await #expect(throws: SubmissionFailure.unavailable) { try await house.write(0..<1) }
        // It stands, and is dealt with as one whose end is unknown.
        #expect(try house.store.leafCount() == before + 1)
        _ = await following.stop()
        await house.log.close()
    }

    private final class Stopping: CommitGate {
        let inner: StandbyFeed
        let isArmed = Mutex(false)
        let stop: @Sendable () -> Void

        init(_ inner: StandbyFeed, _ stop: @escaping @Sendable () -> Void) {
            self.inner = inner
            self.stop = stop
        }

        func enter() throws(StorageFailure) { try inner.enter() }

        func committed(_ commit: StoreCommit) -> Int64? {
            if isArmed.withLock({ $0 }) { stop() }
            return inner.committed(commit)
        }

        func leave(_ number: Int64?) throws(StorageFailure) { try inner.leave(number) }
    }

    @Test func `synchronous commits are on the follower's disk when they are answered`() async throws {
        let (house, disk) = (try await BackupHouse(), try Disk())
        let clock = Clock()
        let feed = Self.feed(StandbyRules(lease: 60, isSynchronous: true, wait: 1), clock: clock)
        house.store.guardCommits(by: feed)
        let following = Following(feed, house, into: disk)
        try await Self.wait("the copy") { Self.isCaughtUp(feed) && feed.holdsLease }
        for number in 0..<20 as Range<UInt64> {
            try await house.write(number..<number + 1)
            #expect(try disk.store.leafCount() == house.store.leafCount())
        }
        _ = await following.stop()
        clock.go()
        await #expect(throws: SubmissionFailure.unavailable) { try await house.write(30..<31) }
        await house.log.close()
    }

    @Test func `a follower that grants nothing gives no lease`() async throws {
        let (house, disk) = (try await BackupHouse(), try Disk())
        let feed = Self.feed(clock: Clock(isStanding: false))
        house.store.guardCommits(by: feed)
        let following = Following(feed, house, into: disk, grants: { false })
        await #expect(throws: SubmissionFailure.unavailable) { try await house.write(0..<1) }
        #expect(!feed.holdsLease)
        _ = await following.stop()
        await house.log.close()
    }

    @Test(arguments: 0..<12)
    func `a message that was altered is not taken`(_ place: Int) async throws {
        let (house, disk) = (try await BackupHouse(), try Disk())
        let feed = Self.feed()
        try await house.write(0..<100)
        house.store.guardCommits(by: feed)
        let first = Following(feed, house, into: disk)
        try await Self.wait("the copy") { Self.isCaughtUp(feed) && feed.holdsLease }
        _ = await first.stop()
        let known = try StoreContent(disk.store)
        let second = Following(
            feed, house, into: disk,
            alter: { message in
                guard message.count > 200 else { return message }
                var altered = message
                altered[20 + (message.count - 20) * place / 12] ^= 1
                return altered
            })
        // A leaf, a checkpoint, a number: the log's own signature covers those. Ciphertext is covered when it is opened.
        try? await house.write(100..<101)
        try await Self.wait("the end of the connection or the row") {
            second.following.isCancelled || feed.status.follower == .away
                || (try? disk.store.leafCount()) == (try? house.store.leafCount())
        }
        let ended = await second.stop()
        if try disk.store.leafCount() != Int64(known.leaves.count) {
            // Taken: then the log in it is the primary's log.
            #expect(try StoreContent(disk.store).leaves.map(\.leaf) == StoreContent(house.store).leaves.map(\.leaf))
        } else {
            #expect(ended == .notContinuous || ended == .protocolViolation || ended == .cut)
            #expect(try StoreContent(disk.store).differences(from: known) == [])
        }
        await house.log.close()
    }

    @Test func `another log is no continuation`() async throws {
        let (house, other, disk) = (try await BackupHouse(), try await BackupHouse(), try Disk())
        try await house.write(0..<20)
        try await other.write(0..<40)
        let feed = Self.feed()
        house.store.guardCommits(by: feed)
        let first = Following(feed, house, into: disk)
        try await Self.wait("the copy") { Self.isCaughtUp(feed) }
        _ = await first.stop()
        let known = try StoreContent(disk.store)
        let second = Following(Self.feed(), other, into: disk, pairing: Self.pairing(house))
        #expect(await second.following.value == .notContinuous)
        #expect(try StoreContent(disk.store).differences(from: known) == [])
        await second.session.value
        await house.log.close()
        await other.log.close()
    }

    @Test func `other stores, other epochs and stores that somebody works with are refused`() async throws {
        let (house, disk) = (try await BackupHouse(), try Disk())
        let feed = Self.feed()
        var wrong = Self.pairing(house, epoch: 2)
        #expect(await Following(feed, house, into: disk, pairing: wrong).following.value == .refused("other-epoch"))
        wrong = Self.pairing(house)
        wrong.store = "store-2"
        #expect(await Following(feed, house, into: disk, pairing: wrong).following.value == .refused("other-store"))
        let own = try await BackupHouse()
        #expect(throws: StandbyFailure.store(.locked)) {
            _ = try StandbyCopy(own.store, origin: house.log.origin, publicKey: house.log.publicKey)
        }
        #expect(!feed.holdsLease)
        await house.log.close()
        await own.log.close()
    }

    @Test func `who was promoted fences the old primary, and nobody with a lower number does`() async throws {
        let house = try await BackupHouse()
        let feed = Self.feed()
        for (epoch, isFenced) in [(Int64(1), false), (2, true)] {
            let (primary, follower) = End.pair()
            let session = Task.detached { await StandbySession(feed, of: house.store, over: primary).run() }
            #expect(await StandbyFollower.tell(store: BackupHouse.id, epoch: epoch, over: follower) == isFenced)
            await session.value
        }
        #expect(feed.status.fencedBy == 2)
        // A follower of before grants it a lease in vain.
        house.store.guardCommits(by: feed)
        let disk = try Disk()
        let following = Following(feed, house, into: disk)
        await #expect(throws: SubmissionFailure.unavailable) { try await house.write(0..<1) }
        _ = await following.stop()
        await house.log.close()
    }

    @Test func `a promotion that has begun ends following`() async throws {
        let (house, disk) = (try await BackupHouse(), try Disk())
        let feed = Self.feed()
        house.store.guardCommits(by: feed)
        let following = Following(feed, house, into: disk)
        try await Self.wait("the copy") { Self.isCaughtUp(feed) }
        _ = await following.stop()
        #expect(try StandbyMark(of: disk.store)?.phase == .whole)
        try StandbyMark.beginPromotion(disk.store)
        #expect(throws: StandbyFailure.store(.locked)) {
            _ = try StandbyCopy(disk.store, origin: house.log.origin, publicKey: house.log.publicKey)
        }
        try StandbyMark.end(disk.store)
        #expect(try StandbyMark(of: disk.store) == nil)
        await house.log.close()
    }
}
