public import MeshBase
public import NIOCore
import NIOPosix

/// A request to a router on this host's network, and its answer, over a TCP connection of their own.
public enum GatewayExchange {
    /// Sends `request` to `server`; the future succeeds with what came until `isWhole` said so of it, the other side closed
    /// the connection or the time was over, and with `nil` when that was nothing or more than allowed. It never fails.
    ///
    /// - Parameters:
    ///   - byteCountMax: Bytes taken.
    ///   - place: What `isWhole` keeps from call to call, so that it need not begin anew.
    ///   - isWhole: Whether all of the answer has come; called on `eventLoop` after each read.
    public static func run<Place: Sendable>(
        _ request: [UInt8], with server: Endpoint, on eventLoop: any EventLoop, byteCountMax: Int = 65_536,
        timeoutMilliseconds: Int64 = 2_000, place: Place,
        isWhole: @escaping @Sendable (inout Place, [UInt8]) -> Bool
    ) -> EventLoopFuture<[UInt8]?> {
        let result = eventLoop.makePromise(of: [UInt8]?.self)
        let address: SocketAddress
        do { address = try server.socketAddress } catch { return eventLoop.makeSucceededFuture(nil) }
        ClientBootstrap(group: eventLoop)
            .connectTimeout(.milliseconds(timeoutMilliseconds))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = GatewayExchangeHandler(
                        request: request, byteCountMax: byteCountMax, timeout: .milliseconds(timeoutMilliseconds),
                        place: place, isWhole: isWhole, result: result)
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .connect(to: address)
            .whenFailure { _ in result.succeed(nil) }
        return result.futureResult
    }
}

private final class GatewayExchangeHandler<Place: Sendable>: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let request: [UInt8]
    private let byteCountMax: Int
    private let timeout: TimeAmount
    private var place: Place
    private let isWhole: @Sendable (inout Place, [UInt8]) -> Bool
    private let result: EventLoopPromise<[UInt8]?>
    private var answer: [UInt8] = []
    private var timer: Scheduled<Void>?

    init(
        request: [UInt8], byteCountMax: Int, timeout: TimeAmount, place: Place,
        isWhole: @escaping @Sendable (inout Place, [UInt8]) -> Bool, result: EventLoopPromise<[UInt8]?>
    ) {
        self.request = request
        self.byteCountMax = byteCountMax
        self.timeout = timeout
        self.place = place
        self.isWhole = isWhole
        self.result = result
    }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        timer = context.eventLoop.scheduleTask(in: timeout) { channel.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: request)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        if answer.count + bytes.readableBytes > byteCountMax {
            answer = []
        } else {
            answer += bytes.readableBytesView
            guard isWhole(&place, answer) else { return }
        }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        result.succeed(answer.isEmpty ? nil : answer)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
