import Dispatch
import Synchronization
import WardCore
public import WardCrypto

/// Hashes passwords, two at a time and on threads of its own.
///
/// Each hash holds 64 MiB and a processor for a fifth of a second, and any stranger can ask for one; so a process has one
/// hasher, further callers wait in line, and past the end of the line they are turned away.
public final class PasswordHasher: Sendable {
    /// Hashes at once.
    public static let concurrency = 2
    /// Callers that wait.
    public static let capacity = 32

    private struct Job: Sendable {
        let id: UInt64
        let run: @Sendable () -> Void
        let abandon: @Sendable () -> Void
    }

    private struct State {
        /// Queues without work.
        var idle = Array(0..<PasswordHasher.concurrency)
        var waiting: [Job] = []
        var lastID: UInt64 = 0
    }

    private let state = Mutex(State())
    private let parameters: Argon2id.Parameters
    // Serial queues have threads of their own. A concurrent one shares the threads of Swift's tasks on Linux, and two
    // hashes would stop a server with two processors for as long as they take.
    private let queues = (0..<concurrency).map { DispatchQueue(label: "ward.password-hasher.\($0)") }
    private let unmatched: PasswordVerifier

    /// - Parameter parameters: cost of new verifiers.
    public init(_ parameters: Argon2id.Parameters) {
        self.parameters = parameters
        unmatched = .unmatched(parameters)
    }

    /// Makes a verifier with a fresh salt.
    public func verifier(of password: Password) async throws(HashingFailure) -> PasswordVerifier {
        let parameters = parameters
        return try await perform { () throws(Argon2Failure) in
            try PasswordVerifier(hashing: password, parameters: parameters)
        }
    }

    /// Whether the password is the verifier's.
    ///
    /// - Parameter verifier: nil for a person who does not exist or has no password; that takes the same time.
    public func matches(_ password: Password, _ verifier: PasswordVerifier?) async throws(HashingFailure) -> Bool {
        let unmatched = unmatched
        return try await perform { () throws(Argon2Failure) in
            guard let verifier else {
                _ = try unmatched.matches(password)
                return false
            }
            return try verifier.matches(password)
        }
    }

    // MARK: The line

    private func perform<Value: Sendable>(
        _ work: @escaping @Sendable () throws(Argon2Failure) -> Value
    ) async throws(HashingFailure) -> Value {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        let answer: Result<Value, HashingFailure> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let job = Job(id: id) {
                    do throws(Argon2Failure) {
                        continuation.resume(returning: .success(try work()))
                    } catch {
                        continuation.resume(returning: .failure(.outOfMemory))
                    }
                } abandon: {
                    continuation.resume(returning: .failure(.cancelled))
                }
                if !admit(job) { continuation.resume(returning: .failure(.busy)) }
                // The handler may have looked for the job before it was there.
                if Task.isCancelled { leave(id) }
            }
        } onCancel: {
            leave(id)
        }
        return try answer.get()
    }

    /// False when the line is full.
    private func admit(_ job: Job) -> Bool {
        let admission: (queue: Int?, isAdmitted: Bool) = state.withLock { state in
            if let queue = state.idle.popLast() { return (queue, true) }
            guard state.waiting.count < Self.capacity else { return (nil, false) }
            state.waiting.append(job)
            return (nil, true)
        }
        if let queue = admission.queue { queues[queue].async { self.work(from: job, on: queue) } }
        return admission.isAdmitted
    }

    /// Works until nobody waits.
    private func work(from first: Job, on queue: Int) {
        var next: Job? = first
        while let job = next {
            job.run()
            next = state.withLock { state in
                if state.waiting.isEmpty {
                    state.idle.append(queue)
                    return nil
                }
                return state.waiting.removeFirst()
            }
        }
    }

    /// Whoever hung up gives up the place in the line.
    private func leave(_ id: UInt64) {
        let job: Job? = state.withLock { state in
            guard let place = state.waiting.firstIndex(where: { $0.id == id }) else { return nil }
            return state.waiting.remove(at: place)
        }
        job?.abandon()
    }
}

/// Why a password was neither hashed nor compared.
public enum HashingFailure: Error, Hashable, Sendable {
    /// Too many wait: to be answered with 503.
    case busy
    /// Whoever asked does not wait any more.
    case cancelled
    case outOfMemory
}
