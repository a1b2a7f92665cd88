import Synchronization
import Testing
import WardAudit
import WardContinuity
import WardCore
import WardStorage
import WardTestKit

struct StreamTests {
    @Test func `the newest commit is restored, and any moment before it`() async throws {
        let house = try await BackupHouse()
        let destination = MemoryDestination()
        let stream = BackupStream()
        stream.follow(house.store)
        let backup = house.backup(to: destination, stream: stream)
        try await house.write(0..<100)
        _ = try await backup.full()
        try await house.write(100..<200)
        try await stream.flush()
        let (moment, then) = (Instant.now(), try StoreContent(house.store))
        try await house.write(0..<50, version: 1)
        try await stream.flush()
        // A full backup on the way, with commits right after it.
        _ = try await backup.full()
        try await house.write(200..<300)
        try await stream.flush()
        let now = try StoreContent(house.store)
        let newest = try await house.restore(from: destination)
        #expect(try StoreContent(newest.store).differences(from: now) == [])
        let back = try await house.restore(from: destination, until: moment)
        #expect(back.report.backup == 1)
        #expect(try StoreContent(back.store).differences(from: then) == [])
        await #expect(throws: BackupFailure.empty) {
            try await house.restore(from: destination, until: Instant(microseconds: 0))
        }
        #expect(try await backup.reader.verify(expected: house.desk.state).faults == [])
    }

    @Test func `after an orderly end the stream goes on without a full backup`() async throws {
        let destination = MemoryDestination()
        var house = try await BackupHouse()
        var stream = BackupStream()
        stream.follow(house.store)
        _ = try await house.backup(to: destination, stream: stream).full()
        for part in 0..<3 {
            try await house.write(UInt64(part * 100)..<UInt64(part * 100 + 20))
            await house.log.close()
            try await stream.flush()
            let next = BackupStream()
            var start: LogPosition?
            house = try await house.reopened {
                start = Backup.position(of: $0)
                next.follow($0)
            }
            try await house.backup(to: destination, stream: next).begin(at: try #require(start))
            #expect(!next.needsFull)
            stream = next
        }
        try await house.write(1000..<1020)
        try await stream.flush()
        let (restored, report, _) = try await house.restore(from: destination)
        #expect(report.broken == nil && report.backup == 1)
        #expect(try StoreContent(restored).differences(from: try StoreContent(house.store)) == [])
    }

    @Test func `what a crash took from the stream is found at the next start, and a full backup follows`() async throws
    {
        let destination = MemoryDestination()
        let house = try await BackupHouse()
        let stream = BackupStream()
        stream.follow(house.store)
        _ = try await house.backup(to: destination, stream: stream).full()
        try await house.write(0..<20)
        try await stream.flush()
        // Durable in the store, and never flushed.
        try await house.write(20..<40)
        let next = BackupStream()
        var start: LogPosition?
        let after = try await house.reopened {
            start = Backup.position(of: $0)
            next.follow($0)
        }
        let backup = after.backup(to: destination, stream: next)
        try await backup.begin(at: try #require(start))
        #expect(next.needsFull)
        try await after.write(40..<60)
        // Nothing is written until there is a full backup to rest on.
        try await next.flush()
        #expect(destination.names("stream/").count == 1)
        _ = try await backup.full()
        try await after.write(60..<80)
        try await next.flush()
        let (restored, _, _) = try await after.restore(from: destination)
        #expect(try StoreContent(restored).differences(from: try StoreContent(after.store)) == [])
        #expect(try await backup.reader.verify(expected: after.desk.state).faults == [])
    }

    @Test func `while the destination is away commits wait, and follow when it is back`() async throws {
        let destination = MemoryDestination()
        let house = try await BackupHouse()
        let stream = BackupStream()
        stream.follow(house.store)
        let backup = house.backup(to: destination, stream: stream)
        _ = try await backup.full()
        destination.state.withLock { $0.isAway = true }
        for part in 0..<5 {
            try await house.write(UInt64(part * 10)..<UInt64(part * 10 + 5))
            await #expect(throws: BackupFailure.unreachable(5)) { try await stream.flush() }
        }
        await #expect(throws: BackupFailure.self) { try await backup.full() }
        #expect(stream.waitingBytes > 0)
        destination.state.withLock { $0.isAway = false }
        try await stream.flush()
        #expect(stream.waitingBytes == 0)
        let (restored, report, _) = try await house.restore(from: destination)
        #expect(report.broken == nil)
        #expect(try StoreContent(restored).differences(from: try StoreContent(house.store)) == [])
    }

    @Test func `a destination that is full loses nothing`() async throws {
        let destination = MemoryDestination()
        let house = try await BackupHouse()
        let stream = BackupStream()
        stream.follow(house.store)
        let backup = house.backup(to: destination, stream: stream)
        for room in 0..<4 {
            destination.state.withLock { $0.room = room }
            await #expect(throws: BackupFailure.unreachable(28)) { try await backup.full() }
            #expect(destination.names("manifests/").isEmpty)
        }
        destination.state.withLock { $0.room = nil }
        try await house.write(0..<20)
        _ = try await backup.full()
        destination.state.withLock { $0.room = 0 }
        try await house.write(20..<40)
        await #expect(throws: BackupFailure.unreachable(28)) { try await stream.flush() }
        await #expect(throws: BackupFailure.unreachable(28)) { try await backup.full() }
        destination.state.withLock { $0.room = nil }
        try await stream.flush()
        let (restored, _, _) = try await house.restore(from: destination)
        #expect(try StoreContent(restored).differences(from: try StoreContent(house.store)) == [])
    }

    @Test func `too much that waits is let go of, and a full backup is asked for`() async throws {
        let destination = MemoryDestination()
        let house = try await BackupHouse()
        let stream = BackupStream(limit: 100_000)
        stream.follow(house.store)
        let backup = house.backup(to: destination, stream: stream)
        _ = try await backup.full()
        #expect(!stream.needsFull)
        destination.state.withLock { $0.isAway = true }
        try await house.write(0..<200, size: 2000)
        #expect(stream.needsFull && stream.waitingBytes == 0)
        destination.state.withLock { $0.isAway = false }
        _ = try await backup.full()
        try await house.write(200..<210)
        try await stream.flush()
        let (restored, _, _) = try await house.restore(from: destination)
        #expect(try StoreContent(restored).differences(from: try StoreContent(house.store)) == [])
    }

    @Test func `commits while a full backup is made are in the stream once`() async throws {
        let destination = MemoryDestination()
        let house = try await BackupHouse()
        let stream = BackupStream()
        stream.follow(house.store)
        let backup = house.backup(to: destination, stream: stream)
        try await house.write(0..<500)
        _ = try await backup.full()
        let writer = Task {
            for part in 10..<40 { try await house.write(UInt64(part * 1000)..<UInt64(part * 1000 + 20)) }
        }
        let flusher = Task { for _ in 0..<30 { try await stream.flush() } }
        for _ in 0..<3 { _ = try await backup.full() }
        try await writer.value
        try await flusher.value
        try await stream.flush()
        let (restored, report, _) = try await house.restore(from: destination)
        #expect(report.broken == nil && report.backup == 4)
        #expect(try StoreContent(restored).differences(from: try StoreContent(house.store)) == [])
        #expect(try await backup.reader.verify(expected: house.desk.state).faults == [])
    }
}
