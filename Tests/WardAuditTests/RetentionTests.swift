import Dispatch
import Synchronization
import Testing
import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardStorage
import WardTestKit

@Suite struct `Retention` {
    private let house = LogHouse()
    private static let day: Int64 = 86_400_000_000
    /// 2026-11-21.
    private static let now = Instant(microseconds: 20_778 * day)

    private func today(minusYears years: Int64, days: Int64 = 0) -> CalendarDay {
        let day = CalendarDay(year: 2026 - years, month: 11, day: 21)
        return CalendarDay(daysSinceEpoch: day.daysSinceEpoch + days)
    }

    private func act() -> AuditEvent { event("officer", kind: .storeVerified, day: 20_778) }

    /// 1,200 old events: reads, a write every hundredth, a person's change every hundredth; then as many new ones.
    private func filled(_ store: any SealedStore = MemoryStore()) async throws -> AuditLog {
        let log = try house.open(store)
        for number in Int64(0)..<1200 {
            let patient = "p\(number % 10)"
            if number % 100 == 7 {
                let record = AuditedRecord(
                    type: try .named("Patient"), id: patient, version: 1, hash: String(repeating: "0", count: 32),
                    interaction: .update)
                _ = try await log.append(
                    event("writer", kind: .update, day: 10_000, patients: [patient], records: [record]))
            } else if number % 100 == 8 {
                _ = try await log.commit(
                    event("writer", kind: .personChanged, day: 10_000),
                    entries: [.put(StoredEntry(id: place(UInt64(number)), sealed: [1]), .person)])
            } else {
                _ = try await log.append(event("reader", day: 10_000, patients: [patient]))
            }
        }
        for number in 0..<1200 { _ = try await log.append(event("reader", day: 20_700, patients: ["p\(number % 10)"])) }
        return log
    }

    @Test func `is ten years unless it is set, six at least, and is never lowered`() async throws {
        let log = try house.open(MemoryStore())
        #expect(try log.retentionYears() == 10)
        for years: Int64 in [5, 0, -1, 1001] {
            await #expect(throws: RetentionFailure.belowFloor) { try await log.setRetention(years: years, as: act()) }
        }
        try await log.setRetention(years: 6, as: act())
        #expect(try log.retentionYears() == 6)
        try await log.setRetention(years: 12, as: act())
        for years: Int64 in [6, 11] {
            await #expect(throws: RetentionFailure.belowFloor) { try await log.setRetention(years: years, as: act()) }
        }
        #expect(try log.retentionYears() == 12)
    }

    @Test func `refuses to prune what is a day too young`() async throws {
        let log = try await filled()
        for day in [today(minusYears: 10, days: 1), today(minusYears: 9), today(minusYears: 0)] {
            await #expect(throws: RetentionFailure.tooEarly(firstKept: today(minusYears: 10))) {
                try await log.prune(before: day, at: Self.now, as: act())
            }
        }
        try await log.setRetention(years: 6, as: act())
        // 5 years and 364 days.
        await #expect(throws: RetentionFailure.tooEarly(firstKept: today(minusYears: 6))) {
            try await log.prune(before: today(minusYears: 6, days: 1), at: Self.now, as: act())
        }
        #expect(try await log.prune(before: today(minusYears: 6), at: Self.now, as: act()).pruned > 0)
    }

    @Test func `lets go of old reads and keeps writes, young events and every proof`() async throws {
        let store = MemoryStore()
        let log = try await filled(store)
        let before = log.checkpoint
        let dry = try await log.prune(before: today(minusYears: 10), at: Self.now, as: act(), isDryRun: true)
        #expect(dry.pruned == 1176 && dry.keptForStore == 24 && log.checkpoint == before)
        let report = try await log.prune(before: today(minusYears: 10), at: Self.now, as: act())
        #expect(report.pruned == 1176 && report.keptForStore == 24 && report.keptByHold == 0)
        let verification = try log.verify(against: before)
        #expect(verification.isWhole && verification.pruned == 1176)
        #expect(try store.snapshot().leaves.values.count(where: \.isPruned) == 1176)
        // Told in the log, found no more, and again nothing to do.
        #expect(try log.events(with: [.kind(.auditPruned)], limit: 10).count == 2)
        #expect(try log.events(with: [.actor("reader")], limit: .max).count == 1200)
        #expect(try log.events(with: [.patient("p7")], limit: .max).count == 120 + 12)
        #expect(try log.events(with: [], limit: .max).count == 2400 - 1176 + 2)
        #expect(try await log.prune(before: today(minusYears: 10), at: Self.now, as: act()).pruned == 0)
        // A restart opens the leaves after the last segment: pruned ones among them.
        let reopened = try house.open(store)
        #expect(try reopened.verify(against: before).isWhole)
        #expect(try reopened.events(with: [.actor("reader")], limit: .max).count == 1200)
        try house.check(store, size: reopened.checkpoint.size)
    }

    @Test func `tells a payload that was let go of from one that is missing`() async throws {
        let store = MemoryStore()
        let log = try await filled(store)
        _ = try await log.prune(before: today(minusYears: 10), at: Self.now, as: act())
        let pruned = try store.snapshot()
        func faults(_ index: Int64) throws -> [AuditVerification.Fault] {
            store.tamper { content in
                content = pruned
                content.leaves[index] = content.leaves[index].map {
                    StoredLeaf(index: index, leaf: $0.leaf, payload: [])
                }
            }
            return try log.verify().faults
        }
        // One outside of what was pruned, by its number; one inside, that was to stay, by the count.
        #expect(try faults(1500) == [.altered(1500)])
        #expect(try faults(107) == [.pruned])
        #expect(try faults(5) == [])
        store.tamper { content in
            content = pruned
            content.leaves[1500] = content.leaves[1500].map { StoredLeaf(index: 1500, leaf: $0.leaf, payload: []) }
        }
        #expect(throws: AuditFailure.damaged) { try house.open(store) }
    }

    @Test func `keeps what is under a legal hold until it ends`() async throws {
        let store = MemoryStore()
        let log = try await filled(store)
        try await log.placeHold(on: "p3", reason: "Matter 17", as: act())
        await #expect(throws: RetentionFailure.holdUnchanged) {
            try await log.placeHold(on: "p3", reason: "again", as: act())
        }
        await #expect(throws: RetentionFailure.holdUnchanged) { try await log.endHold(on: "p4", as: act()) }
        #expect(try log.isHeld("p3") && !log.isHeld("p4"))
        #expect(try log.holds().map(\.reason) == ["Matter 17"])
        let first = try await log.prune(before: today(minusYears: 10), at: Self.now, as: act())
        #expect(first.keptByHold == 120 && first.pruned == 1176 - 120)
        #expect(try log.events(with: [.patient("p3")], limit: .max).count > 240)
        #expect(try house.open(store).isHeld("p3"))
        try await log.endHold(on: "p3", as: act())
        #expect(try log.holds().isEmpty)
        let second = try await log.prune(before: today(minusYears: 10), at: Self.now, as: act())
        #expect(second.pruned == 120 && second.keptByHold == 0)
        #expect(try log.verify().isWhole)
        #expect(try log.events(with: [.kind(.holdPlaced)], limit: 9).count == 1)
        #expect(try log.events(with: [.kind(.holdEnded)], limit: 9).count == 1)
    }

    /// A pruning has read the holds when it begins; two at once would each tell of the same payloads.
    @Test func `takes no hold and no second pruning while one runs`() async throws {
        let log = try await filled()
        let (mark, turned) = (Turn(), Turn())
        let pruning = Task {
            try await log.prune(before: today(minusYears: 10), at: Self.now, as: act()) { _ in
                guard mark.take() else { return }
                // Here the pruning is on its way, and the other two ask from another task.
                turned.run {
                    await #expect(throws: RetentionFailure.busy) {
                        try await log.placeHold(on: "p3", reason: "Matter 17", as: act())
                    }
                    await #expect(throws: RetentionFailure.busy) {
                        try await log.prune(before: today(minusYears: 10), at: Self.now, as: act())
                    }
                }
            }
        }
        #expect(try await pruning.value.pruned == 1176)
        #expect(!mark.take(), "the pruning told of its progress")
        try await log.placeHold(on: "p3", reason: "Matter 17", as: act())
        #expect(try log.verify().isWhole)
    }

    @Test func `does not hide what is kept between events that are gone`() async throws {
        let log = try await filled()
        try await log.placeHold(on: "p3", reason: "Matter 17", as: act())
        _ = try await log.prune(before: today(minusYears: 10), at: Self.now, as: act())
        let old = Instant(microseconds: 10_000 * Self.day)
        for days in [-2000, -3, -1] as [Int64] {
            var query = AuditQuery(facets: [.patient("p3")])
            query.filter.from = old.adding(seconds: days * 86_400)
            let kept = try log.page(query, limit: 1000).events.filter { $0.event.time == old }
            #expect(kept.count == 120)
            query.filter.to = old.adding(seconds: 86_400)
            #expect(try log.page(query, limit: 1000).events.count == 120)
        }
    }

    @Test func `tells whoever goes on later of a fault that was passed`() async throws {
        let store = MemoryStore()
        let log = try house.open(store)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<16_400 { group.addTask { _ = try await log.append(event("reader")) } }
            try await group.waitForAll()
        }
        var reached: [VerificationReach] = []
        _ = try log.verify(reached: { reached.append($0) })
        #expect(reached.map(\.isWhole) == [true] && reached.first?.position.size == 16_384)
        store.tamper { content in
            content.leaves[5] = content.leaves[5].map {
                StoredLeaf(index: 5, leaf: $0.leaf, payload: Array($0.payload.dropLast()))
            }
        }
        reached = []
        _ = try log.verify(reached: { reached.append($0) })
        #expect(reached.map(\.isWhole) == [false])
    }

    @Test func `of a hold that was altered behind its back stops pruning`() async throws {
        let store = MemoryStore()
        let log = try await filled(store)
        try await log.placeHold(on: "p3", reason: "Matter 17", as: act())
        store.tamper { content in
            for (id, sealed) in content.entries[.legalHold] ?? [:] {
                content.entries[.legalHold]?[id] = Array(sealed.dropLast()) + [sealed.last.map { $0 ^ 1 } ?? 0]
            }
        }
        await #expect(throws: RetentionFailure.log(.damaged)) {
            try await log.prune(before: today(minusYears: 10), at: Self.now, as: act())
        }
    }

    @Test func `prunes all of a step or nothing when the store fails`() async throws {
        let inner = MemoryStore()
        let store = FailingStore(inner)
        let log = try await filled(store)
        store.expect(.commits(.full, afterEffect: false))
        await #expect(throws: RetentionFailure.log(.storage)) {
            try await log.prune(before: today(minusYears: 10), at: Self.now, as: act())
        }
        #expect(try inner.snapshot().leaves.values.allSatisfy { !$0.isPruned })
        store.expect(.none)
        #expect(try await log.prune(before: today(minusYears: 10), at: Self.now, as: act()).pruned == 1176)
        #expect(try log.verify().isWhole)
    }
}

@Suite struct `A discovery` {
    private let house = LogHouse()

    @Test(arguments: [1, 2, 3, 255, 256, 257, 700])
    func `has a proof of every event that leads to the checkpoint`(count: Int) async throws {
        let log = try house.open(MemoryStore())
        for number in 0..<count { _ = try await log.append(event("a", patients: ["p\(number % 3)"])) }
        let found = try log.discover(patient: "p0")
        #expect(found.events.count == (count + 2) / 3 && found.pruned == 0)
        let checkpoint = try #require(Checkpoint(note: found.checkpoint, publicKey: log.publicKey))
        for proven in found.events {
            #expect(
                MerkleProof.verifies(
                    proven.path, leaf: MerkleHash.leaf(proven.leaf), index: proven.index, size: checkpoint.size,
                    root: checkpoint.root))
            let commitment = sha256(Array("ward/event/1".utf8), proven.salt, proven.event)
            #expect(Array(proven.leaf[1..<33]) == commitment.bytes)
            #expect(String(decoding: proven.event, as: UTF8.self).contains("\"p0\""))
        }
        #expect(found.lines.count == found.events.count + 1)
    }
}

/// True once.
private final class Turn: Sendable {
    private let isTaken = Mutex(false)

    func take() -> Bool {
        isTaken.withLock { isTaken in
            defer { isTaken = true }
            return !isTaken
        }
    }

    /// Runs `body` in a task of its own, and waits for it.
    func run(_ body: @escaping @Sendable () async -> Void) {
        let done = DispatchSemaphore(value: 0)
        Task.detached {
            await body()
            done.signal()
        }
        done.wait()
    }
}
