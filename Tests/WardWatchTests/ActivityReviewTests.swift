import Synchronization
import Testing
import WardAudit
import WardCore
import WardCrypto
import WardStorage
import WardTestKit
import WardWatch

/// The weekly review of system activity.
struct ActivityReviewTests {
    static let otto = AuditActor(id: "person/otto", name: "Otto", role: "privacy-officer")
    private static let pia = AuditActor(id: "person/pia", name: "Pia", role: "privacy-officer")
    /// Monday, 2026-11-16.
    static let monday = Instant(microseconds: 1_794_787_200_000_000)

    final class Office {
        let store: any SealedStore
        let material: KeyMaterial
        let keys: AuditKeys
        let log: AuditLog
        let desk: AlertDesk
        let reviews: ActivityReviews

        init(_ store: any SealedStore = MemoryStore(), material: KeyMaterial = .random(), keys: AuditKeys? = nil) throws
        {
            (self.store, self.material) = (store, material)
            self.keys = keys ?? AuditKeys(.random(), signing: SigningKey(), tenant: .single)
            log = try AuditLog(store: store, keys: self.keys, origin: "ward/activity")
            desk = try AlertDesk(store: store, material: material.derived("alerts"), log: log)
            reviews = try ActivityReviews(store: store, material: material, log: log, desk: desk)
        }

        func reopened() throws -> Office { try Office(store, material: material, keys: keys) }

        @discardableResult
        func put(
            _ kind: AuditEventKind, at time: Instant, by actor: String? = nil, about: String? = nil,
            outcome: AuditOutcome = .success, count: Int = 1
        ) async throws -> Int64 {
            var event = AuditEvent(
                kind: kind, time: time, outcome: outcome,
                actor: actor.map { AuditActor(id: $0, name: $0, role: "nurse") }, purpose: .operations,
                source: .system, decision: "test", count: count)
            event.subject = about
            return try await log.append(event).index
        }

        func hash(_ week: ActivityWeek, at now: Instant) async throws -> String {
            try await reviews.activity(of: week, by: ActivityReviewTests.otto, source: .system, at: now).hash
        }

        func sign(
            _ week: ActivityWeek, by actor: AuditActor = ActivityReviewTests.otto, hash: String? = nil,
            alone: Bool = false, note: String = "", at now: Instant
        ) async throws {
            let shown: String
            if let hash { shown = hash } else { shown = try await self.hash(week, at: now) }
            try await reviews.sign(
                week, hash: shown, note: PHI(note), by: actor, isAlone: alone, source: .system, at: now,
                areOneHuman: { $0 == $1 || Set([$0, $1]) == ["person/otto", "person/otto2"] })
        }
    }

    private let week = ActivityWeek(containing: ActivityReviewTests.monday)
    private var after: Instant { week.end.adding(seconds: 3600) }

    @Test func `a week is Monday to Sunday in UTC, and named by its Monday`() {
        #expect(week.text == "2026-11-16" && week.start == Self.monday)
        #expect(ActivityWeek(containing: week.end.adding(seconds: -1)) == week)
        #expect(ActivityWeek(containing: week.end).text == "2026-11-23")
        #expect(ActivityWeek(containing: Instant(microseconds: -1)).text == "1969-12-29")
        #expect(ActivityWeek("2026-11-16") == week)
        for text in ["2026-11-17", "2026-11-15", "2026-11", "", "2026-11-16T00", "yesterday", "2026-13-01"] {
            #expect(ActivityWeek(text) == nil, "\(text)")
        }
    }

    @Test func `a week has what was taken from a spool weeks later`() async throws {
        let office = try Office()
        for days in [0, 21, 22, 23] {
            for _ in 0..<9 { try await office.put(.read, at: week.start.adding(seconds: Int64(days) * 86_400)) }
        }
        let now = week.start.adding(seconds: 40 * 86_400)
        #expect(try office.reviews.weeks(at: now).map(\.week).count == 2)
        let second = ActivityWeek(containing: week.end)
        for (count, week) in [(1, second), (300, ActivityWeek(containing: second.end))] {
            try await office.log.take(
                spooled: (0..<count).map { number in
                    var event = AuditEvent(
                        kind: .signInFailed, time: week.start.adding(seconds: 60), outcome: .denied, actor: nil,
                        purpose: nil, source: .system, decision: "test")
                    event.spooled = SpoolPlace(spool: week.text, index: Int64(number))
                    return event
                }, entries: [])
            #expect(try office.reviews.weeks(at: now).contains { $0.week == week })
            let activity = try await office.reviews.activity(of: week, by: Self.otto, source: .system, at: now)
            #expect(activity.lines.reduce(0) { $0 + $1.count } >= count)
        }
        #expect(try office.reviews.weeks(at: now).count == 4)
    }

    @Test func `tells what happened in the week, and nothing of the weeks beside it`() async throws {
        let office = try Office()
        try await office.put(.signInFailed, at: week.start.adding(seconds: -1), outcome: .failed, count: 9)
        try await office.put(.signInFailed, at: week.start, outcome: .failed, count: 3)
        try await office.put(.emergencyOpened, at: week.start.adding(seconds: 60), by: "person/a")
        try await office.put(.read, at: week.start.adding(seconds: 90), by: "person/a", outcome: .denied)
        try await office.put(.read, at: week.start.adding(seconds: 91), by: "person/a")
        for kind in [
            AuditEventKind.export, .print, .download, .auditExported, .rolesGranted, .policyAdopted,
            .configurationChanged,
            .clockJumped, .logInterrupted, .accountingMade, .disclosureRecorded,
        ] { try await office.put(kind, at: week.start.adding(seconds: 100), by: "person/b") }
        try await office.put(.storeVerified, at: week.start.adding(seconds: 110))
        try await office.put(.storeVerified, at: week.start.adding(seconds: 111), outcome: .failed)
        try await office.put(.export, at: week.end, by: "person/c")
        let found = try await office.reviews.activity(of: week, by: Self.otto, source: .system, at: after)
        let counts = Dictionary(uniqueKeysWithValues: found.lines.map { ($0.category, $0.count) })
        #expect(
            counts == [
                .failedSignIns: 3, .refusals: 1, .emergencies: 1, .exports: 4, .people: 1, .system: 2, .trouble: 3,
                .disclosures: 2,
            ])
        #expect(found.subjects == ["person/a", "person/b"])
        let look = try #require(try office.log.events(with: [], limit: 1).first?.event)
        #expect(look.kind == .auditRead && look.decision == "activity-review/2026-11-16" && look.actor == Self.otto)
    }

    @Test func `a week that runs, or in which nothing was logged, is not to be signed`() async throws {
        let office = try Office()
        #expect(try office.reviews.weeks(at: after).isEmpty)
        try await office.put(.start, at: week.start)
        #expect(try office.reviews.weeks(at: week.end.adding(seconds: -1)).isEmpty)
        // Two weeks later: the one in between has nothing.
        try await office.put(.start, at: week.start.adding(seconds: 16 * 86_400))
        let weeks = try office.reviews.weeks(at: week.start.adding(seconds: 30 * 86_400))
        #expect(weeks.map(\.week.text) == ["2026-11-30", "2026-11-16"])
        let running = ActivityWeek(containing: after)
        await #expect(throws: ActivityFailure.notOver) { try await office.sign(running, hash: "x", at: after) }
        await #expect(throws: ActivityFailure.notOver) { _ = try await office.hash(running, at: after) }
        let empty = try #require(ActivityWeek("2026-11-23"))
        let late = week.start.adding(seconds: 30 * 86_400)
        await #expect(throws: ActivityFailure.unknown) { try await office.sign(empty, hash: "x", at: late) }
    }

    @Test func `a signature is for what was shown, stands in the log with its hash, and stays`() async throws {
        let office = try Office()
        try await office.put(.export, at: week.start, by: "person/a")
        let hash = try await office.hash(week, at: after)
        for wrong in ["", "0", String(hash.dropLast()), hash.uppercased(), hash + " "] {
            await #expect(throws: ActivityFailure.changed) { try await office.sign(week, hash: wrong, at: after) }
        }
        let long = String(repeating: "x", count: ActivityReview.longestNote + 1)
        await #expect(throws: ActivityFailure.noteTooLong) {
            try await office.sign(week, hash: hash, note: long, at: after)
        }
        #expect(try office.log.events(with: [.kind(.activityReviewed)], limit: 5).isEmpty)
        // An event of the week that came late changes what is signed.
        try await office.put(.export, at: week.start.adding(seconds: 5), by: "person/b")
        await #expect(throws: ActivityFailure.changed) { try await office.sign(week, hash: hash, at: after) }
        let now = try await office.hash(week, at: after)
        #expect(now != hash)
        try await office.sign(week, hash: now, note: "fine", at: after)
        let event = try #require(try office.log.events(with: [.kind(.activityReviewed)], limit: 5).first?.event)
        #expect(event.decision == "week 2026-11-16 sha256 \(now)" && event.actor == Self.otto)
        #expect(event.entries.count == 1)
        await #expect(throws: ActivityFailure.signed) { try await office.sign(week, by: Self.pia, at: after) }
        let review = try office.reopened().reviews.review(week)
        #expect(review.isComplete && !review.isAlone && review.signatures.map(\.hash) == [now])
    }

    @Test func `whoever the week is about does not sign alone`() async throws {
        let office = try Office()
        try await office.put(.accountingMade, at: week.start, by: "person/otto")
        try await office.sign(week, at: after)
        #expect(!office.reviews.review(week).isComplete)
        let first = try #require(try office.log.events(with: [.kind(.activityReviewed)], limit: 1).first?.event)
        #expect(first.decision.hasSuffix("somebody else has to sign as well"))
        await #expect(throws: ActivityFailure.secondPersonNeeded) { try await office.sign(week, at: after) }
        // Nor with another account of the same human.
        let other = AuditActor(id: "person/otto2", name: "Otto", role: "privacy-officer")
        await #expect(throws: ActivityFailure.secondPersonNeeded) { try await office.sign(week, by: other, at: after) }
        #expect(try office.reviews.overdue(at: week.due).count == 1)
        try await office.sign(week, by: Self.pia, at: after)
        #expect(office.reviews.review(week).isComplete && !office.reviews.review(week).isAlone)
        #expect(try office.reviews.overdue(at: week.due).isEmpty)
    }

    @Test func `being done to counts as well, and so does another account of the same human`() async throws {
        let office = try Office()
        try await office.put(.rolesGranted, at: week.start, by: "person/boss", about: "person/otto2")
        try await office.sign(week, at: after)
        #expect(!office.reviews.review(week).isComplete)
        let clean = try Office()
        try await clean.put(.rolesGranted, at: week.start, by: "person/boss", about: "person/nina")
        try await clean.sign(week, at: after)
        #expect(clean.reviews.review(week).isComplete)
    }

    @Test func `where there is nobody else, one signs, and the list and the log say so`() async throws {
        let office = try Office()
        try await office.put(.accountingMade, at: week.start, by: "person/otto")
        try await office.sign(week, alone: true, at: after)
        let review = office.reviews.review(week)
        #expect(review.isComplete && review.isAlone)
        let event = try #require(try office.log.events(with: [.kind(.activityReviewed)], limit: 1).first?.event)
        #expect(event.decision.hasSuffix("nobody else could sign"))
    }

    @Test func `what nobody signed for in time is told once`() async throws {
        let office = try Office()
        try await office.put(.start, at: week.start)
        for now in [after, week.due.adding(seconds: -1)] {
            try await office.reviews.escalate(at: now)
            #expect(try office.log.events(with: [.kind(.activityReviewOverdue)], limit: 5).isEmpty)
        }
        for now in [week.due, week.due.adding(seconds: 60), week.due.adding(seconds: 6 * 86_400)] {
            try await office.reviews.escalate(at: now)
            let told = try office.log.events(with: [.kind(.activityReviewOverdue)], limit: 5)
            #expect(told.map(\.event.decision) == ["week 2026-11-16"])
        }
        let again = try office.reopened()
        try await again.reviews.escalate(at: week.due.adding(seconds: 60))
        #expect(try again.log.events(with: [.kind(.activityReviewOverdue)], limit: 5).count == 1)
        // It is signed for late, and is overdue no more.
        try await again.sign(week, at: week.due.adding(seconds: 120))
        #expect(try again.reviews.overdue(at: week.due.adding(seconds: 180)).isEmpty)
    }

    @Test func `a week signed in time is never told of`() async throws {
        let office = try Office()
        try await office.put(.start, at: week.start)
        try await office.sign(week, at: after)
        try await office.reviews.escalate(at: week.due.adding(seconds: 1))
        #expect(try office.log.events(with: [.kind(.activityReviewOverdue)], limit: 5).isEmpty)
    }

    @Test func `without a log that can be written nothing is shown and nothing is signed`() async throws {
        let store = FailingStore(MemoryStore())
        let office = try Office(store)
        try await office.put(.start, at: week.start)
        let hash = try await office.hash(week, at: after)
        store.expect(.commits(.full, afterEffect: false))
        await #expect(throws: ActivityFailure.auditUnavailable) { _ = try await office.hash(week, at: after) }
        await #expect(throws: ActivityFailure.auditUnavailable) { try await office.sign(week, hash: hash, at: after) }
        #expect(!office.reviews.review(week).isComplete)
        store.expect(.none)
        try await office.sign(week, hash: hash, at: after)
        #expect(office.reviews.review(week).isComplete)
    }

    @Test func `a review under another key, or altered, does not open`() async throws {
        let office = try Office()
        try await office.put(.start, at: week.start)
        try await office.sign(week, at: after)
        #expect(throws: ActivityFailure.storage) {
            _ = try ActivityReviews(
                store: office.store, material: .random(), log: office.log, desk: office.desk)
        }
    }
}
