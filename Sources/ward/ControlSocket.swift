import Glibc
import NIOCore
import NIOPosix
import WardCore

/// The server's side: commands of the same user over a Unix socket in the data folder (mode 0700).
struct ControlServer: Sendable {
    let folder: DataFolder
    let service: OperatorService

    /// Serves until cancelled.
    func run() async throws {
        unsafe unlink(folder.socket)
        let mask = umask(0o177)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(unixDomainSocketPath: folder.socket) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        _ = umask(mask)
        defer { unsafe unlink(folder.socket) }
        try await channel.executeThenClose { connections in
            try await withThrowingDiscardingTaskGroup { group in
                for try await connection in connections {
                    group.addTask { try? await answer(connection) }
                }
            }
        }
    }

    private func answer(_ connection: NIOAsyncChannel<ByteBuffer, ByteBuffer>) async throws {
        try await connection.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(bytes: OperatorReply.hello(store: service.house.header.id).line))
            var parts = inbound.makeAsyncIterator()
            var received: [UInt8] = []
            while received.last != 0x0A, let part = try await parts.next() {
                received += part.readableBytesView
                guard received.count < 1 << 20 else { return }
            }
            if let request = OperatorRequest(line: received) {
                let (replies, source) = AsyncStream.makeStream(of: OperatorReply.self)
                async let work: Void = service.run(request) {
                    source.yield($0)
                } finished: {
                    source.finish()
                }
                for await reply in replies { try await outbound.write(ByteBuffer(bytes: reply.line)) }
                await work
            } else {
                try await outbound.write(ByteBuffer(bytes: OperatorReply.failure("the request is not understood").line))
            }
            // What is not sent yet would be lost if this side closed first: the command hangs up when it has the last line.
            while try await parts.next() != nil {}
        }
    }
}

/// The command's side.
enum ControlClient {
    /// Sends a request to the running server; nil if none runs.
    ///
    /// - Parameter make: builds the request once the store's id is known.
    static func send(
        _ folder: DataFolder, make: @Sendable (String) async throws -> OperatorRequest,
        reply handle: (OperatorReply) -> Void
    ) async throws -> Bool {
        guard PrivateFile.exists(folder.socket) else { return false }
        let connection: NIOAsyncChannel<ByteBuffer, ByteBuffer>
        do {
            connection = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(unixDomainSocketPath: folder.socket) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                    }
                }
        } catch {
            return false
        }
        try await connection.executeThenClose { inbound, outbound in
            var pending: [UInt8] = []
            var isDone = false
            var parts = inbound.makeAsyncIterator()
            while !isDone, let part = try await parts.next() {
                pending += part.readableBytesView
                while let end = pending.firstIndex(of: 0x0A) {
                    let line = Array(pending[..<end])
                    pending.removeFirst(end + 1)
                    guard let reply = OperatorReply(line: line) else { continue }
                    if case .hello(let store) = reply {
                        try await outbound.write(ByteBuffer(bytes: try await make(store).line))
                    } else {
                        handle(reply)
                        isDone = isDone || reply.isLast
                    }
                }
            }
        }
        return true
    }
}
