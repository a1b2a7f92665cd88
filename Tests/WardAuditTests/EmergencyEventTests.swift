import Testing
import WardAudit
import WardTestKit

@Suite struct `Events of an emergency` {
    @Test func `are found by it, keep it over a restart, and are not mixed with others`() async throws {
        let house = LogHouse()
        let store = MemoryStore()
        let log = try house.open(store)
        for (number, id) in [nil, "e1", "e2", "e1", nil, ""].enumerated() {
            var event = event("actor \(number)", patients: ["p1"])
            event.emergency = id
            _ = try await log.append(event)
        }
        let reopened = try house.open(store)
        for log in [log, reopened] {
            #expect(try log.events(with: [.emergency("e1")], limit: 9).map(\.index) == [3, 1])
            #expect(try log.events(with: [.emergency("e2"), .patient("p1")], limit: 9).map(\.index) == [2])
            #expect(try log.events(with: [.emergency("e3")], limit: 9).isEmpty)
            // An id is no patient, no actor and no subject.
            #expect(try log.events(with: [.patient("e1")], limit: 9).isEmpty)
            #expect(try log.events(with: [.subject("e1")], limit: 9).isEmpty)
            #expect(try log.events(with: [.emergency("p1")], limit: 9).isEmpty)
            let all = try log.events(with: [], limit: 9).reversed().map(\.event.emergency)
            #expect(all == [nil, "e1", "e2", "e1", nil, ""])
        }
    }
}
