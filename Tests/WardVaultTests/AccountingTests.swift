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

    @Test func `a search or export that meets a damaged record stands in the log before it is answered`() async throws {
        let store = MemoryStore()
        let house = try TestHouse(store)
        let principal = try await house.signIn("export", role: .integration, purpose: .operations)
        for name in ["p1", "p2"] { try await house.put(Chart.patient(name), as: principal) }
        let link = try #require(try await house.search(patient, pageSize: 1, as: principal).next)
        damage(store, record: 1)
        var cursor = try await house.vault.export(
            [patient], with: try await house.grant(Export.self, on: GrantSubject(types: [patient]), to: principal))
        let size = house.log.checkpoint.size
        await #expect(throws: VaultFailure.damaged) { try await house.search(patient, as: principal) }
        await #expect(throws: VaultFailure.damaged) {
            try await house.vault.page(
                link, type: patient,
                with: try await house.grant(Search.self, on: GrantSubject(types: [patient]), to: principal))
        }
        await #expect(throws: VaultFailure.damaged) { try await house.vault.next(&cursor) }
        #expect(house.log.checkpoint.size == size + 3)
        let events = try house.log.events(with: [], limit: 3).map(\.event)
        #expect(events.map(\.kind) == [.export, .search, .search] && events.allSatisfy { $0.outcome == .failed })
        #expect(events.allSatisfy { $0.records.isEmpty })
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

    // MARK: Moving

    private func patients(of house: TestHouse) throws -> [String] { try #require(try house.events().last).patients }

    @Test func `an update that moves a record names both patients`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        try await house.put(Chart.observation("o1", of: "p1"), as: principal)
        #expect(try patients(of: house) == ["p1"])
        try await house.put(Chart.observation("o1", of: "p2"), as: principal)
        #expect(try patients(of: house) == ["p1", "p2"])
        #expect(try house.log.events(with: [.patient("p1"), .kind(.update)], limit: 9).count == 2)
        try await house.put(Chart.observation("o1", of: nil), as: principal)
        #expect(try patients(of: house) == ["p2"])
        try await house.put(Chart.observation("o1", of: "p3"), as: principal)
        #expect(try patients(of: house) == ["p3"])
        try await house.delete(observation, "o1", as: principal)
        try await house.put(Chart.observation("o1", of: "p4"), as: principal)
        #expect(try patients(of: house) == ["p3", "p4"])
    }

    @Test func `an update that leaves a record with its patient names nobody else`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        for _ in 0..<2 {
            try await house.put(Chart.observation("o1", of: "p1"), as: principal)
            try await house.put(Chart.patient("p2"), as: principal)
            #expect(try patients(of: house) == ["p2"])
        }
        #expect(try house.log.events(with: [.patient("p1")], limit: 9).count == 2)
    }

    @Test func `a transaction that moves records names all patients, once each`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        for name in ["o1", "o2"] { try await house.put(Chart.observation(name, of: "p1"), as: principal) }
        _ = try await house.transact(
            ["o1", "o2"].map { try TestHouse.change(Chart.observation($0, of: "p2")) }, as: principal)
        #expect(try patients(of: house) == ["p1", "p2"])
    }

    @Test func `an update of a damaged record is refused and stands in the log`() async throws {
        let store = MemoryStore()
        let house = try TestHouse(store)
        let principal = try await house.signIn()
        try await house.put(Chart.observation("o1", of: "p1"), as: principal)
        damage(store, record: 1)
        let size = house.log.checkpoint.size
        await #expect(throws: VaultFailure.damaged) {
            try await house.put(Chart.observation("o1", of: "p2"), as: principal)
        }
        #expect(house.log.checkpoint.size == size + 1)
        #expect(try #require(try house.events().last).outcome == .failed)
        // Whether it may be changed depends on what it was.
        await #expect(throws: VaultFailure.damaged) {
            try await house.put(Chart.observation("o1", of: "p1"), as: principal)
        }
    }
}
