import Testing
import WardAudit
import WardCore
import WardStorage
import WardTestKit
import WardVault

@Suite struct `Versions whose owner or place was altered, while patients' keys are exchanged` {
    private let store: MemoryStore
    private let ward: ShredWard
    private let content: [String]

    init() async throws {
        store = MemoryStore()
        ward = try await ShredWard(store)
        content = try await ward.content()
    }

    private func alter(
        _ record: Int64, locator: Locator? = nil, by mask: Locator = .none, body: ([UInt8]) -> [UInt8] = { $0 }
    ) throws -> StoredVersion {
        let good = try #require(try store.snapshot().versions[record])
        let bad = StoredVersion(
            record: good.record, locator: locator ?? good.locator, version: good.version, isDeleted: good.isDeleted,
            maskedOwner: Locator(high: good.maskedOwner.high ^ mask.high, low: good.maskedOwner.low ^ mask.low),
            body: body(good.body))
        store.tamper { $0.versions[record] = bad }
        return good
    }

    /// How many keys a patient has.
    private func keys(of patient: String) throws -> Int {
        try ward.wrapped()[ward.house.vault.keyID(ofPatient: patient)]?.count == 99 ? 2 : 1
    }

    private func isWholeAgain(with good: StoredVersion, of patient: String? = nil, turn: Int = 1) async throws -> Bool {
        store.tamper { $0.versions[good.record.value] = good }
        let again = try #require(try await ward.exchange(patient))
        let isSame = try await ward.content() == content
        let isWhole = try await ward.house.verify(as: try await ward.officer("v\(turn)")).isWhole
        let counts = [try keys(of: "p1"), try keys(of: "p2")]
        return isSame && isWhole && counts == [1, 1] && !again.hasFaults && !again.keepsAll
    }

    @Test(arguments: [nil, "p1"] as [String?])
    func `another owner: the key of the patient whom the log names stays`(patient: String?) async throws {
        let good = try alter(2, by: Locator(high: 1 << 63, low: 0))
        let done = try #require(try await ward.exchange(patient))
        #expect(done.faults == [2] && done.names == ["Patient/p1/_history/2"] && !done.keepsAll)
        #expect(try keys(of: "p1") == 2 && keys(of: "p2") == 1)
        #expect(try await isWholeAgain(with: good, of: patient))
    }

    @Test func `another patient as owner: the keys of both stay`() async throws {
        let (p1, p2) = (ward.house.vault.keyID(ofPatient: "p1"), ward.house.vault.keyID(ofPatient: "p2"))
        let good = try alter(2, by: Locator(high: p1.high ^ p2.high, low: p1.low ^ p2.low))
        let done = try #require(try await ward.exchange())
        #expect(done.faults == [2] && !done.keepsAll)
        #expect(try keys(of: "p1") == 2 && keys(of: "p2") == 2)
        #expect(try await isWholeAgain(with: good))
    }

    @Test func `nobody as owner is no way past it`() async throws {
        let good = try alter(2, by: ward.house.vault.keyID(ofPatient: "p1"))
        let done = try #require(try await ward.exchange())
        #expect(done.faults == [2])
        #expect(try keys(of: "p1") == 2 && keys(of: "p2") == 1)
        #expect(try await isWholeAgain(with: good))
    }

    @Test func `another place: the key of the patient for whom it was written stays`() async throws {
        // Also where an exchange before has sealed it anew: then the log does not say whose it is.
        for turn in 1...2 {
            let good = try alter(2, locator: Locator(high: 5, low: 5))
            let done = try #require(try await ward.exchange())
            #expect(done.faults == [2] && done.keepsAll == (turn == 2))
            #expect(
                done.names == [turn == 1 ? "Patient/p1/_history/2" : "a version 2 that the log never wrote"])
            #expect(try keys(of: "p1") == 2 && keys(of: "p2") == turn)
            #expect(try await isWholeAgain(with: good, turn: turn))
        }
    }

    @Test func `where neither row nor log says whose it is every earlier key stays`() async throws {
        let good = try alter(2, by: Locator(high: 1, low: 0)) { [1, 1] + $0.dropFirst(2).reversed() }
        let done = try #require(try await ward.exchange())
        #expect(done.faults == [2] && done.keepsAll)
        #expect(try keys(of: "p1") == 2 && keys(of: "p2") == 2)
        #expect(try await isWholeAgain(with: good))
    }

    @Test func `a wrapped key that does not open stops nobody else's exchange, and is a fault`() async throws {
        let p1 = ward.house.vault.keyID(ofPatient: "p1")
        let wrapped = try #require(try ward.wrapped()[p1])
        store.tamper { $0.patientKeys[p1] = wrapped.dropLast() + [wrapped[wrapped.count - 1] ^ 1] }
        let house = try TestHouse(store, keys: ward.house.keys, buildsIndex: false)
        let done = try #require(try await ward.exchange(in: house))
        #expect(!done.isUnfinished && done.hasFaults && done.keyFaults == 1 && done.faults.count == 6)
        #expect(done.names.contains("a patient's key") && done.names.contains("Patient/p1/_history/1"))
        let end = try #require(try house.log.events(with: [.kind(.patientKeysRotated)], limit: 1).first?.event)
        #expect(end.outcome == .failed && end.decision == "ended-with-faults")
        #expect(try ward.wrapped()[house.vault.keyID(ofPatient: "p2")]?.count == 67)
        // Once it is what it was, the next exchange ends it.
        store.tamper { $0.patientKeys[p1] = wrapped }
        #expect(try await ward.exchange(in: house)?.hasFaults == false)
        #expect(try ward.wrapped().values.allSatisfy { $0.count == 67 })
        try house.vault.rebuildIndex()
        #expect(try await ward.content(house) == content)
    }

    // MARK: Failures and erasures

    @Test func `whoever waits for it hears why it does not go on`() async throws {
        let store = FailingStore(MemoryStore())
        let ward = try await ShredWard(store)
        try await ward.begin()
        store.expect(.step(1, .engine(10)))
        await #expect(throws: ResealFailure.vault(.storage)) {
            try await ward.house.vault.reseal(rest: { _ in true })
        }
        #expect(ward.house.vault.resealingFailure == .vault(.storage))
        store.expect(.commits(.full, afterEffect: false))
        await #expect(throws: ResealFailure.log) { try await ward.house.vault.reseal(rest: { _ in true }) }
        #expect(ward.house.vault.resealingFailure == .log)
        store.expect(.none)
        try await ward.house.vault.reseal(rest: { _ in true })
        #expect(ward.house.vault.resealingFailure == nil)
    }

    @Test func `the table of keys is not written anew for each step, but for a key that is destroyed`() async throws {
        let vault = ward.house.vault
        try vault.eraseLeftovers()
        try await ward.begin()
        #expect(try await vault.reseal(rest: { _ in false })?.phase == .keys)
        #expect(try store.isErasureDue())
        try vault.eraseLeftovers()
        #expect(try store.isErasureDue())
        try await ward.shred("p1")
        try vault.eraseLeftovers()
        #expect(try !store.isErasureDue())
        while let state = try await vault.reseal(rest: { _ in false }), state.isUnfinished {
            guard state.phase == .ending, try store.isErasureDue() else { continue }
            try vault.eraseLeftovers()
            #expect(try store.isErasureDue())
        }
        #expect(try !store.isErasureDue())
        // Made due by a reader who was in the way.
        store.tamper { $0.metadata[.erasure] = [1] }
        try vault.eraseLeftovers()
        #expect(try !store.isErasureDue())
    }
}
