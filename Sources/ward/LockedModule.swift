import Synchronization
import WardKeys

/// A security module or key service, and whether it answered lately.
final class LockedModule: Sendable {
    private struct State {
        var module: SecurityModule?
        /// Which module this is, of those that were held one after the other.
        var turn = 0
        /// Whether a key service is asked instead.
        var isService = false
        var answered = ContinuousClock.now
        var isRefusing = false
        /// Asking again would do harm.
        var isFinal = false
        /// What was told of it last.
        var wasHeld = true

        var isHeld: Bool { module == nil && !isService || !isRefusing && .now - answered < LockedModule.lifetime }
    }

    /// How long an answer counts. A module that hangs is as good as gone.
    private static let lifetime = Duration.seconds(30)

    private let state = Mutex(State())

    /// The module that can be asked, and its turn for ``note(_:of:isFinal:)``.
    var asked: (module: SecurityModule, turn: Int)? {
        state.withLock { state in state.isFinal ? nil : state.module.map { ($0, state.turn) } }
    }

    /// Which way in is held, of those that were held one after the other.
    var turn: Int { state.withLock { $0.turn } }

    /// Always where there is no module.
    var isHeld: Bool { state.withLock { $0.isHeld } }

    /// Whether a key service holds the way to the root key.
    var isService: Bool { state.withLock { $0.isService } }

    func hold(_ way: Keyring.Unlock?) {
        state.withLock { state in
            switch way {
            case .securityModule(let module): state = State(module: module, turn: state.turn + 1)
            case .keyService: state = State(turn: state.turn + 1, isService: true)
            default: state = State(turn: state.turn + 1)
            }
        }
    }

    /// Notes whether it proved to have the key.
    ///
    /// - Parameter isFinal: whether it is not to be asked again.
    func note(_ didProve: Bool, of turn: Int, isFinal: Bool = false) {
        state.withLock { state in
            // Another one is held by now.
            guard turn == state.turn else { return }
            (state.isRefusing, state.isFinal) = (!didProve, isFinal)
            if didProve { state.answered = .now }
        }
    }

    /// It could not be asked, for reasons of this machine alone: what it answered last goes on counting.
    func postpone(of turn: Int) {
        state.withLock { state in
            guard turn == state.turn, state.isHeld else { return }
            state.answered = .now
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
