import Synchronization
import WardCore

/// A connection to a destination, as good as its proof: each use looks whether that still holds.
public final class EgressConnection: Sendable {
    private struct State {
        var sent = 0
        var received = 0
        var used: Instant
        var failure: EgressFailure?
        var isOver = false
    }

    public let proof: BAAProof
    let number: UInt64
    private let opened: Instant
    private let stream: any EgressStream
    private let clock: @Sendable () -> Instant
    private let ended: @Sendable (EgressConnection) -> Task<Void, Never>?
    private let state: Mutex<State>

    init(
        number: UInt64, proof: BAAProof, stream: any EgressStream, clock: @escaping @Sendable () -> Instant,
        ended: @escaping @Sendable (EgressConnection) -> Task<Void, Never>?
    ) {
        self.number = number
        self.proof = proof
        self.stream = stream
        self.clock = clock
        self.ended = ended
        opened = clock()
        state = Mutex(State(used: opened))
    }

    /// What has arrived; empty at the end.
    public func read() async throws(EgressFailure) -> [UInt8] {
        try check()
        let bytes: [UInt8]
        do throws(EgressFailure) { bytes = try await stream.read() } catch { throw reason(error) }
        // Nothing that came after the end is used.
        try check()
        state.withLock { state in
            state.received += bytes.count
            state.used = clock()
        }
        return bytes
    }

    public func write(_ bytes: [UInt8]) async throws(EgressFailure) {
        // In parts, so that what ends meanwhile ends there, and a large body does not look like silence.
        var start = 0
        repeat {
            try check()
            let end = min(start + Self.part, bytes.count)
            do throws(EgressFailure) { try await stream.write(Array(bytes[start..<end])) } catch { throw reason(error) }
            state.withLock { state in
                state.sent += end - start
                state.used = clock()
            }
            start = end
        } while start < bytes.count
    }

    private static let part = 1 << 18

    public func startTLS() async throws(EgressFailure) {
        try check()
        do throws(EgressFailure) { try await stream.startTLS() } catch { throw reason(error) }
    }

    /// Ends it; the log learns how many bytes went and came.
    public func close(_ failure: EgressFailure? = nil) async {
        if finish(failure) { await ended(self)?.value }
    }

    public var isOpen: Bool { state.withLock { !$0.isOver } }

    /// - Throws: ``EgressFailure/ended(_:)`` once its proof has ended.
    func check() throws(EgressFailure) {
        if let refusal = proof.refusal(at: clock()) { cut(.ended(refusal)) }
        let (isOver, failure) = state.withLock { ($0.isOver, $0.failure) }
        if isOver { throw failure ?? .peerClosed }
    }

    /// Ends it at once, from any task.
    func cut(_ failure: EgressFailure?) {
        if finish(failure) { _ = ended(self) }
    }

    var totals: (sent: Int, received: Int, failure: EgressFailure?) {
        state.withLock { ($0.sent, $0.received, $0.failure) }
    }

    func isIdle(at now: Instant) -> Bool { now >= state.withLock { $0.used }.adding(seconds: EgressLimits.idle) }

    /// Whether it is so old that it is not kept for another request, which could be cut in the middle.
    var isRetired: Bool { clock() >= opened.adding(seconds: EgressLimits.age - 2 * EgressLimits.idle) }

    func isTooOld(at now: Instant) -> Bool { now >= opened.adding(seconds: EgressLimits.age) }

    private func finish(_ failure: EgressFailure?) -> Bool {
        let isFirst = state.withLock { state in
            guard !state.isOver else { return false }
            (state.isOver, state.failure) = (true, failure)
            return true
        }
        if isFirst { stream.cut() }
        return isFirst
    }

    /// A connection that was cut fails with the reason, not with how the cut looked from inside.
    private func reason(_ error: EgressFailure) -> EgressFailure {
        let failure: EgressFailure? = state.withLock { $0.failure }
        return failure ?? error
    }
}
