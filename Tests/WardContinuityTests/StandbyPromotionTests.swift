import Synchronization
import Testing
import WardAudit
import WardContinuity
import WardCore
import WardCrypto
import WardSQLite
import WardStorage
import WardTestKit

/// What a promotion leaves of following.
extension StandbyTests {
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
