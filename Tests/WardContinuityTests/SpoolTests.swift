import Glibc
import Testing
import WardAudit
import WardContinuity
import WardCore
import WardCrypto
import WardSQLite
import WardStorage
import WardTestKit

/// A copy that is read with a spool beside it, and what becomes of the spool.
struct SpoolTests {
    /// A store whose copy is served for reading: both are the same files here.
    private struct Emergency {
        let house: BackupHouse
        let checkpoint: Checkpoint

        init(events: Int = 3) async throws {
            house = try await BackupHouse()
            for number in 0..<events { _ = try await house.log.append(BackupHouse.event("before \(number)")) }
            checkpoint = house.log.checkpoint
        }

        /// The same store at another moment.
        init(_ other: Emergency, at checkpoint: Checkpoint) {
            (house, self.checkpoint) = (other.house, checkpoint)
        }

        func loosen() { unsafe chmod(path, 0o640) }

        var path: String { "\(house.folder.path)/x.spool" }

        func store(_ path: String? = nil, base: (any SealedStore)? = nil, largest: Int = 1 << 30) throws
            -> EmergencyStore
        {
            let signing = house.signing
            return try EmergencyStore(
                base ?? SQLiteStore(reading: "\(house.folder.path)/ward.db"), checkpoint: checkpoint,
                spool: path ?? self.path, key: SpoolKey(house.tenant), now: .now(),
                largest: largest, sign: { $0.signed(with: signing) })
        }

        func log(_ store: EmergencyStore) throws -> AuditLog {
            try AuditLog(
                store: store,
                keys: AuditKeys(house.tenant.derived("ward/audit/1"), signing: house.signing, tenant: .single),
                origin: store.header.origin, writable: EmergencyStore.kinds)
        }

        /// Writes so many events into the spool, and ends in order.
        func fill(_ count: Int, closes: Bool = true) async throws {
            let store = try store()
            let log = try log(store)
            for number in 0..<count { _ = try await log.append(BackupHouse.event("looked \(number)")) }
            await log.close()
            if closes { store.close() }
        }

        func bytes(_ path: String? = nil) throws -> [UInt8] {
            try PrivateFile.read(path ?? self.path, secret: true, limit: 1 << 24)
        }

        func reconciliation(_ store: (any SealedStore)? = nil, _ log: AuditLog? = nil) -> SpoolReconciliation {
            SpoolReconciliation(store: store ?? house.store, material: house.tenant, log: log ?? house.log)
        }

        func take(_ bytes: [UInt8]) async throws -> SpoolReport {
            try await reconciliation().take(bytes, by: Self.actor, source: .system)
        }

        func taken() throws -> [AuditEvent] {
            try house.log.events(with: [], limit: 10_000).map(\.event).filter { $0.spooled != nil }.reversed()
        }

        static let actor = AuditActor(id: "person/1", name: "Chief", role: "administrator")
    }

    @Test func `events are taken in their order, once, with their own times`() async throws {
        let emergency = try await Emergency()
        try await emergency.fill(600)
        let bytes = try emergency.bytes()
        let report = try await emergency.take(bytes)
        #expect((report.events, report.taken, report.isEndSeen) == (600, 600, true))
        let taken = try emergency.taken()
        #expect(taken.map(\.decision) == (0..<600).map { "looked \($0)" })
        #expect(taken.map { $0.spooled?.index } == (0..<600).map { Int64($0) })
        let size = emergency.house.log.checkpoint.size
        let again = try await emergency.take(bytes)
        #expect((again.events, again.taken) == (600, 0))
        #expect(emergency.house.log.checkpoint.size == size)
        #expect(taken.last?.time == (try emergency.taken().last?.time))
    }

    @Test(arguments: [3, 300])
    func `goes on with its own spool, however many events are in it`(before: Int) async throws {
        let emergency = try await Emergency(events: before)
        for closes in [false, true, true] { try await emergency.fill(600, closes: closes) }
        let store = try emergency.store()
        let log = try emergency.log(store)
        #expect(log.checkpoint.size == emergency.checkpoint.size + 1800)
        #expect(
            try log.continues(
                Checkpoint(
                    origin: store.header.origin, size: emergency.checkpoint.size, root: emergency.checkpoint.root)))
        await log.close()
        store.close()
        #expect(try await emergency.take(try emergency.bytes()).events == 1800)
    }

    @Test func `nothing of the copy changes`() async throws {
        let emergency = try await Emergency()
        let before = try StoreContent(emergency.house.store)
        try await emergency.fill(300)
        #expect(try StoreContent(emergency.house.store).differences(from: before).isEmpty)
    }

    @Test(arguments: 1...9)
    func `goes on after a commit that failed`(step: Int) async throws {
        let emergency = try await Emergency()
        try await emergency.fill(700)
        let failing = FailingStore(emergency.house.store)
        let log = try BackupHouse.log(failing, emergency.house.tenant, emergency.house.signing)
        let bytes = try emergency.bytes()
        // Before and after the effect of a commit in turn.
        var tries = 0
        while true {
            failing.expect(tries == 0 ? .step(step * 40, .full) : .none)
            tries += 1
            do {
                let report = try await emergency.reconciliation(failing, log).take(
                    bytes, by: Emergency.actor, source: .system)
                #expect(report.events == 700)
                break
            } catch {
                try #require(tries < 4)
            }
        }
        let all = try log.events(with: [], limit: 10_000).map(\.event).filter { $0.spooled != nil }
        #expect(all.reversed().map { $0.spooled?.index } == (0..<700).map { Int64($0) })
    }

    @Test func `a commit that stands although it was said to have failed is not made twice`() async throws {
        let emergency = try await Emergency()
        try await emergency.fill(300)
        let failing = FailingStore(emergency.house.store)
        let log = try BackupHouse.log(failing, emergency.house.tenant, emergency.house.signing)
        let bytes = try emergency.bytes()
        failing.expect(.commits(.full, afterEffect: true))
        await #expect(throws: SpoolFailure.store) {
            try await emergency.reconciliation(failing, log).take(bytes, by: Emergency.actor, source: .system)
        }
        failing.expect(.none)
        _ = try await emergency.reconciliation(failing, log).take(bytes, by: Emergency.actor, source: .system)
        let all = try log.events(with: [], limit: 10_000).map(\.event).filter { $0.spooled != nil }
        #expect(all.reversed().map { $0.spooled?.index } == (0..<300).map { Int64($0) })
    }

    @Test func `each changed byte is noticed`() async throws {
        let emergency = try await Emergency()
        try await emergency.fill(4)
        let bytes = try emergency.bytes()
        let key = SpoolKey(emergency.house.tenant)
        let whole = try SpoolContent(bytes, key: key)
        #expect(whole.isClosed)
        for place in stride(from: 0, to: bytes.count, by: 7) {
            var harmed = bytes
            harmed[place] ^= 0x10
            // A length that grows past the end is a cut: the end is then not seen.
            if let read = try? SpoolContent(harmed, key: key) {
                #expect(!read.isClosed && read.loose > 0, "byte \(place)")
            }
        }
        for length in stride(from: 0, to: bytes.count, by: 11) {
            if let read = try? SpoolContent(Array(bytes.prefix(length)), key: key) { #expect(!read.isClosed) }
        }
    }

    @Test func `another key, another log and another moment are refused`() async throws {
        let emergency = try await Emergency()
        try await emergency.fill(2)
        let bytes = try emergency.bytes()
        #expect(throws: SpoolFailure.altered(1)) { try SpoolContent(bytes, key: SpoolKey(.random())) }
        // The same name, and another history.
        let other = try await Emergency(events: 9)
        await #expect(throws: SpoolFailure.altered(1)) { try await other.take(bytes) }
        let stranger = SpoolReconciliation(
            store: other.house.store, material: emergency.house.tenant, log: other.house.log)
        await #expect(throws: SpoolFailure.unknownCheckpoint) {
            try await stranger.take(bytes, by: Emergency.actor, source: .system)
        }
        #expect(try other.taken().isEmpty)
        _ = try await emergency.house.log.append(BackupHouse.event("later"))
        let later = Emergency(emergency, at: emergency.house.log.checkpoint)
        #expect(throws: SpoolFailure.unknownCheckpoint) { try later.store() }
    }

    @Test func `a part that was taken must stay in the file`() async throws {
        let emergency = try await Emergency()
        try await emergency.fill(3, closes: false)
        let first = try emergency.bytes()
        try await emergency.fill(3)
        let second = try emergency.bytes()
        _ = try await emergency.take(second)
        await #expect(throws: SpoolFailure.rewound) { try await emergency.take(first) }
        #expect(try emergency.taken().count == 6)
    }

    @Test func `an end that was not reached is told, and what follows is taken later`() async throws {
        let emergency = try await Emergency()
        try await emergency.fill(3, closes: false)
        let first = try emergency.bytes()
        try await emergency.fill(2)
        let open = try await emergency.take(first)
        #expect((open.taken, open.isEndSeen) == (3, false))
        let closed = try await emergency.take(try emergency.bytes())
        // That the next run ended in order says nothing of this one.
        #expect((closed.events, closed.taken, closed.isEndSeen) == (5, 2, false))
        #expect((open.unclosedRuns, closed.unclosedRuns, closed.looseBytes) == (1, 1, 0))
        let outline = try SpoolOutline(try emergency.bytes())
        #expect(!outline.isClosed)
        #expect(try SpoolReconciliation.isTaken(outline, in: emergency.house.store))
    }

    @Test func `an end that was cut is missed however often the mode runs again`() async throws {
        let emergency = try await Emergency()
        try await emergency.fill(4)
        let whole = try emergency.bytes()
        // The closing record, and some of the commit before it.
        try PrivateFile.replace(emergency.path, Array(whole.dropLast(150)))
        for _ in 0..<3 { try await emergency.fill(1) }
        #expect(!(try SpoolOutline(try emergency.bytes()).isClosed))
        let report = try await emergency.take(try emergency.bytes())
        #expect((report.isEndSeen, report.unclosedRuns) == (false, 1))
        #expect(report.looseBytes > 0)
    }

    @Test func `runs that all ended in order are told from those that did not`() async throws {
        let emergency = try await Emergency()
        for _ in 0..<3 { try await emergency.fill(2) }
        let report = try await emergency.take(try emergency.bytes())
        #expect((report.isEndSeen, report.unclosedRuns, report.looseBytes) == (true, 0, 0))
        let other = try await Emergency()
        for _ in 0..<2 { try await other.fill(1, closes: false) }
        let later = try await other.take(try other.bytes())
        #expect((later.isEndSeen, later.unclosedRuns) == (false, 2))
    }

    @Test func `a spool that is as large as it may be takes no more, and is opened and taken`() async throws {
        let emergency = try await Emergency()
        let store = try emergency.store(largest: 8000)
        let log = try emergency.log(store)
        var count = 0
        await #expect(throws: AuditFailure.storage) {
            while count < 100 {
                _ = try await log.append(BackupHouse.event("looked \(count)"))
                count += 1
            }
        }
        #expect((1..<100).contains(count))
        await log.close()
        store.close()
        try emergency.store(largest: 8000).close()
        let report = try await emergency.take(try emergency.bytes())
        #expect((report.events, report.isEndSeen) == (count, true))
    }

    @Test func `zeros after the last record are cut off and kept`() async throws {
        let emergency = try await Emergency()
        try await emergency.fill(2, closes: false)
        let bytes = try emergency.bytes()
        try PrivateFile.replace(emergency.path, bytes + [UInt8](repeating: 0, count: 100))
        try await emergency.fill(1)
        #expect(try SpoolContent(emergency.bytes(), key: SpoolKey(emergency.house.tenant)).loose == 0)
        #expect(try emergency.bytes("\(emergency.path).loose-\(bytes.count)").count == 100)
    }

    @Test func `records, keys, people and settings are not written`() async throws {
        let emergency = try await Emergency()
        let store = try emergency.store()
        let log = try emergency.log(store)
        let before = try emergency.bytes()
        let write = RecordWrite(
            locator: Locator(high: 1, low: 1), expectedVersion: 0, isDeleted: false, maskedOwner: .none, body: [1],
            card: nil, newKey: nil)
        await #expect(throws: SubmissionFailure.unavailable) {
            try await log.commit(BackupHouse.event("w"), writes: [write])
        }
        for kind in EntryKind.allCases where !EmergencyStore.kinds.contains(kind) {
            let entry = StoredEntry(id: Locator(high: 1, low: 2), sealed: [1])
            await #expect(throws: SubmissionFailure.unavailable) {
                try await log.commit(BackupHouse.event("e"), entries: [.put(entry, kind)])
            }
            await #expect(throws: SubmissionFailure.unavailable) {
                try await log.commit(BackupHouse.event("e"), entries: [.remove(entry.id, kind)])
            }
            #expect(throws: StorageFailure.locked) {
                try store.commit { transaction throws(StorageFailure) in try transaction.putEntry(entry, kind: kind) }
            }
        }
        for key in [MetadataKey.header, .signingKey, .standby, .restoration, .keyring, .erasure] {
            #expect(throws: StorageFailure.locked) {
                try store.commit { transaction throws(StorageFailure) in try transaction.putMetadata(key, [1]) }
            }
        }
        #expect(throws: StorageFailure.locked) {
            try store.commit { transaction throws(StorageFailure) in
                try transaction.putPatientKey(Locator(high: 1, low: 1), wrapped: [1])
            }
        }
        #expect(try emergency.bytes() == before)
        // And with all that, an event is still taken.
        _ = try await log.append(BackupHouse.event("fine"))
    }

    @Test func `what signs somebody in is there after a restart, and is not carried over`() async throws {
        let emergency = try await Emergency()
        let store = try emergency.store()
        let log = try emergency.log(store)
        let entry = StoredEntry(id: Locator(high: 7, low: 7), sealed: [7])
        _ = try await log.commit(BackupHouse.event("in"), entries: [.put(entry, .session)])
        _ = try await log.commit(
            BackupHouse.event("out"), entries: [.remove(Locator(high: 8, low: 8), .credentials)])
        await log.close()
        let again = try emergency.store()
        #expect(try again.entry(entry.id, kind: .session) == entry)
        #expect(try again.entries(.session).contains(entry))
        #expect(try again.leafCount() == emergency.checkpoint.size + 2)
        again.close()
        _ = try await emergency.take(try emergency.bytes())
        #expect(try emergency.house.store.entry(entry.id, kind: .session) == nil)
    }

    @Test func `a session that was ended then is ended in the store, and no other`() async throws {
        let first = try await Emergency()
        let entries = (0..<4).map { StoredEntry(id: Locator(high: 9, low: UInt64($0)), sealed: [UInt8($0)]) }
        _ = try await first.house.log.commit(
            BackupHouse.event("in"), entries: entries.dropLast().map { .put($0, .session) })
        let emergency = Emergency(first, at: first.house.log.checkpoint)
        let store = try emergency.store()
        let log = try emergency.log(store)
        // One that was ended, one that was ended and is there again, and one of that time alone.
        _ = try await log.commit(
            BackupHouse.event("out"), entries: [.remove(entries[0].id, .session), .remove(entries[1].id, .session)])
        _ = try await log.commit(
            BackupHouse.event("in"), entries: [.put(entries[1], .session), .put(entries[3], .session)])
        _ = try await log.commit(BackupHouse.event("out"), entries: [.remove(entries[3].id, .session)])
        await log.close()
        store.close()
        let report = try await emergency.take(try emergency.bytes())
        #expect(report.endedSessions == [entries[0].id])
        #expect(try Set(emergency.house.store.entries(.session).map(\.id)) == [entries[1].id, entries[2].id])
        #expect(try await emergency.take(try emergency.bytes()).endedSessions.isEmpty)
    }

    @Test func `a clock that was wrong then does not stop the store now`() async throws {
        let emergency = try await Emergency()
        let store = try emergency.store()
        let log = try emergency.log(store)
        var event = BackupHouse.event("from the future")
        event.time = Instant(microseconds: Instant.now().microseconds + 7 * 86_400_000_000)
        _ = try await log.append(event)
        await log.close()
        store.close()
        _ = try await emergency.take(try emergency.bytes())
        #expect(try emergency.taken().map(\.decision) == ["from the future"])
        let again = try await emergency.house.reopened()
        #expect(!again.log.isClockBehind())
    }

    @Test func `a spool that others may read is not used`() async throws {
        let emergency = try await Emergency()
        try await emergency.fill(1)
        emergency.loosen()
        #expect(throws: SpoolFailure.file(.readableByOthers)) { try emergency.store() }
    }
}
