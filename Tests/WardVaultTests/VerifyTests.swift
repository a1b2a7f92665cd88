import Testing
import WardAudit
import WardCore
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit
import WardVault

@Suite struct `Verification` {
    private typealias Fault = StoreVerification.Fault

    /// p1 in three versions (records 1, 2, 3), o1 (4), p2 created and deleted (5, 6), o2 (7).
    private func filled() async throws -> (house: TestHouse, content: MemoryStore.Content) {
        let store = MemoryStore()
        let house = try TestHouse(store)
        let principal = try await house.signIn()
        for family in ["A", "B", "C"] { try await house.put(Chart.patient("p1", family: family), as: principal) }
        try await house.put(Chart.observation("o1", of: "p1"), as: principal)
        try await house.put(Chart.patient("p2"), as: principal)
        try await house.delete(try .named("Patient"), "p2", as: principal)
        try await house.put(Chart.observation("o2", of: nil), as: principal)
        return (house, try store.snapshot())
    }

    private func faults(_ change: (inout MemoryStore.Content) throws -> Void) async throws -> [String] {
        var (house, content) = try await filled()
        try change(&content)
        let store = MemoryStore(content)
        let changed = try TestHouse(store, keys: house.keys, buildsIndex: false)
        let officer = try await changed.signIn("officer", role: .administrator, purpose: .systemAdministration)
        let result = try await changed.verify(as: officer)
        #expect(result.log.isWhole && result.records == 7)
        #expect(result.isWhole == result.faults.isEmpty)
        return result.faults.map { "\($0.record) \($0.fault)" }.sorted()
    }

    private func locator(_ content: MemoryStore.Content, _ record: Int64) throws -> Locator {
        try #require(content.versions[record]).locator
    }

    @Test(arguments: Engine.allCases)
    func `finds nothing in a store that nobody touched`(engine: Engine) async throws {
        let house = try TestHouse(try engine.make())
        let principal = try await house.signIn()
        for number in 0..<10 {
            try await house.put(Chart.patient("p\(number % 6)", family: "F\(number)"), as: principal)
        }
        try await house.delete(try .named("Patient"), "p0", as: principal)
        try await house.put(Chart.patient("p0"), as: principal)
        let officer = try await house.signIn("officer", role: .administrator, purpose: .systemAdministration)
        let result = try await house.verify(as: officer)
        #expect(result.isWhole && result.records == 12)
        #expect(try house.events().last?.kind == .storeVerified)
        #expect(try await faults { _ in } == [])
    }

    @Test func `finds a version that was altered, or is missing`() async throws {
        let altered = try await faults { content in
            let old = try #require(content.versions[4])
            var body = old.body
            body[40] ^= 1
            content.versions[4] = StoredVersion(
                record: old.record, locator: old.locator, version: old.version, isDeleted: false,
                maskedOwner: old.maskedOwner, body: body)
        }
        #expect(altered == ["Observation/o1/_history/1 altered"])
        #expect(try await faults { $0.versions[1] = nil } == ["Patient/p1/_history/1 altered"])
        let forgotten = try await faults { content in content.past[try locator(content, 1)]?[2] = nil }
        #expect(forgotten == ["Patient/p1/_history/2 missing"])
        let erased = try await faults { content in
            let place = try locator(content, 4)
            content.heads[place] = nil
            content.versions[4] = nil
            content.cards[4] = nil
        }
        #expect(erased == ["Observation/o1 rolledBack", "Observation/o1/_history/1 missing"])
    }

    @Test func `finds a record that was rolled back, its history cut or left whole`() async throws {
        let cut = try await faults { content in
            let place = try locator(content, 3)
            content.heads[place] = content.past[place]?.removeValue(forKey: 2)
            content.versions[3] = nil
        }
        #expect(cut.contains("Patient/p1 rolledBack") && cut.contains("Patient/p1/_history/3 missing"))
        let hidden = try await faults { content in
            let place = try locator(content, 3)
            let newest = try #require(content.heads[place])
            content.heads[place] = content.past[place]?.removeValue(forKey: 2)
            content.past[place]?[3] = newest
        }
        #expect(hidden.contains("Patient/p1 rolledBack"))
    }

    @Test func `finds a deletion that was undone`() async throws {
        let undone = try await faults { content in
            let place = try locator(content, 6)
            let deletion = try #require(content.heads[place])
            content.heads[place] = content.past[place]?.removeValue(forKey: 1)
            content.past[place]?[2] = deletion
        }
        #expect(undone == ["Patient/p2 rolledBack"])
        let marked = try await faults { content in
            let place = try locator(content, 6)
            content.heads[place] = Head(record: RecordNumber(6), version: 2, isDeleted: false)
        }
        #expect(marked == ["Patient/p2/_history/2 altered"])
    }

    @Test func `finds cards that are missing, false, or of a version that is not current`() async throws {
        #expect(try await faults { $0.cards[4] = nil } == ["Observation/o1 card"])
        let swapped = try await faults { content in
            let (left, right) = (try #require(content.cards[4]), try #require(content.cards[7]))
            content.cards[4] = StoredCard(
                record: left.record, locator: left.locator, version: left.version, maskedOwner: left.maskedOwner,
                card: right.card)
        }
        #expect(swapped == ["Observation/o1 card"])
        // The cards that the first versions had, put back.
        let store = MemoryStore()
        let early = try TestHouse(store)
        let principal = try await early.signIn()
        try await early.put(Chart.patient("p1"), as: principal)
        try await early.put(Chart.patient("p2"), as: principal)
        let old = try store.snapshot().cards
        try await early.put(Chart.patient("p1", family: "New"), as: principal)
        try await early.delete(try .named("Patient"), "p2", as: principal)
        store.tamper { content in content.cards.merge(old) { now, _ in now } }
        let officer = try await early.signIn("officer", role: .administrator, purpose: .systemAdministration)
        let found = try await early.verify(as: officer).faults.map { "\($0.record) \($0.fault)" }.sorted()
        #expect(found == ["Patient/p1 card", "Patient/p2 card"])
    }

    @Test func `finds records that the log never wrote`() async throws {
        let foreign = try await faults { content in
            let place = Locator(high: 1, low: 2)
            content.cards[9] = StoredCard(
                record: RecordNumber(9), locator: place, version: 1, maskedOwner: .none, card: [1])
        }
        #expect(foreign == ["record 9 unaccounted"])
        let extra = try await faults { content in
            let place = try locator(content, 4)
            content.past[place, default: [:]][5] = Head(record: RecordNumber(4), version: 5, isDeleted: false)
        }
        #expect(extra == ["Observation/o1/_history/5 unaccounted"])
    }

    @Test func `finds a damaged log`() async throws {
        let (house, content) = try await filled()
        let store = MemoryStore(content)
        let running = try TestHouse(store, keys: house.keys)
        let officer = try await running.signIn("officer", role: .administrator, purpose: .systemAdministration)
        store.tamper { content in
            let old = content.leaves[3]
            content.leaves[3] = StoredLeaf(index: 3, leaf: old?.leaf ?? [], payload: [])
        }
        let result = try await running.verify(as: officer)
        #expect(!result.isWhole && result.log.faults == [.altered(3)])
    }

    @Test func `says nothing false about what is written meanwhile`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        for number in 0..<60 { try await house.put(Chart.patient("p\(number)"), as: principal) }
        let officer = try await house.signIn("officer", role: .administrator, purpose: .systemAdministration)
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for number in 0..<150 {
                    _ = try? await house.put(Chart.patient("p\(number % 80)", family: "F\(number)"), as: principal)
                    if number % 9 == 0 {
                        _ = try? await house.delete(try .named("Patient"), "p\(number % 80)", as: principal)
                    }
                }
            }
            group.addTask {
                for _ in 0..<6 {
                    let faults = try? await house.verify(as: officer).faults.map { "\($0.record) \($0.fault)" }
                    #expect(faults == [])
                }
            }
        }
        #expect(try await house.verify(as: officer).isWhole)
    }

    @Test func `is for administrators`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        await #expect(throws: GateFailure.self) { try await house.verify(as: principal) }
    }
}
