import Testing
import WardAudit
import WardCore
import WardCrypto
import WardStorage
import WardTestKit
import WardWatch

/// Trouble that the program puts into the log is an alert, once, and nothing is learnt of it.
struct TroubleTests {
    private let store = MemoryStore()
    private let material = KeyMaterial.random()
    private let keys = AuditKeys(.random(), signing: SigningKey(), tenant: .single)

    private func watched(_ body: (AuditLog, WatchPost) async throws -> Void) async throws {
        let log = try AuditLog(store: store, keys: keys, origin: "ward/trouble")
        let desk = try AlertDesk(store: store, material: material, log: log)
        let post = WatchPost(desk: desk, facts: KnownFacts(), log: log)
        let running = Task { await post.run() }
        try await Task.sleep(for: .milliseconds(50))
        try await body(log, post)
        post.stop()
        await running.value
        await log.close()
    }

    private func event(_ kind: AuditEventKind, _ decision: String) -> AuditEvent {
        AuditEvent(
            kind: kind, time: .now(), outcome: .failed, actor: nil, purpose: .systemAdministration, source: .system,
            decision: decision)
    }

    private func waitFor(_ count: Int, _ post: WatchPost) async throws {
        for _ in 0..<12_000 where post.desk.list.count < count { try await Task.sleep(for: .milliseconds(10)) }
    }

    @Test func `a log that could not be written, and a week nobody signed for, are alerts of their own`() async throws {
        try await watched { log, post in
            let receipt = try await log.append(event(.logInterrupted, "full; 42 seconds, since yesterday"))
            _ = try await log.append(event(.activityReviewOverdue, "week 2026-11-16"))
            try await waitFor(2, post)
            let alerts = post.desk.list.map(\.alert)
            #expect(Set(alerts.map(\.rule)) == [.logTrouble, .reviewOverdue])
            #expect(alerts.allSatisfy { $0.severity == .high && $0.actor == nil && $0.patient == nil })
            let trouble = try #require(alerts.first { $0.rule == .logTrouble })
            #expect(trouble.events == [receipt.index])
            #expect(trouble.explanation.map(\.text).first?.contains("for 42 seconds") == true)
        }
        // Judged again after a crash, it is the same alert.
        try await watched { _, post in
            try await Task.sleep(for: .milliseconds(100))
            #expect(post.desk.list.count == 2)
        }
    }

    @Test func `what the program says of itself otherwise is no alert`() async throws {
        try await watched { log, post in
            for kind in [
                AuditEventKind.start, .stop, .configurationChanged, .watchKept, .keysOpened, .activityReviewed,
            ] {
                _ = try await log.append(event(kind, "full; 42 seconds"))
            }
            _ = try await log.append(event(.logInterrupted, "what; is this"))
            try await waitFor(1, post)
            try await Task.sleep(for: .milliseconds(100))
            #expect(post.desk.list.map(\.alert.rule) == [.logTrouble])
        }
    }

    @Test func `nothing is learnt of trouble, however often it is dismissed as expected`() async throws {
        let officer = AuditActor(id: "person/officer", name: "officer", role: "privacy-officer")
        try await watched { log, post in
            for count in 1...3 {
                _ = try await log.append(event(.logInterrupted, "full; 1 seconds"))
                try await waitFor(count, post)
                let open = try #require(post.desk.list.first { $0.state == .open })
                try await post.answer(
                    open.alert.id, .dismiss, reason: .expected, text: PHI("the disk"), by: officer, source: .system)
            }
            #expect(post.lessons.isEmpty)
        }
        for rule in [WatchRule.backupTrouble, .logTrouble, .reviewOverdue] { #expect(!rule.canLearn, "\(rule)") }
    }
}
