public import MeshBase
public import NIOCore
import NIOPosix

/// Asks a STUN server for the address it sees, from a socket of its own.
public enum StunClient {
    /// Sends binding requests to `server` until one is answered; the future succeeds with the address that it saw.
    ///
    /// Requests go out after 0, 500, 1,500, 3,500 ms and so on (RFC 8489 section 6.2.1). The future fails with
    /// ``TransportError/timedOut(_:)`` or, when the server refuses, ``TransportError/failed(_:)``.
    public static func binding(
        to server: Endpoint, on eventLoop: any EventLoop, timeoutMilliseconds: Int64 = 10_000
    ) -> EventLoopFuture<Endpoint> {
        eventLoop.flatSubmit {
            let result = eventLoop.makePromise(of: Endpoint.self)
            let deadline = NIODeadline.now() + .milliseconds(timeoutMilliseconds)
            let anyAddress = server.address.isVersion6 ? "::" : "0.0.0.0"
            let bound = DatagramBootstrap(group: eventLoop)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let handler = StunClientHandler(server: server, deadline: deadline, result: result)
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                }
                .bind(host: anyAddress, port: 0)
            bound.whenFailure { result.fail(TransportError.failed("no UDP socket: \(describe($0))")) }
            return result.futureResult
        }
    }
}

private final class StunClientHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    private let server: Endpoint
    private let deadline: NIODeadline
    private let result: EventLoopPromise<Endpoint>
    private let request = StunMessage.bindingRequest()
    /// RFC 8489 section 6.2.1: 500 ms at first, doubled each time.
    private var resendMilliseconds: Int64 = 500
    private var timer: Scheduled<Void>?

    init(server: Endpoint, deadline: NIODeadline, result: EventLoopPromise<Endpoint>) {
        self.server = server
        self.deadline = deadline
        self.result = result
    }

    func channelActive(context: ChannelHandlerContext) { send(NIOLoopBound(context, eventLoop: context.eventLoop)) }

    private func send(_ context: NIOLoopBound<ChannelHandlerContext>) {
        let now = NIODeadline.now()
        guard now < deadline else {
            result.fail(TransportError.timedOut(.connecting))
            return context.value.close(promise: nil)
        }
        do {
            let envelope = AddressedEnvelope(
                remoteAddress: try server.socketAddress, data: ByteBuffer(bytes: request.encoded))
            context.value.writeAndFlush(wrapOutboundOut(envelope), promise: nil)
        } catch {
            result.fail(TransportError.failed("\(server) is no address to send to: \(describe(error))"))
            return context.value.close(promise: nil)
        }
        let next = min(deadline, now + .milliseconds(resendMilliseconds))
        resendMilliseconds *= 2
        timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: next) { [self] in send(context) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        guard Endpoint(envelope.remoteAddress) == server,
            let answer = try? StunMessage.parse(envelope.data.readableBytesSpan),
            answer.transactionID == request.transactionID, answer.method == request.method
        else { return }
        if answer.messageClass == .success, let endpoint = answer.mappedEndpoint {
            result.succeed(endpoint)
        } else if answer.messageClass == .error {
            result.fail(TransportError.failed("the STUN server \(server) refused with \(answer.errorCode ?? 0)"))
        } else {
            return
        }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        result.fail(TransportError.closed(during: .connecting))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
}
