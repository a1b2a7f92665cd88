import NIOCore
import NIOSSL
import NIOTLS
import Synchronization
import WardEgress

/// One connection: reads and writes go through its ``Pipe`` on the event loop.
struct NIOStream: EgressStream {
    let channel: any Channel
    let remains: Remains

    func startTLS() async throws(EgressFailure) { _ = try await ask(.startTLS) }

    func read() async throws(EgressFailure) -> [UInt8] {
        do throws(EgressFailure) { return try await ask(.read) } catch {
            // A peer that says everything and closes: what it said is still to be read.
            guard let rest = remains.take() else { throw error }
            return rest
        }
    }

    func write(_ bytes: [UInt8]) async throws(EgressFailure) { _ = try await ask(.write(bytes)) }

    func cut() { channel.close(mode: .all, promise: nil) }

    private func ask(_ want: Pipe.Want) async throws(EgressFailure) -> [UInt8] {
        let promise = channel.eventLoop.makePromise(of: [UInt8].self)
        channel.writeAndFlush(Pipe.Call(want: want, promise: promise)).cascadeFailure(to: promise)
        do {
            return try await promise.futureResult.get()
        } catch let failure as EgressFailure {
            throw failure
        } catch {
            throw .peerClosed
        }
    }
}

/// What had arrived and was not read when a channel closed; its handlers are gone then.
final class Remains: Sendable {
    private let state = Mutex<(bytes: [UInt8], isClean: Bool)>(([], false))

    func leave(_ bytes: [UInt8], isClean: Bool) { state.withLock { $0 = (bytes, isClean) } }

    /// Once; then the end, if it came as TLS wants it, or nil.
    func take() -> [UInt8]? {
        state.withLock { state in
            defer { state.bytes = [] }
            return state.bytes.isEmpty && !state.isClean ? nil : state.bytes
        }
    }
}

/// The end of a channel's pipeline: holds what has arrived until somebody reads, asks for more only then, and begins TLS
/// before it when told to.
final class Pipe: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = Never
    typealias OutboundIn = Call
    typealias OutboundOut = ByteBuffer

    enum Want: Sendable {
        case read, startTLS
        case write([UInt8])
    }

    struct Call: Sendable {
        let want: Want
        let promise: EventLoopPromise<[UInt8]>
    }

    private let context: NIOSSLContext
    private let name: String?
    private let remains: Remains
    private var arrived: [UInt8] = []
    private var isEnded = false
    private var failure: EgressFailure?
    private var reading: EventLoopPromise<[UInt8]>?
    private var handshake: EventLoopPromise<[UInt8]>?
    private var isSecure = false
    private var timer: Scheduled<Void>?

    init(context: NIOSSLContext, name: String?, remains: Remains) {
        self.context = context
        self.remains = remains
        self.name = name
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let call = unwrapOutboundIn(data)
        promise?.succeed()
        if let failure {
            // What arrived before it broke is read first; whether that is a whole answer its own lengths say.
            guard case .read = call.want, !arrived.isEmpty else {
                if case .read = call.want, let rest = remains.take() { return call.promise.succeed(rest) }
                return call.promise.fail(failure)
            }
            call.promise.succeed(arrived)
            arrived = []
            return
        }
        switch call.want {
        case .read: read(call.promise, context)
        case .startTLS: startTLS(call.promise, context)
        case .write(let bytes):
            guard !isEnded else { return call.promise.fail(EgressFailure.peerClosed) }
            let written = context.eventLoop.makePromise(of: Void.self)
            let limit = expire(call.promise, context, after: EgressLimits.silence)
            written.futureResult.whenComplete { result in
                limit.cancel()
                switch result {
                case .success: call.promise.succeed([])
                case .failure: call.promise.fail(EgressFailure.peerClosed)
                }
            }
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: written)
        }
    }

    private func read(_ promise: EventLoopPromise<[UInt8]>, _ context: ChannelHandlerContext) {
        guard reading == nil, handshake == nil else { return promise.fail(EgressFailure.malformedAnswer) }
        if !arrived.isEmpty || isEnded {
            promise.succeed(isEnded ? remains.take() ?? [] : arrived)
            arrived = []
            return
        }
        reading = promise
        timer = expire(promise, context, after: EgressLimits.silence)
        context.read()
    }

    private func startTLS(_ promise: EventLoopPromise<[UInt8]>, _ context: ChannelHandlerContext) {
        // What came in the clear must never be taken for what came under TLS (CVE-2011-0411).
        guard !isSecure, handshake == nil, arrived.isEmpty, !isEnded else {
            return fail(.malformedAnswer, promise, context)
        }
        do {
            let handler = try NIOSSLClientHandler(context: self.context, serverHostname: name)
            handshake = promise
            timer = expire(promise, context, after: EgressLimits.connect)
            try context.pipeline.syncOperations.addHandler(handler, position: .first)
        } catch {
            handshake = nil
            return fail(.certificateRefused, promise, context)
        }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        arrived += unwrapInboundIn(data).readableBytesView
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if let reading, !arrived.isEmpty {
            settle()
            self.reading = nil
            let bytes = arrived
            arrived = []
            reading.succeed(bytes)
        } else if reading != nil || handshake != nil {
            context.read()
        }
        context.fireChannelReadComplete()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted = event, let handshake {
            settle()
            self.handshake = nil
            isSecure = true
            handshake.succeed([])
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        isEnded = true
        settle()
        if let reading {
            reading.succeed(arrived)
            arrived = []
        }
        handshake?.fail(EgressFailure.peerClosed)
        (reading, handshake) = (nil, nil)
        remains.leave(arrived, isClean: failure == nil)
        arrived = []
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        settle()
        // Of a handshake, whatever it was: a peer that cannot prove who it is. Later, a broken connection; also an end
        // without close_notify, so that nobody shortens an answer unseen.
        let failure: EgressFailure = handshake == nil ? .peerClosed : .certificateRefused
        self.failure = failure
        if let reading, !arrived.isEmpty {
            reading.succeed(arrived)
            (self.reading, arrived) = (nil, [])
        }
        reading?.fail(failure)
        handshake?.fail(failure)
        (reading, handshake) = (nil, nil)
        context.close(promise: nil)
    }

    private func settle() {
        timer?.cancel()
        timer = nil
    }

    private func fail(_ failure: EgressFailure, _ promise: EventLoopPromise<[UInt8]>, _ context: ChannelHandlerContext)
    {
        self.failure = failure
        promise.fail(failure)
        context.close(promise: nil)
    }

    private func expire(
        _ promise: EventLoopPromise<[UInt8]>, _ context: ChannelHandlerContext, after seconds: Int64
    ) -> Scheduled<Void> {
        let channel = context.channel
        return context.eventLoop.scheduleTask(in: .seconds(seconds)) {
            promise.fail(EgressFailure.timedOut)
            channel.close(promise: nil)
        }
    }
}
