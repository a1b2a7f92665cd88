import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import WardContinuity
import WardCrypto
import WardServer

/// Connections between primary and follower: TLS 1.3, both sides known by the fingerprints that were exchanged at pairing.
enum StandbyWire {
    /// Who one is, and whom alone one speaks with.
    struct Ends: Sendable {
        let own: PinnedIdentity
        let peer: [UInt8]
        /// Seconds without a byte after which a connection is given up: leases are asked for more often.
        let silence: Int64
    }

    /// The SHA-256 of a certificate.
    static func fingerprint(_ identity: PinnedIdentity) throws -> [UInt8] {
        sha256(try NIOSSLCertificate(bytes: Array(identity.certificatePEM.utf8), format: .pem).toDERBytes()).bytes
    }

    /// Listens, and hands over each connection of the peer.
    static func listen(
        _ address: String, _ ends: Ends, _ handle: @escaping @Sendable (any StandbyLink) async -> Void
    ) async throws -> any Channel {
        let (host, port) = try place(address)
        var settings = TLSConfiguration.makeServerConfiguration(
            certificateChain: try certificates(ends.own), privateKey: try key(ends.own))
        settings.minimumTLSVersion = .tlsv13
        // That there is a certificate; whose it must be is asked below.
        settings.certificateVerification = .noHostnameVerification
        let context = try NIOSSLContext(configuration: settings)
        do {
            return try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let tls = NIOSSLServerHandler(
                            context: context, customVerificationCallback: Self.verification(ends.peer))
                        let pipe = StandbyPipe(.seconds(ends.silence)) { link in Task.detached { await handle(link) } }
                        try channel.pipeline.syncOperations.addHandlers([tls, pipe])
                    }
                }
                .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
                .bind(host: host, port: port).get()
        } catch {
            throw CommandFailure("cannot listen on \(address) for the standby")
        }
    }

    /// Connects to the peer.
    static func connect(_ address: String, _ ends: Ends) async throws -> any StandbyLink {
        let (host, port) = try place(address)
        var settings = TLSConfiguration.makeClientConfiguration()
        settings.minimumTLSVersion = .tlsv13
        settings.certificateChain = try certificates(ends.own)
        settings.privateKey = try key(ends.own)
        settings.certificateVerification = .noHostnameVerification
        let context = try NIOSSLContext(configuration: settings)
        let (links, found) = AsyncStream<any StandbyLink>.makeStream()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(5))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let tls = try NIOSSLClientHandler(
                        context: context, serverHostname: nil,
                        customVerificationCallback: Self.verification(ends.peer))
                    let pipe = StandbyPipe(.seconds(ends.silence)) { found.yield($0) }
                    try channel.pipeline.syncOperations.addHandlers([tls, pipe])
                }
            }
            .channelOption(.socketOption(.tcp_nodelay), value: 1)
            .connect(host: host, port: port).get()
        channel.closeFuture.whenComplete { _ in found.finish() }
        for await link in links { return link }
        throw CommandFailure("the other side is not the one that was paired, or did not accept this one")
    }

    static func place(_ address: String) throws -> (host: String, port: Int) {
        guard let colon = address.lastIndex(of: ":"), let port = Int(address[address.index(after: colon)...]),
            (1...65_535).contains(port)
        else { throw CommandFailure("the address for the standby is HOST:PORT") }
        return (String(address[..<colon]).filter { $0 != "[" && $0 != "]" }, port)
    }

    private static func certificates(_ identity: PinnedIdentity) throws -> [NIOSSLCertificateSource] {
        [.certificate(try NIOSSLCertificate(bytes: Array(identity.certificatePEM.utf8), format: .pem))]
    }

    private static func key(_ identity: PinnedIdentity) throws -> NIOSSLPrivateKeySource {
        .privateKey(try NIOSSLPrivateKey(bytes: Array(identity.keyPEM.utf8), format: .pem))
    }

    /// Takes the place of every other check: names, authorities and dates say nothing here.
    private static func verification(_ peer: [UInt8]) -> NIOSSLCustomVerificationCallback {
        { certificates, promise in
            let fingerprint = (try? certificates.first?.toDERBytes()).map { sha256($0).bytes }
            promise.succeed(
                fingerprint.map { constantTimeEquals($0, peer) } == true ? .certificateVerified : .failed)
        }
    }
}

/// Messages with their length before them; begins when TLS stands, and keeps a silent connection from living on.
private final class StandbyPipe: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    fileprivate static let largest = 1 << 30
    private static let handshakeLimit = TimeAmount.seconds(10)

    private let silence: TimeAmount
    private let begin: @Sendable (any StandbyLink) -> Void
    private var received: AsyncStream<[UInt8]>.Continuation?
    private var buffer = ByteBuffer()
    private var deadline: Scheduled<Void>?

    init(_ silence: TimeAmount, _ begin: @escaping @Sendable (any StandbyLink) -> Void) {
        self.silence = silence
        self.begin = begin
    }

    func channelActive(context: ChannelHandlerContext) {
        expire(context, in: Self.handshakeLimit)
        context.fireChannelActive()
    }

    private func expire(_ context: ChannelHandlerContext, in time: TimeAmount) {
        let channel = context.channel
        deadline?.cancel()
        deadline = context.eventLoop.scheduleTask(in: time) { channel.close(mode: .all, promise: nil) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent, received == nil {
            expire(context, in: silence)
            let (stream, continuation) = AsyncStream<[UInt8]>.makeStream()
            received = continuation
            begin(Link(channel: context.channel, received: stream))
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let received else { return context.close(promise: nil) }
        expire(context, in: silence)
        var part = unwrapInboundIn(data)
        buffer.writeBuffer(&part)
        while let length: UInt32 = buffer.getInteger(at: buffer.readerIndex) {
            guard length <= Self.largest else { return context.close(promise: nil) }
            guard buffer.readableBytes >= 4 + Int(length) else { break }
            buffer.moveReaderIndex(forwardBy: 4)
            received.yield(buffer.readBytes(length: Int(length)) ?? [])
        }
        buffer.discardReadBytes()
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        received?.finish()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private struct Link: StandbyLink {
        let channel: any Channel
        let received: AsyncStream<[UInt8]>

        func send(_ message: [UInt8]) async throws(StandbyFailure) {
            guard message.count <= StandbyPipe.largest else { throw .protocolViolation }
            var buffer = channel.allocator.buffer(capacity: message.count + 4)
            buffer.writeInteger(UInt32(message.count))
            buffer.writeBytes(message)
            do { try await channel.writeAndFlush(buffer).get() } catch { throw .cut }
        }

        func cut() { channel.close(mode: .all, promise: nil) }
    }
}
