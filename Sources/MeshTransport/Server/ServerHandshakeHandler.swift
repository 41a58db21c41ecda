import MeshBase
import NIOCore
import NIOHTTP1
import NIOSSL
import NIOTLS

/// Takes one accepted socket to a WebSocket, or answers its one HTTP request, within a deadline.
final class ServerHandshakeHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let id: UInt64
    private let remote: Endpoint
    private let server: ServerCore
    private let socketEnd: SocketEndHandler
    private var isEncrypted = false
    private var isDone = false
    private var refusal: HTTPAnswer?
    private var timer: Scheduled<Void>?

    init(id: UInt64, remote: Endpoint, server: ServerCore, socketEnd: SocketEndHandler) {
        self.id = id
        self.remote = remote
        self.server = server
        self.socketEnd = socketEnd
    }

    /// Adds the HTTP handlers and this one behind TLS.
    func addHTTPHandlers(to pipeline: ChannelPipeline.SynchronousOperations) throws {
        let upgrader = ServerUpgrader(
            judge: { [self] request in judge(request) }, upgrade: { [self] context in try upgrade(context) })
        try pipeline.configureHTTPServerPipeline(
            withPipeliningAssistance: false, withServerUpgrade: (upgraders: [upgrader], completionHandler: { _ in }),
            withEncoderConfiguration: .init(), withDecoderLimitConfiguration: WebSocketUpgrade.headLimits)
        try pipeline.addHandler(self)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        timer = context.eventLoop.assumeIsolated().scheduleTask(
            in: .milliseconds(server.limits.handshakeTimeoutMilliseconds)
        ) { [self] in
            refuse(\.timedOut)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted = event as? TLSUserEvent { isEncrypted = true }
        context.fireUserInboundEventTriggered(event)
    }

    /// Whether an upgrade request is granted; if not, remembers the answer that the request then gets.
    private func judge(_ request: HTTPRequestHead) -> Result<String, any Error> {
        guard Self.path(of: request) == server.path else { return .failure(UpgradeRefused()) }
        guard let key = WebSocketUpgrade.key(of: request) else { return .failure(UpgradeRefused()) }
        if case .full(let retryAfterSeconds) = server.admits(remote) {
            server.counters.refused.full += 1
            refusal = .full(retryAfterSeconds: retryAfterSeconds)
            return .failure(UpgradeRefused())
        }
        return .success(key)
    }

    /// Sees only requests that are not upgraded; the first one is answered and the connection closed.
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(let request) = unwrapInboundIn(data), !isDone else { return }
        isDone = true
        let answer: HTTPAnswer
        if let refusal {
            answer = refusal
        } else if request.method != .GET {
            answer = .methodNotAllowed
        } else if Self.path(of: request) == server.path {
            answer = .notUpgraded
        } else {
            answer = server.http(request.method.rawValue, Self.path(of: request))
        }
        if refusal == nil { server.counters.answeredHTTP += 1 }
        send(answer, context)
    }

    private func send(_ answer: HTTPAnswer, _ context: ChannelHandlerContext) {
        var headers = HTTPHeaders(answer.headers.map { ($0.name, $0.value) })
        headers.add(name: "Content-Type", value: answer.contentType)
        headers.add(name: "Content-Length", value: "\(answer.body.count)")
        headers.add(name: "Cache-Control", value: "no-store")
        headers.add(name: "Connection", value: "close")
        let head = HTTPResponseHead(
            version: .http1_1, status: HTTPResponseStatus(statusCode: answer.status), headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: answer.body)))), promise: nil)
        let written = context.eventLoop.makePromise(of: Void.self)
        let socketEnd = socketEnd
        let boundContext = NIOLoopBound(context, eventLoop: context.eventLoop)
        written.futureResult.assumeIsolated().whenComplete { result in
            switch result {
            case .success: boundContext.value.close(promise: nil)
            case .failure: socketEnd.abort()
            }
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The request that was not upgraded follows as a plain one and gets its answer there.
        if error is UpgradeRefused { return }
        // A port scan or a lost client is not to look like a failure of TLS.
        guard context.channel.isActive, !(error is IOError) else { return refuse(\.vanished) }
        guard isEncrypted else { return refuse(\.tlsFailed) }
        if error is HTTPParserError {
            // NIO's protocol error handler has answered 400; closing over TLS lets the answer out.
            server.counters.refused.badRequest += isDone ? 0 : 1
            isDone = true
            context.close(promise: nil)
            return
        }
        if let error = error as? NIOSSLError, case .uncleanShutdown = error { return }
        refuse(\.badRequest)
    }

    func channelInactive(context: ChannelHandlerContext) {
        refuse(\.vanished)
        leave()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { leave() }

    /// Closes the socket at once and counts why, unless all was said already.
    func refuse(_ reason: WritableKeyPath<WebSocketCounters.Refused, UInt64>) {
        if !isDone { server.counters.refused[keyPath: reason] += 1 }
        isDone = true
        socketEnd.abort()
    }

    private func leave() {
        timer?.cancel()
        timer = nil
        server.handshakeEnded(id)
    }

    /// Puts the WebSocket handler in this one's place.
    private func upgrade(_ context: ChannelHandlerContext) throws {
        let channel = context.channel
        guard !isDone, let local = Endpoint(channel.localAddress) else { throw UpgradeRefused() }
        isDone = true
        let server = server
        let core = WebSocketChannelHandler(
            role: .server, limits: server.limits.connection, handlers: server.handlers, socketEnd: socketEnd,
            countClosed: { server.counters.closed.count($0) })
        try channel.pipeline.syncOperations.addHandler(core)
        channel.pipeline.syncOperations.removeHandler(self, promise: nil)
        server.counters.upgraded += 1
        core.start(
            WebSocketConnection(
                core: core, eventLoop: channel.eventLoop, remoteEndpoint: remote, localEndpoint: local,
                peerSPKIHash: nil))
    }

    private static func path(of request: HTTPRequestHead) -> String {
        String(request.uri.prefix { $0 != "?" })
    }
}

/// Tells NIO's upgrade handler to treat the request as a plain one.
private struct UpgradeRefused: Error {}

/// The WebSocket side of NIO's server upgrade.
private final class ServerUpgrader: HTTPServerProtocolUpgrader {
    let supportedProtocol = "websocket"
    let requiredUpgradeHeaders: [String] = []
    private let judge: (HTTPRequestHead) -> Result<String, any Error>
    private let upgrade: (ChannelHandlerContext) throws -> Void

    init(
        judge: @escaping (HTTPRequestHead) -> Result<String, any Error>,
        upgrade: @escaping (ChannelHandlerContext) throws -> Void
    ) {
        self.judge = judge
        self.upgrade = upgrade
    }

    func buildUpgradeResponse(
        channel: any Channel, upgradeRequest: HTTPRequestHead, initialResponseHeaders: HTTPHeaders
    ) -> EventLoopFuture<HTTPHeaders> {
        channel.eventLoop.makeCompletedFuture(
            judge(upgradeRequest).map { key in
                [
                    "Upgrade": "websocket", "Connection": "Upgrade",
                    "Sec-WebSocket-Accept": WebSocketUpgrade.accept(for: key),
                ]
            })
    }

    func upgrade(context: ChannelHandlerContext, upgradeRequest: HTTPRequestHead) -> EventLoopFuture<Void> {
        context.eventLoop.makeCompletedFuture { try upgrade(context) }
    }
}
