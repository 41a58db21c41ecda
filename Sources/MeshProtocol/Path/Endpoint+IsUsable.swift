package import MeshBase

extension Endpoint {
    /// Whether a datagram may be sent there on a peer's word: a unicast address that needs no zone, and a port.
    package func isUsable(allowsLoopback: Bool) -> Bool {
        let bytes = address.bytes
        guard port != 0 else { return false }
        if address.isVersion6 {
            let isUnspecifiedOrLoopback = bytes[..<15].allSatisfy { $0 == 0 }
            if isUnspecifiedOrLoopback { return allowsLoopback && bytes[15] == 1 }
            let isMapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF
            let isLinkLocal = bytes[0] == 0xFE && bytes[1] & 0xC0 == 0x80
            return bytes[0] != 0xFF && !isMapped && !isLinkLocal
        }
        if bytes[0] == 127 { return allowsLoopback }
        // "This network" (RFC 1122 section 3.2.1.3), multicast, reserved and limited broadcast.
        return bytes[0] != 0 && bytes[0] < 224
    }
}
