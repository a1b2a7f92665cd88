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
            var received: [UInt8] = []
            var parts = inbound.makeAsyncIterator()
            while received.last != 0x0A, let part = try await parts.next() {
                received += part.readableBytesView
                guard received.count < 1 << 20 else { return }
            }
            guard let request = OperatorRequest(line: received) else {
                return try await outbound.write(
                    ByteBuffer(bytes: OperatorReply.failure("the request is not understood").line))
            }
            let (replies, source) = AsyncStream.makeStream(of: OperatorReply.self)
            async let work: Void = service.run(request) { source.yield($0) } finished: { source.finish() }
            for await reply in replies { try await outbound.write(ByteBuffer(bytes: reply.line)) }
            await work
            // Closing here would drop what the socket has not taken yet: whoever asked closes after the last reply.
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
            for try await part in inbound {
                pending += part.readableBytesView
                while let end = pending.firstIndex(of: 0x0A) {
                    let line = Array(pending[..<end])
                    pending.removeFirst(end + 1)
                    guard let reply = OperatorReply(line: line) else { continue }
                    if case .hello(let store) = reply {
                        try await outbound.write(ByteBuffer(bytes: try await make(store).line))
                    } else {
                        handle(reply)
                    }
                    if reply.isLast { return }
                }
            }
        }
        return true
    }
}
