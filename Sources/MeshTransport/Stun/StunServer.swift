public import MeshBase
public import NIOCore
import NIOPosix

/// A STUN server on UDP: tells each sender of a binding request the address it came from, and answers from another port or
/// address when asked to, so that the sender can find out what its translator lets in (RFC 5780).
///
/// Next to each endpoint it listens on the port above, the alternate port; an endpoint whose alternate port is taken has
/// none. The alternate address of an endpoint is that of another one of the same family.
public final class StunServer: Sendable {
    /// What a server has done since it started.
    public struct Counters: Equatable, Sendable {
        /// Requests answered with an address.
        public var answered: UInt64 = 0
        /// Requests answered with error 420.
        public var answeredUnknownAttribute: UInt64 = 0
        /// Requests answered with an address, from another port or address than they were sent to; not among `answered`.
        public var answeredElsewhere: UInt64 = 0
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
                ("answered", answered), ("unknown_attribute", answeredUnknownAttribute),
                ("answered_elsewhere", answeredElsewhere), ("malformed", malformed),
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

        /// Makes the default limits.
        public init() {}
    }

    /// The event loop of the server.
    public let eventLoop: any EventLoop
    /// The addresses listened on, with the ports that were chosen for 0.
    public let endpoints: [Endpoint]
    /// Those on the alternate ports.
    public let alternateEndpoints: [Endpoint]
    private let channels: [any Channel]
    private let alternates: [any Channel]
    private let core: NIOLoopBound<StunServerCore>

    private init(
        core: StunServerCore, channels: [any Channel], alternates: [any Channel], eventLoop: any EventLoop
    ) {
        self.core = NIOLoopBound(core, eventLoop: eventLoop)
        self.alternates = alternates
        self.channels = channels
        self.eventLoop = eventLoop
        endpoints = channels.compactMap { Endpoint($0.localAddress) }
        alternateEndpoints = alternates.compactMap { Endpoint($0.localAddress) }
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
            let bound = endpoints.enumerated().map { index, endpoint in
                bind(
                    endpoint, as: .init(index: index, isAlternatePort: false), core: core, onlyVersion6: isSplit,
                    eventLoop: eventLoop)
            }
            return EventLoopFuture.whenAllComplete(bound, on: eventLoop).flatMapThrowing { results in
                let channels = results.compactMap { try? $0.get() }
                if let failure = results.compactMap(\.failure).first {
                    for channel in channels { channel.close(promise: nil) }
                    throw failure
                }
                return channels
            }.flatMap { channels in
                let alternates = channels.enumerated().compactMap { index, channel -> EventLoopFuture<any Channel>? in
                    guard let endpoint = Endpoint(channel.localAddress), endpoint.port < .max else { return nil }
                    return bind(
                        Endpoint(address: endpoint.address, port: endpoint.port + 1),
                        as: .init(index: index, isAlternatePort: true), core: core, onlyVersion6: isSplit,
                        eventLoop: eventLoop)
                }
                return EventLoopFuture.whenAllComplete(alternates, on: eventLoop).map { results in
                    let more = results.compactMap { try? $0.get() }
                    return StunServer(core: core.value, channels: channels, alternates: more, eventLoop: eventLoop)
                }
            }
        }
    }

    private static func bind(
        _ endpoint: Endpoint, as place: StunServerCore.Place, core: NIOLoopBound<StunServerCore>, onlyVersion6: Bool,
        eventLoop: any EventLoop
    ) -> EventLoopFuture<any Channel> {
        // Which of a host's addresses a request was sent to, only the packet itself tells.
        let isWildcard = endpoint.address.bytes.allSatisfy { $0 == 0 }
        var bootstrap = DatagramBootstrap(group: eventLoop)
            .channelOption(ChannelOptions.receivePacketInfo, value: isWildcard)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(StunServerHandler(core.value, place))
                }
            }
        if endpoint.address.isVersion6 {
            let option = ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only)
            bootstrap = bootstrap.channelOption(option, value: onlyVersion6 ? 1 : 0)
        }
        let address: SocketAddress
        do { address = try endpoint.socketAddress } catch { return eventLoop.makeFailedFuture(error) }
        return bootstrap.bind(to: address).map { channel in
            core.value.channels[place] = channel
            return channel
        }.flatMapErrorThrowing { error in
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
        EventLoopFuture.andAllComplete((channels + alternates).map { $0.close() }, on: eventLoop)
    }
}
