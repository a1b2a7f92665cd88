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

@Suite struct `Exchanging patients' keys` {
    @Test(arguments: Engine.allCases)
    func `everything reads and is found as before, and nothing lies there under an earlier key`(
        engine: Engine
    ) async throws {
        let ward = try await ShredWard(try engine.make())
        let (content, sealed, wrapped) = (try await ward.content(), try ward.sealed(), try ward.wrapped())
        for turn in 1...3 {
            let done = try #require(try await ward.exchange())
            // All but the group, which is under a key of the store.
            #expect(!done.isUnfinished && done.faults.isEmpty && done.resealed == Int64(sealed.count - 1))
            #expect(try await ward.content() == content)
            let now = try ward.sealed()
            // Nothing in a row says under which of a patient's keys it is.
            #expect(now.values.allSatisfy { $0.starts(with: [1, 1]) })
            #expect(now.keys == sealed.keys && now.count { sealed[$0.key] == $0.value } == 1)
            #expect(try ward.wrapped().allSatisfy { wrapped[$0.key] != nil && wrapped[$0.key] != $0.value })
            #expect(try ward.wrapped().values.allSatisfy { $0.count == 67 })
            #expect(try await ward.house.verify(as: try await ward.officer("v\(turn)")).isWhole)
        }
        let house = try ward.house.reopened()
        #expect(try await house.vault.verifyAtStart().isWhole)
        #expect(try await ward.content(house) == content)
        let officer = try await house.signIn("last", role: .administrator, purpose: .systemAdministration)
        #expect(try await house.verify(as: officer).isWhole)
        #expect(try !house.store.isErasureDue())
    }

    @Test func `begin, each step and the end stand in the log`() async throws {
        let ward = try await ShredWard()
        try await ward.exchange()
        let ends = try ward.house.log.events(with: [.kind(.patientKeysRotated)], limit: 9).map(\.event)
        #expect(ends.reversed().map(\.decision) == ["begun", "ended"])
        #expect(ends.last?.actor?.name == "Kim" && ends.allSatisfy { $0.outcome == .success })
        let steps = try ward.house.log.events(with: [.kind(.recordsResealed)], limit: 99).map(\.event)
        #expect(
            Set(steps.map(\.decision)) == [
                "keys-added", "keys-added-to-all", "sealed-anew", "sealed-anew-all", "keys-ended",
            ])
        #expect(steps.reduce(0) { $0 + $1.resealed.count } == (try ward.sealed().count) - 1)
        // Nobody looked at anything of a patient's.
        #expect(steps.allSatisfy { $0.patients.isEmpty && $0.records.isEmpty })
    }

    @Test func `of one patient alone nothing else changes by a byte`() async throws {
        let ward = try await ShredWard()
        let (content, sealed, wrapped) = (try await ward.content(), try ward.sealed(), try ward.wrapped())
        let done = try #require(try await ward.exchange("p2"))
        #expect(done.patient == "p2" && done.resealed == 6)
        #expect(try await ward.content() == content)
        #expect(try ward.sealed().count { sealed[$0.key] != $0.value } == 6)
        let id = ward.house.vault.keyID(ofPatient: "p2")
        #expect(try ward.wrapped().filter { wrapped[$0.key] != $0.value }.map(\.key) == [id])
        #expect(try await ward.house.verify(as: try await ward.officer("v")).isWhole)
    }

    // MARK: What is refused

    @Test func `two at a time, and patients without a key, are refused`() async throws {
        let ward = try await ShredWard()
        await #expect(throws: ResealFailure.unknownPatient) { try await ward.begin("nobody") }
        try await ward.shred("p1")
        await #expect(throws: ResealFailure.destroyed) { try await ward.begin("p1") }
        #expect(try await ward.house.vault.reseal(rest: { _ in true }) == nil)
        try await ward.begin()
        await #expect(throws: ResealFailure.unfinished) { try await ward.begin() }
        await #expect(throws: ResealFailure.unfinished) { try await ward.begin("p2") }
        await #expect(throws: ResealFailure.unfinished) { try await ward.begin(in: try ward.house.reopened()) }
        let kinds = try ward.house.log.events(with: [.kind(.patientKeysRotated)], limit: 9)
        #expect(kinds.count == 1)
    }

    @Test func `a log that cannot be written stops it, and it goes on later`() async throws {
        let store = FailingStore(MemoryStore())
        let ward = try await ShredWard(store)
        let content = try await ward.content()
        store.expect(.commits(.full, afterEffect: false))
        await #expect(throws: ResealFailure.log) { try await ward.begin() }
        store.expect(.none)
        try await ward.begin()
        store.expect(.commits(.full, afterEffect: false))
        await #expect(throws: ResealFailure.log) { try await ward.house.vault.reseal(rest: { _ in true }) }
        store.expect(.none)
        #expect(try await ward.house.vault.reseal(rest: { _ in true })?.isUnfinished == false)
        #expect(try await ward.content() == content)
        #expect(try await ward.house.verify(as: try await ward.officer("v")).isWhole)
    }

    // MARK: Somebody alters the store

    private func altered(
        _ change: (inout MemoryStore.Content) -> Void
    ) async throws -> (ward: ShredWard, before: [Int64: [UInt8]], done: Resealing) {
        let store = MemoryStore()
        let ward = try await ShredWard(store)
        store.tamper(change)
        let before = try ward.sealed()
        let done = try #require(try await ward.exchange())
        return (ward, before, done)
    }

    @Test func `a version that was altered is named and not sealed anew, and its patient's earlier key stays`()
        async throws
    {
        let (ward, before, done) = try await altered { content in
            let old = content.versions[2]
            guard let old, var body = Optional(old.body) else { return }
            body[40] ^= 1
            content.versions[2] = StoredVersion(
                record: old.record, locator: old.locator, version: old.version, isDeleted: old.isDeleted,
                maskedOwner: old.maskedOwner, body: body)
        }
        #expect(done.faults == [2] && done.names == ["Patient/p1/_history/2"] && !done.isUnfinished)
        #expect(try ward.sealed()[2] == before[2] && ward.sealed()[1] != before[1])
        let end = try #require(try ward.house.log.events(with: [.kind(.patientKeysRotated)], limit: 1).first?.event)
        #expect(end.outcome == .failed && end.decision == "ended-with-faults" && end.query == "Patient/p1/_history/2")
        let (p1, p2) = (ward.house.vault.keyID(ofPatient: "p1"), ward.house.vault.keyID(ofPatient: "p2"))
        #expect(try ward.wrapped()[p1]?.count == 99 && ward.wrapped()[p2]?.count == 67)
        await #expect(throws: VaultFailure.damaged) {
            try await ward.house.read(.named("Patient"), "p1", as: ward.principal)
        }
        let found = try await ward.house.verify(as: try await ward.officer("v")).faults
        #expect(found.contains { $0.record == "Patient/p1/_history/2" && $0.fault == .altered })
        #expect(Set(found.map(\.record)).isSubset(of: ["Patient/p1/_history/2", "Patient/p1"]))
        // Tried again it is the same, and the patient gets no third key.
        let again = try #require(try await ward.exchange("p1"))
        #expect(again.faults == [2] && again.resealed == 0)
        #expect(try ward.wrapped()[p1]?.count == 99)
    }

    @Test func `once the version is what it was, the next exchange ends it`() async throws {
        let store = MemoryStore()
        let ward = try await ShredWard(store)
        let content = try await ward.content()
        let good = try #require(try store.snapshot().versions[2])
        let bad = StoredVersion(
            record: good.record, locator: good.locator, version: good.version, isDeleted: good.isDeleted,
            maskedOwner: good.maskedOwner, body: [1, 1] + good.body.dropFirst(2).reversed())
        store.tamper { $0.versions[2] = bad }
        #expect(try await ward.exchange()?.faults == [2])
        store.tamper { $0.versions[2] = good }
        #expect(try await ward.exchange("p1")?.faults == [])
        #expect(try await ward.content() == content)
        #expect(try ward.wrapped().values.allSatisfy { $0.count == 67 })
        #expect(try await ward.house.verify(as: try await ward.officer("v")).isWhole)
    }

    @Test func `cards that were exchanged, and versions of another place, are not sealed anew`() async throws {
        let (_, _, cards) = try await altered { content in
            let (one, other) = (content.cards[3], content.cards[4])
            guard let one, let other else { return }
            content.cards[3] = StoredCard(
                record: one.record, locator: one.locator, version: one.version, maskedOwner: one.maskedOwner,
                card: other.card)
        }
        #expect(cards.faults == [3])
        let (_, _, rows) = try await altered { content in
            let (one, other) = (content.versions[3], content.versions[4])
            guard let one, let other else { return }
            content.versions[3] = StoredVersion(
                record: one.record, locator: one.locator, version: one.version, isDeleted: one.isDeleted,
                maskedOwner: one.maskedOwner, body: other.body)
        }
        #expect(rows.faults == [3] && rows.names == ["Observation/p1-o0/_history/1"])
    }

    @Test func `an envelope of another format is a fault`() async throws {
        for format: UInt8 in [0, 2, 9, 255] {
            let (_, _, done) = try await altered { content in
                guard let old = content.versions[3] else { return }
                content.versions[3] = StoredVersion(
                    record: old.record, locator: old.locator, version: old.version, isDeleted: old.isDeleted,
                    maskedOwner: old.maskedOwner, body: [format] + old.body.dropFirst(1))
            }
            #expect(done.faults == [3], "\(format)")
        }
    }

    @Test func `an earlier key that is put back is found, and opens nothing that was sealed anew`() async throws {
        let store = MemoryStore()
        let ward = try await ShredWard(store)
        let (wrapped, sealed) = (try ward.wrapped(), try ward.sealed())
        try await ward.exchange()
        store.tamper { $0.patientKeys = wrapped }
        let house = try TestHouse(store, keys: ward.house.keys, buildsIndex: false)
        #expect(
            try await house.vault.verifyAtStart().faults == ["patients' keys are missing, altered or added"])
        await #expect(throws: VaultFailure.damaged) {
            try await house.read(.named("Patient"), "p1", as: ward.principal)
        }
        // With the earlier rows as well the clinic of before would read: the log tells of both.
        store.tamper { content in
            for (record, body) in sealed {
                guard let now = content.versions[record] else { continue }
                content.versions[record] = StoredVersion(
                    record: now.record, locator: now.locator, version: now.version, isDeleted: now.isDeleted,
                    maskedOwner: now.maskedOwner, body: body)
            }
        }
        #expect(try await !house.vault.verifyAtStart().isWhole)
        let found = try await house.verify(
            as: try await house.signIn("v", role: .administrator, purpose: .systemAdministration))
        #expect(found.faults.contains { $0.record == "Patient/p1/_history/1" && $0.fault == .altered })
        #expect(found.faults.contains { $0.record == "a patient's key" })
    }

    @Test func `how far it is cannot be altered or taken away`() async throws {
        let store = MemoryStore()
        let ward = try await ShredWard(store)
        try await ward.begin()
        let first = try store.entries(.resealing)
        try await ward.house.vault.reseal(rest: { _ in true })
        for change: @Sendable (inout MemoryStore.Content) -> Void in [
            { $0.entries[.resealing] = nil },
            { content in for entry in first { content.entries[.resealing]?[entry.id] = entry.sealed } },
        ] {
            let copy = MemoryStore(try store.snapshot())
            copy.tamper(change)
            let house = try TestHouse(copy, keys: ward.house.keys, buildsIndex: false)
            #expect(try await !house.vault.verifyAtStart().isWhole)
        }
    }

    // MARK: Holds and destroyed keys

    @Test func `a legal hold does not hinder it and goes on holding`() async throws {
        let ward = try await ShredWard()
        let content = try await ward.content()
        try await ward.house.log.placeHold(on: "p1", reason: "suit", as: ward.event)
        #expect(try await ward.exchange()?.faults == [])
        #expect(try await ward.content() == content)
        await #expect(throws: ShredFailure.log(.held)) { try await ward.shred("p1") }
    }

    @Test func `a key that was destroyed stays so, before and in the middle`() async throws {
        for isBefore in [true, false] {
            let ward = try await ShredWard()
            if isBefore { try await ward.shred("p1") }
            try await ward.begin()
            for _ in 0..<20 {
                let state = try #require(try await ward.house.vault.reseal(rest: { _ in false }))
                if !isBefore, state.phase == .records, try ward.wrapped().count == 2 { try await ward.shred("p1") }
                if !state.isUnfinished { break }
            }
            #expect(try ward.house.vault.resealing()?.isUnfinished == false)
            #expect(try ward.house.vault.resealing()?.faults == [])
            #expect(try ward.wrapped().count == 1)
            #expect(
                try await isDestroyed { try await ward.house.read(.named("Patient"), "p1", as: ward.principal) })
            #expect(try await ward.house.read(.named("Patient"), "p2", as: ward.principal).text.contains("Married"))
            #expect(try await ward.house.verify(as: try await ward.officer("v")).isWhole)
            #expect(try await ward.house.reopened().vault.verifyAtStart().isWhole)
        }
    }
}
