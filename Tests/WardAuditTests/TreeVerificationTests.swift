import Testing
import WardAudit
import WardCrypto
import WardStorage
import WardTestKit

/// The quick verification says of the tree what the full one says.
@Suite struct `The tree alone` {
    private let house = LogHouse()

    private func filled(_ count: Int = 600) async throws -> (MemoryStore, AuditLog) {
        let store = MemoryStore()
        let log = try house.open(store)
        for number in 0..<count { _ = try await log.append(event("\(number)")) }
        return (store, log)
    }

    @Test(arguments: [0, 1, 255, 256, 257, 511, 512, 600])
    func `is whole at every size, and a continuation of every earlier one`(size: Int) async throws {
        let (store, log) = try await filled(size)
        let hashes = try store.leaves(from: 0, limit: size).map { MerkleHash.leaf($0.leaf) }
        for earlier in Set([0, 1, 2, 254, 255, 256, 257, 300, 512, size]) where earlier <= size {
            let root = MerkleProof.root(hashes[..<earlier])
            let kept = Checkpoint(origin: LogHouse.origin, size: Int64(earlier), root: root)
            let result = try log.verifyTree(against: kept)
            #expect(result.isWhole && result.leaves == Int64(size))
            let other = Checkpoint(origin: LogHouse.origin, size: Int64(earlier), root: digest(7))
            #expect(try log.verifyTree(against: other).faults == [.forked])
        }
        let longer = Checkpoint(origin: LogHouse.origin, size: Int64(size) + 1, root: digest(7))
        #expect(try log.verifyTree(against: longer).faults.contains(.truncated))
        let foreign = Checkpoint(origin: "ward/other", size: 0, root: MerkleHash.empty)
        #expect(try log.verifyTree(against: foreign).faults == [.truncated])
    }

    @Test func `shows the same faults as the full verification, but for events that no longer open`() async throws {
        let changes: [@Sendable (inout MemoryStore.Content) -> Void] = [
            { $0.leaves[7] = $0.leaves[7].map { StoredLeaf(index: 7, leaf: [1] + $0.leaf.dropFirst(), payload: []) } },
            { $0.leaves[9] = nil }, { $0.leaves[599] = nil }, { $0.leaves[300] = nil }, { $0.leaves = [:] },
            { $0.tiles[MemoryStore.Content.Place(0, 0)]?[5] ^= 1 }, { $0.tiles[MemoryStore.Content.Place(0, 1)] = nil },
            { $0.tiles[MemoryStore.Content.Place(0, 1)]?.removeLast() },
            { content in
                let (left, right) = (content.leaves[7], content.leaves[8])
                content.leaves[7] = right.map { StoredLeaf(index: 7, leaf: $0.leaf, payload: $0.payload) }
                content.leaves[8] = left.map { StoredLeaf(index: 8, leaf: $0.leaf, payload: $0.payload) }
            },
            { content in
                var leaf = content.leaves[580]?.leaf ?? []
                leaf[40] ^= 1
                content.leaves[580] = StoredLeaf(index: 580, leaf: leaf, payload: [])
            },
        ]
        for (number, change) in changes.enumerated() {
            let (store, log) = try await filled()
            store.tamper(change)
            let full = try log.verify().faults.filter { if case .altered = $0 { false } else { true } }
            #expect(try log.verifyTree().faults == full, "change \(number)")
        }
        let (store, log) = try await filled()
        store.tamper { content in
            content.leaves[7] = content.leaves[7].map { StoredLeaf(index: 7, leaf: $0.leaf, payload: [1]) }
        }
        #expect(try log.verify().faults == [.altered(7)])
        #expect(try log.verifyTree().isWhole)
    }

    @Test func `is not said to be whole when the store cannot be read`() async throws {
        let store = FailingStore(MemoryStore())
        let log = try house.open(store)
        for number in 0..<300 { _ = try await log.append(event("\(number)")) }
        for step in 1...3 {
            store.expect(.step(step, .engine(1)))
            #expect(throws: AuditFailure.storage) { try log.verifyTree() }
        }
        store.expect(.none)
        #expect(try log.verifyTree().isWhole)
    }
}
