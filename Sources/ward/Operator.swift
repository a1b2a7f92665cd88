import Glibc
import Synchronization
import WardVault

/// Runs a command where the store is: in the running server, or here.
enum Operator {
    /// - Parameters:
    ///   - isChecked: whether the store is held against the log before it is opened here: for what reads records.
    ///   - say: takes what comes back; by default it is shown.
    ///   - make: builds the request once the store's id is known; it may sign an assertion for it.
    static func perform(
        _ options: StoreOptions, confirm: ConfirmOptions? = nil, isChecked: Bool = false,
        standby: StandbyAccess = .none,
        say: @escaping @Sendable (String) -> Void = Terminal.say,
        make ask: @Sendable (String) async throws -> OperatorRequest
    ) async throws {
        let outcome = Outcome(say: say)
        let confirmation = try confirm?.options() ?? [:]
        @Sendable func make(_ storeID: String) async throws -> OperatorRequest {
            var request = try await ask(storeID)
            request.options.merge(confirmation) { $1 }
            return request
        }
        if try await ControlClient.send(options.folder, make: make, reply: outcome.take) { return try outcome.finish() }
        try options.folder.requireStore()
        let lock = try FolderLock(options.folder)
        defer { withExtendedLifetime(lock) {} }
        let house = try await House.open(
            options.folder, kind: nil, unlock: options.unlock, origin: nil, isChecked: isChecked, standby: standby)
        let request = try await make(house.header.id)
        if request.command.needsIndex { try await rebuildIndex(of: house) }
        await OperatorService(house: house).run(request, reply: outcome.take) {}
        await house.close()
        try outcome.finish()
    }

    /// A verification: exits with 2 as well if the log does not even open.
    static func verify(
        _ options: StoreOptions, make: @Sendable (String) async throws -> OperatorRequest
    ) async throws {
        do { try await perform(options, make: make) } catch let failure as CommandFailure where failure.isDamage {
            Terminal.warn(failure.text)
            Glibc.exit(2)
        }
    }

    private static func rebuildIndex(of house: House) async throws {
        do {
            try house.vault.rebuildIndex()
        } catch {
            await house.close()
            throw CommandFailure("the index could not be rebuilt; run: ward verify")
        }
    }

    /// Shows replies and remembers how it ended.
    private final class Outcome: Sendable {
        private struct State {
            var failure: String?
            var isUnsound = false
            var isFinished = false
        }

        private let state = Mutex(State())
        private let say: @Sendable (String) -> Void

        init(say: @escaping @Sendable (String) -> Void) {
            self.say = say
        }

        func take(_ reply: OperatorReply) {
            switch reply {
            case .hello: break
            case .output(let text): say(text)
            case .progress(let done, let total, let what): Terminal.progress(done, of: total, what)
            case .failure(let text): state.withLock { $0.failure = text }
            case .unsound: state.withLock { $0.isUnsound = true }
            case .finished: state.withLock { $0.isFinished = true }
            }
        }

        func finish() throws {
            let state = state.withLock { $0 }
            if let failure = state.failure { throw CommandFailure(failure) }
            if !state.isFinished { throw CommandFailure("the server ended before the command was done") }
            if state.isUnsound { Glibc.exit(2) }
        }
    }
}
