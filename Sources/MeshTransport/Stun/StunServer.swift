public import MeshBase
public import NIOCore
import NIOPosix

/// A STUN server on UDP: tells each sender of a binding request the address it came from.
public final class StunServer: Sendable {
    /// What a server has done since it started.
    public struct Counters: Equatable, Sendable {
        /// Requests answered with an address.
        public var answered: UInt64 = 0
        /// Requests answered with error 420.
        public var answeredUnknownAttribute: UInt64 = 0
        /// Datagrams that are not STUN, or malformed.
        public var malformed: UInt64 = 0
        /// STUN messages that are not binding requests.
        public var notBindingRequest: UInt64 = 0
        /// Requests beyond what their source may send.
        public var rateLimited: UInt64 = 0
        /// Answers dropped since the socket would not take them.
        public var unsent: UInt64 = 0

        /// Makes counters that have counted nothing.
        public init() {}

        /// All of them with the names that people see.
        public var named: [(name: String, count: UInt64)] {
            [
                ("answered", answered), ("unknown_attribute", answeredUnknownAttribute), ("malformed", malformed),
                ("no_binding_request", notBindingRequest), ("rate_limited", rateLimited), ("unsent", unsent),
            ]
        }
    }

    /// Limits of a server.
    public struct Limits: Equatable, Sendable {
        /// Requests a second of one source. Default 20: an office of 300 nodes behind one address, each asking every 15 s.
        public var requestsPerSecond = 20
        /// Requests of one source at once. Default 40: two seconds' worth, for those nodes after a power cut.
        public var requestsBurst = 40
        /// Sources remembered. Default 4,096, in all below 1 MB; a bucket is forgotten after 2 s without requests.
        public var sourcesMax = 4_096

        /// Makes the default limits.
        public init() {}
    }

    /// The event loop of the server.
    public let eventLoop: any EventLoop
    /// The addresses listened on, with the ports that were chosen for 0.
    public let endpoints: [Endpoint]
    private let channels: [any Channel]
    private let core: NIOLoopBound<StunServerCore>

    private init(core: StunServerCore, channels: [any Channel], eventLoop: any EventLoop) {
        self.core = NIOLoopBound(core, eventLoop: eventLoop)
        self.channels = channels
        self.eventLoop = eventLoop
        endpoints = channels.compactMap { Endpoint($0.localAddress) }
    }

    /// Listens on all of `endpoints` or on none; the future fails with a ``TransportError``.
    ///
    /// An answer of a wildcard endpoint leaves by the address that the route back prefers: on a host with several
    /// addresses list each one.
    public static func listen(
        on endpoints: [Endpoint], limits: Limits = Limits(), eventLoop: any EventLoop
    ) -> EventLoopFuture<StunServer> {
        guard !endpoints.isEmpty else { return eventLoop.makeFailedFuture(TransportError.nothingToListenOn) }
        return eventLoop.flatSubmit {
            let core = NIOLoopBound(StunServerCore(limits: limits), eventLoop: eventLoop)
            let isSplit = endpoints.contains { !$0.address.isVersion6 }
            let bound = endpoints.map { bind($0, core: core, onlyVersion6: isSplit, eventLoop: eventLoop) }
            return EventLoopFuture.whenAllComplete(bound, on: eventLoop).flatMapThrowing { results in
                let channels = results.compactMap { try? $0.get() }
                if let failure = results.compactMap(\.failure).first {
                    for channel in channels { channel.close(promise: nil) }
                    throw failure
                }
                return StunServer(core: core.value, channels: channels, eventLoop: eventLoop)
            }
        }
    }

    private static func bind(
        _ endpoint: Endpoint, core: NIOLoopBound<StunServerCore>, onlyVersion6: Bool, eventLoop: any EventLoop
    ) -> EventLoopFuture<any Channel> {
        var bootstrap = DatagramBootstrap(group: eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(StunServerHandler(core.value))
                }
            }
        if endpoint.address.isVersion6 {
            let option = ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only)
            bootstrap = bootstrap.channelOption(option, value: onlyVersion6 ? 1 : 0)
        }
        let address: SocketAddress
        do { address = try endpoint.socketAddress } catch { return eventLoop.makeFailedFuture(error) }
        return bootstrap.bind(to: address).flatMapErrorThrowing { error in
            throw TransportError(listening: error, on: endpoint)
        }
    }

    /// The port of the first endpoint.
    public var port: UInt16 { endpoints.first?.port ?? 0 }

    /// What the server has done so far; on ``eventLoop`` only.
    public var counters: Counters { core.value.counters }

    /// Stops the server.
    @discardableResult
    public func close() -> EventLoopFuture<Void> {
        EventLoopFuture.andAllComplete(channels.map { $0.close() }, on: eventLoop)
    }
}

/// The state that the sockets of a server share; confined to its event loop.
private final class StunServerCore {
    var counters = StunServer.Counters()
    private var limiter: SourceRateLimiter

    init(limits: StunServer.Limits) {
        limiter = SourceRateLimiter(
            perSecond: limits.requestsPerSecond, burst: limits.requestsBurst, sourcesMax: limits.sourcesMax)
    }

    /// The answer to a datagram, if it gets one.
    func answer(to datagram: ByteBuffer, from source: Endpoint, at now: Instant) -> ByteBuffer? {
        let request: StunMessage
        do throws(StunError) { request = try StunMessage.parse(datagram.readableBytesSpan) } catch {
            counters.malformed += 1
            return nil
        }
        // Port 0 cannot be answered; RFC 8489 has no use for it.
        guard source.port != 0, let answer = request.bindingAnswer(to: source) else {
            counters.notBindingRequest += 1
            return nil
        }
        guard limiter.admit(source.address, at: now) else {
            counters.rateLimited += 1
            return nil
        }
        if answer.messageClass == .success { counters.answered += 1 } else { counters.answeredUnknownAttribute += 1 }
        return ByteBuffer(bytes: answer.encoded)
    }
}

private final class StunServerHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    private let core: StunServerCore

    init(_ core: StunServerCore) { self.core = core }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let request = unwrapInboundIn(data)
        let now = Instant(nanoseconds: NIODeadline.now().uptimeNanoseconds)
        guard let source = Endpoint(request.remoteAddress),
            let answer = core.answer(to: request.data, from: source, at: now)
        else { return }
        guard context.channel.isWritable else {
            core.counters.unsent += 1
            return
        }
        let envelope = AddressedEnvelope(remoteAddress: request.remoteAddress, data: answer)
        context.write(wrapOutboundOut(envelope), promise: nil)
    }

    func channelReadComplete(context: ChannelHandlerContext) { context.flush() }

    /// A datagram that could not be sent or received concerns nobody else.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
}
