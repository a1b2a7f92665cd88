import Synchronization
import WardKeys

/// A security module, and whether it answered lately.
final class LockedModule: Sendable {
    private struct State {
        var module: SecurityModule?
        var answered = ContinuousClock.now
        var isRefusing = false
        /// Asking again would do harm.
        var isFinal = false
        /// What was told of it last.
        var wasHeld = true

        var isHeld: Bool { module == nil || !isRefusing && .now - answered < LockedModule.lifetime }
    }

    /// How long an answer counts. A module that hangs is as good as gone.
    private static let lifetime = Duration.seconds(30)

    private let state = Mutex(State())

    /// The module that can be asked.
    var asked: SecurityModule? { state.withLock { $0.isFinal ? nil : $0.module } }

    /// Always where there is no module.
    var isHeld: Bool { state.withLock { $0.isHeld } }

    func hold(_ module: SecurityModule?) { state.withLock { $0 = State(module: module) } }

    /// Notes whether it proved to have the key.
    ///
    /// - Parameter isFinal: whether it is not to be asked again.
    func note(_ didProve: Bool, isFinal: Bool = false) {
        state.withLock { state in
            (state.isRefusing, state.isFinal) = (!didProve, isFinal)
            if didProve { state.answered = .now }
        }
    }

    /// Whether it is held now differently from when this was asked last.
    func isNews() -> Bool {
        state.withLock { state in
            let isHeld = state.isHeld
            defer { state.wasHeld = isHeld }
            return isHeld != state.wasHeld
        }
    }
}
