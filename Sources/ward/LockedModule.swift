import Synchronization
import WardKeys

/// A security module, and whether it answered last.
final class LockedModule: Sendable {
    private struct State {
        var module: SecurityModule?
        var isThere = true
    }

    private let state = Mutex(State())

    var held: SecurityModule? { state.withLock { $0.module } }
    var isHeld: Bool { state.withLock { $0.isThere } }

    func hold(_ module: SecurityModule?) { state.withLock { $0 = State(module: module) } }

    /// Whether this is news.
    func note(isThere: Bool) -> Bool {
        state.withLock { state in
            defer { state.isThere = isThere }
            return state.isThere != isThere
        }
    }
}
