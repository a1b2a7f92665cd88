import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Fetches from a log as any stranger would, over one connection at a time. Only commands use it: whatever the server sends
/// goes through the broker (WardEgress).
actor LogClient {
    struct Answer: Sendable {
        let status: Int
        let body: [UInt8]
    }

    private let host: String
    private let port: Int
    /// Path of the log, without a slash at its end.
    private let prefix: String
    private let tls: NIOSSLContext
    private var channel: (any Channel)?

    /// - Parameters:
    ///   - url: `https://host[:port]/log`; there is no plaintext.
    ///   - authority: PEM file of the authority to trust instead of the system's.
    init(url: String, authority: String?) throws {
        guard url.hasPrefix("https://") else { throw CommandFailure("the log's address begins with https://") }
        let rest = url.dropFirst(8)
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        var place = rest[..<slash]
        var path = String(rest[slash...])
        while path.hasSuffix("/") { path.removeLast() }
        var port = 443
        if let colon = place.lastIndex(of: ":"), !place.hasSuffix("]") {
            guard let number = Int(place[place.index(after: colon)...]), (1...65_535).contains(number) else {
                throw CommandFailure("the log's address has no valid port")
            }
            port = number
            place = place[..<colon]
        }
        host = place.filter { $0 != "[" && $0 != "]" }
        guard !host.isEmpty, path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x3F && $0 != 0x23 }) else {
            throw CommandFailure("the log's address is not one")
        }
        self.port = port
        prefix = path
        var settings = TLSConfiguration.makeClientConfiguration()
        settings.minimumTLSVersion = .tlsv12
        settings.applicationProtocols = ["http/1.1"]
        if let authority { settings.trustRoots = .file(authority) }
        do { tls = try NIOSSLContext(configuration: settings) } catch {
            throw CommandFailure("the file of the authority to trust cannot be read")
        }
    }

    /// - Parameter limit: largest answer in bytes.
    func get(_ path: String, limit: Int) async throws -> Answer {
        try await send(.GET, path, nil, limit)
    }

    func post(_ path: String, _ body: [UInt8]) async throws -> Answer {
        try await send(.POST, path, body, 4096)
    }

    func close() async {
        try? await channel?.close()
        channel = nil
    }

    private func send(_ method: HTTPMethod, _ path: String, _ body: [UInt8]?, _ limit: Int) async throws -> Answer {
        let isFresh = channel?.isActive != true
        do {
            return try await exchange(method, path, body, limit)
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            // A connection that was kept may have ended meanwhile; a fresh one that fails is a failure.
            await close()
            if isFresh { throw CommandFailure("the log cannot be reached") }
            do { return try await exchange(method, path, body, limit) } catch let failure as CommandFailure {
                throw failure
            } catch {
                throw CommandFailure("the log cannot be reached")
            }
        }
    }

    private func exchange(
        _ method: HTTPMethod, _ path: String, _ body: [UInt8]?, _ limit: Int
    ) async throws -> Answer {
        let channel = try await connected()
        var head = HTTPRequestHead(version: .http1_1, method: method, uri: "\(prefix)/\(path)")
        head.headers.add(name: "Host", value: host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)")
        head.headers.add(name: "User-Agent", value: "ward")
        head.headers.add(name: "Accept-Encoding", value: "identity")
        if let body { head.headers.add(name: "Content-Length", value: "\(body.count)") }
        let promise = channel.eventLoop.makePromise(of: Answer.self)
        let call = Exchange.Call(head: head, body: body.map { ByteBuffer(bytes: $0) }, limit: limit, promise: promise)
        channel.writeAndFlush(call).cascadeFailure(to: promise)
        return try await promise.futureResult.get()
    }

    private func connected() async throws -> any Channel {
        if let channel, channel.isActive { return channel }
        let (tls, host) = (tls, host)
        // A certificate is checked against the address where there is no name (RFC 9110 §4.3.5).
        let name = (try? SocketAddress(ipAddress: host, port: 0)) == nil ? host : nil
        let fresh = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(10))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        NIOSSLClientHandler(context: tls, serverHostname: name))
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    try channel.pipeline.syncOperations.addHandler(Exchange())
                }
            }
            .connect(host: host, port: port).get()
        channel = fresh
        return fresh
    }
}

/// One request and its answer at a time on a connection.
private final class Exchange: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias InboundOut = Never
    typealias OutboundIn = Call
    typealias OutboundOut = HTTPClientRequestPart

    struct Call: Sendable {
        let head: HTTPRequestHead
        let body: ByteBuffer?
        let limit: Int
        let promise: EventLoopPromise<LogClient.Answer>
    }

    private static let deadline = TimeAmount.seconds(30)

    private var call: Call?
    private var status = 0
    private var body: [UInt8] = []
    private var timer: Scheduled<Void>?

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let call = unwrapOutboundIn(data)
        (self.call, status, body) = (call, 0, [])
        let channel = context.channel
        timer = context.eventLoop.scheduleTask(in: Self.deadline) { channel.close(promise: nil) }
        context.write(wrapOutboundOut(.head(call.head)), promise: nil)
        if let body = call.body { context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
        context.write(wrapOutboundOut(.end(nil)), promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): status = Int(head.status.code)
        case .body(let part):
            body += part.readableBytesView
            if let call, body.count > call.limit {
                finish(.failure(CommandFailure("the log's answer is larger than any of its kind")))
                context.close(promise: nil)
            }
        case .end: finish(.success(LogClient.Answer(status: status, body: body)))
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish(.failure(ChannelError.eof))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        finish(.failure(error))
        context.close(promise: nil)
    }

    private func finish(_ result: Result<LogClient.Answer, any Error>) {
        timer?.cancel()
        timer = nil
        let call = self.call
        self.call = nil
        call?.promise.completeWith(result)
    }
}
