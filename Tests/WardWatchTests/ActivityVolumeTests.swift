import Testing
import WardAudit
import WardCore
import WardCrypto
import WardStorage
import WardTestKit
import WardWatch

/// The weekly review beside other work, of weeks with many events, and of every kind there is.
struct ActivityVolumeTests {
    private typealias Office = ActivityReviewTests.Office

    private let week = ActivityWeek(containing: ActivityReviewTests.monday)
    private var after: Instant { week.end.adding(seconds: 3600) }

    /// So many events of one kind, all of one week, and few commits.
    private func fill(_ office: Office, _ count: Int) async throws {
        let (log, week) = (office.log, week)
        for start in stride(from: 0, to: count, by: 500) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in start..<min(start + 500, count) {
                    group.addTask {
                        let name = "person/\(number % 40)"
                        _ = try await log.append(
                            AuditEvent(
                                kind: .read, time: week.start.adding(seconds: Int64(number)), outcome: .denied,
                                actor: AuditActor(id: name, name: name, role: "nurse"), purpose: .treatment,
                                source: .system, decision: "test", patients: ["p\(number)"], count: 2))
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    private func look(_ office: Office) async throws -> WeekActivity {
        try await office.reviews.activity(of: week, by: ActivityReviewTests.otto, source: .system, at: after)
    }

    @Test func `holds the newest of tens of thousands of refusals, and signs for all of them`() async throws {
        let office = try Office()
        let count = 20_000
        try await fill(office, count)
        let found = try await look(office)
        let line = try #require(found.lines.first { $0.category == .refusals })
        #expect(line.events == count && line.count == 2 * count && line.newest.count == WeekActivity.mostShown)
        #expect(found.subjects.count == 40)
        // The hash is over all of them, the newest first, as if they had been held.
        let all = try office.log.events(with: [.outcome(.denied)], limit: count)
        #expect(line.newest.map(\.index) == all.prefix(WeekActivity.mostShown).map(\.index))
        let places = all.map { "\($0.index) \($0.leafHash.map { hex($0.bytes) } ?? "-")\n" }.joined()
        #expect(found.text.contains("\nrefusals \(2 * count) \(hex(sha256(Array(places.utf8)).bytes))\n"))
        // One more, at the very beginning of the week, and it is another hash.
        try await office.put(.read, at: week.start, by: "person/x", outcome: .denied)
        await #expect(throws: ActivityFailure.changed) { try await office.sign(week, hash: found.hash, at: after) }
        try await office.sign(week, by: ActivityReviewTests.otto, at: after)
        #expect(office.reviews.review(week).isComplete)
    }

    @Test func `opens a week for one at a time, and tells others to come again`() async throws {
        let office = try Office()
        try await fill(office, 3000)
        let week = week
        let (reviews, now) = (office.reviews, after)
        let answers = await withTaskGroup(of: ActivityFailure?.self) { group in
            for _ in 0..<12 {
                group.addTask {
                    do throws(ActivityFailure) {
                        _ = try await reviews.activity(
                            of: week, by: ActivityReviewTests.otto, source: .system, at: now)
                        return nil
                    } catch { return error }
                }
            }
            return await group.reduce(into: [ActivityFailure?]()) { $0.append($1) }
        }
        #expect(answers.allSatisfy { $0 == nil || $0 == .busy } && answers.contains(nil))
        // Who was shown nothing has not looked.
        let looks = try office.log.events(with: [.kind(.auditRead)], limit: 20).count
        #expect(looks == answers.count { $0 == nil })
        _ = try await look(office)
    }

    @Test func `a signature beside the telling of overdue weeks stays`() async throws {
        let office = try Office()
        let weeks = (0..<12).map { ActivityWeek(containing: week.start.adding(seconds: Int64($0) * 7 * 86_400)) }
        for week in weeks { try await office.put(.start, at: week.start) }
        let newest = weeks[11]
        let now = newest.due.adding(seconds: 60)
        let hash = try await office.hash(newest, at: now)
        let reviews = office.reviews
        // The oldest is told of first: the newest is signed for meanwhile.
        let telling = Task { try await reviews.escalate(at: now) }
        for _ in 0..<1000 {
            do throws(ActivityFailure) {
                try await reviews.sign(
                    newest, hash: hash, note: PHI(""), by: ActivityReviewTests.otto, isAlone: true, source: .system,
                    at: now, areOneHuman: { $0 == $1 })
                break
            } catch {
                // It is being told of at this moment.
                try #require(error == .changed)
                try await Task.sleep(for: .milliseconds(1))
            }
        }
        try await telling.value
        try await reviews.escalate(at: now)
        #expect(reviews.review(newest).isComplete)
        #expect(try office.reopened().reviews.review(newest).isComplete)
        let told = try office.log.events(with: [.kind(.activityReviewOverdue)], limit: 30).map(\.event.decision)
        #expect(Set(told).count == told.count && told.count >= 11)
        #expect(try reviews.overdue(at: now).count == 11)
    }

    @Test func `remembers weeks without events until one comes`() async throws {
        let store = FailingStore(MemoryStore())
        let office = try Office(store)
        try await office.put(.start, at: week.start)
        try await fill(office, 300)
        let monday = week.start.adding(seconds: 56 * 86_400)
        let later = monday.adding(seconds: 3600)
        for _ in 0..<300 { try await office.put(.read, at: later, by: "person/a") }
        let now = later.adding(seconds: 8 * 86_400)
        func look() throws -> (weeks: Int, steps: Int) {
            store.expect(.none)
            return (try office.reviews.weeks(at: now).count, store.steps)
        }
        let (first, second) = (try look(), try look())
        #expect(first.weeks == 2 && second.weeks == 2)
        #expect(second.steps < 5 && first.steps > 50, "\(first) \(second)")
        // What has nothing to do with them costs what is new.
        try await office.put(.read, at: later, by: "person/a")
        let third = try look()
        #expect(third.weeks == 2 && third.steps < 10, "\(third)")
        // A clock that went back puts something into a week that had nothing.
        try await office.put(.read, at: monday.adding(seconds: -3600), by: "person/a")
        #expect(try look().weeks == 3)
    }

    @Test func `counts every kind where it belongs, checks only where they found something`() async throws {
        let office = try Office()
        let onFailure: Set<AuditEventKind> = [
            .auditVerified, .backupDrilled, .noticeEnded, .recordsResealed, .storeVerified,
        ]
        for kind in AuditEventKind.allCases { try await office.put(kind, at: week.start) }
        for line in try await look(office).lines {
            let kinds = AuditEventKind.allCases.filter {
                $0.activityCategory == line.category && !onFailure.contains($0)
            }
            #expect(line.count == kinds.count && Set(line.newest.map(\.event.kind)).isSubset(of: kinds))
        }
        for kind in onFailure { try await office.put(kind, at: week.start, outcome: .failed) }
        let trouble = try await look(office).lines.first { $0.category == .trouble }
        #expect(trouble?.newest.prefix(4).map(\.event.kind).allSatisfy(onFailure.contains) == true)
    }

    @Test func `leaves out no change of what keeps the clinic safe`() {
        let placed: [ActivityCategory: [AuditEventKind]] = [
            .people: [.enrolmentIssued, .factorAdded, .factorRemoved],
            .system: [
                .agreementRevoked, .agreementSigned, .backupKitMade, .backupRestored, .destinationAdded,
                .destinationRemoved, .keysRotated, .noticeSet, .vendorAdded,
            ],
            .trouble: [.backupDrilled, .backupFailed, .keysAway, .keysBack, .noticeEnded],
            .disclosures: [.accountingMade, .disclosureRecorded, .egressDisclosed],
        ]
        for (category, kinds) in placed {
            for kind in kinds { #expect(kind.activityCategory == category, "\(kind)") }
        }
        #expect(!AuditEventKind.allCases.contains { $0.activityCategory == .refusals })
    }
}
