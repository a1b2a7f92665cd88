import Synchronization
import Testing
import WardAudit
import WardCore
import WardStorage
import WardTestKit

/// What is told of a log that cannot be written.
struct LogTroubleTests {
    private final class Told: Sendable {
        let list = Mutex<[LogTrouble]>([])
        var all: [LogTrouble] { list.withLock { $0 } }
    }

    private func opened() throws -> (store: FailingStore, log: AuditLog, told: Told) {
        let store = FailingStore(MemoryStore())
        let log = try AuditLog(store: store, keys: TestHouse.auditKeys(TestHouse.Keys()), origin: TestHouse.origin)
        let told = Told()
        log.observeTrouble { trouble in told.list.withLock { $0.append(trouble) } }
        return (store, log, told)
    }

    private var event: AuditEvent {
        AuditEvent(
            kind: .read, time: .now(), outcome: .success, actor: nil, purpose: nil, source: .system, decision: "test")
    }

    @Test func `nothing is told while everything is written`() async throws {
        let (_, log, told) = try opened()
        for _ in 0..<5 { _ = try await log.append(event) }
        #expect(told.all.isEmpty)
    }

    @Test(arguments: [StorageFailure.full, .engine(10), .locked, .closed])
    func `the first failure is told at once, and its end once`(_ failure: StorageFailure) async throws {
        let (store, log, told) = try opened()
        _ = try await log.append(event)
        store.expect(.commits(failure, afterEffect: false))
        for _ in 0..<4 {
            await #expect(throws: AuditFailure.storage) { _ = try await log.append(event) }
            #expect(told.all == [.began(failure)])
        }
        store.expect(.none)
        for _ in 0..<3 { _ = try await log.append(event) }
        #expect(told.all == [.began(failure), .ended])
    }

    @Test func `a failure after the effect is told as well, and each stretch by itself`() async throws {
        let (store, log, told) = try opened()
        for _ in 0..<3 {
            store.expect(.commits(.full, afterEffect: true))
            await #expect(throws: AuditFailure.storage) { _ = try await log.append(event) }
            store.expect(.none)
            _ = try await log.append(event)
        }
        #expect(told.all == [.began(.full), .ended, .began(.full), .ended, .began(.full), .ended])
    }

    @Test func `a log that cannot be read after a failure is no end of it`() async throws {
        let (store, log, told) = try opened()
        store.expect(.commits(.full, afterEffect: false))
        await #expect(throws: AuditFailure.storage) { _ = try await log.append(event) }
        store.expect(.everything(.engine(5)))
        await #expect(throws: AuditFailure.storage) { _ = try await log.append(event) }
        #expect(told.all == [.began(.full)])
        store.expect(.none)
        _ = try await log.append(event)
        #expect(told.all == [.began(.full), .ended])
    }

    @Test func `a write that is out of date is no trouble of the log`() async throws {
        let (_, log, told) = try opened()
        let write = RecordWrite(
            locator: Locator(high: 1, low: 2), expectedVersion: 7, isDeleted: false,
            maskedOwner: Locator(high: 3, low: 4), body: [1], card: nil, newKey: nil)
        await #expect(throws: SubmissionFailure.conflict) { _ = try await log.commit(event, writes: [write]) }
        #expect(told.all.isEmpty)
    }
}
