import Testing
import WardCore
import WardFHIR
import WardIndex

@Suite struct `Searches at the same time as writes` {
    private static let records = 20
    private static let rounds = 60

    /// Every write replaces one record, so that at each instant there are as many as at the first.
    @Test func `see one instant each`() async throws {
        let world = try World()
        for record in 1...Self.records { world.add(Int64(record), "\(record)", "final", 2001) }
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for step in 1...Self.rounds * Self.records {
                    let status = step.isMultiple(of: 2) ? "final" : "amended"
                    world.add(Int64(Self.records + step), "\(step % Self.records + 1)", status, 2000 + Int64(step % 9))
                }
            }
            for reader in 0..<4 {
                group.addTask {
                    for round in 0..<Self.rounds {
                        #expect(throws: Never.self) { try look(at: world, round + reader) }
                    }
                }
            }
        }
        #expect(try world.search("").count == Self.records)
        #expect(try world.search("_sort=_lastUpdated").first == Int64(Self.rounds * Self.records + 1))
    }

    private func look(at world: World, _ round: Int) throws {
        let index = world.harness.index
        #expect(index.count == Self.records && index.count(of: world.type) == Self.records)
        switch round % 4 {
        case 0: #expect(try world.search("").count == Self.records)
        case 1: #expect(try world.search("status=final,amended&_sort=date").count == Self.records)
        case 2: #expect(try world.search("date=ge2000&_sort=-date").count == Self.records)
        default: #expect(try world.search("date:missing=true").isEmpty)
        }
        let locators = (1...Self.records).map { world.harness.locators.locator(type: world.type, id: "\($0)") }
        #expect(index.records(at: locators, residual: .unrestricted).hits.count == Self.records)
        #expect(locators.allSatisfy { index.record(for: $0) != nil })
    }

    @Test func `never see half of a commit`() async throws {
        let world = try World()
        world.add(1, "a", "final", 2001)
        world.add(2, "b", "final", 2001)
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for step in 1...600 as ClosedRange<Int64> {
                    let values = world.values(step.isMultiple(of: 2) ? "final" : "amended", [])
                    world.harness.index.apply([
                        world.harness.change(RecordNumber(2 * step + 1), world.type, "a", values),
                        world.harness.change(RecordNumber(2 * step + 2), world.type, "b", values),
                    ])
                }
            }
            for _ in 0..<3 {
                group.addTask {
                    for _ in 0..<150 {
                        let count = try? world.search("status=final").count
                        #expect(count == 0 || count == 2)
                    }
                }
            }
        }
    }
}
