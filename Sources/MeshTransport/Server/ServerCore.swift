import MeshBase
import NIOCore
import NIOSSL

/// The state of a WebSocket server; confined to its event loop.
final class ServerCore {
    let path: String
    let limits: WebSocketServer.Limits
    let handlers: WebSocketHandlers
    let admits: @Sendable (Endpoint) -> Admission
    let http: @Sendable (_ method: String, _ path: String) -> HTTPAnswer
    var tls: NIOSSLContext
    var counters = WebSocketCounters()
    var hasSystemCongestionControl = false
    private var halfOpen: StrangerTable
    private var handshakes: [UInt64: ServerHandshakeHandler] = [:]
    private var lastID: UInt64 = 0

    init(
        path: String, limits: WebSocketServer.Limits, tls: NIOSSLContext, handlers: WebSocketHandlers,
        admits: @escaping @Sendable (Endpoint) -> Admission,
        http: @escaping @Sendable (_ method: String, _ path: String) -> HTTPAnswer
    ) {
        self.path = path
        self.limits = limits
        self.tls = tls
        self.handlers = handlers
        self.admits = admits
        self.http = http
        halfOpen = StrangerTable(countMax: limits.halfOpenMax, countPerSourceMax: limits.halfOpenPerSourceMax)
    }

    /// Sets up a socket that was just accepted; throws when it is refused, upon which NIO closes it.
    func accept(_ channel: any Channel) throws {
        counters.accepted += 1
        guard let remote = Endpoint(channel.remoteAddress) else {
            counters.refused.vanished += 1
            throw ChannelError.ioOnClosedChannel
        }
        guard !halfOpen.hasShare(remote.address) else {
            counters.refused.tooManyFromSource += 1
            throw ChannelError.ioOnClosedChannel
        }
        lastID += 1
        let id = lastID
        if let oldest = halfOpen.admit(id, from: remote.address) { handshakes[oldest]?.refuse(\.tooManyHalfOpen) }
        let socketEnd = SocketEndHandler()
        let handshake = ServerHandshakeHandler(id: id, remote: remote, server: self, socketEnd: socketEnd)
        handshakes[id] = handshake
        let pipeline = channel.pipeline.syncOperations
        do {
            try pipeline.addHandler(socketEnd)
            try pipeline.addHandler(NIOSSLServerHandler(context: tls))
            try handshake.addHTTPHandlers(to: pipeline)
        } catch {
            handshakeEnded(id)
            throw error
        }
    }

    func handshakeEnded(_ id: UInt64) {
        halfOpen.remove(id)
        handshakes[id] = nil
    }

    /// How many connections are neither WebSockets nor closed.
    var halfOpenCount: Int { halfOpen.count }
}
