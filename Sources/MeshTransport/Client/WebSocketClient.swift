import Glibc
public import MeshBase
public import NIOCore
import NIOPosix
import NIOSSL

/// Opens WebSocket connections over TLS 1.3.
///
/// Any server certificate is accepted: who the server is, is proven above TLS, over
/// ``WebSocketConnection/peerSPKIHash``.
public struct WebSocketClient: Sendable {
    /// What a user may choose about a connection attempt.
    public struct Options: Sendable {
        /// Limits and timers of the connection.
        public var limits = WebSocketLimits()
        /// Time for the whole attempt, name to WebSocket, in milliseconds.
        ///
        /// Default 10,000: three lost SYNs (1 + 2 + 4 s) still leave time for TLS on a slow path.
        public var timeoutMilliseconds: Int64 = 10_000
        /// The local TCP port to connect from, shared with other sockets; `nil` lets the system choose, which it also
        /// does where an earlier connection to the same server still holds the port.
        public var localPort: UInt16?

        /// Makes the default options.
        public init() {}
    }

    private let options: Options

    /// Makes a client.
    public init(options: Options = Options()) { self.options = options }

    /// Connects to a server on `eventLoop`; addresses of both versions are raced (RFC 8305).
    ///
    /// `handlers.connected` is called before the future succeeds. The future fails with a ``TransportError``.
    public func connect(
        to url: RelayURL, on eventLoop: any EventLoop, handlers: WebSocketHandlers
    ) -> EventLoopFuture<WebSocketConnection> {
        eventLoop.flatSubmit { [self] in
            let tls: NIOSSLContext
            switch TLSContexts.client {
            case .success(let context): tls = context
            case .failure(let error):
                return eventLoop.makeFailedFuture(TransportError.failed("TLS cannot be set up: \(error)"))
            }
            let attempt = ConnectAttempt(
                url: url, tls: tls, options: options, handlers: handlers, eventLoop: eventLoop)
            return attempt.run()
        }
    }
}

/// One attempt: the sockets raced for it, each with its handshake; confined to its event loop.
private final class ConnectAttempt {
    private let url: RelayURL
    private let tls: NIOSSLContext
    private let options: WebSocketClient.Options
    private let handlers: WebSocketHandlers
    private let eventLoop: any EventLoop
    private let deadline: NIODeadline
    private var handshakes: [ObjectIdentifier: ClientHandshakeHandler] = [:]

    init(
        url: RelayURL, tls: NIOSSLContext, options: WebSocketClient.Options, handlers: WebSocketHandlers,
        eventLoop: any EventLoop
    ) {
        self.url = url
        self.tls = tls
        self.options = options
        self.handlers = handlers
        self.eventLoop = eventLoop
        deadline = .now() + .milliseconds(options.timeoutMilliseconds)
    }

    func run() -> EventLoopFuture<WebSocketConnection> {
        guard let localPort = options.localPort else { return run(localPort: nil) }
        let attempt = NIOLoopBound(self, eventLoop: eventLoop)
        return run(localPort: localPort).flatMapError { [eventLoop] error in
            guard case TransportError.localPortTaken = error else { return eventLoop.makeFailedFuture(error) }
            return attempt.value.run(localPort: nil)
        }
    }

    private func run(localPort: UInt16?) -> EventLoopFuture<WebSocketConnection> {
        let attempt = NIOLoopBound(self, eventLoop: eventLoop)
        var bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(.milliseconds(options.timeoutMilliseconds))
            .channelOption(
                .writeBufferWaterMark,
                value: .init(low: options.limits.bufferedByteCountLow, high: options.limits.bufferedByteCountHigh)
            )
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try attempt.value.prepare(channel, localPort: localPort) }
            }
        for (option, value) in SocketOptions.connection { bootstrap = bootstrap.channelOption(option, value: value) }
        if localPort != nil {
            for (option, value) in SocketOptions.sharedPort {
                bootstrap = bootstrap.channelOption(option, value: value)
            }
        }
        let connected: EventLoopFuture<any Channel>
        if let address = try? SocketAddress(ipAddress: url.server.host, port: Int(url.server.port)) {
            connected = bootstrap.connect(to: address)
        } else {
            connected = bootstrap.connect(host: url.server.host, port: Int(url.server.port))
        }
        let url = url
        return connected.flatMapErrorThrowing { error in
            throw TransportError(connecting: error, to: url)
        }.flatMap { channel in
            let attempt = attempt.value
            defer { attempt.handshakes.removeAll() }
            guard let handshake = attempt.handshakes[ObjectIdentifier(channel)] else {
                return channel.eventLoop.makeFailedFuture(TransportError.closed(during: .connecting))
            }
            return handshake.result.futureResult
        }
    }

    private func prepare(_ channel: any Channel, localPort: UInt16?) throws {
        // Where it is refused, the system's own way is taken.
        _ = SocketOptions.chooseCongestionControl(of: channel)
        let socketEnd = SocketEndHandler()
        let handshake = ClientHandshakeHandler(
            url: url, limits: options.limits, handlers: handlers, socketEnd: socketEnd, deadline: deadline,
            result: eventLoop.makePromise())
        handshakes[ObjectIdentifier(channel)] = handshake
        let pipeline = channel.pipeline.syncOperations
        if let localPort { try pipeline.addHandler(LocalPortBinder(port: localPort)) }
        let isName = IPAddress(text: url.server.host) == nil
        try handshake.addAll(to: pipeline, tls: tls, serverName: isName ? url.server.host : nil)
    }
}

extension TransportError {
    /// Translates what the bootstrap throws when no TCP connection comes about.
    package init(connecting error: any Error, to url: RelayURL) {
        switch error {
        case let error as TransportError: self = error
        case let error as NIOConnectionError:
            guard let failure = error.connectionErrors.first else {
                self = .couldNotResolve(host: url.server.host)
                return
            }
            self.init(connecting: failure.error, to: url)
        case ChannelError.connectTimeout: self = .timedOut(.connecting)
        case let error as IOError:
            switch error.errnoCode {
            case ECONNREFUSED: self = .refused("\(url.server)")
            case ENETUNREACH, EHOSTUNREACH, ENETDOWN: self = .unreachable("\(url.server)")
            case ETIMEDOUT: self = .timedOut(.connecting)
            case EADDRNOTAVAIL, EADDRINUSE: self = .localPortTaken
            default: self = .failed("connecting to \(url.server) failed: \(error)")
            }
        default: self = .failed("connecting to \(url.server) failed: \(describe(error))")
        }
    }
}
