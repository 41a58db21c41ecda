import Glibc
public import MeshBase
import NIOCore
import NIOPosix
import NIOSSL

/// Connects to a peer that connects to this node at the same time, each from the port that the other connects to.
///
/// For each address, until a WebSocket is open or the attempt is stopped:
///
///     connecting --refused--> waiting 10 to 100 ms --> connecting
///         | connected, or met half-way (RFC 9293 section 3.5)
///         v
///     which side of TLS? --> client: WebSocket, handed over
///                        --> server: as if the listener on the same port had accepted it
///
/// The listener has to be there too: a SYN that comes before this side's connect would be refused. It then has the
/// connection, and this side's own connect fails with EADDRNOTAVAIL.
///
/// One socket per address; confined to its event loop.
public final class SimultaneousOpen {
    /// An address to connect to.
    public struct Target: Sendable {
        /// The address.
        public var endpoint: Endpoint
        /// Whether the peer only listens there: this side is the TLS client, from any port.
        public var isListener: Bool

        /// Makes a target.
        public init(endpoint: Endpoint, isListener: Bool) {
            self.endpoint = endpoint
            self.isListener = isListener
        }
    }

    /// What an attempt is made with.
    public struct Options: Sendable {
        /// The addresses.
        public var targets: [Target]
        /// The port of this side's listener.
        public var localPort: UInt16
        /// Whether this side is the TLS client when both connects met.
        public var isClient: Bool
        /// How long the other side listens for a ClientHello before it is the client: two round trips, 200 ms at least.
        public var waitMilliseconds: Int64
        /// Limits and timers of the connections.
        public var limits = WebSocketLimits()

        /// Makes the options.
        public init(targets: [Target], localPort: UInt16, isClient: Bool, waitMilliseconds: Int64) {
            self.targets = targets
            self.localPort = localPort
            self.isClient = isClient
            self.waitMilliseconds = waitMilliseconds
        }
    }

    /// DESIGN section 13: the attempt's time; what is not a WebSocket by then is given up.
    private static let attempt = TimeAmount.seconds(5)
    /// The first refusal says little: the other side may be a millisecond behind.
    private static let gapMillisecondsMin: Int64 = 10
    /// Rare enough to annoy nobody whose address was named by mistake: 50 SYNs in an attempt.
    private static let gapMillisecondsMax: Int64 = 100

    private let options: Options
    private let server: WebSocketServer
    private let eventLoop: any EventLoop
    private let handlers: WebSocketHandlers
    private let opened: (WebSocketConnection) -> Void
    private let deadline: NIODeadline
    private var channels: [Int: any Channel] = [:]
    private var timers: [Int: Scheduled<Void>] = [:]
    private var isStopped = false
    /// Why no connection came about at an address, in words; none where nobody answered.
    public private(set) var failures: [Endpoint: String] = [:]

    /// Makes an attempt; on `eventLoop`, which is also the server's. `opened` gets the connections of which this side is
    /// the client; those of which it is the server come to the server's handlers.
    public init(
        _ options: Options, server: WebSocketServer, handlers: WebSocketHandlers,
        opened: @escaping (WebSocketConnection) -> Void
    ) {
        self.options = options
        self.server = server
        self.handlers = handlers
        self.opened = opened
        eventLoop = server.eventLoop
        deadline = .now() + Self.attempt
    }

    /// Begins with all addresses.
    public func start() {
        for place in options.targets.indices { connect(place, gapMilliseconds: Self.gapMillisecondsMin) }
    }

    /// Closes what is not a WebSocket yet.
    public func stop() {
        isStopped = true
        for timer in timers.values { timer.cancel() }
        timers = [:]
        for channel in channels.values { channel.close(promise: nil) }
        channels = [:]
    }

    // MARK: - One address

    private func connect(_ place: Int, gapMilliseconds: Int64) {
        guard !isStopped, NIODeadline.now() < deadline else { return }
        let target = options.targets[place]
        let address: SocketAddress
        do { address = try target.endpoint.socketAddress } catch { return }
        let attempt = NIOLoopBound(self, eventLoop: eventLoop)
        var bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(deadline - .now())
            .channelOption(
                .writeBufferWaterMark,
                value: .init(low: options.limits.bufferedByteCountLow, high: options.limits.bufferedByteCountHigh)
            )
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try attempt.value.prepare(channel, place) }
            }
        for (option, value) in SocketOptions.connection { bootstrap = bootstrap.channelOption(option, value: value) }
        if !target.isListener {
            for (option, value) in SocketOptions.sharedPort {
                bootstrap = bootstrap.channelOption(option, value: value)
            }
        }
        bootstrap.connect(to: address).whenFailure { error in
            attempt.value.failed(place, error, gapMilliseconds: gapMilliseconds)
        }
    }

    private func failed(_ place: Int, _ error: any Error, gapMilliseconds: Int64) {
        channels[place] = nil
        note(error, place)
        // No route, or no address of the family: waiting changes nothing.
        if let error = error as? IOError, [ENETUNREACH, EAFNOSUPPORT, EACCES, EPERM].contains(error.errnoCode) {
            return
        }
        again(place, gapMilliseconds: gapMilliseconds)
    }

    private func note(_ error: any Error, _ place: Int) {
        guard !isStopped else { return }
        let code = (error as? IOError)?.errnoCode
        failures[options.targets[place].endpoint] =
            switch error {
            case ChannelError.connectTimeout: nil
            case _ where code == ETIMEDOUT: nil
            // The listener has the other side's connection.
            case _ where code == EADDRNOTAVAIL: nil
            case _ where code == ECONNREFUSED: "connection refused"
            case _ where code == EHOSTUNREACH: "the host is unreachable"
            case _ where code == ENETUNREACH || code == EAFNOSUPPORT: "this host has no route to it"
            case _ where code == EACCES || code == EPERM: "this host's packet filter forbids it"
            default: describe(error)
            }
    }

    private func again(_ place: Int, gapMilliseconds: Int64) {
        guard !isStopped else { return }
        let attempt = NIOLoopBound(self, eventLoop: eventLoop)
        timers[place] = eventLoop.scheduleTask(in: .milliseconds(gapMilliseconds)) {
            attempt.value.connect(place, gapMilliseconds: min(2 * gapMilliseconds, Self.gapMillisecondsMax))
        }
    }

    private func prepare(_ channel: any Channel, _ place: Int) throws {
        guard !isStopped else { throw ChannelError.ioOnClosedChannel }
        channels[place] = channel
        // Where it is refused, the system's own way is taken.
        _ = SocketOptions.chooseCongestionControl(of: channel)
        let target = options.targets[place]
        let pipeline = channel.pipeline.syncOperations
        if !target.isListener { try pipeline.addHandler(LocalPortBinder(port: options.localPort)) }
        let isClient = target.isListener || options.isClient
        let wait: TimeAmount = isClient ? .zero : .milliseconds(options.waitMilliseconds)
        try pipeline.addHandler(
            FirstByteHandler(wait: wait) { [self] channel, isClient in
                if isClient { try becomeClient(channel, place) } else { try becomeServer(channel, place) }
            })
    }

    private func becomeServer(_ channel: any Channel, _ place: Int) throws {
        // It is the server's from now on, with the server's limits.
        channels[place] = nil
        try server.adopt(channel)
    }

    private func becomeClient(_ channel: any Channel, _ place: Int) throws {
        let target = options.targets[place]
        let handshake = ClientHandshakeHandler(
            url: RelayURL(server: HostAndPort(target.endpoint)), limits: options.limits, handlers: handlers,
            socketEnd: SocketEndHandler(),
            deadline: deadline, result: eventLoop.makePromise())
        let attempt = NIOLoopBound(self, eventLoop: eventLoop)
        handshake.result.futureResult.whenComplete { result in
            attempt.value.channels[place] = nil
            switch result {
            case .success(let connection): attempt.value.opened(connection)
            // Both sides may have played the client, when a ClientHello was lost.
            case .failure(let error):
                attempt.value.note(error, place)
                attempt.value.again(place, gapMilliseconds: Self.gapMillisecondsMax)
            }
        }
        try handshake.addAll(to: channel.pipeline.syncOperations, tls: try TLSContexts.client.get(), serverName: nil)
    }
}
