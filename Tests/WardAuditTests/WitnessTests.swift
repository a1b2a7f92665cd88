import Testing
import WardAudit
import WardCore
import WardCrypto
import WardStorage
import WardTestKit

/// Witnesses of one log, and what they hand in.
struct WitnessHouse {
    let house = LogHouse()
    let store = MemoryStore()
    let log: AuditLog
    let cosigners: [Cosigner]

    static let now = Instant(microseconds: 1_800_000_000_000_000)
    static let source = RequestSource(address: "test", request: "")

    init(witnesses count: Int = 3, quorum: Int = 2) async throws {
        log = try house.open(store)
        cosigners = try (0..<count).map { try #require(Cosigner(name: "w\($0).example", key: SigningKey())) }
        for (number, cosigner) in cosigners.enumerated() {
            try await change("add \(number)") { policy throws(WitnessFault) in
                try policy.add("w\(number)", cosigner.verifierKey)
            }
        }
        if count > 0 { try await change("quorum") { policy throws(WitnessFault) in try policy.require(quorum) } }
    }

    func change(
        _ decision: String, _ change: (inout WitnessPolicy) throws(WitnessFault) -> Void
    ) async throws {
        try await log.changeWitnesses(decision, by: nil, source: Self.source, change)
    }

    func grow(_ count: Int = 1) async throws {
        for _ in 0..<count { _ = try await log.append(event("grown")) }
    }

    func offered(at now: Instant = Self.now) throws -> SignedNote {
        try #require(log.offeredCheckpoint(now: now).flatMap { SignedNote($0) })
    }

    /// What the witness hands in: the log's line and its own.
    func cosigned(_ note: SignedNote, by number: Int, at seconds: Int64 = 1_800_000_000) throws -> SignedNote {
        let own = note.signatures.filter { $0.name == log.origin }
        return SignedNote(
            text: note.text, signatures: own + [try #require(cosigners[number].cosign(note.text, at: seconds))])
    }

    func handIn(_ note: SignedNote) async -> CosignatureAnswer { await log.takeCosignature(note.note, now: Self.now) }
}

@Suite struct `Witnesses of the log` {
    @Test func `are none at first, and that is said`() async throws {
        let house = try await WitnessHouse(witnesses: 0)
        let standing = house.log.witnessStanding
        #expect(!standing.isWitnessed && standing.newest == nil && standing.policy.quorum == 0)
        #expect(house.log.witnessedCheckpoint == nil)
        let stranger = try #require(Cosigner(name: "w", key: SigningKey()))
        try await house.grow()
        let note = try house.offered()
        let line = try #require(stranger.cosign(note.text, at: 1))
        #expect(await house.handIn(SignedNote(text: note.text, signatures: note.signatures + [line])) == .refused)
    }

    @Test func `make a checkpoint witnessed once they are enough`() async throws {
        let house = try await WitnessHouse()
        try await house.grow(5)
        let note = try house.offered()
        #expect(await house.handIn(try house.cosigned(note, by: 0)) == .accepted)
        #expect(!house.log.witnessStanding.isWitnessed && house.log.witnessStanding.newest?.names == ["w0"])
        #expect(house.log.witnessedCheckpoint == nil)
        // Meanwhile the log grows; the others are still asked about the same checkpoint.
        try await house.grow(3)
        #expect(try house.offered().text == note.text)
        #expect(await house.handIn(try house.cosigned(note, by: 2)) == .accepted)
        let standing = house.log.witnessStanding
        #expect(standing.isWitnessed && standing.newest?.names == ["w0", "w2"] && standing.since == 3)
        let witnessed = try #require(house.log.witnessedCheckpoint.flatMap { SignedNote($0) })
        #expect(witnessed.text == note.text && witnessed.signatures.count == 3)
        // From now on the newest is handed out again.
        #expect(Checkpoint(text: try house.offered().text)?.size == house.log.checkpoint.size)
    }

    @Test func `are waited for, but not for ever`() async throws {
        let house = try await WitnessHouse()
        let note = try house.offered()
        try await house.grow()
        #expect(try house.offered(at: WitnessHouse.now.adding(seconds: 119)).text == note.text)
        #expect(try house.offered(at: WitnessHouse.now.adding(seconds: 120)).text != note.text)
    }

    @Test func `are not believed for anything else`() async throws {
        let house = try await WitnessHouse()
        try await house.grow(5)
        let note = try house.offered()
        let good = try house.cosigned(note, by: 0)
        let own = note.signatures
        let stranger = try #require(Cosigner(name: "w0.example", key: SigningKey()))
        let log = house.log
        func refused(_ note: SignedNote) async -> Bool { await house.handIn(note) == .refused }
        #expect(await log.takeCosignature("", now: WitnessHouse.now) == .refused)
        #expect(await log.takeCosignature(good.text, now: WitnessHouse.now) == .refused)
        #expect(await log.takeCosignature(good.note + "\n", now: WitnessHouse.now) == .refused)
        #expect(await refused(note), "no witness")
        #expect(await refused(SignedNote(text: note.text, signatures: [good.signatures[1]])), "not the log's")
        let foreign = try #require(stranger.cosign(note.text, at: 1_800_000_000))
        #expect(await refused(SignedNote(text: note.text, signatures: own + [foreign])), "another key of that name")
        let unnamed = SignedNote.Signature(name: "x", keyID: good.signatures[1].keyID, bytes: good.signatures[1].bytes)
        #expect(await refused(SignedNote(text: note.text, signatures: own + [unnamed])), "another name")
        for place in good.signatures[1].bytes.indices {
            var bytes = good.signatures[1].bytes
            bytes[place] ^= 1
            let line = SignedNote.Signature(
                name: good.signatures[1].name, keyID: good.signatures[1].keyID, bytes: bytes)
            #expect(await refused(SignedNote(text: note.text, signatures: own + [line])), "byte \(place)")
        }
        #expect(await refused(try house.cosigned(note, by: 0, at: 1_800_000_601)), "too far in the future")
        // One good line does not cover for a forged one.
        let forged = SignedNote.Signature(
            name: "w1.example", keyID: house.cosigners[1].verifierKey.keyID, bytes: good.signatures[1].bytes)
        #expect(await refused(SignedNote(text: note.text, signatures: good.signatures + [forged])))
        #expect(log.witnessStanding.newest == nil)
        #expect(try house.store.metadata(.cosigned) == nil)
        #expect(await house.handIn(good) == .accepted)
    }

    @Test func `expose a log that signed something else before`() async throws {
        let house = try await WitnessHouse()
        try await house.grow(5)
        for checkpoint in [
            Checkpoint(origin: house.log.origin, size: 4, root: digest(1)),
            Checkpoint(origin: house.log.origin, size: 900, root: digest(1)),
            Checkpoint(origin: house.log.origin, size: 0, root: digest(1)),
        ] {
            let text = try #require(checkpoint.signed(with: house.house.signing))
            let note = try #require(SignedNote(text))
            #expect(await house.handIn(try house.cosigned(note, by: 0)) == .contradicts)
        }
        let elsewhere = Checkpoint(origin: "ward/other", size: 4, root: digest(1))
        let note = try #require(elsewhere.signed(with: house.house.signing).flatMap { SignedNote($0) })
        #expect(await house.handIn(try house.cosigned(note, by: 0)) == .refused)
        #expect(house.log.witnessStanding.newest == nil)
    }

    @Test func `are remembered over a restart, with the newest of what each said`() async throws {
        let house = try await WitnessHouse()
        try await house.grow(300)
        let note = try house.offered()
        for (number, seconds) in [(0, 1_799_999_000), (1, 1_799_999_001), (0, 1_799_999_900), (0, 1_799_999_500)] {
            #expect(await house.handIn(try house.cosigned(note, by: number, at: Int64(seconds))) == .accepted)
        }
        try await house.grow(2)
        let later = try house.offered()
        #expect(await house.handIn(try house.cosigned(later, by: 2)) == .accepted)
        #expect(await house.handIn(try house.cosigned(note, by: 2)) == .accepted)
        let restarted = try house.house.open(house.store)
        let standing = restarted.witnessStanding
        #expect(standing.newest?.names == ["w0", "w1", "w2"] && standing.since == 2)
        #expect(standing.policy == house.log.witnessPolicy)
        #expect(restarted.witnessedCheckpoint == house.log.witnessedCheckpoint)
        let proof = try #require(try restarted.proof(of: 7))
        #expect(proof.checkpoint.text == note.text)
        let verified = try proof.verify(leaf: nil, log: restarted.verifier, policy: standing.policy)
        #expect(verified.cosigned.first?.time == 1_799_999_900)
        // What they have not seen yet is proven all the same, unwitnessed or less witnessed.
        let last = try #require(try restarted.proof(of: restarted.checkpoint.size - 1))
        #expect(throws: ProofFault.quorum(found: 1, needed: 2)) {
            try last.verify(leaf: nil, log: restarted.verifier, policy: standing.policy)
        }
        // Said again, nothing changes.
        let early = try #require(try house.log.proof(of: 7)).checkpoint
        #expect(await house.handIn(early) == .accepted)
    }

    @Test func `show at start that the log was cut back under what they vouched for`() async throws {
        let house = try await WitnessHouse()
        try await house.grow(20)
        let before = try house.store.snapshot()
        try await house.grow(5)
        let note = try house.offered()
        #expect(await house.handIn(try house.cosigned(note, by: 0)) == .accepted)
        let kept = try house.store.metadata(.cosigned)
        _ = try house.house.open(MemoryStore(before))
        var cut = before
        cut.metadata[.cosigned] = kept
        #expect(throws: AuditFailure.damaged) { try house.house.open(MemoryStore(cut)) }
        // Rewritten and signed with the log's own key.
        let fork = MemoryStore(before)
        let other = try house.house.open(fork)
        for _ in 0..<9 { _ = try await other.append(event("another history")) }
        _ = try house.house.open(fork)
        fork.tamper { $0.metadata[.cosigned] = kept }
        #expect(throws: AuditFailure.damaged) { try house.house.open(fork) }
    }
}

@Suite struct `The witness policy` {
    @Test func `is logged, and an older one put back or its loss stops the start`() async throws {
        let house = try await WitnessHouse(witnesses: 2, quorum: 2)
        let before = try house.store.snapshot().entries[.witnesses]
        try await house.change("remove") { policy throws(WitnessFault) in try policy.remove("w1") }
        #expect(house.log.witnessPolicy.quorum == 1)
        #expect(try house.log.events(with: [.kind(.witnessAdded)], limit: 9).count == 3)
        let removed = try house.log.events(with: [.kind(.witnessRemoved)], limit: 9)
        #expect(removed.count == 1 && removed.first?.event.decision == "remove")
        #expect(removed.first?.event.entries.first?.kind == .witnesses)
        _ = try house.house.open(house.store)
        for entries in [before, [:], nil] {
            let changed = MemoryStore(try house.store.snapshot())
            changed.tamper { $0.entries[.witnesses] = entries }
            #expect(throws: AuditFailure.damaged) { try house.house.open(changed) }
        }
    }

    @Test func `that asks for less makes what was too little enough, and a removed witness counts no more`()
        async throws
    {
        let house = try await WitnessHouse()
        let note = try house.offered()
        #expect(await house.handIn(try house.cosigned(note, by: 0)) == .accepted)
        #expect(!house.log.witnessStanding.isWitnessed)
        try await house.change("quorum") { policy throws(WitnessFault) in try policy.require(1) }
        #expect(house.log.witnessStanding.isWitnessed)
        #expect(try house.log.events(with: [.kind(.witnessRemoved)], limit: 9).count == 1, "asking for less weakens it")
        try await house.change("remove") { policy throws(WitnessFault) in try policy.remove("w0") }
        #expect(!house.log.witnessStanding.isWitnessed && house.log.witnessStanding.newest == nil)
        #expect(await house.handIn(try house.cosigned(note, by: 0)) == .refused)
    }

    @Test func `takes each name and key once`() throws {
        let keys = PublishedNote.witnessesInUse.compactMap { VerifierKey($0) }
        var policy = WitnessPolicy()
        #expect(throws: WitnessFault.badQuorum) { try policy.require(1) }
        #expect(throws: WitnessFault.unknown) { try policy.remove("a") }
        try policy.add("a", keys[0])
        #expect(throws: WitnessFault.known) { try policy.add("a", keys[1]) }
        #expect(throws: WitnessFault.known) { try policy.add("b", keys[0]) }
        let renamed = try #require(
            VerifierKey(name: "other", algorithm: .cosignature, publicKey: keys[0].publicKey))
        #expect(throws: WitnessFault.known) { try policy.add("b", renamed) }
        let log = try #require(VerifierKey(PublishedNote.logKey))
        #expect(throws: WitnessFault.notAWitnessKey) { try policy.add("b", log) }
        for name in ["", "a b", "none", "all", "any", "witnesses", "a\nb", "\u{E4}", String(repeating: "x", count: 65)]
        {
            #expect(throws: WitnessFault.badName) { try policy.add(name, keys[1]) }
        }
        for count in [-1, 0, 2] { #expect(throws: WitnessFault.badQuorum) { try policy.require(count) } }
        try policy.add("b", keys[1])
        try policy.require(2)
        #expect(WitnessPolicy(text: policy.text) == policy)
        #expect(WitnessPolicy(text: WitnessPolicy().text) == WitnessPolicy())
        for text in [
            "", "quorum none", policy.text + "\n", policy.text.replacing(" 2 ", with: " 3 "),
            policy.text.replacing(" 2 ", with: " 02 "), policy.text.replacing("quorum witnesses\n", with: ""),
            policy.text.replacing("\n", with: "\r\n"), "# comment\n" + policy.text,
        ] { #expect(WitnessPolicy(text: text) == nil) }
    }
}
