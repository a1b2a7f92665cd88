import Synchronization
import WardCore
import WardStorage

/// Sealed current versions that were read lately, as they are on disk.
///
/// Every answered read commits an event, and every commit makes SQLite forget the pages that readers had in memory;
/// without this a record read often would be fetched from the write-ahead log each time. At most two shelves of 8 MB:
/// when one is full the older one is dropped.
final class CurrentVersions: Sendable {
    private static let shelfBytes = 8 << 20

    private struct State {
        var shelf: [Locator: StoredVersion] = [:]
        var shelfBytes = 0
        var olderShelf: [Locator: StoredVersion] = [:]
        /// Places that the transaction under way has written to.
        var changing: Set<Locator> = []
        /// Counts transactions that changed a version.
        var generation: UInt64 = 0
        var isClosed = false
    }

    private let state = Mutex(State())

    /// The version at `locator`, or else the generation in which the caller now reads it.
    func version(of locator: Locator) -> (version: StoredVersion?, generation: UInt64) {
        state.withLock { state in
            (state.shelf[locator] ?? state.olderShelf[locator], state.generation)
        }
    }

    /// Keeps what was read in `generation`, unless a transaction has ended since or is changing that very place.
    func keep(_ version: StoredVersion, readIn generation: UInt64) {
        state.withLock { state in
            guard !state.isClosed, state.generation == generation, !state.changing.contains(version.locator) else {
                return
            }
            state.shelf[version.locator] = version
            state.shelfBytes += version.body.count + 128
            guard state.shelfBytes > Self.shelfBytes else { return }
            (state.olderShelf, state.shelf, state.shelfBytes) = (state.shelf, [:], 0)
        }
    }

    /// Forgets everything, for good.
    func close() {
        state.withLock { state in
            state = State()
            state.isClosed = true
        }
    }

    /// Called inside the transaction that writes a new version.
    func willChange(_ locator: Locator) {
        state.withLock { _ = $0.changing.insert(locator) }
    }

    /// Called when the transaction has ended, well or not, and before anybody hears of it.
    func settle() {
        state.withLock { state in
            guard !state.changing.isEmpty else { return }
            for locator in state.changing {
                state.shelf[locator] = nil
                state.olderShelf[locator] = nil
            }
            state.changing = []
            state.generation += 1
        }
    }
}
