import Testing
import WardAudit
import WardClinic
import WardCore
import WardCrypto
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardSQLite
import WardStorage
import WardTestKit
import WardVault

@Suite struct `A destroyed key and the account of it` {
    private func start(_ change: (inout MemoryStore.Content, Locator) -> Void) async throws -> [String] {
        let store = MemoryStore()
        let ward = try await ShredWard(store)
        try await ward.shred()
        let id = ward.house.vault.keyID(ofPatient: "p2")
        store.tamper { change(&$0, id) }
        let house = try TestHouse(store, keys: ward.house.keys, buildsIndex: false)
        let faults = try await house.vault.verifyAtStart().faults
        let full = try await house.verify(
            as: try await house.signIn("o", role: .administrator, purpose: .systemAdministration))
        #expect(full.isWhole == faults.isEmpty)
        return faults
    }

    @Test func `a key that was taken away without an event is a fault`() async throws {
        #expect(try await start { _, _ in }.isEmpty)
        #expect(
            try await start { content, id in content.patientKeys[id] = nil } == [
                "patients' keys are missing, altered or added"
            ])
    }

    @Test func `a destruction that the log does not know excuses nothing`() async throws {
        let planted = try await start { content, id in
            content.patientKeys[id] = nil
            let other = content.entries[.destroyedKey]?.values.first ?? []
            content.entries[.destroyedKey]?[id] = other
        }
        #expect(planted.contains("patients' keys are missing, altered or added"))
        #expect(planted.contains("an entry of kind destroyedKey: unaccounted"))
    }

    @Test func `a destroyed key that is put back is a fault, and so is forgetting that it was destroyed`() async throws
    {
        let store = MemoryStore()
        let ward = try await ShredWard(store)
        let id = ward.house.vault.keyID(ofPatient: "p1")
        let wrapped = try #require(try store.patientKey(id))
        try await ward.shred()
        store.tamper { content in
            content.patientKeys[id] = wrapped
            content.entries[.destroyedKey] = nil
        }
        let house = try TestHouse(store, keys: ward.house.keys, buildsIndex: false)
        let faults = try await house.vault.verifyAtStart().faults
        #expect(faults.contains("patients' keys are missing, altered or added"))
        #expect(faults.contains("an entry of kind destroyedKey: missing"))
        // While it runs, the process does not take it either.
        await #expect(throws: VaultFailure.damaged) {
            try await ward.house.read(.named("Patient"), "p1", as: ward.principal)
        }
    }

    // MARK: After a restore

    @Test func `a store from before is brought to destroy the key again`() async throws {
        let store = MemoryStore()
        let ward = try await ShredWard(store)
        let before = try store.snapshot()
        try await ward.shred()
        let list = try store.entries(.destroyedKey)
        let old = MemoryStore(before)
        let house = try TestHouse(old, keys: ward.house.keys, buildsIndex: false)
        #expect(try await house.vault.verifyAtStart().isWhole)
        try await house.log.placeHold(on: "p1", reason: "later suit", as: ward.event)
        #expect(try await house.vault.shredAgain(list, as: ward.event) == 1)
        #expect(try await house.vault.shredAgain(list, as: ward.event) == 0)
        #expect(try old.entries(.destroyedKey) == list)
        let again = try house.reopened()
        #expect(try await again.vault.verifyAtStart().isWhole)
        #expect(try await isDestroyed { try await again.read(.named("Patient"), "p1", as: ward.principal) })
        let event = try #require(try again.log.events(with: [.kind(.keyDestroyed)], limit: 9).first?.event)
        #expect(event.decision == "again/agreement-ended")
        #expect(try await again.search(.named("Patient"), as: ward.principal).disclosure.names == ["Patient/p2/2"])
    }

    @Test func `a patient who was not there yet is not made again`() async throws {
        let ward = try await ShredWard()
        try await ward.shred()
        let list = try ward.house.store.entries(.destroyedKey)
        let house = try TestHouse(MemoryStore(), keys: ward.house.keys)
        _ = try await house.vault.verifyAtStart()
        let principal = try await house.signIn("second")
        #expect(try await house.vault.shredAgain(list, as: ward.event) == 1)
        #expect(
            try await isDestroyed { try await house.put(Chart.patient("p1"), as: principal).disclosure })
        #expect(try await house.vault.verifyAtStart().isWhole)
    }

    @Test func `an entry of another store is not believed`() async throws {
        let (ward, other) = (try await ShredWard(), try await ShredWard())
        try await other.shred()
        let list = try other.house.store.entries(.destroyedKey)
        await #expect(throws: ShredFailure.vault(.damaged)) {
            try await ward.house.vault.shredAgain(list, as: ward.event)
        }
        #expect(try await ward.names("Patient").count == 2)
    }
}
