import HummingbirdCore
// A protocol of the HTTP library names the type; nothing is logged here.
import Logging
import NIOCore
import Synchronization

/// Runs what a connection asks for on the thread of the connection's event loop.
///
/// Without it, each request crosses between the loop and the shared pool of threads half a dozen times. Work that may
/// take long leaves the loop again (``offLoop(_:)``).
struct LoopBoundChannel<Base: ServerChildChannel>: ServerChildChannel {
    private let base: Base
    private let executors: [ObjectIdentifier: EventLoopExecutor]

    init(_ base: Base, loops: some EventLoopGroup) {
        self.base = base
        var executors: [ObjectIdentifier: EventLoopExecutor] = [:]
        for loop in loops.makeIterator() { executors[ObjectIdentifier(loop)] = EventLoopExecutor(loop) }
        self.executors = executors
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Base.Value> {
        base.setup(channel: channel, logger: logger)
    }

    func handle(value: Base.Value, logger: Logger) async {
        let loop = value.channel.eventLoop
        await withTaskExecutorPreference(executors[ObjectIdentifier(loop)]) {
            await base.handle(value: value, logger: logger)
        }
    }
}

/// Lets tasks run on an event loop.
///
/// Jobs wait in a list of its own, and the loop is woken for the first of them only: when one commit answers sixty
/// requests, the loop is asked once.
private final class EventLoopExecutor: TaskExecutor {
    private let loop: any EventLoop
    private let waiting = Mutex<[UnownedJob]>([])

    init(_ loop: any EventLoop) {
        self.loop = loop
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let isFirst = waiting.withLock { waiting in
            waiting.append(job)
            return waiting.count == 1
        }
        if isFirst { loop.execute { self.run() } }
    }

    private func run() {
        let jobs = waiting.withLock { waiting in
            let jobs = waiting
            waiting = []
            return jobs
        }
        for job in jobs { unsafe job.runSynchronously(on: asUnownedTaskExecutor()) }
    }
}

/// Runs work that may take long on the shared pool, so that it never holds up the other connections of its loop.
func offLoop<Result: Sendable>(_ work: () async -> Result) async -> Result {
    await withTaskExecutorPreference(globalConcurrentExecutor, operation: work)
}
