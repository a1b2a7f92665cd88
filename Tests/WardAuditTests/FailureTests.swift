import Synchronization
import Testing
import WardAudit
import WardCore
import WardCrypto
import WardStorage
import WardTestKit

@Suite struct `A log whose store fails` {
    private let house = LogHouse()

    /// What one submission was told, and what its index was told.
    private struct Told {
        let name: String
        let record: UInt64?
        let receipt: AuditReceipt?
    }

    /// Three events, some with a write, one after the other.
    private func work(_ log: AuditLog, _ applied: Applied) async -> [Told] {
        var told: [Told] = []
        for number in 0..<3 {
            let record: UInt64? = number == 1 ? nil : UInt64(number) + 50
            let writes = record.map { [write($0, key: $0)] } ?? []
            let committed = try? await log.commit(
                event("work \(number)"), writes: writes,
                entries: [.put(StoredEntry(id: place(UInt64(number)), sealed: [1]), .importMark)]
            ) { applied.add(record, $0) }
            told.append(Told(name: "work \(number)", record: record, receipt: committed?.receipt))
        }
        return told
    }

    /// Places the index heard of.
    private final class Applied: Sendable {
        private let places = Mutex<[UInt64]>([])

        func add(_ place: UInt64?, _ records: [RecordNumber]) {
            if let place, !records.isEmpty { places.withLock { $0.append(place) } }
        }

        var all: [UInt64] { places.withLock { $0 } }
    }

    /// Compares what everybody was told with what is on disk.
    private func judge(_ told: [Told], _ applied: Applied, _ log: AuditLog, _ store: MemoryStore) throws {
        try house.check(store, size: log.checkpoint.size)
        for entry in told {
            let found = try log.events(with: [.actor(entry.name)], limit: 10)
            #expect(found.count <= 1)
            if let receipt = entry.receipt {
                #expect(found.map(\.index) == [receipt.index], "answered but lost")
                let leaf = try #require(try store.leaves(from: receipt.index, limit: 1).first)
                #expect(MerkleHash.leaf(leaf.leaf) == receipt.leafHash)
            }
            guard let record = entry.record else { continue }
            // A record is there exactly if its event is, and the index knows exactly those.
            let isThere = try store.head(of: place(record)) != nil
            #expect(isThere == !found.isEmpty)
            #expect(try (store.patientKey(place(record)) != nil) == isThere)
            #expect(applied.all.filter { $0 == record }.count == (isThere ? 1 : 0))
        }
        #expect(try log.verify().isWhole)
    }

    @Test(arguments: [StorageFailure.full, .engine(10), .locked])
    func `at any step loses nothing that it answered, and recovers`(failure: StorageFailure) async throws {
        // 254 leaves, so that the work also fills a tile.
        let base = MemoryStore()
        let first = try house.open(base)
        for _ in 0..<254 { _ = try await first.append(event("base")) }
        let content = try base.snapshot()
        var number = 1
        var unanswered = 0
        while true {
            let memory = MemoryStore(content)
            let store = FailingStore(memory)
            let log = try house.open(store)
            let applied = Applied()
            store.expect(.step(number, failure))
            var told = await work(log, applied)
            let steps = store.steps
            store.expect(.none)
            let last = try await log.append(event("recovered"))
            told.append(Told(name: "recovered", record: nil, receipt: last))
            try judge(told, applied, log, memory)
            let reopened = try house.open(memory)
            #expect(reopened.checkpoint == log.checkpoint)
            unanswered += told.filter { $0.receipt == nil }.count
            if steps < number { break }
            number += 1
        }
        #expect(number > 20 && unanswered >= 20)
    }

    @Test func `after the effect answers nobody, and catches up with the disk`() async throws {
        let memory = MemoryStore()
        let store = FailingStore(memory)
        let log = try house.open(store)
        let applied = Applied()
        store.expect(.commits(.engine(10), afterEffect: true))
        // Only the first reaches the disk; the others fail while the first is in doubt.
        let told = await work(log, applied)
        #expect(told.allSatisfy { $0.receipt == nil })
        #expect(try memory.leafCount() == 1)
        #expect(log.checkpoint.size == 0)
        store.expect(.none)
        let receipt = try await log.append(event("next"))
        #expect(receipt.index == 1)
        try judge(told, applied, log, memory)
        #expect(try log.events(with: [.actor("work 0")], limit: 5).count == 1)
    }

    @Test func `before the effect answers nobody and leaves no trace`() async throws {
        let memory = MemoryStore()
        let store = FailingStore(memory)
        let log = try house.open(store)
        let applied = Applied()
        store.expect(.commits(.full, afterEffect: false))
        let told = await work(log, applied)
        #expect(told.allSatisfy { $0.receipt == nil })
        #expect(try memory.leafCount() == 0)
        store.expect(.none)
        _ = try await log.append(event("next"))
        try judge(told, applied, log, memory)
    }

    @Test func `stays shut while the store holds neither the old log nor the new one`() async throws {
        let memory = MemoryStore()
        let store = FailingStore(memory)
        let log = try house.open(store)
        for number in 0..<3 { _ = try await log.append(event("\(number)")) }
        let older = try memory.snapshot()
        for number in 3..<6 { _ = try await log.append(event("\(number)")) }
        store.expect(.commits(.engine(10), afterEffect: false))
        await #expect(throws: AuditFailure.storage) { try await log.append(event("x")) }
        store.expect(.none)
        // A disk that went back in time under the running log.
        memory.tamper { $0 = older }
        await #expect(throws: AuditFailure.storage) { try await log.append(event("y")) }
        await #expect(throws: AuditFailure.storage) { try await log.append(event("z")) }
        #expect(try memory.leafCount() == 3)
    }

    @Test func `across a segment border keeps its search segments in step`() async throws {
        let memory = MemoryStore()
        let store = FailingStore(memory)
        let log = try house.open(store)
        let target = Int64(16_384 + 40)
        // A commit that is on disk but unanswered, long before the border.
        store.expect(.commits(.engine(10), afterEffect: true))
        _ = try? await log.append(event("doubt"))
        store.expect(.none)
        _ = try await log.append(event("fill"))
        try await fill(log, to: 16_380)
        store.expect(.commits(.engine(10), afterEffect: true))
        // One that crosses it.
        _ = try? await log.append(
            event("crossing", patients: (0..<2500).map { "p\($0)" }))
        store.expect(.none)
        try await fill(log, to: target)
        try house.check(memory, size: log.checkpoint.size)
        for log in [log, try house.open(memory)] {
            #expect(try log.events(with: [.actor("doubt")], limit: 5).map(\.index) == [0])
            #expect(
                try log.events(with: [.actor("crossing")], limit: 50).map(\.index).sorted() == Array(16_380..<16_390))
            #expect(try log.events(with: [.patient("p2499")], limit: 5).map(\.index) == [16_389])
            #expect(try log.events(with: [.actor("fill")], before: 3, limit: 5).map(\.index) == [2, 1])
        }
    }

    private func fill(_ log: AuditLog, to size: Int64) async throws {
        let missing = size - log.checkpoint.size
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<missing { group.addTask { _ = try await log.append(event("fill")) } }
            try await group.waitForAll()
        }
    }
}
