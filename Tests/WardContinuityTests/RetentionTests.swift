import Synchronization
import Testing
import WardAudit
import WardContinuity
import WardCore
import WardSQLite
import WardStorage
import WardTestKit

struct RetentionTests {
    /// Backups at these hours, and which of them stay.
    private func kept(_ hours: [Int64]) -> [Int64] {
        let start: Int64 = 20_000 * 24
        return BackupRetention().kept(
            hours.enumerated().map { place, hour in
                (
                    backup: hour, number: Int64(place + 1),
                    made: Instant(microseconds: (start + hour) * 3_600_000_000)
                )
            })
    }

    @Test func `of two years of daily backups seven days, five weeks and twelve months stay`() {
        let hours = (0..<730).map { Int64($0) * 24 }
        let days = kept(hours).map { $0 / 24 }
        #expect(Array(days.suffix(7)) == Array(723...729))
        #expect(days.count >= 7 + 3 + 10 && days.count <= 7 + 5 + 12)
        #expect(days[0] > 730 - 400 && days[0] < 730 - 300)
    }

    @Test func `of the last seven days all stay, of older ones the newest, and the newest of all always`() {
        #expect(kept([1, 2, 3]) == [1, 2, 3])
        let week = (1...7).map { Int64($0) * 24 }
        #expect(kept([1, 2, 3] + week) == week)
        #expect(kept([-400, -399] + week) == [-399] + week)
        #expect(kept([5]) == [5])
        #expect(kept([]) == [])
    }

    @Test func `a clock that leapt ahead or back ends nothing that is good`() {
        // A leap of ten years: what was there before still counts as days on which there are backups.
        let leap = kept([0, 24, 48, 72, 24 * 3650])
        #expect(leap == [0, 24, 48, 72, 24 * 3650])
        // Back by a year: the newest is the one with the highest number.
        #expect(kept([24 * 400, 24 * 401, 0]).contains(0))
        #expect(kept([24 * 400, 24 * 401, 0]).count == 3)
    }

    @Test
    func `what is let go of takes its chunks and its part of the stream along, and all that stays can be restored`()
        async throws
    {
        let house = try await BackupHouse()
        let destination = MemoryDestination()
        let stream = BackupStream()
        stream.follow(house.store)
        var newestOnly = BackupRetention()
        (newestOnly.days, newestOnly.weeks, newestOnly.months) = (0, 0, 0)
        let backup = house.backup(to: destination, stream: stream, retention: newestOnly)
        for part in 0..<4 {
            try await house.write(UInt64(part * 100)..<UInt64(part * 100 + 20))
            try await stream.flush()
            _ = try await backup.full(isFresh: true)
        }
        // One stays, and nothing of the others.
        #expect(destination.names("manifests/").count == 1)
        let found = try await backup.reader.verify(expected: house.desk.state)
        #expect(found.isWhole && found.chunks == destination.names("chunks/").count)
        #expect(destination.names("stream/").isEmpty)
        try await stream.flush()
        let (restored, _, _) = try await house.restore(from: destination)
        #expect(try StoreContent(restored).differences(from: try StoreContent(house.store)) == [])
    }

    @Test func `while a backup cannot be read, nothing is let go of`() async throws {
        let house = try await BackupHouse()
        let destination = MemoryDestination()
        let backup = house.backup(to: destination)
        _ = try await backup.full()
        let name = "manifests/000000000001"
        destination.objects[name]?[20] ^= 1
        let before = Set(destination.objects.keys)
        try await house.write(0..<10)
        _ = try await backup.full()
        #expect(before.isSubset(of: destination.objects.keys))
        #expect(try await backup.reader.verify(expected: house.desk.state).faults == [.altered(name)])
    }

    @Test func `a place that is empty now is written to only by a backup that somebody asks for`() async throws {
        let house = try await BackupHouse()
        let destination = MemoryDestination()
        let stream = BackupStream()
        stream.follow(house.store)
        let backup = house.backup(to: destination, stream: stream)
        try await backup.begin(at: try #require(Backup.position(of: house.store)))
        _ = try await backup.full()
        try await house.write(0..<10)
        try await stream.flush()
        destination.objects = [:]
        try await house.write(10..<20)
        await #expect(throws: BackupFailure.notThere) { try await backup.carry() }
        await #expect(throws: BackupFailure.notThere) { _ = try await backup.putDestroyed() }
        await #expect(throws: BackupFailure.notThere) { _ = try await backup.drill(into: { MemoryStore() }) }
        #expect(destination.objects.isEmpty)
        _ = try await backup.full()
        #expect(!destination.objects.isEmpty)
    }

    @Test func `a store without the lease of its standby writes nothing beside those of whoever took its place`()
        async throws
    {
        let house = try await BackupHouse()
        let destination = MemoryDestination()
        let stream = BackupStream()
        stream.follow(house.store)
        let backup = house.backup(to: destination, stream: stream)
        try await backup.begin(at: try #require(Backup.position(of: house.store)))
        _ = try await backup.full()
        try await house.write(0..<10)
        let before = destination.objects
        let gate = Gate()
        house.store.guardCommits(by: gate)
        gate.open.withLock { $0 = false }
        await #expect(throws: BackupFailure.notTheWriter) { try await backup.carry() }
        await #expect(throws: BackupFailure.notTheWriter) { _ = try await backup.putDestroyed() }
        await #expect(throws: BackupFailure.notTheWriter) { _ = try await backup.full() }
        await #expect(throws: BackupFailure.notTheWriter) { _ = try await backup.drill(into: { MemoryStore() }) }
        #expect(destination.objects == before)
        // Somebody is promoted while a backup is made: its chunks lie there, and it does not count.
        gate.open.withLock { $0 = true }
        destination.state.withLock { $0.before = ("chunks/", { gate.open.withLock { $0 = false } }) }
        await #expect(throws: BackupFailure.notTheWriter) { _ = try await backup.full() }
        #expect(destination.names("manifests/").count == 1)
        gate.open.withLock { $0 = true }
        _ = try await backup.full()
        #expect(destination.names("manifests/").count == 2)
    }

    private final class Gate: CommitGate {
        let open = Mutex(true)

        var isOpen: Bool { open.withLock { $0 } }

        func enter() throws(StorageFailure) {}

        func committed(_ commit: StoreCommit) -> Int64? { nil }

        func leave(_ number: Int64?) throws(StorageFailure) {}
    }

    @Test func `a drill writes anew, restores, compares, and its signed result is in the log`() async throws {
        let house = try await BackupHouse()
        try await house.write(0..<300)
        let destination = MemoryDestination()
        let backup = house.backup(to: destination)
        _ = try await backup.full()
        let drill = try await backup.drill(into: { MemoryStore() })
        #expect(drill.isGood && drill.versions == 300)
        #expect(house.desk.state.drillWasGood)
        #expect(house.desk.state.drillReport == drill.report)
        let event = try house.log.events(with: [.kind(.backupDrilled)], limit: 1).first?.event
        #expect(event?.outcome == .success)
        // A store that takes nothing.
        let failed = try await backup.drill(into: { () throws(BackupFailure) in throw .store })
        #expect(!failed.isGood)
        #expect(!house.desk.state.drillWasGood)
        #expect(try house.log.events(with: [.kind(.backupDrilled)], limit: 1).first?.event.outcome == .failed)
    }
}
