import Synchronization
import Testing
import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardStorage
import WardTestKit

@Suite struct `The log` {
    private let house = LogHouse()

    @Test func `gives 100 concurrent appends 100 places without gaps`() async throws {
        let store = MemoryStore()
        let log = try house.open(store)
        let receipts = try await withThrowingTaskGroup(of: (String, AuditReceipt).self) { group in
            for number in 0..<100 {
                group.addTask { ("actor \(number)", try await log.append(event("actor \(number)"))) }
            }
            var receipts: [(String, AuditReceipt)] = []
            for try await receipt in group { receipts.append(receipt) }
            return receipts
        }
        #expect(receipts.map(\.1.index).sorted() == Array(0..<100))
        try house.check(store, size: 100)
        for (actor, receipt) in receipts {
            let leaf = try #require(try store.leaves(from: receipt.index, limit: 1).first)
            #expect(MerkleHash.leaf(leaf.leaf) == receipt.leafHash)
            #expect(try log.events(with: [.actor(actor)], limit: 5).map(\.index) == [receipt.index])
        }
    }

    @Test func `restores itself at many sizes`() async throws {
        let store = MemoryStore()
        var log = try house.open(store)
        #expect(log.checkpoint == Checkpoint(origin: LogHouse.origin, size: 0, root: MerkleHash.empty))
        for size in Set(Array(1...9) + [255, 256, 257, 300, 511, 512, 513, 770]).sorted() {
            while log.checkpoint.size < size { _ = try await log.append(event("a")) }
            try house.check(store, size: Int64(size))
            let before = log.checkpoint
            await log.close()
            log = try house.open(store)
            #expect(log.checkpoint == before)
            #expect(Checkpoint(note: try #require(log.signedCheckpoint()), publicKey: log.publicKey) == before)
            #expect(try log.verify().isWhole)
        }
    }

    @Test func `fails a conflicting submission alone`() async throws {
        let store = MemoryStore()
        let log = try house.open(store)
        _ = try await log.commit(event("first"), writes: [write(1)])
        let outcomes = await withTaskGroup(of: (Int, Bool).self) { group in
            for number in 0..<40 {
                group.addTask {
                    // Every fourth one expects a version that is not current.
                    let wrong = number % 4 == 0
                    let change = wrong ? write(1, expecting: 7) : write(UInt64(number) + 10)
                    return (number, (try? await log.commit(event("\(number)"), writes: [change])) != nil)
                }
            }
            var outcomes: [Int: Bool] = [:]
            for await (number, isDone) in group { outcomes[number] = isDone }
            return outcomes
        }
        for (number, isDone) in outcomes { #expect(isDone == (number % 4 != 0)) }
        try house.check(store, size: 31)
        #expect(try log.events(with: [.actor("4")], limit: 1).isEmpty)
        #expect(try store.version(RecordNumber(31)) != nil)
        #expect(try store.version(RecordNumber(32)) == nil)
    }

    @Test func `lets one of many writers of the same version win`() async throws {
        let store = MemoryStore()
        let log = try house.open(store)
        let wins = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<20 {
                group.addTask { (try? await log.commit(event("\(number)"), writes: [write(1)])) != nil }
            }
            var wins = 0
            for await isWinner in group where isWinner { wins += 1 }
            return wins
        }
        #expect(wins == 1)
        #expect(try store.history(of: place(1)).count == 1)
        try house.check(store, size: 1)
    }

    @Test func `refuses a submission that writes one place twice, and only that`() async throws {
        let store = MemoryStore()
        let log = try house.open(store)
        async let good = log.commit(event("good"), writes: [write(2)])
        await #expect(throws: SubmissionFailure.conflict) {
            try await log.commit(event("bad"), writes: [write(1), write(1)])
        }
        _ = try await good
        try house.check(store, size: 1)
    }

    @Test func `creates a patient key once`() async throws {
        let store = MemoryStore()
        let log = try house.open(store)
        _ = try await log.commit(event("a"), writes: [write(1, key: 9), write(2, key: 9)])
        await #expect(throws: SubmissionFailure.conflict) {
            try await log.commit(event("b"), writes: [write(3, key: 9)])
        }
        #expect(try store.head(of: place(3)) == nil)
        try house.check(store, size: 1)
    }

    @Test func `tells the index of a write before it answers`() async throws {
        let log = try house.open(MemoryStore())
        let seen = Mutex<[Int64]>([])
        let committed = try await log.commit(event("a"), writes: [write(1), write(2)]) { records in
            seen.withLock { $0 = records.map(\.value) }
        }
        #expect(seen.withLock { $0 } == [1, 2])
        #expect(committed.records.map(\.value) == [1, 2])
    }

    @Test func `takes nothing after it was closed, and finishes what it took`() async throws {
        let store = MemoryStore()
        let log = try house.open(store)
        let answered = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<50 {
                group.addTask { (try? await log.append(event("\(number)"))) != nil }
            }
            group.addTask {
                await log.close()
                return false
            }
            var answered = 0
            for await isAnswered in group where isAnswered { answered += 1 }
            return answered
        }
        await #expect(throws: AuditFailure.storage) { try await log.append(event("late")) }
        #expect(try store.leafCount() == Int64(answered))
        try house.check(store)
    }

    @Test func `records the event of a caller who has gone away`() async throws {
        let store = MemoryStore()
        let log = try house.open(store)
        let task = Task { try await log.append(event("gone")) }
        task.cancel()
        _ = try await task.value
        try house.check(store, size: 1)
    }

    @Test func `splits an event of many records over leaves of one commit`() async throws {
        let store = MemoryStore()
        let log = try house.open(store)
        let type = try ResourceType.named("Observation")
        let long = String(repeating: "x", count: 60)
        let records = (0..<601).map {
            AuditedRecord(
                type: type, id: "\(long)\($0)", version: .max, hash: String(repeating: "f", count: 32),
                interaction: .historyInstance)
        }
        let patients = (0..<777).map { "\(long)\($0)" }
        _ = try await log.append(event("before"))
        let receipt = try await log.append(event("big", patients: patients, records: records))
        _ = try await log.append(event("after"))
        #expect(receipt.index == 1)
        try house.check(store, size: 6)
        let parts = try log.events(with: [.actor("big")], limit: 10).reversed().map(\.event)
        #expect(parts.count == 4)
        #expect(parts.flatMap(\.records) == records)
        #expect(parts.flatMap(\.patients) == patients)
        for leaf in try store.leaves(from: 0, limit: 10) {
            #expect(leaf.payload.count < 65_536 && leaf.leaf.count == 65)
        }
        #expect(try log.events(with: [.record(type: type, id: "\(long)600")], limit: 2).map(\.index) == [3])
        #expect(try log.events(with: [.patient("\(long)776")], limit: 2).map(\.index) == [4])
    }

    @Test func `gives back events as they were`() async throws {
        let store = MemoryStore()
        let log = try house.open(store)
        let type = try ResourceType.named("Patient")
        for (number, kind) in AuditEventKind.allCases.enumerated() {
            var full = event("a\u{0}\"\\\n\u{1F600}\(number)", kind: kind, patients: ["p", ""])
            full.outcome = [.denied, .failed, .success][number % 3]
            full.purpose = PurposeOfUse.allCases[number % 5]
            full.type = type
            full.actor = full.actor.map {
                AuditActor(id: $0.id, name: $0.name, role: $0.role, app: number % 2 == 0 ? nil : "\u{0}\" (app/x)")
            }
            full.candidates = number
            full.count = number + 1
            full.records = [
                AuditedRecord(type: type, id: "1", version: Int64(number)),
                AuditedRecord(type: type, id: "2", version: 1, hash: "ff", interaction: kind),
            ]
            _ = try await log.append(full)
            let found = try #require(try log.events(with: [.kind(kind)], limit: 1).first?.event)
            #expect(found.kind == kind && found.time == full.time && found.outcome == full.outcome)
            #expect(found.actor == full.actor && found.purpose == full.purpose && found.source == full.source)
            #expect(found.decision == full.decision && found.type == type && found.records == full.records)
            #expect(found.patients == full.patients)
            #expect(found.candidates == full.candidates && found.count == full.count)
        }
        var bare = event("x")
        bare.actor = nil
        bare.purpose = nil
        _ = try await log.append(bare)
        let found = try #require(try log.events(with: [], limit: 1).first?.event)
        #expect(found.actor == nil && found.purpose == nil && found.type == nil && found.records.isEmpty)
    }
}
