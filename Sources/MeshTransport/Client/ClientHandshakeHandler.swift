import MeshBase
import NIOCore
import NIOHTTP1
import NIOSSL
import NIOTLS

/// Takes one client socket from TCP over TLS and HTTP to a WebSocket, within a deadline.
final class ClientHandshakeHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    /// Succeeds with the connection or fails with a ``TransportError``.
    let result: EventLoopPromise<WebSocketConnection>
    /// Set by the certificate callback of TLS.
    var spkiHash: [UInt8]?

    private let url: RelayURL
    private let limits: WebSocketLimits
    private let handlers: WebSocketHandlers
    private let socketEnd: SocketEndHandler
    private let deadline: NIODeadline
    private let key = WebSocketUpgrade.makeKey()
    private var stage = ConnectStage.connecting
    private var isDone = false
    private var timer: Scheduled<Void>?

    init(
        url: RelayURL, limits: WebSocketLimits, handlers: WebSocketHandlers, socketEnd: SocketEndHandler,
        deadline: NIODeadline, result: EventLoopPromise<WebSocketConnection>
    ) {
        self.url = url
        self.limits = limits
        self.handlers = handlers
        self.socketEnd = socketEnd
        self.deadline = deadline
        self.result = result
    }

    /// Adds all handlers of a client's connection, this one last.
    func addAll(to pipeline: ChannelPipeline.SynchronousOperations, tls: NIOSSLContext, serverName: String?) throws {
        try pipeline.addHandler(socketEnd)
        try pipeline.addHandler(
            NIOSSLClientHandler(
                context: tls, serverHostname: serverName,
                customVerificationCallback: { [self] chain, promise in
                    spkiHash = chain.first.flatMap { try? TLSContexts.spkiHash(of: $0) }
                    promise.succeed(spkiHash == nil ? .failed : .certificateVerified)
                }))
        try addHTTPHandlers(to: pipeline)
    }

    /// Adds the HTTP handlers and this one behind TLS.
    private func addHTTPHandlers(to pipeline: ChannelPipeline.SynchronousOperations) throws {
        let upgrader = ClientUpgrader(key: key) { [self] context in try upgrade(context) }
        try pipeline.addHTTPClientHandlers(
            leftOverBytesStrategy: .forwardBytes, decoderLimitConfiguration: WebSocketUpgrade.headLimits,
            withClientUpgrade: (upgraders: [upgrader], completionHandler: { _ in }))
        try pipeline.addHandler(self)
    }

    /// A socket that was connected before its handlers were added tells them nothing.
    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { begin(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    private func begin(_ context: ChannelHandlerContext) {
        guard stage == .connecting else { return }
        stage = .tls
        timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [self] in
            finish(.timedOut(stage))
            socketEnd.abort()
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted = event as? TLSUserEvent {
            stage = .upgrade
            var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: url.path)
            head.headers.add(name: "Host", value: "\(url.server)")
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
        context.fireUserInboundEventTriggered(event)
    }

    /// Sees only responses that are not the upgrade.
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(let head) = unwrapInboundIn(data) else { return }
        if head.status == .serviceUnavailable {
            finish(.serverFull(retryAfterSeconds: head.headers.first(name: "retry-after").flatMap { Int($0) }))
        } else {
            finish(.notAWebSocket(status: Int(head.status.code)))
        }
        context.close(promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // What the upgrade handler reports is followed by the response itself, which says more.
        if error is NIOHTTPClientUpgradeError { return }
        switch stage {
        // A reset, or an end in the middle of it, which TLS reports as an error of its own.
        case _ where error is IOError || !context.channel.isActive: finish(.closed(during: stage))
        case .tls: finish(.tlsFailed(describe(error)))
        case .upgrade where error is HTTPParserError: finish(.notAWebSocket(status: 0))
        case .upgrade where error is NIOSSLError: finish(.tlsFailed(describe(error)))
        case .connecting, .upgrade: finish(.failed("connecting to \(url.server) failed: \(describe(error))"))
        }
        socketEnd.abort()
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish(.closed(during: stage))
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { finish(.closed(during: stage)) }

    private func finish(_ error: TransportError) {
        timer?.cancel()
        guard !isDone else { return }
        isDone = true
        result.fail(error)
    }

    /// Puts the WebSocket handler in this one's place.
    private func upgrade(_ context: ChannelHandlerContext) throws {
        timer?.cancel()
        let channel = context.channel
        guard !isDone, let remote = Endpoint(channel.remoteAddress), let local = Endpoint(channel.localAddress) else {
            throw TransportError.closed(during: .upgrade)
        }
        isDone = true
        let core = WebSocketChannelHandler(
            role: .client, limits: limits, handlers: handlers, socketEnd: socketEnd, countClosed: { _ in })
        try channel.pipeline.syncOperations.addHandler(core)
        channel.pipeline.syncOperations.removeHandler(self, promise: nil)
        let connection = WebSocketConnection(
            core: core, eventLoop: channel.eventLoop, remoteEndpoint: remote, localEndpoint: local,
            peerSPKIHash: spkiHash)
        core.start(connection)
        result.succeed(connection)
    }
}

/// The WebSocket side of NIO's client upgrade.
private final class ClientUpgrader: NIOHTTPClientProtocolUpgrader {
    let supportedProtocol = "websocket"
    let requiredUpgradeHeaders: [String] = []
    private let key: String
    private let upgrade: (ChannelHandlerContext) throws -> Void

    init(key: String, upgrade: @escaping (ChannelHandlerContext) throws -> Void) {
        self.key = key
        self.upgrade = upgrade
    }

    func addCustom(upgradeRequestHeaders: inout HTTPHeaders) {
        upgradeRequestHeaders.add(name: "Sec-WebSocket-Key", value: key)
        upgradeRequestHeaders.add(name: "Sec-WebSocket-Version", value: "13")
    }

    func shouldAllowUpgrade(upgradeResponse: HTTPResponseHead) -> Bool {
        WebSocketUpgrade.isGrant(upgradeResponse, for: key)
    }

    func upgrade(context: ChannelHandlerContext, upgradeResponse: HTTPResponseHead) -> EventLoopFuture<Void> {
        context.eventLoop.makeCompletedFuture { try upgrade(context) }
    }
}
