import NIOCore

/// The handler nearest to the socket: tells when bytes have reached it and can cut a connection past TLS.
final class SocketEndHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var context: ChannelHandlerContext?

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    /// Encrypted bytes that wait for the socket to take them.
    var bufferedByteCount: Int {
        guard let context, context.channel.isActive else { return 0 }
        return (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }

    /// Calls `action` when all that is buffered now has been written to the socket, or was given up.
    ///
    /// An empty write takes its turn behind the buffered ones, so one promise serves any number of messages.
    func whenWritten(_ action: @escaping () -> Void) {
        guard let context else { return }
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { _ in action() }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: promise)
    }

    /// Closes the socket at once, without the closing exchanges of WebSocket and TLS.
    func abort() { context?.close(mode: .all, promise: nil) }
}
