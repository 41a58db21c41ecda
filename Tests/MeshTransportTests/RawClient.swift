import MeshBase
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS

/// A client that speaks plain TCP or TLS and sends whatever bytes a test gives it.
final class RawClient: Sendable {
    struct Seen: Sendable {
        var bytes: [UInt8] = []
        var isEncrypted = false
        var isClosed = false
        var error: String?

        var text: String { String(decoding: bytes, as: UTF8.self) }
    }

    let channel: any Channel
    private let seen: Watched<Seen>

    private init(channel: any Channel, seen: Watched<Seen>) {
        self.channel = channel
        self.seen = seen
    }

    /// Connects; `tls` is the highest version offered, `nil` for plain TCP.
    static func connect(to endpoint: Endpoint, tls: TLSVersion? = .tlsv13) async throws -> RawClient {
        let seen = Watched(Seen())
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .none
        configuration.maximumTLSVersion = tls
        let context = try NIOSSLContext(configuration: configuration)
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton.next())
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if tls != nil {
                        let handler = try NIOSSLClientHandler(context: context, serverHostname: nil)
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                    try channel.pipeline.syncOperations.addHandler(Collector(seen))
                }
            }
            .connect(host: endpoint.address.description, port: Int(endpoint.port)).get()
        return RawClient(channel: channel, seen: seen)
    }

    func send(_ bytes: [UInt8]) { channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }

    func send(_ text: String) { send(Array(text.utf8)) }

    func wait(for what: String, _ condition: @escaping @Sendable (Seen) -> Bool) async throws -> Seen {
        try await seen.wait(for: what, condition)
    }

    /// All bytes up to the end of the connection.
    func untilClosed() async throws -> Seen { try await wait(for: "the end of the connection") { $0.isClosed } }

    /// Asks for a WebSocket and awaits the grant; what comes after it stays in ``seen``.
    func upgrade(path: String = "/shadowmesh/v1") async throws {
        send(Self.upgradeRequest(path: path))
        _ = try await wait(for: "the upgrade") { $0.text.hasSuffix("\r\n\r\n") }
        seen.update { $0.bytes = [] }
    }

    static func upgradeRequest(path: String = "/shadowmesh/v1", version: String = "13") -> String {
        """
        GET \(path) HTTP/1.1\r
        Host: relay.test\r
        Connection: Upgrade\r
        Upgrade: websocket\r
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
        Sec-WebSocket-Version: \(version)\r
        \r

        """
    }

    func close() { channel.close(promise: nil) }

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let seen: Watched<Seen>
        init(_ seen: Watched<Seen>) { self.seen = seen }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = Array(unwrapInboundIn(data).readableBytesView)
            seen.update { $0.bytes += bytes }
        }
        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case .handshakeCompleted = event as? TLSUserEvent { seen.update { $0.isEncrypted = true } }
        }
        func channelInactive(context: ChannelHandlerContext) { seen.update { $0.isClosed = true } }
        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            let text = "\(error)"
            seen.update { $0.error = $0.error ?? text }
            context.close(promise: nil)
        }
    }
}
