public import Logging
public import NIOCore
import NIOPosix
import Synchronization

/// Serves the control socket: one request a line, answered in order.
public final class ControlServer: Sendable {
    /// Serves one request; may answer on any thread, and its failure is told to the client.
    public typealias Handler = @Sendable (ControlRequest) -> EventLoopFuture<ControlResponse>

    /// Connections served at once: a few people and programs look at one daemon.
    public static let connectionCountMax = 16
    /// Bytes of a request; known ones have less than 400, later ones may carry a configuration.
    public static let requestByteCountMax = 1 << 20
    /// Bytes of an answer: 4,096 peers, the most of a configuration, with less than 4 KiB each.
    public static let answerByteCountMax = 16 << 20
    /// A client that neither asks nor reads for so long is cut off.
    package static let idleSecondsMax: Int64 = 60

    private let file: ControlSocketFile
    private let listener: any Channel
    private let connections: ControlConnections

    private init(file: ControlSocketFile, listener: any Channel, connections: ControlConnections) {
        self.file = file
        self.listener = listener
        self.connections = connections
    }

    /// Opens the socket and begins to serve.
    ///
    /// Mode 0600, or 0660 for the configured group. The socket of a dead process is replaced; the future fails with a
    /// ``ControlServerError`` when another daemon lives.
    public static func start(
        _ configuration: NodeConfiguration.Control, on group: any EventLoopGroup, logger: Logger,
        handler: @escaping Handler
    ) -> EventLoopFuture<ControlServer> {
        start(configuration, on: group, logger: logger, idleTime: .seconds(idleSecondsMax), handler: handler)
    }

    /// Opens the socket with another time-out.
    package static func start(
        _ configuration: NodeConfiguration.Control, on group: any EventLoopGroup, logger: Logger, idleTime: TimeAmount,
        handler: @escaping Handler
    ) -> EventLoopFuture<ControlServer> {
        let file: ControlSocketFile
        do throws(ControlServerError) {
            file = try ControlSocketFile.open(configuration.socket, group: configuration.group)
        } catch {
            return group.any().makeFailedFuture(error)
        }
        let connections = ControlConnections()
        let bootstrap = ServerBootstrap(group: group)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let isAdmitted = connections.insert(channel)
                    logConnection(channel, isAdmitted: isAdmitted, logger)
                    try channel.pipeline.syncOperations.addHandlers([
                        IdleStateHandler(allTimeout: idleTime),
                        ControlConnection(isAdmitted: isAdmitted, handler: handler),
                    ])
                }
            }
        return bootstrap.withBoundSocket(file.listener).map { listener in
            ControlServer(file: file, listener: listener, connections: connections)
        }.flatMapErrorThrowing { error in
            file.remove()
            throw error
        }
    }

    /// Closes the socket and all connections, and removes the socket's file.
    public func stop() -> EventLoopFuture<Void> {
        listener.close().flatMapErrorThrowing { _ in }.map { [file, connections] in
            connections.closeAll()
            file.remove()
        }
    }

    /// Says in the log who connected; permissions decide, this does not.
    private static func logConnection(_ channel: any Channel, isAdmitted: Bool, _ logger: Logger) {
        guard let provider = channel as? any SocketOptionProvider else { return }
        // SAFETY: SO_PEERCRED answers three 32-bit numbers (unix(7)), as `PeerCredentials` has them.
        let credentials: EventLoopFuture<PeerCredentials> = provider.unsafeGetSocketOption(
            level: .socket, name: PeerCredentials.option)
        credentials.whenSuccess { peer in
            logger.debug(
                "control connection",
                metadata: ["pid": "\(peer.process)", "uid": "\(peer.user)", "admitted": "\(isAdmitted)"])
        }
    }
}

/// `struct ucred` of unix(7).
private struct PeerCredentials: Sendable {
    /// SO_PEERCRED of asm-generic/socket.h.
    static let option = NIOBSDSocket.Option(rawValue: 17)
    var process: Int32 = 0
    var user: UInt32 = 0
    var group: UInt32 = 0
}

/// The open connections of the control socket.
final class ControlConnections: Sendable {
    private let channels = Mutex<[ObjectIdentifier: any Channel]>([:])

    /// Keeps a connection until it closes; whether it is within the limit.
    func insert(_ channel: any Channel) -> Bool {
        let key = ObjectIdentifier(channel)
        let isAdmitted = channels.withLock { channels in
            guard channels.count < ControlServer.connectionCountMax else { return false }
            channels[key] = channel
            return true
        }
        channel.closeFuture.whenComplete { [self] _ in
            if isAdmitted { channels.withLock { $0[key] = nil } }
        }
        return isAdmitted
    }

    func closeAll() {
        for channel in channels.withLock({ Array($0.values) }) { channel.close(promise: nil) }
    }
}
