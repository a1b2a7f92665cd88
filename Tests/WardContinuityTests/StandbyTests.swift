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

    @Test func `an exchange of keys is written over at the end of a phase, a destroyed key at once`() async throws {
        let (house, disk) = (try await BackupHouse(), try Disk())
        try await house.write(0..<20)
        let feed = Self.feed()
        house.store.guardCommits(by: feed)
        let following = Following(feed, house, into: disk)
        try await Self.wait("the first copy") { Self.isCaughtUp(feed) }
        func step(_ keys: Range<UInt64>) async throws {
            let replaced = try keys.map { number in
                let id = Locator(high: number, low: 5)
                let old = try #require(try house.store.patientKey(id))
                return KeyReplacement(id: id, old: old, new: randomBytes(99), number: 2)
            }
            _ = try await house.log.commit(BackupHouse.event("keys-added"), replacedKeys: replaced) { _ in }
            try await Self.wait("the step") { Self.isCaughtUp(feed) }
        }
        #expect(try !disk.store.isErasureDue())
        try await step(1..<4)
        #expect(try disk.store.isErasureDue())
        // What others write meanwhile is no end of it.
        try await house.write(20..<21)
        try await Self.wait("a write") { Self.isCaughtUp(feed) }
        try await step(4..<8)
        #expect(try disk.store.isErasureDue())
        let phase = StoredEntry(id: Locator(high: 0, low: 64), sealed: randomBytes(40))
        _ = try await house.log.commit(BackupHouse.event("keys-added-to-all"), entries: [.put(phase, .resealing)])
        try await Self.wait("the phase") { Self.isCaughtUp(feed) }
        #expect(try !disk.store.isErasureDue())
        try await step(8..<10)
        let id = Locator(high: 12, low: 5)
        let wrapped = try house.store.patientKey(id)
        _ = try await house.log.destroyKey(
            of: "p12", id: id, wrapped: wrapped, basis: .requiredByLaw,
            entry: StoredEntry(id: Locator(high: 12, low: 6), sealed: randomBytes(40)),
            as: BackupHouse.event("destroyed"), at: .now()
        ) {}
        try await Self.wait("the destruction") { Self.isCaughtUp(feed) }
        #expect(try !disk.store.isErasureDue())
        _ = await following.stop()
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
            store: BackupHouse.id, epoch: 1, rules: StandbyRules(lease: 60, wait: 1), clock: { time.withLock { $0 } },
            fenced: { _ in true }
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

        var isOpen: Bool { inner.isOpen }
    }

    @Test func `a follower that had everything and fell behind holds up commits until it has them`() async throws {
        let (house, disk) = (try await BackupHouse(), try Disk())
        let time = Mutex<Int64>(1)
        let feed = StandbyFeed(
            store: BackupHouse.id, epoch: 1, rules: StandbyRules(lease: 600, wait: 1),
            clock: { time.withLock { $0 } }, fenced: { _ in true }
        ) { _ in }
        house.store.guardCommits(by: feed)
        let following = Following(feed, house, into: disk)
        try await Self.wait("the copy") { Self.isCaughtUp(feed) && feed.holdsLease }
        _ = await following.stop()
        // More than is held for it: what it lacks is no longer at hand, and its age counts all the same.
        let before = feed.status.waiting
        for number in 0..<70 as Range<Int64> {
            let big = StoreChange.metadata(.origin, Array(repeating: UInt8(number), count: 2 << 20))
            _ = feed.committed(.changes([big]))
        }
        #expect(feed.status.waiting == before + 70)
        time.withLock { $0 += 6_000_000_000 }
        #expect(feed.holdsLease && feed.status.lagSeconds >= 6)
        let refused = Task.detached { try await house.write(0..<1) }
        for step in 0..<4000 where !refused.isCancelled {
            time.withLock { $0 += 1_000_000 }
            if step % 100 == 0 { try await Task.sleep(for: .milliseconds(1)) }
        }
        await #expect(throws: SubmissionFailure.unavailable) { try await refused.value }
        #expect(feed.holdsLease)
        let again = Following(feed, house, into: disk)
        try await Self.wait("what it lacked") { Self.isCaughtUp(feed) }
        #expect(feed.status.lagSeconds == 0)
        try await house.write(0..<1)
        _ = await again.stop()
        await house.log.close()
    }

    @Test func `whoever was promoted is told so only when it is written down`() async throws {
        let house = try await BackupHouse()
        let isWritable = Mutex(false)
        let feed = StandbyFeed(
            store: BackupHouse.id, epoch: 1, rules: StandbyRules(lease: 60, wait: 1),
            fenced: { _ in isWritable.withLock { $0 } }
        ) { _ in }
        for expected in [false, true] {
            isWritable.withLock { $0 = expected }
            let (primary, follower) = End.pair()
            let session = Task.detached { await StandbySession(feed, of: house.store, over: primary).run() }
            #expect(await StandbyFollower.tell(store: BackupHouse.id, epoch: 2, over: follower) == expected)
            await session.value
            // Nothing is written either way.
            #expect(!feed.isOpen && feed.status.fencedBy == 2)
        }
        await house.log.close()
    }

    @Test func `a pairing that has ended cuts whoever follows`() async throws {
        let (house, disk) = (try await BackupHouse(), try Disk())
        let feed = Self.feed()
        house.store.guardCommits(by: feed)
        let following = Following(feed, house, into: disk)
        try await Self.wait("the copy") { Self.isCaughtUp(feed) && feed.holdsLease }
        feed.release()
        #expect(await following.following.value == .cut)
        try await house.write(0..<1)
        #expect(feed.isOpen && feed.status.follower == .away)
        await house.log.close()
    }

    @Test func `a whole copy grants a lease only when it has seen that the log goes on`() async throws {
        let (house, disk) = (try await BackupHouse(), try Disk())
        let feed = Self.feed()
        house.store.guardCommits(by: feed)
        let first = Following(feed, house, into: disk)
        try await Self.wait("the copy") { Self.isCaughtUp(feed) && feed.holdsLease }
        _ = await first.stop()
        // Another process, whose rows never come: it may have been set back.
        let again = Self.feed()
        let second = Following(again, house, into: disk, alter: { $0.count > 200 ? nil : $0 })
        try await Self.wait("the connection") { again.status.follower == .catchingUp }
        try await Task.sleep(for: .milliseconds(100))
        #expect(!again.holdsLease)
        _ = await second.stop()
        let third = Following(again, house, into: disk)
        try await Self.wait("the lease") { again.holdsLease }
        _ = await third.stop()
        await house.log.close()
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
}
