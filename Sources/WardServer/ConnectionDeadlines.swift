import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Closes connections that hold resources without moving: dripped bodies and readers that never read.
///
/// The HTTP library's idle timeout covers silence; it is fed by every byte, so that one byte a second keeps a connection
/// for ever. A body must arrive within a base time and a minimum rate, and an answer must leave likewise.
final class ConnectionDeadlines: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// Seconds that any body or answer may take, whatever its size.
    static let baseSeconds: Int64 = 20
    /// Slowest rate beyond that, in bytes a second.
    static let minimumRate: Int64 = 16_384

    private var reading: Scheduled<Void>?
    private var writing: Scheduled<Void>?
    private var readStart = NIODeadline.now()
    private var readBytes: Int64 = 0
    private var unwritten = 0

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            readStart = .now()
            readBytes = 0
            watchReading(context)
        case .body(let part): readBytes += Int64(part.readableBytes)
        case .end:
            reading?.cancel()
            reading = nil
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let size: Int
        switch unwrapOutboundIn(data) {
        case .body(let part): size = part.readableBytes
        default: size = 0
        }
        unwritten += 1
        if writing == nil { watchWriting(context, bytes: Int64(size)) }
        let done = promise ?? context.eventLoop.makePromise()
        let box = NIOLoopBound(self, eventLoop: context.eventLoop)
        done.futureResult.whenComplete { _ in
            let handler = box.value
            handler.unwritten -= 1
            if handler.unwritten == 0 {
                handler.writing?.cancel()
                handler.writing = nil
            }
        }
        context.write(data, promise: done)
    }

    func channelInactive(context: ChannelHandlerContext) {
        reading?.cancel()
        writing?.cancel()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        reading?.cancel()
        writing?.cancel()
    }

    /// After the base time, looks every few seconds whether the body keeps the rate.
    private func watchReading(_ context: ChannelHandlerContext) {
        reading?.cancel()
        let box = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        reading = context.eventLoop.scheduleTask(in: .seconds(Self.baseSeconds)) {
            let (handler, context) = box.value
            handler.checkReading(context)
        }
    }

    private func checkReading(_ context: ChannelHandlerContext) {
        let seconds = (NIODeadline.now() - readStart).nanoseconds / 1_000_000_000
        guard readBytes >= (seconds - Self.baseSeconds) * Self.minimumRate, readBytes > 0 else {
            return context.close(promise: nil)
        }
        let box = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        reading = context.eventLoop.scheduleTask(in: .seconds(5)) {
            let (handler, context) = box.value
            handler.checkReading(context)
        }
    }

    private func watchWriting(_ context: ChannelHandlerContext, bytes: Int64) {
        let box = NIOLoopBound(context, eventLoop: context.eventLoop)
        writing = context.eventLoop.scheduleTask(in: .seconds(Self.baseSeconds + bytes / Self.minimumRate)) {
            box.value.close(promise: nil)
        }
    }
}
