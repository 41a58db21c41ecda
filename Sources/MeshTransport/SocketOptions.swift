import NIOCore

/// The TCP options of every connection, on both ends (tcp(7)).
enum SocketOptions {
    /// linux/tcp.h; not in the C library's module.
    private static let tcpUserTimeout = NIOBSDSocket.Option(rawValue: 18)
    /// linux/tcp.h; not in the C library's module.
    private static let tcpNotSentLowWater = NIOBSDSocket.Option(rawValue: 25)
    /// asm-generic/socket.h; not in the C library's module.
    private static let reusePort = NIOBSDSocket.Option(rawValue: 15)

    /// Options for a connection's socket.
    ///
    /// - `TCP_NODELAY`: messages are flushed in batches, none is to wait for an acknowledgement.
    /// - `TCP_USER_TIMEOUT` 15 s: bytes unacknowledged that long mean a dead path; the default is about 15 minutes.
    /// - `TCP_NOTSENT_LOWAT` 64 KiB: what the kernel holds unsent cannot be overtaken by signalling.
    static let connection: [(option: ChannelOptions.Types.SocketOption, value: Int)] = [
        (.init(level: .tcp, name: .tcp_nodelay), 1),
        (.init(level: .tcp, name: tcpUserTimeout), 15_000),
        (.init(level: .tcp, name: tcpNotSentLowWater), 64 << 10),
    ]

    /// Lets several sockets share a local port (`SO_REUSEADDR` and `SO_REUSEPORT`, socket(7)).
    static let sharedPort: [(option: ChannelOptions.Types.SocketOption, value: Int)] = [
        (.init(level: .socket, name: .so_reuseaddr), 1),
        (.init(level: .socket, name: reusePort), 1),
    ]
}
