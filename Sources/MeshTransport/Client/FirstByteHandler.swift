import NIOCore

/// Finds out which side of TLS a connected socket is to play, when it cannot be known.
///
///     connected --bytes come (a ClientHello)--> server
///         |
///         +------the wait is over---------------> client
///
/// A connect that succeeded was either met by the other side's connect, or accepted by its listener. In the first case
/// the side with the lower peer ID is the TLS client, in the second whoever connected; the kernel tells neither side
/// which it was. The side with the higher peer ID therefore listens for a while before it speaks.
final class FirstByteHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// Adds the handlers of one side behind this one; throws when there is no room for the connection.
    typealias Decision = (any Channel, _ isClient: Bool) throws -> Void

    private let wait: TimeAmount
    private let decide: Decision
    private var timer: Scheduled<Void>?
    private var isDecided = false

    /// A wait of 0 makes a client at once.
    init(wait: TimeAmount, decide: @escaping Decision) {
        self.wait = wait
        self.decide = decide
    }

    func channelActive(context: ChannelHandlerContext) {
        // Those behind are added to an active channel: they need no word of it.
        guard wait > .zero else { return become(isClient: true, context) }
        let boundContext = NIOLoopBound(context, eventLoop: context.eventLoop)
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: wait) { [self] in
            become(isClient: true, boundContext.value)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        become(isClient: false, context)
        context.fireChannelRead(data)
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    private func become(isClient: Bool, _ context: ChannelHandlerContext) {
        guard !isDecided else { return }
        isDecided = true
        timer?.cancel()
        do {
            try decide(context.channel, isClient)
        } catch {
            context.close(promise: nil)
        }
    }
}
