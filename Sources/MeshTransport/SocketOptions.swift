import NIOCore

/// The TCP options of every connection, on both ends (tcp(7)).
enum SocketOptions {
    /// linux/tcp.h; not in the C library's module.
    private static let tcpUserTimeout = NIOBSDSocket.Option(rawValue: 18)
    /// linux/tcp.h; not in the C library's module.
    private static let tcpNotSentLowWater = NIOBSDSocket.Option(rawValue: 25)
    /// linux/tcp.h; not in the C library's module.
    private static let tcpCongestion = NIOBSDSocket.Option(rawValue: 13)
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

    /// Has a connection's socket, or a listener's for all that it accepts, use CUBIC (RFC 9438). Fails where the process may
    /// not choose it (`net.ipv4.tcp_allowed_congestion_control`).
    ///
    /// BBR, the default of many servers, sends next to nothing for 200 ms every 10 s (ProbeRTT): longer than the queues of a
    /// busy path last, and than a peer waits for what was sent before a move.
    static func chooseCongestionControl(of channel: any Channel) -> EventLoopFuture<Void> {
        guard let socket = channel as? any SocketOptionProvider else {
            return channel.eventLoop.makeSucceededVoidFuture()
        }
        // The name, as tcp(7) wants it.
        let cubic: (UInt8, UInt8, UInt8, UInt8, UInt8) = (0x63, 0x75, 0x62, 0x69, 0x63)
        return socket.unsafeSetSocketOption(level: .tcp, name: tcpCongestion, value: cubic)
    }

    /// Lets several sockets share a local port (`SO_REUSEADDR` and `SO_REUSEPORT`, socket(7)).
    static let sharedPort: [(option: ChannelOptions.Types.SocketOption, value: Int)] = [
        (.init(level: .socket, name: .so_reuseaddr), 1),
        (.init(level: .socket, name: reusePort), 1),
    ]
}
