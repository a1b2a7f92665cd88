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

@Suite struct `Destroying a patient's key` {
    @Test(arguments: Engine.allCases)
    func `no version of the patient's records opens any more, now and after a restart`(engine: Engine) async throws {
        let ward = try await ShredWard(try engine.make())
        let done = try await ward.shred()
        #expect(done.records == 3 && done.others == ["Group/g1"] && done.receipt != nil)
        for isRestarted in [false, true] {
            // One at a time: each holds the end of the log.
            let house = try isRestarted ? ward.house.reopened() : ward.house
            #expect(try await house.vault.verifyAtStart().isWhole)
            let principal = ward.principal
            for (type, id) in [("Patient", "p1"), ("Observation", "p1-o0"), ("Observation", "p1-o2")] {
                let type = try ResourceType.named(type)
                #expect(try await isDestroyed { try await house.read(type, id, as: principal) })
                #expect(
                    try await isDestroyed {
                        try await house.vault.read(
                            version: 1,
                            with: try await house.grant(
                                VersionRead.self, on: GrantSubject(type: type, id: id), to: principal))
                    })
                #expect(
                    try await isDestroyed {
                        try await house.vault.history(
                            offset: 0, limit: 10,
                            with: try await house.grant(
                                InstanceHistory.self, on: GrantSubject(type: type, id: id), to: principal)
                        ).disclosure
                    })
            }
            #expect(try await house.read(.named("Patient"), "p2", as: principal).text.contains("Married-p2"))
        }
    }

    @Test(arguments: Engine.allCases)
    func `searches, counts, includes and exports know nothing of them`(engine: Engine) async throws {
        let ward = try await ShredWard(try engine.make())
        #expect(try await ward.names("Observation", [("subject", "Patient/p1")]).count == 2)
        try await ward.shred()
        for isRestarted in [false, true] {
            // One at a time: each holds the end of the log.
            let house = try isRestarted ? ward.house.reopened() : ward.house
            let principal = ward.principal
            let all = try await house.search(.named("Observation"), as: principal)
            #expect(all.total == 2 && all.disclosure.names.allSatisfy { $0.hasPrefix("Observation/p2") })
            let by = try await house.search(.named("Observation"), [("subject", "Patient/p1")], as: principal)
            #expect(by.total == 0 && by.disclosure.names.isEmpty)
            let named = try await house.search(.named("Patient"), [("family", "Married-p1")], as: principal)
            #expect(named.total == 0)
            let group = try await house.search(
                .named("Group"), [("_include", "Group:member")], as: principal)
            #expect(group.disclosure.names.sorted() == ["Group/g1/1", "Patient/p2/2"])
            let exporter = try await house.signIn("out-\(house.log.checkpoint.size)", purpose: .operations)
            let types = [try ResourceType.named("Patient"), try .named("Observation")]
            var cursor = try await house.vault.export(
                types, with: try await house.grant(Export.self, on: GrantSubject(types: types), to: exporter))
            var names: [String] = []
            while let chunk = try await house.vault.next(&cursor) { names += chunk.names }
            #expect(!names.contains { $0.contains("p1") } && names.contains("Patient/p2/2"))
        }
    }

    @Test func `an export that runs leaves out what is destroyed meanwhile`() async throws {
        let ward = try await ShredWard()
        let exporter = try await ward.house.signIn("out", purpose: .operations)
        let types = [try ResourceType.named("Patient"), try .named("Observation")]
        var cursor = try await ward.house.vault.export(
            types, with: try await ward.house.grant(Export.self, on: GrantSubject(types: types), to: exporter))
        try await ward.shred()
        var names: [String] = []
        while let chunk = try await ward.house.vault.next(&cursor) { names += chunk.names }
        #expect(!names.contains { $0.contains("p1") } && names.contains("Patient/p2/2"))
    }

    @Test func `nothing is written for the patient again, and the id is not taken by another`() async throws {
        let ward = try await ShredWard()
        try await ward.shred()
        let changes = [
            Chart.patient("p1", family: "Back"), Chart.observation("p1-o0", of: "p1"),
            Chart.observation("p1-new", of: "p1"), Chart.observation("p1-o0", of: "p2"),
        ]
        for change in changes {
            #expect(
                try await isDestroyed { try await ward.house.put(change, as: ward.principal).disclosure }, "\(change)")
        }
        #expect(
            try await isDestroyed {
                try await ward.house.delete(.named("Patient"), "p1", as: ward.principal).disclosure
            })
        let store = ward.house.store
        #expect(try store.patientKey(ward.house.vault.keyID(ofPatient: "p1")) == nil)
        #expect(try ward.house.events().filter { $0.outcome == .failed }.count == changes.count + 1)
    }

    @Test func `whoever might not see such a record is told that there is none`() async throws {
        let ward = try await ShredWard()
        try await ward.shred()
        let (own, other) = (
            try await ward.house.signIn(person: "pia", [.patient], patients: ["p1"]),
            try await ward.house.signIn(person: "mina", [.patient], patients: ["p2"])
        )
        #expect(try await isDestroyed { try await ward.house.read(.named("Patient"), "p1", as: own) })
        do {
            _ = try await ward.house.read(.named("Patient"), "p1", as: other)
            Issue.record("read")
        } catch let failure as VaultFailure {
            guard case .notFound = failure else {
                Issue.record("told \(failure)")
                return
            }
        }
        #expect(try ward.house.events().last?.outcome == .denied)
    }

    @Test func `the log names key, reason and who, and goes on adding up`() async throws {
        let ward = try await ShredWard()
        let id = ward.house.vault.keyID(ofPatient: "p1")
        let wrapped = try #require(try ward.house.store.patientKey(id))
        try await ward.shred()
        let event = try #require(try ward.house.log.events(with: [.kind(.keyDestroyed)], limit: 9).first?.event)
        #expect(event.actor?.name == "Kim" && event.decision == "agreement-ended" && event.query == "matter 7")
        #expect(event.patients == ["p1"])
        let hash = AuditedEntry(kind: .patientKeyRemoved, id: id, sealed: wrapped)
        #expect(event.entries.contains(hash))
        #expect(event.entries.contains { $0.kind == .destroyedKey && $0.id == id })
        let stored = try #require(try ward.house.vault.destructions().first)
        #expect(stored.patient == "p1" && stored.by == "Kim" && stored.keyHash == hash.hash)
        let result = try await ward.house.verify(as: try await ward.officer("o"))
        #expect(result.isWhole, "\(result.faults)")
        try ward.house.checkLog()
    }

    @Test func `no other key of the store opens what was sealed under it`() async throws {
        let store = MemoryStore()
        let ward = try await ShredWard(store)
        let before = try store.snapshot()
        try await ward.shred()
        let content = try store.snapshot()
        // Every wrapped key that is left, and the tenant's, put in the place of the one that went.
        for wrapped in content.patientKeys.values {
            let attempt = MemoryStore(content)
            let id = ward.house.vault.keyID(ofPatient: "p1")
            attempt.tamper { content in
                content.patientKeys[id] = wrapped
                content.entries[.destroyedKey] = nil
            }
            let house = try TestHouse(attempt, keys: ward.house.keys, buildsIndex: false)
            await #expect(throws: VaultFailure.damaged) {
                _ = try await house.read(.named("Patient"), "p1", as: ward.principal)
            }
        }
        // What was there before opens it: this shows that the attempt is one.
        let restored = try TestHouse(MemoryStore(before), keys: ward.house.keys)
        #expect(try await restored.read(.named("Patient"), "p1", as: ward.principal).text.contains("Married-p1"))
    }

    // MARK: What forbids it

    @Test func `a legal hold wins over every basis`() async throws {
        let ward = try await ShredWard()
        try await ward.house.log.placeHold(on: "p1", reason: "suit", as: ward.event)
        for basis in DestructionBasis.allCases {
            await #expect(throws: ShredFailure.log(.held)) { try await ward.shred("p1", basis) }
        }
        try await ward.shred("p2")
        try await ward.house.log.endHold(on: "p1", as: ward.event)
        try await ward.shred("p1")
    }

    @Test func `the retention wins unless an agreement or a law says otherwise`() async throws {
        let ward = try await ShredWard()
        let year: Int64 = 365 * 86_400
        for years in [0, 5, 9] as [Int64] {
            await #expect(throws: ShredFailure.self) {
                try await ward.shred("p1", .retentionOver, at: .now().adding(seconds: years * year))
            }
        }
        #expect(try ward.house.vault.destructions().isEmpty)
        try await ward.shred("p1", .retentionOver, at: .now().adding(seconds: 11 * year))
        try await ward.shred("p2", .requiredByLaw)
    }

    @Test func `refuses a patient who is not there, and one whose key is gone`() async throws {
        let ward = try await ShredWard()
        await #expect(throws: ShredFailure.unknownPatient) { try await ward.shred("nobody") }
        try await ward.shred()
        await #expect(throws: ShredFailure.already) { try await ward.shred() }
    }

    @Test func `a dry run destroys nothing`() async throws {
        let ward = try await ShredWard()
        let size = ward.house.log.checkpoint.size
        let would = try await ward.house.vault.shred(
            "p1", basis: .agreementEnded, reason: "r", as: ward.event, at: .now(), isDryRun: true)
        #expect(would.records == 3 && would.receipt == nil && ward.house.log.checkpoint.size == size)
        #expect(try await ward.names("Patient") == ["Patient/p1/2", "Patient/p2/2"])
    }

    @Test func `nothing is destroyed that the log could not take`() async throws {
        let store = FailingStore(MemoryStore())
        let ward = try await ShredWard(store)
        store.expect(.commits(.full, afterEffect: false))
        await #expect(throws: ShredFailure.log(.unknown)) { try await ward.shred() }
        store.expect(.none)
        #expect(try await ward.house.read(.named("Patient"), "p1", as: ward.principal).text.contains("Married-p1"))
        #expect(try ward.house.vault.destructions().isEmpty)
    }

    @Test func `destroyed on disk while the answer said that it failed: known at the next commit`() async throws {
        let store = FailingStore(MemoryStore())
        let ward = try await ShredWard(store)
        store.expect(.commits(.engine(10), afterEffect: true))
        await #expect(throws: ShredFailure.self) { try await ward.shred() }
        store.expect(.none)
        _ = try await ward.house.log.append(ward.event)
        #expect(try await isDestroyed { try await ward.house.read(.named("Patient"), "p1", as: ward.principal) })
        #expect(try await ward.names("Patient") == ["Patient/p2/2"])
        await #expect(throws: ShredFailure.already) { try await ward.shred() }
    }

    @Test func `writers who race with it either come before it or are refused`() async throws {
        let ward = try await ShredWard()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<40 {
                group.addTask {
                    do {
                        try await ward.house.put(
                            Chart.observation("race-\(number)", of: "p1", value: number), as: ward.principal)
                    } catch let failure as VaultFailure {
                        guard case .destroyed = failure else { throw failure }
                    }
                }
            }
            group.addTask { try await ward.shred() }
            try await group.waitForAll()
        }
        #expect(try await ward.names("Observation", [("subject", "Patient/p1")]).isEmpty)
        let result = try await ward.house.verify(as: try await ward.officer("o"))
        #expect(result.isWhole, "\(result.faults)")
        let again = try ward.house.reopened()
        #expect(try await again.vault.verifyAtStart().isWhole)
        #expect(
            try await again.search(.named("Observation"), [("subject", "Patient/p1")], as: ward.principal).total == 0)
    }
}
