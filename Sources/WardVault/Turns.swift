import Synchronization
import WardFHIR

/// Lets writes that depend on a search take turns, type by type: two conditional creates at the same time would both
/// find nothing and both create (FHIR R4 http.html#ccreate).
final class Turns: Sendable {
    private struct Waiter {
        let types: Set<ResourceType>
        let continuation: CheckedContinuation<Void, Never>
    }

    private struct State {
        var held: Set<ResourceType> = []
        var waiting: [Waiter] = []
    }

    private let state = Mutex(State())

    /// Waits until nobody else holds any of the types.
    ///
    /// All are taken at once, so that nobody waits in a circle.
    func enter(_ types: Set<ResourceType>) async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                let blocked = state.waiting.reduce(into: state.held) { $0.formUnion($1.types) }
                guard blocked.isDisjoint(with: types) else {
                    state.waiting.append(Waiter(types: types, continuation: continuation))
                    return false
                }
                state.held.formUnion(types)
                return true
            }
            if isFree { continuation.resume() }
        }
    }

    /// Gives the types back; who came first goes first.
    func leave(_ types: Set<ResourceType>) {
        let ready = state.withLock { state in
            state.held.subtract(types)
            var blocked = state.held
            var (ready, waiting): ([Waiter], [Waiter]) = ([], [])
            for waiter in state.waiting {
                if blocked.isDisjoint(with: waiter.types) {
                    ready.append(waiter)
                    state.held.formUnion(waiter.types)
                } else {
                    waiting.append(waiter)
                }
                blocked.formUnion(waiter.types)
            }
            state.waiting = waiting
            return ready
        }
        for waiter in ready { waiter.continuation.resume() }
    }
}
