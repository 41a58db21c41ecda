public import MeshBase
public import NIOCore
import NIOPosix

/// Tries whether a TCP connection comes about.
public enum TCPProbe {
    /// Connects and closes again; the future succeeds with whether it came about, and never fails.
    public static func connect(
        to server: Endpoint, on eventLoop: any EventLoop, timeoutMilliseconds: Int64
    ) -> EventLoopFuture<Bool> {
        let address: SocketAddress
        do { address = try server.socketAddress } catch { return eventLoop.makeSucceededFuture(false) }
        return ClientBootstrap(group: eventLoop).connectTimeout(.milliseconds(timeoutMilliseconds)).connect(to: address)
            .map { channel in
                channel.close(promise: nil)
                return true
            }.recover { _ in false }
    }
}
