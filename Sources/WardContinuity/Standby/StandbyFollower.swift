import Synchronization
public import WardStorage

/// The follower's side of one connection: takes what comes, and grants leases.
public struct StandbyFollower: Sendable {
    /// What the follower knows of its pairing.
    public struct Pairing: Sendable {
        public var store: String
        public var epoch: Int64
        /// Name and public key of the primary's log.
        public var origin: String
        public var publicKey: [UInt8]

        public init(store: String, epoch: Int64, origin: String, publicKey: [UInt8]) {
            self.store = store
            self.epoch = epoch
            self.origin = origin
            self.publicKey = publicKey
        }
    }

    private let pairing: Pairing
    private let store: any SealedStore
    /// Whether a lease is granted now.
    private let grants: @Sendable () -> Bool
    private let progress: @Sendable (StandbyMark, Int64) -> Void

    public init(
        _ pairing: Pairing, into store: any SealedStore, grants: @escaping @Sendable () -> Bool,
        progress: @escaping @Sendable (StandbyMark, Int64) -> Void
    ) {
        self.pairing = pairing
        self.store = store
        self.grants = grants
        self.progress = progress
    }

    /// Follows until the connection ends.
    public func run(over link: any StandbyLink) async throws(StandbyFailure) {
        defer { link.cut() }
        var copy = try StandbyCopy(store, origin: pairing.origin, publicKey: pairing.publicKey)
        progress(copy.mark, copy.logSize)
        try await link.send(
            StandbyFrame.hello(try copy.hello(storeID: pairing.store, epoch: pairing.epoch)).encoded())
        let (work, continuation) = AsyncStream<StandbyFrame?>.makeStream()
        // A whole copy holds the primary's log against its own before it lets it write; one that is not whole has nothing
        // that a promotion could stand on.
        let isChecked = Checked(copy.mark.phase != .whole)
        // Leases are granted as they are asked for, whatever is being written meanwhile.
        let reading = Task.detached {
            for await message in link.received {
                guard let frame = StandbyFrame(message) else {
                    continuation.yield(nil)
                    break
                }
                if case .ask(let number) = frame {
                    guard isChecked.value else { continue }
                    guard grants(), (try? await link.send(StandbyFrame.grant(number).encoded())) != nil else { break }
                } else {
                    continuation.yield(frame)
                }
            }
            continuation.finish()
            link.cut()
        }
        defer { reading.cancel() }
        for await frame in work {
            switch frame {
            case .welcome(let instance, let isContinued):
                try copy.welcome(instance: instance, isContinued: isContinued)
                // The same process as before, whose log this copy has taken event by event.
                if isContinued { isChecked.set() }
            case .rows(let number, let changes, let sequence):
                try copy.fill(changes, upTo: sequence)
                if sequence != nil { isChecked.set() }
                progress(copy.mark, copy.logSize)
                try await link.send(StandbyFrame.taken(number).encoded())
            case .commit(let number, let sequence, let changes):
                try copy.take(changes, sequence: sequence)
                progress(copy.mark, copy.logSize)
                try await link.send(StandbyFrame.taken(number).encoded())
            case .refused(let code): throw .refused(code)
            default: throw .protocolViolation
            }
        }
        throw .cut
    }

    private final class Checked: Sendable {
        private let state: Mutex<Bool>

        init(_ isChecked: Bool) { state = Mutex(isChecked) }

        var value: Bool { state.withLock { $0 } }

        func set() { state.withLock { $0 = true } }
    }

    /// Tells the old primary that this store was promoted.
    ///
    /// - Returns: whether it has written that down.
    public static func tell(store: String, epoch: Int64, over link: any StandbyLink) async -> Bool {
        defer { link.cut() }
        var hello = StandbyHello(store: store, epoch: epoch)
        hello.isPromoted = true
        guard (try? await link.send(StandbyFrame.hello(hello).encoded())) != nil else { return false }
        for await message in link.received { return StandbyFrame(message) == .fenced }
        return false
    }
}
