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

@Suite struct `Verification of entries and keys` {
    /// Two clients, a person with factors and a session, two patients; covered by the log from the first event.
    private func filled(covered: Bool = true) async throws -> (house: TestHouse, store: MemoryStore) {
        let store = MemoryStore()
        let house = try TestHouse(store)
        if covered { #expect(try await house.vault.verifyAtStart().isWhole) }
        let principal = try await house.signIn()
        _ = try await house.signIn("officer", role: .administrator, purpose: .systemAdministration)
        _ = try await house.signIn(person: "nora", [.clinician])
        try await house.put(Chart.patient("p1"), as: principal)
        try await house.put(Chart.patient("p1", family: "New"), as: principal)
        try await house.put(Chart.patient("p2"), as: principal)
        try await house.delete(try .named("Patient"), "p2", as: principal)
        return (house, store)
    }

    /// What a verification and a start say of a store that was changed.
    private func faults(
        _ change: (inout MemoryStore.Content) throws -> Void
    ) async throws -> (full: Set<String>, start: [String]) {
        let (house, store) = try await filled()
        var content = try store.snapshot()
        try change(&content)
        store.tamper { $0 = content }
        let start = try await house.vault.verifyAtStart()
        let officer = try await house.signIn("second", role: .administrator, purpose: .systemAdministration)
        let result = try await house.verify(as: officer)
        #expect(result.log.isWhole)
        #expect(result.isWhole == result.faults.isEmpty)
        if result.isWhole { #expect(start.isWhole) }
        return (Set(result.faults.map { "\($0.record) \($0.fault)" }), start.faults)
    }

    private static let kinds: [EntryKind] = [.client, .person, .credentials, .session]

    @Test func `finds nothing in a store that nobody touched`() async throws {
        let (full, start) = try await faults { _ in }
        #expect(full.isEmpty && start.isEmpty)
    }

    @Test(arguments: kinds)
    func `finds an entry that was altered or removed, by its kind and never by its content`(kind: EntryKind)
        async throws
    {
        let altered = try await faults { content in
            let id = try #require(content.entries[kind]?.keys.first)
            content.entries[kind]?[id]?[20] ^= 1
        }
        #expect(altered.full == ["an entry of kind \(kind) altered"])
        #expect(altered.start == ["an entry of kind \(kind): altered"])
        let removed = try await faults { content in
            let id = try #require(content.entries[kind]?.keys.first)
            content.entries[kind]?[id] = nil
        }
        #expect(removed.full == ["an entry of kind \(kind) missing"])
        #expect(removed.start == ["an entry of kind \(kind): missing"])
    }

    @Test(arguments: kinds)
    func `finds an entry that the log never wrote`(kind: EntryKind) async throws {
        let planted = try await faults { content in
            content.entries[kind]?[Locator(high: 5, low: 5)] = [1, 2, 3]
        }
        #expect(planted.full == ["an entry of kind \(kind) unaccounted"])
        #expect(planted.start == ["an entry of kind \(kind): unaccounted"])
    }

    @Test func `finds an account that was rolled back, and a session that was put back`() async throws {
        let (house, store) = try await filled()
        let before = try store.snapshot().entries
        let nora = try #require(house.people.directory.person(named: "nora"))
        let actor = AuditActor(id: "operator", name: "operator", role: "operator")
        try await house.people.disable(nora.id, byOperator: actor, source: TestHouse.source)
        let now = try store.snapshot().entries
        #expect(now[.person] != before[.person])
        store.tamper { content in
            content.entries[.person] = before[.person]
            content.entries[.session] = before[.session]
        }
        let start = try await house.vault.verifyAtStart()
        #expect(start.faults.contains("an entry of kind person: altered"))
        #expect(start.faults.contains("an entry of kind session: unaccounted"))
        let officer = try await house.signIn("second", role: .administrator, purpose: .systemAdministration)
        let full = Set(try await house.verify(as: officer).faults.map { "\($0.record) \($0.fault)" })
        #expect(full.contains("an entry of kind person rolledBack"))
        #expect(full.contains("an entry of kind session unaccounted"))
    }

    @Test func `finds patients' keys that are gone, altered or planted`() async throws {
        let words = "patients' keys are missing, altered or added"
        let gone = try await faults { content in
            content.patientKeys.removeValue(forKey: try #require(content.patientKeys.keys.first))
        }
        #expect(gone.start == [words] && gone.full.contains("a patient's key altered"))
        let planted = try await faults { $0.patientKeys[Locator(high: 1, low: 1)] = [1] }
        #expect(planted.start == [words] && planted.full == ["a patient's key altered"])
        let altered = try await faults { content in
            let id = try #require(content.patientKeys.keys.first)
            content.patientKeys[id]?[40] ^= 1
        }
        #expect(altered.start == [words] && altered.full.contains("a patient's key altered"))
    }

    @Test func `stops a start on a head that was rolled back, brought back or removed`() async throws {
        let words = "records are not in the version that was written last"
        let rolledBack = try await faults { content in
            let place = try #require(content.versions[2]).locator
            content.heads[place] = content.past[place]?.removeValue(forKey: 1)
        }
        #expect(rolledBack.start == [words] && rolledBack.full.contains("Patient/p1 rolledBack"))
        let broughtBack = try await faults { content in
            let place = try #require(content.versions[4]).locator
            content.heads[place] = content.past[place]?.removeValue(forKey: 1)
        }
        #expect(broughtBack.start == [words] && broughtBack.full.contains("Patient/p2 rolledBack"))
        let removed = try await faults { content in
            content.heads[try #require(content.versions[1]).locator] = nil
        }
        #expect(removed.start == [words] && removed.full.contains("Patient/p1 rolledBack"))
        let planted = try await faults { content in
            content.heads[Locator(high: 3, low: 3)] = Head(record: RecordNumber(1), version: 1, isDeleted: false)
        }
        #expect(planted.start == [words])
    }

    @Test func `does not build the index of a card too few, too many or too old`() async throws {
        for change in 0..<3 {
            let (house, store) = try await filled()
            let old = StoredCard(
                record: RecordNumber(1), locator: try #require(try store.version(RecordNumber(1))).locator, version: 1,
                maskedOwner: try #require(try store.version(RecordNumber(1))).maskedOwner, card: [])
            store.tamper { content in
                switch change {
                case 0: content.cards[2] = nil
                case 1:
                    let card = content.cards[2]
                    content.cards[99] = card.map {
                        StoredCard(
                            record: RecordNumber(99), locator: $0.locator, version: $0.version,
                            maskedOwner: $0.maskedOwner, card: $0.card)
                    }
                default: content.cards[1] = old
                }
            }
            let reopened = try TestHouse(store, keys: house.keys, buildsIndex: false)
            #expect(try await reopened.vault.verifyAtStart().isWhole)
            #expect(throws: VaultFailure.damaged) { try reopened.vault.rebuildIndex() }
            #expect(!reopened.vault.isReady)
        }
    }

    @Test func `says how much is from before the log named entries, adopts it, and holds it to that`() async throws {
        let (house, store) = try await filled(covered: false)
        // As an earlier version left it: events without entries; here the entries of a log that nobody replays.
        store.tamper { content in
            content.entries[.client]?[Locator(high: 8, low: 8)] = [8]
            content.patientKeys[Locator(high: 9, low: 9)] = [9]
        }
        let officer = try await house.signIn("second", role: .administrator, purpose: .systemAdministration)
        let before = try await house.verify(as: officer)
        #expect(before.faults.isEmpty && before.notCovered == 1)
        #expect(try await house.vault.verifyAtStart().isWhole)
        let adoption = try #require(try house.events().last)
        #expect(adoption.kind == .storeVerified && adoption.decision == "adopted")
        #expect(try await house.verify(as: officer).notCovered > 0)
        store.tamper { $0.entries[.client]?[Locator(high: 8, low: 8)] = [7] }
        #expect(try await house.verify(as: officer).faults.map(\.fault) == [.altered])
        #expect(try await !house.vault.verifyAtStart().isWhole)
    }
}

@Suite struct `The mark of what was verified` {
    @Test func `lets a start replay only what came after it`() async throws {
        let store = MemoryStore()
        let house = try TestHouse(store)
        #expect(try await house.vault.verifyAtStart().events == 0)
        let principal = try await house.signIn()
        for number in 0..<30 {
            try await house.put(Chart.patient("p\(number % 7)", family: "F\(number)"), as: principal)
        }
        let size = house.log.checkpoint.size
        #expect(try await house.reopened().vault.verifyAtStart().events == size)
        let officer = try await house.signIn("officer", role: .administrator, purpose: .systemAdministration)
        #expect(try await house.verify(as: officer).isWhole)
        try await house.put(Chart.patient("p1", family: "Last"), as: principal)
        let reopened = try house.reopened()
        let start = try await reopened.vault.verifyAtStart()
        // The verification's own event, and the write.
        #expect(start.isWhole && start.events == 2)
    }

    @Test func `cannot be rolled back, taken away or forged`() async throws {
        let store = MemoryStore()
        let house = try TestHouse(store)
        _ = try await house.vault.verifyAtStart()
        let principal = try await house.signIn()
        let officer = try await house.signIn("officer", role: .administrator, purpose: .systemAdministration)
        let old = try store.snapshot().entries[.verifiedMark]
        try await house.put(Chart.patient("p1"), as: principal)
        #expect(try await house.verify(as: officer).isWhole)
        let new = try store.snapshot().entries[.verifiedMark]
        #expect(old != new)
        for (marks, words) in [(old, "altered"), ([:], "missing"), (new?.mapValues { $0.map { $0 ^ 1 } }, "altered")] {
            store.tamper { $0.entries[.verifiedMark] = marks }
            let start = try await house.reopened().vault.verifyAtStart()
            #expect(start.faults == ["an entry of kind verifiedMark: \(words)"])
        }
        store.tamper { $0.entries[.verifiedMark] = new }
        #expect(try await house.reopened().vault.verifyAtStart().isWhole)
    }

    @Test func `is not moved by a verification that found faults`() async throws {
        let store = MemoryStore()
        let house = try TestHouse(store)
        _ = try await house.vault.verifyAtStart()
        let principal = try await house.signIn()
        let officer = try await house.signIn("officer", role: .administrator, purpose: .systemAdministration)
        try await house.put(Chart.patient("p1"), as: principal)
        let mark = try store.snapshot().entries[.verifiedMark]
        store.tamper { $0.cards[1] = nil }
        #expect(try await !house.verify(as: officer).isWhole)
        #expect(try store.snapshot().entries[.verifiedMark] == mark)
        #expect(try house.events().last?.outcome == .failed)
        #expect(try house.vault.verificationStatus().lastFull == nil)
    }

    @Test func `is written by the verification in the background, which goes on where it was stopped`() async throws {
        let store = MemoryStore()
        let house = try TestHouse(store)
        _ = try await house.vault.verifyAtStart()
        let principal = try await house.signIn()
        for number in 0..<450 { try await house.put(Chart.patient("p\(number)"), as: principal) }
        #expect(try await house.vault.verifyInBackground(isStopped: { true }) == nil)
        let unfinished = try #require(try house.vault.verificationStatus().unfinished)
        #expect(unfinished.progress.step == .records && unfinished.progress.done == 200)
        // A restart, and somebody who writes on.
        let reopened = try house.reopened()
        try await reopened.put(Chart.patient("p3", family: "Later"), as: principal)
        let done = try #require(try await reopened.vault.verifyInBackground(isStopped: { false }))
        #expect(done.isWhole && done.records == 450)
        let status = try reopened.vault.verificationStatus()
        #expect(status.unfinished == nil && status.lastFull != nil)
        #expect(try reopened.events().last?.decision == "daily")
    }

    @Test func `of an interrupted verification does not vouch for what was changed behind it`() async throws {
        let store = MemoryStore()
        let house = try TestHouse(store)
        _ = try await house.vault.verifyAtStart()
        let principal = try await house.signIn()
        for number in 0..<450 { try await house.put(Chart.patient("p\(number)"), as: principal) }
        #expect(try await house.vault.verifyInBackground(isStopped: { true }) == nil)
        store.tamper { content in
            let old = content.versions[440]
            content.versions[440] = old.map {
                StoredVersion(
                    record: $0.record, locator: $0.locator, version: $0.version, isDeleted: false,
                    maskedOwner: $0.maskedOwner, body: $0.body.map { $0 ^ 1 })
            }
        }
        let done = try #require(try await house.vault.verifyInBackground(isStopped: { false }))
        #expect(done.faults.map { "\($0.record) \($0.fault)" } == ["Patient/p439/_history/1 altered"])
        // A state of another store, or an altered one, is none.
        #expect(try await house.vault.verifyInBackground(isStopped: { true }) == nil)
        store.tamper { $0.metadata[.verification]?[30] ^= 1 }
        #expect(try house.vault.verificationStatus().unfinished == nil)
    }

    @Test func `vouches for nothing that the store did not answer`() async throws {
        let inner = MemoryStore()
        let store = FailingStore(inner)
        let house = try TestHouse(store)
        #expect(try await house.vault.verifyAtStart().isWhole)
        let principal = try await house.signIn()
        for number in 0..<5 { try await house.put(Chart.patient("p\(number)"), as: principal) }
        inner.tamper { content in
            content.heads[content.versions[1]?.locator ?? .none] = nil
        }
        store.expect(.none)
        #expect(try await !house.vault.verifyAtStart().isWhole)
        let steps = store.steps
        #expect(steps > 10)
        for number in 1...steps {
            store.expect(.step(number, .engine(10)))
            // It fails, or finds the fault; it never finds nothing.
            let result = try? await house.vault.verifyAtStart()
            #expect(result?.isWhole != true)
            store.expect(.step(number, .engine(10)))
            let full = try? await house.vault.verifyInBackground(isStopped: { false })
            #expect(full.flatMap { $0 }?.isWhole != true)
        }
    }
}
