import Synchronization
import Testing
import WardAudit
import WardContinuity
import WardCore
import WardCrypto
import WardSQLite
import WardStorage
import WardTestKit

struct DestroyedListTests {
    private static let name = "destroyed/" + hex(Locator(high: 3, low: 5).bytes)
    private static let entry = StoredEntry(id: Locator(high: 3, low: 5), sealed: Array(repeating: 9, count: 90))

    private func destroy(_ house: BackupHouse) async throws {
        let wrapped = try #require(try house.store.patientKey(Self.entry.id))
        _ = try await house.log.destroyKey(
            of: "p", id: Self.entry.id, wrapped: wrapped, basis: .agreementEnded, entry: Self.entry,
            as: BackupHouse.event("d"), at: .now(), applied: {})
    }

    private func destroyed(_ destination: MemoryDestination, _ house: BackupHouse) async throws -> [StoredEntry] {
        let restore = BackupRestore(from: destination, with: house.kit)
        return try await restore.destroyed(of: try await restore.run(into: MemoryStore()))
    }

    @Test func `a full backup names what was destroyed, before it counts`() async throws {
        let house = try await BackupHouse()
        try await house.write(0..<20)
        let destination = MemoryDestination()
        let backup = house.backup(to: destination)
        _ = try await backup.full()
        #expect(try await destroyed(destination, house).isEmpty)
        try await destroy(house)
        #expect(try await backup.destroyedFaults() == [.missing(Self.name)])
        // As when the machine stops after the list and before the manifest.
        destination.state.withLock { $0.room = 1 }
        await #expect(throws: BackupFailure.self) { try await backup.full() }
        destination.state.withLock { $0.room = nil }
        #expect(destination.names("manifests/").count == 1)
        _ = try await backup.full()
        #expect(destination.names("destroyed/") == [Self.name])
        #expect(try await destroyed(destination, house) == [Self.entry])
        #expect(try await backup.destroyedFaults().isEmpty)
        // The stream and the newest full backup hold the key no more.
        let (restored, _, folder) = try await house.restore(from: destination)
        #expect(try restored.patientKey(Self.entry.id) == nil)
        withExtendedLifetime(folder) {}
    }

    @Test func `a store that took the place of another learns what that one destroyed`() async throws {
        let house = try await BackupHouse()
        try await house.write(0..<20)
        let destination = MemoryDestination()
        let backup = house.backup(to: destination)
        _ = try await backup.full()
        let (copy, _, folder) = try await house.restore(from: destination)
        try await destroy(house)
        #expect(try await backup.putDestroyed() == 1)
        #expect(try await backup.destroyedElsewhere().unknown.isEmpty)
        let other = Backup(of: copy, desk: house.desk, to: destination, stream: nil)
        #expect(try await other.destroyedElsewhere().unknown == [Self.entry])
        // One that somebody put there, before it in the list and after it, keeps it from nothing.
        for (high, place) in [(UInt64(0), 0), (UInt64.max, 1)] {
            let bad = "destroyed/" + hex(Locator(high: high, low: 1).bytes)
            destination.objects[bad] = [1, 2, 3]
            let list = try await other.destroyedElsewhere()
            #expect(list.unknown == [Self.entry] && list.faults.count == place + 1)
        }
        destination.state.withLock { $0.isAway = true }
        await #expect(throws: BackupFailure.unreachable(5)) { try await other.destroyedElsewhere() }
        destination.state.withLock { $0.isAway = false }
        for (high, _) in [(UInt64(0), 0), (UInt64.max, 1)] {
            destination.objects["destroyed/" + hex(Locator(high: high, low: 1).bytes)] = nil
        }
        #expect(try await other.destroyedFaults() == [.altered(Self.name)])
        withExtendedLifetime(folder) {}
    }

    @Test func `an empty place says nothing of what still holds a key`() async throws {
        let house = try await BackupHouse()
        let backup = house.backup(to: MemoryDestination())
        await #expect(throws: BackupFailure.empty) {
            _ = try await backup.holding(Self.entry.id, destroyedAt: .now(), now: .now())
        }
    }

    @Test func `the stream carries the removal, and a moment before it still has the key and the list`() async throws {
        let house = try await BackupHouse()
        let destination = MemoryDestination()
        let stream = BackupStream()
        stream.follow(house.store)
        let backup = house.backup(to: destination, stream: stream)
        try await backup.begin(at: try #require(Backup.position(of: house.store)))
        try await house.write(0..<20)
        _ = try await backup.full()
        try await stream.flush()
        let before = Instant.now()
        try await Task.sleep(for: .milliseconds(20))
        try await destroy(house)
        try await stream.flush()
        #expect(try await backup.putDestroyed() == 1)
        #expect(try await backup.putDestroyed() == 0)
        let (now, _, one) = try await house.restore(from: destination)
        #expect(try now.patientKey(Self.entry.id) == nil)
        #expect(try now.entry(Self.entry.id, kind: .destroyedKey) == Self.entry)
        let restore = BackupRestore(from: destination, with: house.kit)
        let old = MemoryStore()
        let report = try await restore.run(into: old, until: before)
        #expect(try old.patientKey(Self.entry.id) != nil)
        #expect(try await restore.destroyed(of: report) == [Self.entry])
        withExtendedLifetime(one) {}
    }

    @Test func `a list that was altered, forged or put under another name is not passed over`() async throws {
        let house = try await BackupHouse()
        try await house.write(0..<20)
        try await destroy(house)
        let destination = MemoryDestination()
        _ = try await house.backup(to: destination).full()
        let object = try #require(destination.objects[Self.name])
        for place in [0, 20, object.count - 100, object.count - 1] {
            destination.objects[Self.name]?[place] ^= 1
            await #expect(throws: BackupFailure.self) { try await destroyed(destination, house) }
            destination.objects[Self.name] = object
        }
        let other = "destroyed/" + hex(Locator(high: 3, low: 6).bytes)
        destination.objects[other] = object
        await #expect(throws: BackupFailure.altered(other)) { try await destroyed(destination, house) }
        destination.objects[other] = nil
        let forger = try await BackupHouse(kit: house.kit)
        try await forger.write(0..<20)
        try await destroy(forger)
        let forged = MemoryDestination()
        _ = try await forger.backup(to: forged).full()
        destination.objects[Self.name] = forged.objects[Self.name]
        await #expect(throws: BackupFailure.foreignSigner(Self.name)) { try await destroyed(destination, house) }
        #expect(try await house.backup(to: destination).destroyedFaults() == [.foreignSigner(Self.name)])
        destination.objects[Self.name] = nil
        #expect(try await house.backup(to: destination).destroyedFaults() == [.missing(Self.name)])
    }

    @Test func `which backups hold the key, and until when, follows from the retention`() async throws {
        let house = try await BackupHouse()
        try await house.write(0..<20)
        let destination = MemoryDestination()
        let backup = house.backup(to: destination)
        _ = try await backup.full()
        let at = Instant.now()
        let holding = try await backup.holding(Self.entry.id, destroyedAt: at, now: at)
        #expect(holding.numbers == [1] && !holding.isListed)
        // A week at least; a year where it stays the newest of its month.
        let until = try #require(holding.until)
        let days = (until.microseconds - at.microseconds) / 86_400_000_000
        #expect((6...400).contains(days), "\(days)")
        let later = try await backup.holding(
            Self.entry.id, destroyedAt: at.adding(seconds: -3600), now: at)
        #expect(later.numbers.isEmpty && later.until == nil)
    }

    @Test func `the list outlives the backups that it is about`() async throws {
        let house = try await BackupHouse()
        try await house.write(0..<20)
        let destination = MemoryDestination()
        var short = BackupRetention()
        (short.days, short.weeks, short.months) = (1, 1, 1)
        let backup = house.backup(to: destination, retention: short)
        _ = try await backup.full()
        try await destroy(house)
        for _ in 0..<3 { _ = try await backup.full() }
        #expect(destination.names("destroyed/") == [Self.name])
    }
}
