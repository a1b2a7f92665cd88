import Testing
import WardAudit
import WardCore
import WardStorage
import WardTestKit

@Suite struct `The log at the same time` {
    private let house = LogHouse()

    /// What stands in the log when an append returns, whoever else appends.
    @Test func `shows each writer its own event at once`() async throws {
        let store = MemoryStore()
        let log = try house.open(store)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<8 {
                group.addTask {
                    for number in 0..<12 {
                        let receipt = try await log.append(event("\(writer)", patients: ["p\(number)"]))
                        let found = try log.events(with: [.actor("\(writer)"), .patient("p\(number)")], limit: 2)
                        #expect(found.map(\.index) == [receipt.index])
                        #expect(log.checkpoint.size > receipt.index)
                    }
                }
            }
            try await group.waitForAll()
        }
        try house.check(store, size: 96)
    }

    @Test func `is read, signed and verified while it grows`() async throws {
        let store = MemoryStore()
        let log = try house.open(store)
        _ = try await log.append(event("first"))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<4 {
                group.addTask {
                    for number in 0..<25 { _ = try await log.append(event("\(writer)", patients: ["p\(number % 3)"])) }
                }
            }
            for _ in 0..<2 {
                group.addTask {
                    var earlier = log.checkpoint
                    for _ in 0..<12 {
                        let note = try #require(log.signedCheckpoint())
                        let signed = try #require(Checkpoint(note: note, publicKey: log.publicKey))
                        #expect(signed.size >= earlier.size)
                        #expect(try log.verify(against: earlier).isWhole)
                        let patients = try log.events(with: [.patient("p1")], limit: 50).map(\.index)
                        #expect(patients == patients.sorted(by: >))
                        #expect(try log.events(with: [], limit: 10).count <= 10)
                        earlier = signed
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try log.events(with: [.patient("p1")], limit: 100).count == 4 * 8)
        try house.check(store, size: 101)
    }

    @Test func `answers everything it took when it is closed between`() async throws {
        for round in 0..<8 {
            let store = MemoryStore()
            let log = try house.open(store)
            let answered = await withTaskGroup(of: Bool.self) { group in
                for number in 0..<12 {
                    group.addTask {
                        (try? await log.commit(event("\(number)"), writes: [write(UInt64(number))])) != nil
                    }
                    if number == round {
                        group.addTask {
                            await log.close()
                            return false
                        }
                    }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(try store.leafCount() == Int64(answered))
            try house.check(store, size: Int64(answered))
        }
    }
}
