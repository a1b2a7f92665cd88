import Synchronization
package import WardCore

/// Marks of patients that were asked for lately, so that a look does not open the patient's record again.
///
/// Kept by locator and record number: a change makes a new record, and what is kept of the one before is no answer.
/// Holds keyed digests only, nothing of a record.
package final class MarksCache: Sendable {
    private struct Entry {
        let record: RecordNumber
        let marks: PatientMarks
        /// Asked for since the hand last passed.
        var isUsed: Bool
    }

    private struct State {
        var entries: [Locator: Entry] = [:]
        /// The hand of the clock goes around these.
        var ring: [Locator] = []
        var hand = 0
    }

    private let capacity: Int
    private let state = Mutex(State())

    package init(capacity: Int = 10_000) { self.capacity = capacity }

    package var count: Int { state.withLock { $0.entries.count } }

    package func marks(of locator: Locator, at record: RecordNumber) -> PatientMarks? {
        state.withLock { state in
            guard let entry = state.entries[locator], entry.record == record else { return nil }
            if !entry.isUsed { state.entries[locator]?.isUsed = true }
            return entry.marks
        }
    }

    /// Lets go of the marks of a patient.
    package func forget(_ locator: Locator) { state.withLock { $0.entries[locator] = nil } }

    /// Keeps marks; where there are too many, some that were not asked for lately give way (CLOCK).
    package func keep(_ marks: PatientMarks, of locator: Locator, at record: RecordNumber) {
        state.withLock { state in
            let entry = Entry(record: record, marks: marks, isUsed: false)
            if state.entries.updateValue(entry, forKey: locator) != nil { return }
            if state.ring.count < capacity { return state.ring.append(locator) }
            while state.entries[state.ring[state.hand]]?.isUsed == true {
                state.entries[state.ring[state.hand]]?.isUsed = false
                state.hand = (state.hand + 1) % capacity
            }
            state.entries[state.ring[state.hand]] = nil
            state.ring[state.hand] = locator
            state.hand = (state.hand + 1) % capacity
        }
    }
}
