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
    /// Seconds that an answer may stand still, however large it is.
    static let stallSeconds: Int64 = 30
    /// Large answers leave in parts of this size, so that their progress can be seen.
    private static let partSize = 65_536

    /// Seconds between two looks at a connection.
    private static let interval: Int64 = 2

    private var ticker: RepeatedTask?
    /// When the body being read began, and what came of it; nil between bodies.
    private var readStart: NIODeadline?
    private var readBytes: Int64 = 0
    /// When the oldest write that is not done began, and the bytes that wait; nil if nothing waits.
    private var writeStart: NIODeadline?
    private var writeProgress = NIODeadline.now()
    private var unwritten = 0
    private var unwrittenBytes: Int64 = 0
    /// Whoever asked to close while an answer was on its way.
    private var heldCloses: [EventLoopPromise<Void>?] = []

    func handlerAdded(context: ChannelHandlerContext) {
        // One timer for the life of a connection: a timer for each request costs more than the rest of this handler.
        let box = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        ticker = context.eventLoop.scheduleRepeatedTask(
            initialDelay: .seconds(Self.interval), delay: .seconds(Self.interval)
        ) { _ in
            let (handler, context) = box.value
            if handler.isStuck() { context.close(promise: nil) }
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        ticker?.cancel()
        releaseCloses(context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        ticker?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            readStart = .now()
            readBytes = 0
        case .body(let part): readBytes += Int64(part.readableBytes)
        case .end: readStart = nil
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .body(var content) = unwrapOutboundIn(data) else { return send(context, data, bytes: 0, promise) }
        guard content.readableBytes > Self.partSize else {
            return send(context, data, bytes: content.readableBytes, promise)
        }
        while content.readableBytes > Self.partSize, let part = content.readSlice(length: Self.partSize) {
            send(context, wrapOutboundOut(.body(part)), bytes: Self.partSize, nil)
            // What TLS seals in one go is done in one go: without this, all parts are done with the last.
            context.flush()
        }
        send(context, wrapOutboundOut(.body(content)), bytes: content.readableBytes, promise)
    }

    private func send(_ context: ChannelHandlerContext, _ data: NIOAny, bytes: Int, _ promise: EventLoopPromise<Void>?)
    {
        if writeStart == nil {
            let now = NIODeadline.now()
            writeStart = now
            writeProgress = now
        }
        unwritten += 1
        unwrittenBytes += Int64(bytes)
        let done = promise ?? context.eventLoop.makePromise()
        let box = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        done.futureResult.whenComplete { _ in
            let (handler, context) = box.value
            handler.unwritten -= 1
            if handler.unwritten == 0 {
                handler.writeStart = nil
                handler.unwrittenBytes = 0
                handler.releaseCloses(context)
            } else if bytes > 0 {
                handler.writeProgress = .now()
            }
        }
        context.write(data, promise: done)
    }

    /// The library closes idle connections and those it is done with as soon as an answer is handed over, not sent: an
    /// answer on its way leaves first, as long as it moves.
    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard mode == .all, unwritten > 0 else { return context.close(mode: mode, promise: promise) }
        heldCloses.append(promise)
    }

    private func releaseCloses(_ context: ChannelHandlerContext) {
        let promises = heldCloses
        heldCloses = []
        for promise in promises { context.close(promise: promise) }
    }

    private func isStuck() -> Bool {
        let now = NIODeadline.now()
        if let start = readStart, readBytes < Self.due(after: now - start) { return true }
        guard let start = writeStart else { return false }
        if now - writeProgress > .seconds(Self.stallSeconds) { return true }
        return (now - start).nanoseconds > (Self.baseSeconds + unwrittenBytes / Self.minimumRate) * 1_000_000_000
    }

    /// Bytes that must have come by then.
    private static func due(after time: TimeAmount) -> Int64 {
        let seconds = time.nanoseconds / 1_000_000_000
        return seconds <= baseSeconds ? 0 : max(1, (seconds - baseSeconds) * minimumRate)
    }
}
