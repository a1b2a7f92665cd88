import Testing
import WardAudit
import WardClinic
import WardCore
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit
import WardVault

@Suite struct `The account of` {
    private let patient: ResourceType
    private let observation: ResourceType

    init() throws {
        patient = try .named("Patient")
        observation = try .named("Observation")
    }

    /// Flips a bit in the body of a stored version.
    private func damage(_ store: MemoryStore, record: Int64) {
        store.tamper { content in
            guard let old = content.versions[record] else { return }
            var body = old.body
            body[40] ^= 1
            content.versions[record] = StoredVersion(
                record: old.record, locator: old.locator, version: old.version, isDeleted: old.isDeleted,
                maskedOwner: old.maskedOwner, body: body)
        }
    }

    // MARK: Damage

    @Test func `a look at a damaged record stands in the log before it is answered`() async throws {
        let store = MemoryStore()
        let house = try TestHouse(store)
        let principal = try await house.signIn()
        try await house.put(Chart.patient("p1"), as: principal)
        damage(store, record: 1)
        let looks: [(kind: AuditEventKind, look: () async -> ClinicAnswer)] = [
            (.read, { await house.clinic.read(patient, "p1", house.request(principal)) }),
            (.vread, { await house.clinic.versionRead(patient, "p1", version: "1", house.request(principal)) }),
            (.historyInstance, { await house.clinic.history(patient, "p1", house.request(principal)) }),
            (.delete, { await house.clinic.delete(patient, "p1", house.request(principal)) }),
        ]
        for (kind, look) in looks {
            let size = house.log.checkpoint.size
            #expect(await look().status == 500)
            #expect(house.log.checkpoint.size == size + 1, "\(kind)")
            let event = try #require(try house.events().last)
            #expect(event.kind == kind && event.outcome == .failed)
            #expect(event.patients == ["p1"] && event.records.map(\.id) == ["p1"])
        }
        let read = try #require(try house.log.events(with: [.kind(.read)], limit: 1).first)
        #expect(read.event.records == [AuditedRecord(type: patient, id: "p1", version: 1)])
        try house.checkLog()
    }

    @Test func `a look at a damaged record is not answered without the log`() async throws {
        let memory = MemoryStore()
        let store = FailingStore(memory)
        let house = try TestHouse(store)
        let principal = try await house.signIn()
        try await house.put(Chart.patient("p1"), as: principal)
        damage(memory, record: 1)
        store.expect(.commits(.full, afterEffect: false))
        await #expect(throws: VaultFailure.auditUnavailable) {
            try await house.read(patient, "p1", as: principal)
        }
    }
}
