import Glibc
public import MeshBase
public import NIOCore
import NIOPosix
import NIOSSL

/// A WebSocket server over TLS 1.3, which also answers plain HTTP GET on the same port.
public final class WebSocketServer: Sendable {
    /// Limits and timers of a server.
    public struct Limits: Sendable {
        /// Limits and timers of each connection.
        public var connection = WebSocketLimits()
        /// Connections that may be between TCP accept and WebSocket at once; above it the oldest is closed.
        ///
        /// Default 256: each costs some 100 KB while TLS shakes hands, so 25 MB at worst, and at 10 s each it
        /// still admits 25 clients a second against an attacker who holds all the others open.
        public var halfOpenMax = 256
        /// The same per source; above it the newest is refused. Default 16: more than one household dials at once.
        public var halfOpenPerSourceMax = 16
        /// Time for TLS and the request, in milliseconds; the same 10 s that a client allows itself.
        public var handshakeTimeoutMilliseconds: Int64 = 10_000
        /// Connections that may wait for the process to accept them. Default 1,024: a relay's clients return at once.
        public var backlogMax: Int32 = 1_024
        /// Whether the port is shared with other sockets of this user (`SO_REUSEPORT`).
        public var sharesPort = false
        /// Whether version 6 endpoints take version 6 connections only, although no version 4 endpoint is in the list.
        public var onlyVersion6 = false

        /// Makes the default limits.
        public init() {}
    }

    /// The event loop of the server and of all its connections.
    public let eventLoop: any EventLoop
    /// The addresses listened on, in the order asked for, with the ports that were chosen for 0.
    public let endpoints: [Endpoint]
    private let listeners: [any Channel]
    private let core: NIOLoopBound<ServerCore>

    private init(core: ServerCore, listeners: [any Channel], eventLoop: any EventLoop) {
        self.core = NIOLoopBound(core, eventLoop: eventLoop)
        self.listeners = listeners
        self.eventLoop = eventLoop
        endpoints = listeners.compactMap { Endpoint($0.localAddress) }
    }

    /// Listens on all of `endpoints` or on none; port 0 lets the system choose.
    ///
    /// A version 6 endpoint takes version 4 connections too, unless a version 4 endpoint is in the list. All closures
    /// run on `eventLoop`. `admits` is asked at each WebSocket request with the client's address; `http` answers
    /// every GET of another path. The future fails with a ``TransportError``.
    public static func listen(
        on endpoints: [Endpoint], tls: TLSMaterial, path: String = RelayURL.defaultPath, limits: Limits = Limits(),
        eventLoop: any EventLoop, handlers: WebSocketHandlers,
        admits: @escaping @Sendable (Endpoint) -> Admission = { _ in .admit },
        http: @escaping @Sendable (_ method: String, _ path: String) -> HTTPAnswer = { _, _ in .notFound }
    ) -> EventLoopFuture<WebSocketServer> {
        guard !endpoints.isEmpty else { return eventLoop.makeFailedFuture(TransportError.nothingToListenOn) }
        return eventLoop.flatSubmit {
            let core = NIOLoopBound(
                ServerCore(
                    path: path, limits: limits, tls: tls.context, handlers: handlers, admits: admits, http: http),
                eventLoop: eventLoop)
            let isSplit = limits.onlyVersion6 || endpoints.contains { !$0.address.isVersion6 }
            let bound = endpoints.map { endpoint in
                bind(endpoint, core: core, onlyVersion6: isSplit, eventLoop: eventLoop)
            }
            return EventLoopFuture.whenAllComplete(bound, on: eventLoop).flatMapThrowing { results in
                let listeners = results.compactMap { try? $0.get() }
                if let failure = results.compactMap(\.failure).first {
                    for listener in listeners { listener.close(promise: nil) }
                    throw failure
                }
                return WebSocketServer(core: core.value, listeners: listeners, eventLoop: eventLoop)
            }
        }
    }

    private static func bind(
        _ endpoint: Endpoint, core: NIOLoopBound<ServerCore>, onlyVersion6: Bool, eventLoop: any EventLoop
    ) -> EventLoopFuture<any Channel> {
        let limits = core.value.limits
        var bootstrap = ServerBootstrap(group: eventLoop)
            .serverChannelOption(.backlog, value: limits.backlogMax)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                // What is accepted inherits it.
                SocketOptions.chooseCongestionControl(of: channel).flatMapErrorThrowing { _ in
                    core.value.hasSystemCongestionControl = true
                }
            }
            .childChannelOption(
                .writeBufferWaterMark,
                value: .init(low: limits.connection.bufferedByteCountLow, high: limits.connection.bufferedByteCountHigh)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try core.value.accept(channel) }
            }
        if endpoint.address.isVersion6 {
            let option = ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only)
            bootstrap = bootstrap.serverChannelOption(option, value: onlyVersion6 ? 1 : 0)
        }
        if limits.sharesPort {
            for (option, value) in SocketOptions.sharedPort {
                bootstrap = bootstrap.serverChannelOption(option, value: value)
            }
        }
        for (option, value) in SocketOptions.connection {
            bootstrap = bootstrap.childChannelOption(option, value: value)
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
    public var counters: WebSocketCounters { core.value.counters }

    /// How many connections are between TCP accept and WebSocket or answer; on ``eventLoop`` only.
    public var halfOpenCount: Int { core.value.halfOpenCount }

    /// Whether connections use the system's congestion control, for CUBIC was refused; on ``eventLoop`` only.
    public var hasSystemCongestionControl: Bool { core.value.hasSystemCongestionControl }

    /// Presents another certificate from the next connection on; on ``eventLoop`` only. Connections stay as they are.
    public func replaceTLS(_ material: TLSMaterial) { core.value.tls = material.context }

    /// Takes over a connected socket as if it had been accepted; on ``eventLoop`` only. Throws when it is refused.
    func adopt(_ channel: any Channel) throws { try core.value.accept(channel) }

    /// Stops accepting connections; those there are stay. The future succeeds when the ports are free.
    @discardableResult
    public func close() -> EventLoopFuture<Void> {
        EventLoopFuture.andAllComplete(listeners.map { $0.close() }, on: eventLoop)
    }
}

extension Result {
    var failure: Failure? {
        if case .failure(let error) = self { return error }
        return nil
    }
}

extension TransportError {
    /// Translates what the bootstrap throws when it cannot listen.
    package init(listening error: any Error, on endpoint: Endpoint) {
        guard let error = error as? IOError else {
            self = .failed("listening on \(endpoint) failed: \(describe(error))")
            return
        }
        switch error.errnoCode {
        case EADDRINUSE: self = .portInUse(endpoint)
        case EACCES, EPERM: self = .portNotPermitted(endpoint)
        case EADDRNOTAVAIL, EAFNOSUPPORT: self = .addressNotAvailable(endpoint)
        default: self = .failed("listening on \(endpoint) failed: \(error)")
        }
    }
}
