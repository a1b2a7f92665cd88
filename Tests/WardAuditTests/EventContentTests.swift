import Synchronization
import Testing
import WardAudit
import WardCore
import WardCrypto
import WardStorage
import WardTestKit

@Suite struct `What an event keeps` {
    private func entry(_ number: UInt64, _ content: [UInt8]) -> StoredEntry {
        StoredEntry(id: Locator(high: 9, low: number), sealed: content)
    }

    @Test func `device, query and recipient come back as they were, also hostile ones`() async throws {
        let house = LogHouse()
        let store = MemoryStore()
        let log = try house.open(store)
        for text in ["plain", "", "\u{202E}\u{0}\r\n\"\\", String(repeating: "\u{1F600}", count: 300)] {
            var event = event("a")
            (event.device, event.query, event.recipient) = (text, text, text)
            event.isNewDevice = text.isEmpty
            _ = try await log.append(event)
            let kept = try #require(try house.open(store).events(with: [], limit: 1).first?.event)
            #expect(kept.device == text && kept.query == text && kept.recipient == text)
            #expect(kept.isNewDevice == text.isEmpty)
        }
    }

    @Test func `names each entry that was put or removed with its hash, over as many leaves as it takes`() async throws
    {
        let house = LogHouse()
        let store = MemoryStore()
        let log = try house.open(store)
        let writes = (0..<601).map { EntryWrite.put(entry($0, [UInt8($0 & 255)]), .session) }
        _ = try await log.commit(event("a"), entries: writes + [.remove(Locator(high: 9, low: 3), .session)])
        let kept = try log.events(with: [], limit: 9).reversed().flatMap(\.event.entries)
        #expect(kept.count == 602)
        for (place, one) in kept.dropLast().enumerated() {
            let hash = hex(Array(sha256([UInt8(place & 255)]).bytes.prefix(16)))
            #expect(one == AuditedEntry(kind: .session, id: Locator(high: 9, low: UInt64(place)), hash: hash))
        }
        #expect(kept.last == AuditedEntry(kind: .session, id: Locator(high: 9, low: 3), hash: nil))
    }

    @Test func `an observer is told of each durable leaf once, in order, and of none that failed`() async throws {
        let store = FailingStore(MemoryStore())
        let log = try LogHouse().open(store)
        let seen = SeenEvents()
        log.observe { seen.add($0) }
        for number in 0..<3 { _ = try await log.append(event("before \(number)")) }
        store.expect(.commits(.full, afterEffect: false))
        await #expect(throws: AuditFailure.self) { _ = try await log.append(event("lost")) }
        store.expect(.none)
        _ = try await log.append(event("after"))
        await log.close()
        #expect(seen.all.map(\.0) == [0, 1, 2, 3])
        #expect(seen.all.map(\.1) == ["before 0", "before 1", "before 2", "after"])
    }
}

private final class SeenEvents: Sendable {
    private let kept = Mutex<[(Int64, String)]>([])
    var all: [(Int64, String)] { kept.withLock { $0 } }
    func add(_ events: [LoggedEvent]) {
        kept.withLock { $0 += events.map { ($0.index, $0.event.actor?.id ?? "") } }
    }
}
