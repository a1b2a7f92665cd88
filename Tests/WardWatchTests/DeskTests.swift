import Testing
import WardAudit
import WardCore
import WardCrypto
import WardStorage
import WardTestKit
import WardWatch

/// The desk and the post over a real log.
@Suite struct DeskTests {
    private struct Office {
        let store: any SealedStore
        let material: KeyMaterial
        let keys: AuditKeys
        let facts: KnownFacts

        init(_ store: any SealedStore = MemoryStore()) {
            self.store = store
            material = .random()
            keys = AuditKeys(.random(), signing: SigningKey(), tenant: .single)
            facts = KnownFacts()
            facts.set("person/a", WatchedPerson(roles: ["clinician"]))
            facts.set("trap", WatchedPatient(isDecoy: true))
        }

        func open() throws -> (log: AuditLog, post: WatchPost) {
            let log = try AuditLog(store: store, keys: keys, origin: "ward/watch")
            let desk = try AlertDesk(
                store: store, material: material, log: log,
                // One human has several accounts here: a, a.second and so on.
                isSame: { $0.split(separator: ".").first == $1.split(separator: ".").first })
            return (log, WatchPost(desk: desk, facts: facts, log: log))
        }
    }

    private let officer = AuditActor(id: "person/officer", name: "officer", role: "privacy-officer")
    private let source = RequestSource(address: "192.0.2.1", request: "r")

    private var look: AuditEvent {
        AuditEvent(
            kind: .read, time: .now(), outcome: .success,
            actor: AuditActor(id: "person/a", name: "a", role: "clinician"), purpose: .treatment, source: source,
            decision: "test", patients: ["trap"])
    }

    private func watched(_ office: Office, _ body: (AuditLog, WatchPost) async throws -> Void) async throws {
        let (log, post) = try office.open()
        let running = Task { await post.run() }
        try await Task.sleep(for: .milliseconds(50))
        try await body(log, post)
        post.stop()
        await running.value
        await log.close()
    }

    private func waitFor(_ count: Int, _ post: WatchPost) async throws {
        for _ in 0..<12_000 where post.desk.list.count < count { try await Task.sleep(for: .milliseconds(10)) }
    }

    @Test func `an alert is kept with its event, which raises none itself`() async throws {
        let office = Office()
        try await watched(office) { log, post in
            _ = try await log.append(look)
            try await waitFor(1, post)
            #expect(post.desk.list.map(\.alert.rule) == [.decoy])
        }
        try await watched(office) { log, post in
            #expect(post.desk.list.count == 1)
            let raised = try log.events(with: [.kind(.alertRaised)], limit: 9)
            #expect(raised.count == 1)
        }
    }

    @Test func `events that came while nobody watched are judged once`() async throws {
        let office = Office()
        try await watched(office) { _, _ in }
        let log = try office.open().log
        _ = try await log.append(look)
        await log.close()
        for _ in 0..<2 {
            try await watched(office) { _, post in
                try await waitFor(1, post)
                #expect(post.desk.list.count == 1)
            }
        }
    }

    @Test func `the past of a log that was never watched teaches, and alerts nobody`() async throws {
        let office = Office()
        let log = try office.open().log
        _ = try await log.append(look)
        await log.close()
        try await watched(office) { _, post in
            try await Task.sleep(for: .milliseconds(200))
            #expect(post.desk.list.isEmpty)
        }
    }

    @Test func `nobody answers an alert about themselves, none is decided twice, none dismissed without a reason`()
        async throws
    {
        let office = Office()
        try await watched(office) { log, post in
            _ = try await log.append(look)
            try await waitFor(1, post)
            let id = try #require(post.desk.list.first?.alert.id)
            let own = AuditActor(id: "person/a", name: "a", role: "clinician")
            await #expect(throws: AlertFailure.ownAlert) {
                try await post.answer(id, .acknowledge, text: PHI(""), by: own, source: source)
            }
            let second = AuditActor(id: "person/a.second", name: "a", role: "privacy-officer")
            await #expect(throws: AlertFailure.ownAlert) {
                try await post.answer(id, .dismiss, reason: .other, text: PHI("mine"), by: second, source: source)
            }
            await #expect(throws: AlertFailure.reasonNeeded) {
                try await post.answer(id, .dismiss, text: PHI("why"), by: officer, source: source)
            }
            await #expect(throws: AlertFailure.reasonNeeded) {
                try await post.answer(id, .dismiss, reason: .other, text: PHI(""), by: officer, source: source)
            }
            await #expect(throws: AlertFailure.unknown) {
                try await post.answer("none", .acknowledge, text: PHI(""), by: officer, source: source)
            }
            try await post.answer(id, .acknowledge, text: PHI(""), by: officer, source: source)
            try await post.answer(id, .dismiss, reason: .expected, text: PHI("a test"), by: officer, source: source)
            await #expect(throws: AlertFailure.decided) {
                try await post.answer(id, .incident, text: PHI(""), by: officer, source: source)
            }
            #expect(post.lessons.isEmpty)
        }
        let reopened = try office.open().post
        let record = try #require(reopened.desk.list.first)
        #expect(record.state == .dismissed && record.answers.map(\.act) == [.acknowledge, .dismiss])
    }

    @Test func `planted records are known after a restart, and the log names none of them`() async throws {
        let office = Office()
        let (log, post) = try office.open()
        try await post.desk.plant(["x1", "x2"], by: officer, source: source)
        let events = try log.events(with: [], limit: 1)
        let event = try #require(events.first?.event)
        #expect(event.patients.isEmpty && event.records.isEmpty && event.decision == "decoys")
        await log.close()
        let desk = try office.open().post.desk
        #expect(desk.isDecoy("x1") && desk.isDecoy("x2") && !desk.isDecoy("x3"))
    }

    @Test func `records planted by several at once are all known after a restart`() async throws {
        let office = Office()
        let (log, post) = try office.open()
        let (desk, officer, source) = (post.desk, officer, source)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<20 {
                group.addTask { try await desk.plant(["x\(number)"], by: officer, source: source) }
            }
            try await group.waitForAll()
        }
        #expect(desk.decoyCount == 20)
        await log.close()
        #expect(try office.open().post.desk.decoyCount == 20)
    }

    @Test func `an answer that was not written teaches nothing, and repeated it teaches once`() async throws {
        let store = FailingStore(MemoryStore())
        let office = Office(store)
        try await watched(office) { log, post in
            var failures = AuditEvent(
                kind: .signInFailed, time: .now(), outcome: .failed, actor: nil, purpose: nil, source: source,
                decision: "test", count: 20)
            failures.subject = "person/a"
            _ = try await log.append(failures)
            try await waitFor(1, post)
            let id = try #require(post.desk.list.first { $0.alert.actor == "person/a" }?.alert.id)
            func dismiss() async throws(AlertFailure) {
                try await post.answer(
                    id, .dismiss, reason: .expected, text: PHI("a test"), by: officer, source: source)
            }
            store.expect(.commits(.full, afterEffect: false))
            for _ in 0..<2 {
                await #expect(throws: AlertFailure.auditUnavailable) { try await dismiss() }
                #expect(post.lessons.isEmpty)
            }
            store.expect(.none)
            try await dismiss()
            #expect(post.lessons.map(\.steps) == [1])
        }
        #expect(try office.open().post.lessons.map(\.steps) == [1])
    }

    @Test func `notices of an earlier version stop no start, and go with the next alert`() async throws {
        let office = Office()
        let first = try office.open().log
        let locators = MacKey(office.material.derived("ward/alerts-id/1"))
        let kind = EntryKind.watchKnowledge
        let id = locators.tag(Array("entry/\(kind.rawValue)".utf8), Array("notices".utf8)).locator
        let event = AuditEvent(
            kind: .watchKept, time: .now(), outcome: .success, actor: nil, purpose: nil, source: .system,
            decision: "system")
        _ = try await first.commit(event, entries: [.put(StoredEntry(id: id, sealed: [1, 2, 3]), kind)])
        await first.close()
        try await watched(office) { log, post in
            #expect(try office.store.entry(id, kind: kind) != nil)
            _ = try await log.append(look)
            try await waitFor(1, post)
            #expect(try office.store.entry(id, kind: kind) == nil)
            let raised = try #require(try log.events(with: [.kind(.alertRaised)], limit: 1).first?.event)
            #expect(raised.entries.contains { $0.id == id && $0.kind == kind && $0.hash == nil })
        }
    }
}
