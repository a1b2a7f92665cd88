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

@Suite struct `Stored rows` {
    private let patient: ResourceType
    private let observation: ResourceType

    init() throws {
        patient = try .named("Patient")
        observation = try .named("Observation")
    }

    private func filled() async throws -> (house: TestHouse, store: MemoryStore, principal: Principal) {
        let store = MemoryStore()
        let house = try TestHouse(store)
        let principal = try await house.signIn()
        try await house.put(Chart.patient("p1", family: "Canarybird", city: "Canarytown"), as: principal)
        try await house.put(Chart.patient("p1", family: "Canarybird", city: "Canaryville"), as: principal)
        for number in 0..<6 { try await house.put(Chart.observation("o\(number)", of: "p1"), as: principal) }
        try await house.put(Chart.patient("p2"), as: principal)
        return (house, store, principal)
    }

    @Test func `hold no name, no id and no value in the clear`() async throws {
        let content = try await filled().store.snapshot()
        var rows: [[UInt8]] = content.versions.values.map { $0.body + $0.locator.bytes + $0.maskedOwner.bytes }
        rows += content.cards.values.map(\.card)
        rows += content.patientKeys.values
        rows += content.leaves.values.map { $0.leaf + $0.payload }
        rows += content.chunks.values
        rows += content.entries.values.flatMap(\.values)
        for row in rows {
            let text = String(decoding: row, as: UTF8.self)
            for word in ["Canary", "Patient", "Observation", "29463", "loinc", "a-client", "clinician", "o1\""] {
                #expect(!text.contains(word))
            }
        }
    }

    @Test func `of one patient have owners that nobody can put together`() async throws {
        let content = try await filled().store.snapshot()
        let masks = content.versions.values.map(\.maskedOwner)
        #expect(Set(masks).count == masks.count)
        // Not the same value under a pad that repeats, either: all differences are different.
        var differences: Set<Locator> = []
        for (place, left) in masks.enumerated() {
            for right in masks[(place + 1)...] {
                differences.insert(Locator(high: left.high ^ right.high, low: left.low ^ right.low))
            }
        }
        #expect(differences.count == masks.count * (masks.count - 1) / 2)
        // And none is the id of a stored key, nor a locator.
        let keys = Set(content.patientKeys.keys)
        #expect(keys.count == 2 && masks.allSatisfy { !keys.contains($0) && content.heads[$0] == nil })
        #expect(keys.allSatisfy { content.heads[$0] == nil })
    }

    /// What reading p1 and o0 comes to after the store was changed behind its back.
    private func outcome(_ change: (inout MemoryStore.Content) throws -> Void) async throws -> [VaultFailure?] {
        let (house, store, _) = try await filled()
        var content = try store.snapshot()
        try change(&content)
        let changed = try TestHouse(MemoryStore(content), keys: house.keys, buildsIndex: false)
        let principal = try await changed.signIn("reader")
        var failures: [VaultFailure?] = []
        for (type, id) in [(patient, "p1"), (observation, "o0")] {
            do {
                _ = try await changed.read(type, id, as: principal)
                failures.append(nil)
            } catch let failure as VaultFailure {
                failures.append(failure)
            }
        }
        return failures
    }

    private func head(_ content: MemoryStore.Content, record: Int64) throws -> (Locator, StoredVersion) {
        let version = try #require(content.versions[record])
        return (version.locator, version)
    }

    @Test func `open as they are`() async throws {
        #expect(try await outcome { _ in } == [nil, nil])
    }

    @Test func `that were flipped, cut or emptied do not open`() async throws {
        // Record 2 is the current version of p1, record 3 is o0.
        for place in [0, 1, 5, 13, 14, 40, -1] {
            let failures = try await outcome { content in
                let old = try #require(content.versions[2])
                var body = old.body
                body[place < 0 ? body.count - 1 : place] ^= 1
                content.versions[2] = StoredVersion(
                    record: old.record, locator: old.locator, version: old.version, isDeleted: old.isDeleted,
                    maskedOwner: old.maskedOwner, body: body)
            }
            #expect(failures == [.damaged, nil])
        }
        for count in [0, 1, 29, 30, 60] {
            let failures = try await outcome { content in
                let old = try #require(content.versions[2])
                content.versions[2] = StoredVersion(
                    record: old.record, locator: old.locator, version: old.version, isDeleted: old.isDeleted,
                    maskedOwner: old.maskedOwner, body: Array(old.body.prefix(count)))
            }
            #expect(failures == [.damaged, nil])
        }
    }

    @Test func `that were swapped with another resource's do not open`() async throws {
        let failures = try await outcome { content in
            let (left, right) = (try #require(content.versions[2]), try #require(content.versions[3]))
            content.versions[2] = StoredVersion(
                record: left.record, locator: left.locator, version: left.version, isDeleted: left.isDeleted,
                maskedOwner: right.maskedOwner, body: right.body)
            content.versions[3] = StoredVersion(
                record: right.record, locator: right.locator, version: right.version, isDeleted: right.isDeleted,
                maskedOwner: left.maskedOwner, body: left.body)
        }
        #expect(failures == [.damaged, .damaged])
        // The whole row, under the other's locator.
        let moved = try await outcome { content in
            let (left, right) = (try #require(content.versions[2]), try #require(content.versions[3]))
            content.heads[left.locator] = Head(record: right.record, version: right.version, isDeleted: false)
        }
        #expect(moved == [.damaged, nil])
    }

    @Test func `of an older version do not open as a newer one`() async throws {
        let failures = try await outcome { content in
            let (old, new) = (try #require(content.versions[1]), try #require(content.versions[2]))
            content.versions[2] = StoredVersion(
                record: new.record, locator: new.locator, version: new.version, isDeleted: false,
                maskedOwner: old.maskedOwner, body: old.body)
        }
        #expect(failures == [.damaged, nil])
    }

    @Test func `do not open with another version, owner or deletion mark`() async throws {
        let changes: [@Sendable (StoredVersion) -> StoredVersion] = [
            { old in
                StoredVersion(
                    record: old.record, locator: old.locator, version: old.version + 1, isDeleted: false,
                    maskedOwner: old.maskedOwner, body: old.body)
            },
            { old in
                StoredVersion(
                    record: old.record, locator: old.locator, version: old.version, isDeleted: true,
                    maskedOwner: old.maskedOwner, body: old.body)
            },
            { old in
                StoredVersion(
                    record: old.record, locator: old.locator, version: old.version, isDeleted: false,
                    maskedOwner: .none, body: old.body)
            },
        ]
        for change in changes {
            let failures = try await outcome { content in
                content.versions[2] = change(try #require(content.versions[2]))
            }
            #expect(failures == [.damaged, nil])
        }
    }

    @Test func `do not open under another patient's key, or none`() async throws {
        let swapped = try await outcome { content in
            let ids = Array(content.patientKeys.keys)
            let (left, right) = (content.patientKeys[ids[0]], content.patientKeys[ids[1]])
            content.patientKeys[ids[0]] = right
            content.patientKeys[ids[1]] = left
        }
        #expect(swapped == [.damaged, .damaged])
        #expect(try await outcome { $0.patientKeys = [:] } == [.damaged, .damaged])
        let foreign = try await filled().store.snapshot()
        #expect(try await outcome { $0.patientKeys = foreign.patientKeys } == [.damaged, .damaged])
    }

    @Test func `do not open in another tenant's house`() async throws {
        let content = try await filled().store.snapshot()
        #expect(throws: AuditFailure.damaged) { try TestHouse(MemoryStore(content)) }
    }

    @Test func `with damaged cards do not make an index`() async throws {
        let (house, store, _) = try await filled()
        let content = try store.snapshot()
        for number in 0..<3 {
            var changed = content
            let card = try #require(content.cards[2])
            switch number {
            case 0:
                var bytes = card.card
                bytes[20] ^= 1
                changed.cards[2] = StoredCard(
                    record: card.record, locator: card.locator, version: card.version, maskedOwner: card.maskedOwner,
                    card: bytes)
            case 1:
                changed.cards[2] = StoredCard(
                    record: card.record, locator: card.locator, version: card.version + 1,
                    maskedOwner: card.maskedOwner, card: card.card)
            default:
                let other = try #require(content.cards[3])
                changed.cards[2] = StoredCard(
                    record: card.record, locator: card.locator, version: card.version, maskedOwner: other.maskedOwner,
                    card: other.card)
            }
            #expect(throws: VaultFailure.damaged) { try TestHouse(MemoryStore(changed), keys: house.keys) }
        }
    }
}

@Suite struct `A vault whose log fails` {
    @Test func `discloses nothing and writes nothing`() async throws {
        let patient = try ResourceType.named("Patient")
        let memory = MemoryStore()
        let store = FailingStore(memory)
        let house = try TestHouse(store)
        let principal = try await house.signIn("a", role: .integration, purpose: .treatment)
        try await house.put(Chart.patient("p1", family: "First"), as: principal)
        let before = try memory.snapshot()
        store.expect(.commits(.full, afterEffect: false))
        await #expect(throws: VaultFailure.auditUnavailable) { try await house.read(patient, "p1", as: principal) }
        await #expect(throws: VaultFailure.auditUnavailable) { try await house.read(patient, "none", as: principal) }
        await #expect(throws: VaultFailure.auditUnavailable) { try await house.search(patient, as: principal) }
        await #expect(throws: VaultFailure.auditUnavailable) {
            try await house.put(Chart.patient("p1", family: "Second"), as: principal)
        }
        await #expect(throws: VaultFailure.auditUnavailable) {
            try await house.put(Chart.patient("p1"), ifMatch: 9, as: principal)
        }
        await #expect(throws: VaultFailure.auditUnavailable) { try await house.delete(patient, "p1", as: principal) }
        await #expect(throws: VaultFailure.auditUnavailable) {
            try await house.vault.export(
                [patient], with: try await house.grant(Export.self, on: GrantSubject(types: [patient]), to: principal))
        }
        await #expect(throws: VaultFailure.auditUnavailable) {
            try await house.vault.history(
                offset: 0, limit: 5,
                with: try await house.grant(
                    InstanceHistory.self, on: GrantSubject(type: patient, id: "p1"), to: principal))
        }
        let after = try memory.snapshot()
        #expect(after.versions == before.versions && after.heads == before.heads && after.leaves == before.leaves)
        #expect(after.cards == before.cards && after.patientKeys == before.patientKeys)
        store.expect(.none)
        #expect(try await house.read(patient, "p1", as: principal).text.contains("First"))
        try house.checkLog()
    }

    /// At every single step of a write: either it happened, and then all of it, or nothing did; and the index agrees.
    @Test func `at any step leaves record, log and index in agreement`() async throws {
        let patient = try ResourceType.named("Patient")
        var number = 1
        while true {
            let memory = MemoryStore()
            let store = FailingStore(memory)
            let house = try TestHouse(store)
            let principal = try await house.signIn()
            try await house.put(Chart.patient("p1", family: "First"), as: principal)
            store.expect(.step(number, .engine(10)))
            let isDone = (try? await house.put(Chart.patient("p2", family: "Second"), as: principal)) != nil
            let steps = store.steps
            store.expect(.none)
            // Whatever happened, the next commit settles it.
            try await house.put(Chart.patient("p3", family: "Third"), as: principal)
            try house.checkLog()
            let found = try await house.search(patient, [("family", "Second")], as: principal).total ?? -1
            let isThere = (try? await house.read(patient, "p2", as: principal)) != nil
            #expect(isThere == (found == 1) && (!isDone || isThere))
            let wrote = try house.log.events(with: [.patient("p2"), .kind(.update)], limit: 5).filter {
                $0.event.records.contains { $0.hash != nil }
            }
            #expect(wrote.count == (isThere ? 1 : 0))
            let rebuilt = try house.reopened(on: memory)
            let other = try await rebuilt.signIn("other")
            #expect(try await rebuilt.search(patient, as: other).total == (isThere ? 3 : 2))
            if steps < number { break }
            number += 1
        }
        #expect(number > 8)
    }
}
