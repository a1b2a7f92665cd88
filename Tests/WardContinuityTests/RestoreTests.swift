import Synchronization
import Testing
import WardAudit
import WardContinuity
import WardCore
import WardCrypto
import WardSQLite
import WardStorage
import WardTestKit

struct RestoreTests {
    @Test func `what is restored is what was stored: every record, event, entry and key`() async throws {
        let house = try await BackupHouse()
        try await house.write(0..<1500)
        try await house.write(100..<300, version: 1)
        try await house.write(100..<150, version: 2)
        let destination = MemoryDestination()
        let before = try StoreContent(house.store)
        let made = try await house.backup(to: destination).full()
        #expect(made.manifest.versions == 1750)
        let (restored, report, folder) = try await house.restore(from: destination)
        #expect(try StoreContent(restored).differences(from: before) == [])
        #expect(report.versions == 1750)
        #expect(report.events == Int64(before.leaves.count))
        #expect(report.broken == nil)
        // The log opens, and stands on its own signature.
        let log = try BackupHouse.log(restored, house.tenant, house.signing)
        #expect(try log.verify().isWhole)
        withExtendedLifetime(folder) {}
    }

    @Test func `the tenant key comes out of the backup, with the kit alone`() async throws {
        let house = try await BackupHouse()
        let destination = MemoryDestination()
        _ = try await house.backup(to: destination).full()
        let restore = BackupRestore(from: destination, with: house.kit)
        let target = MemoryStore()
        let key = try await restore.tenantKey(of: try await restore.run(into: target))
        let sealed = try SealingKey(key).seal([7], boundTo: [])
        #expect(try SealingKey(house.tenant).open(sealed, boundTo: []) == [7])
    }

    @Test func `a kit of another time, and one of another store, are told apart from the right one`() async throws {
        let house = try await BackupHouse()
        let destination = MemoryDestination()
        _ = try await house.backup(to: destination).full()
        let sameStore = try #require(RecoveryKit(signer: house.desk.keys.signer))
        await #expect(throws: BackupFailure.otherKit) { try await house.restore(from: destination, with: sameStore) }
        let foreign = try #require(RecoveryKit(signer: SigningKey().publicKey))
        await #expect(throws: BackupFailure.foreignSigner("manifests/000000000001")) {
            try await house.restore(from: destination, with: foreign)
        }
    }

    @Test func `a backup that somebody else made for the kit is not believed`() async throws {
        let house = try await BackupHouse()
        // Knows the public key, and signs with a key of their own.
        let forger = try await BackupHouse(kit: house.kit)
        let destination = MemoryDestination()
        _ = try await forger.backup(to: destination).full()
        await #expect(throws: BackupFailure.foreignSigner("manifests/000000000001")) {
            try await house.restore(from: destination)
        }
    }

    @Test func `a second backup writes only what changed`() async throws {
        let house = try await BackupHouse()
        try await house.write(0..<5000)
        let destination = MemoryDestination()
        let backup = house.backup(to: destination)
        let first = try await backup.full()
        try await house.write(5000..<5010)
        let second = try await backup.full()
        #expect(second.newBytes < first.newBytes / 2)
        let fresh = try await backup.full(isFresh: true)
        #expect(fresh.newBytes == fresh.manifest.size)
        let before = try StoreContent(house.store)
        let (restored, report, _) = try await house.restore(from: destination)
        #expect(report.backup == 3)
        // Only the event that the backup was made is younger than it.
        #expect(try StoreContent(restored).versions == before.versions)
    }

    @Test func `without a kit nothing is written`() async throws {
        let house = try await BackupHouse()
        let empty = try BackupDesk(
            store: MemoryStore(), keys: house.desk.keys, log: house.log)
        let destination = MemoryDestination()
        await #expect(throws: BackupFailure.noKit) {
            try await Backup(of: house.store, desk: empty, to: destination, stream: nil).full()
        }
        #expect(destination.objects.isEmpty)
    }

    @Test func `nothing of what is stored is readable in a backup`() async throws {
        let house = try await BackupHouse()
        let canary = Array("canary-of-the-store".utf8)
        _ = try await house.log.commit(
            BackupHouse.event("c"),
            writes: [
                RecordWrite(
                    locator: Locator(high: 1, low: 2), expectedVersion: 0, isDeleted: false, maskedOwner: .none,
                    body: canary, card: canary, newKey: (Locator(high: 9, low: 9), canary))
            ], entries: [.put(StoredEntry(id: Locator(high: 3, low: 3), sealed: canary), .person)])
        let destination = MemoryDestination()
        let stream = BackupStream()
        stream.follow(house.store)
        let backup = house.backup(to: destination, stream: stream)
        _ = try await backup.full()
        _ = try await house.log.commit(
            BackupHouse.event("d"), entries: [.put(StoredEntry(id: Locator(high: 3, low: 4), sealed: canary), .person)])
        try await stream.flush()
        #expect(destination.names("stream/").count == 1)
        for (name, object) in destination.objects { #expect(!contains(object, canary), "\(name)") }
        let (restored, _, _) = try await house.restore(from: destination)
        #expect(try restored.entry(Locator(high: 3, low: 4), kind: .person)?.sealed == canary)
    }

    private func contains(_ bytes: [UInt8], _ part: [UInt8]) -> Bool {
        bytes.indices.dropLast(part.count - 1).contains {
            bytes[$0] == part[0] && Array(bytes[$0..<$0 + part.count]) == part
        }
    }

    @Test func `a checkpoint kept elsewhere shows a backup that was set back, and another history`() async throws {
        let house = try await BackupHouse()
        try await house.write(0..<100)
        let old = house.log.checkpoint
        let destination = MemoryDestination()
        let backup = house.backup(to: destination)
        _ = try await backup.full()
        let first = destination.objects
        try await house.write(100..<200)
        _ = try await backup.full()
        let newer = house.log.checkpoint
        #expect(try await house.restore(from: destination, against: old).report.isContinuous)
        destination.objects = first
        await #expect(throws: BackupFailure.log(.rolledBack)) {
            try await house.restore(from: destination, against: newer)
        }
        let forged = Checkpoint(origin: old.origin, size: old.size, root: sha256([1]))
        await #expect(throws: BackupFailure.log(.forked)) {
            try await house.restore(from: destination, against: forged)
        }
    }

    @Test func `a restore that was interrupted goes on, and ends equal`() async throws {
        let house = try await BackupHouse()
        // Bodies so large that there are several steps.
        try await house.write(0..<400, size: 150_000)
        let destination = MemoryDestination()
        let before = try StoreContent(house.store)
        let made = try await house.backup(to: destination).full()
        #expect(made.manifest.size > 50 << 20)
        let folder = try TemporaryFolder()
        let target = try SQLiteStoreOf(folder)
        let restore = BackupRestore(from: destination, with: house.kit)
        // The connection breaks again and again; each time it is some steps further.
        for _ in 0..<3 {
            destination.state.withLock { $0.reads = 14 }
            await #expect(throws: BackupFailure.unreachable(5)) { try await restore.run(into: target) }
        }
        destination.state.withLock { $0.reads = nil }
        #expect(try target.metadata(.header) == nil, "it does not open yet")
        let report = try await restore.run(into: target)
        #expect(report.resumed > 8)
        try BackupRestore.conclude(target)
        #expect(try StoreContent(target).differences(from: before) == [])
    }

    @Test func `a restore goes into an empty place only, and mixes no two backups`() async throws {
        let house = try await BackupHouse()
        try await house.write(0..<60)
        let destination = MemoryDestination()
        let backup = house.backup(to: destination)
        _ = try await backup.full()
        let restore = BackupRestore(from: destination, with: house.kit)
        await #expect(throws: BackupFailure.targetInUse) { try await restore.run(into: house.store) }
        let target = MemoryStore()
        _ = try await restore.run(into: target)
        try await house.write(60..<70)
        _ = try await backup.full()
        await #expect(throws: BackupFailure.targetInUse) { try await restore.run(into: target) }
        #expect(try await restore.run(into: MemoryStore()).backup == 2)
    }
}
