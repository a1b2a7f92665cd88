import Synchronization
import Testing
import WardAudit
import WardContinuity
import WardCore
import WardCrypto
import WardTestKit

/// What happens beside a full backup that takes long, or does not come to be.
@Suite struct `A full backup` {
    private let destination = MemoryDestination()
    private let stream = BackupStream(limit: 100_000)
    private let house: BackupHouse

    init() async throws {
        house = try await BackupHouse()
        stream.follow(house.store)
        _ = try await house.backup(to: destination, stream: stream).full()
    }

    private func before(_ prefix: String, _ work: @escaping @Sendable () async throws -> Void) {
        destination.state.withLock { $0.before = (prefix, work) }
    }

    private func expectRestorable(with kit: RecoveryKit? = nil) async throws {
        try await house.write(9000..<9010)
        try await stream.flush()
        let (restored, report, _) = try await house.restore(from: destination, with: kit)
        #expect(report.broken == nil)
        #expect(try StoreContent(restored).differences(from: try StoreContent(house.store)) == [])
        let backup = house.backup(to: destination, stream: stream)
        #expect(try await backup.reader.verify(expected: house.desk.state).faults == [])
    }

    @Test func `that fails where only a full one helps is asked for again`() async throws {
        try await house.write(0..<200, size: 2000)
        #expect(stream.needsFull)
        before("chunks/") { throw BackupFailure.unreachable(28) }
        let backup = house.backup(to: destination, stream: stream)
        await #expect(throws: BackupFailure.unreachable(28)) { try await backup.full() }
        #expect(stream.needsFull, "nothing that rests on it could be restored")
        try await house.write(200..<210)
        try await stream.flush()
        #expect(destination.names("stream/").isEmpty)
        _ = try await backup.full()
        #expect(!stream.needsFull)
        try await expectRestorable()
    }

    @Test func `that fails after something was carried over that rests on it is missed by name`() async throws {
        let (house, stream) = (house, stream)
        try await house.write(0..<200, size: 2000)
        before("chunks/") {
            try await house.write(200..<210)
            try await stream.flush()
            throw BackupFailure.unreachable(28)
        }
        let backup = house.backup(to: destination, stream: stream)
        await #expect(throws: BackupFailure.unreachable(28)) { try await backup.full() }
        #expect(destination.names("stream/").count == 1)
        let missing = BackupFailure.missing("manifests/000000000002")
        let (_, report, _) = try await house.restore(from: destination)
        #expect(report.backup == 1 && report.broken == missing)
        #expect(try await backup.reader.verify(expected: house.desk.state).faults == [missing])
        // Another time nothing of it harms.
        _ = try await backup.full()
        try await expectRestorable()
    }

    @Test func `after another kit was made opens with that kit alone, and so does what follows`() async throws {
        let (house, stream) = (house, stream)
        let other = try #require(RecoveryKit(signer: house.desk.keys.signer))
        try await house.write(0..<20)
        try await stream.flush()
        try await house.desk.adopt(other.key.recipient, by: nil, source: .system)
        before("chunks/") {
            try await house.write(20..<40)
            try await stream.flush()
        }
        _ = try await house.backup(to: destination, stream: stream).full()
        try await expectRestorable(with: other)
        await #expect(throws: BackupFailure.otherKit) { try await house.restore(from: destination) }
    }

    @Test func `beside the one that a store keeps does not take its place`() async throws {
        let (known, copy) = (house.desk.state, MemoryDestination())
        let other = Backup(of: house.store, desk: house.desk, to: copy, stream: nil, place: nil)
        _ = try await other.full()
        #expect(house.desk.state == known && copy.names("manifests/").count == 1)
        try await expectRestorable()
    }

    @Test func `is looked for where it was, and an empty place is told from a lost backup`() async throws {
        let backup = house.backup(to: destination, stream: stream)
        #expect(try await backup.isThere())
        let objects = destination.objects
        destination.objects = [:]
        #expect(try await !backup.isThere(), "as where a share is not mounted")
        let elsewhere = Backup(of: house.store, desk: house.desk, to: destination, stream: stream, place: "/elsewhere")
        #expect(try await elsewhere.isThere(), "a place that nothing was written to yet")
        destination.objects = objects
        _ = try await backup.full()
        destination.objects["manifests/000000000002"] = nil
        #expect(try await backup.isThere(), "set back, which is another fault")
    }

    @Test func `restored up to a gap says so again when the restore goes on`() async throws {
        for part in 0..<4 {
            try await house.write(UInt64(part * 10)..<UInt64(part * 10 + 5))
            try await stream.flush()
        }
        let gap = destination.names("stream/")[2]
        destination.objects[gap] = nil
        let folder = try TemporaryFolder()
        let target = try SQLiteStoreOf(folder)
        let restore = BackupRestore(from: destination, with: house.kit)
        let first = try await restore.run(into: target)
        #expect(first.broken == .missing(gap) && first.segments == 2)
        let again = try await restore.run(into: target)
        #expect(again.broken == first.broken && again.segments == 2 && again.versions == first.versions)
        #expect(again.upTo == first.upTo)
    }
}
