internal import MeshBase

/// What the network reads of an IP packet: where it goes, and whether it is UDP.
struct PacketHeader {
    /// The destination, 4 or 16 bytes as the low bits of a number in network order.
    let destination: UInt128
    let isVersion6: Bool
    let isUDP: Bool

    private static let udp: UInt8 = 17
    /// The fragment header of IPv6 (RFC 8200 section 4.5): the real protocol stands in its first byte.
    private static let fragmentHeader: UInt8 = 44

    /// `nil`: neither IPv4 (RFC 791) nor IPv6 (RFC 8200), or cut off.
    init?(_ packet: RawSpan) {
        guard packet.byteCount >= 20 else { return nil }
        switch packet.bigEndian(at: 0, as: UInt8.self) >> 4 {
        case 4:
            isVersion6 = false
            destination = UInt128(packet.bigEndian(at: 16, as: UInt32.self))
            isUDP = packet.bigEndian(at: 9, as: UInt8.self) == Self.udp
        case 6:
            guard packet.byteCount >= 40 else { return nil }
            isVersion6 = true
            destination = packet.bigEndian(at: 24, as: UInt128.self)
            var kind = packet.bigEndian(at: 6, as: UInt8.self)
            if kind == Self.fragmentHeader, packet.byteCount > 40 { kind = packet.bigEndian(at: 40, as: UInt8.self) }
            isUDP = kind == Self.udp
        default: return nil
        }
    }
}
