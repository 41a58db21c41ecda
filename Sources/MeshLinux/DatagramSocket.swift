internal import CMeshLinux
internal import Glibc
public import MeshBase

/// A UDP socket of one address family, bound to all addresses of this host; never blocks.
///
/// Its datagrams have DF set and are never cut into fragments (`IP_PMTUDISC_PROBE`): one that is longer than the MTU
/// of the interface is refused with EMSGSIZE. The other choice, `IP_PMTUDISC_DO`, would also refuse what a cached
/// path MTU forbids; but that cache takes its values from ICMP messages, which anybody can forge for a socket that is
/// not connected, down to 552 bytes. What passes a path is found by authenticated probes instead (RFC 8899).
///
/// The socket is never connected and does not ask for its error queue (`IP_RECVERR`), so an ICMP message about one
/// destination is not reported as an error of the socket (udp(7)).
public struct DatagramSocket: ~Copyable, Sendable {
    /// Whether the socket is for version 6; it is then for nothing else.
    public let isVersion6: Bool
    /// The UDP port.
    public let localPort: UInt16
    /// What the kernel granted for received datagrams, in bytes of its own bookkeeping: twice what may be asked.
    public let receiveBufferByteCount: Int
    /// What the kernel granted for datagrams to be sent, in bytes of its own bookkeeping: twice what may be asked.
    public let sendBufferByteCount: Int
    let descriptor: FileDescriptor
    /// The open descriptor; closed when the value ends.
    public var number: CInt { descriptor.number }

    /// Binds a socket to `port` (0: the kernel chooses) on all addresses of one family.
    ///
    /// - Parameters:
    ///   - mark: Mark for policy routing (`SO_MARK`, needs CAP_NET_ADMIN); `nil`: none.
    ///   - bufferByteCount: Asked for each of both buffers; the kernel may grant less.
    ///   - sharesPort: Whether other sockets that share it may be bound to the port (SO_REUSEPORT of socket(7)).
    public init(
        isVersion6: Bool, port: UInt16, mark: UInt32?, bufferByteCount: Int, sharesPort: Bool = false
    ) throws(SystemCallError) {
        let version: CInt = isVersion6 ? 1 : 0
        let family = isVersion6 ? "UDP over IPv6" : "UDP over IPv4"
        let descriptor = FileDescriptor(owning: try checked(cmesh_datagram_socket_open(version), "socket", family))
        let number = descriptor.number
        if let mark { _ = try checked(cmesh_socket_set_mark(number, mark), "setsockopt SO_MARK", "\(mark)") }
        let asked = CInt(clamping: bufferByteCount)
        let receiveBufferByteCount = Int(max(0, cmesh_socket_set_receive_buffer(number, asked)))
        let sendBufferByteCount = Int(max(0, cmesh_socket_set_send_buffer(number, asked)))
        if sharesPort { _ = try checked(cmesh_socket_share_port(number), "setsockopt SO_REUSEPORT", family) }
        let bound = cmesh_datagram_socket_bind(number, version, port)
        localPort = UInt16(truncatingIfNeeded: try checked(bound, "bind", "\(family), port \(port)"))
        self.isVersion6 = isVersion6
        self.receiveBufferByteCount = receiveBufferByteCount
        self.sendBufferByteCount = sendBufferByteCount
        self.descriptor = descriptor
    }

    /// Lets sockets that share their port be bound to that of this one.
    ///
    /// After the binding: a port of the kernel's choice may else be one that another process of this user shares.
    public borrowing func sharePort() throws(SystemCallError) {
        _ = try checked(cmesh_socket_share_port(descriptor.number), "setsockopt SO_REUSEPORT", "port \(localPort)")
    }

    /// Another descriptor of the same socket, which the caller must close.
    public borrowing func duplicate() throws(SystemCallError) -> CInt {
        try checked(cmesh_descriptor_duplicate(descriptor.number), "fcntl F_DUPFD_CLOEXEC")
    }

    /// Sends all datagrams of `batch`, which must be for this family, and empties it.
    ///
    /// A datagram that the kernel does not take is lost, and the next ones are tried; only when the socket has no room
    /// (EAGAIN) the rest of the batch is lost too.
    ///
    /// - Parameters:
    ///   - refused: Called with the errno of each datagram that was not taken.
    ///   - tooLong: Called for each datagram that is longer than the interface's MTU allows (EMSGSIZE).
    /// - Returns: How many were taken.
    public borrowing func send(
        _ batch: inout DatagramBatch, refused: (CInt) -> Void, tooLong: (Endpoint, _ byteCount: Int) -> Void
    ) -> Int {
        let count = batch.count
        var index = 0
        var sentCount = 0
        while index < count {
            // SAFETY: the shim reads `count - index` datagrams from the index on, whose offsets and byte counts lie
            // within the batch's bytes; both arrays live for the call.
            let result = unsafe batch.datagrams.withUnsafeBufferPointer { datagrams in
                guard let start = datagrams.baseAddress else { return -EINVAL }
                return unsafe cmesh_datagrams_send(
                    descriptor.number, isVersion6 ? 1 : 0, batch.bytes, start + index, CInt(count - index))
            }
            if result > 0 {
                index += Int(result)
                sentCount += Int(result)
                continue
            }
            let lostCount = result == -EAGAIN ? count - index : 1
            for _ in 0..<lostCount { refused(-result) }
            if result == -EMSGSIZE {
                let (endpoint, byteCount) = batch.destination(of: index, isVersion6: isVersion6)
                tooLong(endpoint, byteCount)
            }
            index += lostCount
        }
        batch.removeAll()
        return sentCount
    }
}
