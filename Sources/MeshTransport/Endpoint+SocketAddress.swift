import MeshBase
import NIOCore

extension Endpoint {
    /// Takes address and port from a socket address; `nil` when there is none or it is not of the internet.
    ///
    /// ```
    /// sockaddr_in   family(2) port(2) address(4)               ip(7)
    /// sockaddr_in6  family(2) port(2) flow(4) address(16)      ipv6(7)
    /// ```
    init?(_ socketAddress: SocketAddress?) {
        let address: ArraySlice<UInt8>
        switch socketAddress {
        case .v4(let version4):
            // SAFETY: the pointer is to a local value of plain bytes and does not leave the closure.
            address = unsafe withUnsafeBytes(of: version4.address) { unsafe Array($0) }[4..<8]
        case .v6(let version6):
            // SAFETY: the pointer is to a local value of plain bytes and does not leave the closure.
            address = unsafe withUnsafeBytes(of: version6.address) { unsafe Array($0) }[8..<24]
        case .unixDomainSocket, nil:
            return nil
        }
        guard let address = IPAddress(bytes: Array(address)), let port = socketAddress?.port else { return nil }
        self.init(address: address.unmapped, port: UInt16(truncatingIfNeeded: port))
    }

    /// The socket address of this endpoint.
    var socketAddress: SocketAddress {
        get throws { try SocketAddress(packedIPAddress: ByteBuffer(bytes: address.bytes), port: Int(port)) }
    }
}
