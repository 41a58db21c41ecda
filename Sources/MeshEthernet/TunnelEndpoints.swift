public import MeshBase

/// The UDP sockets by which this node sends the mesh's records.
public struct TunnelSockets: Equatable, Sendable {
    /// Their ports.
    public var ports: Set<UInt16>
    /// Addresses of this host; empty: not known, and any counts as one.
    public var addresses: Set<IPAddress>

    /// Makes a description of sockets; without ports there are none.
    public init(ports: Set<UInt16> = [], addresses: Set<IPAddress> = []) {
        self.ports = ports
        self.addresses = addresses
    }
}

/// Which datagrams are the mesh's own records, by where they come from and where they go: in a frame of the TAP, the tunnel
/// would be inside itself. Hosts bridged to the TAP reach the same addresses from sockets of their own.
struct TunnelEndpoints: Sendable {
    /// 32 candidates for each of 256 peers; a longer list is cut, as each further one only costs memory.
    static let endpointsMax = 8_192
    /// Extension headers looked through; the kernel's own datagrams have at most one (fragment).
    private static let extensionHeadersMax = 4
    /// Protocol number of UDP (RFC 768).
    private static let userDatagram: UInt8 = 17

    private struct Key: Hashable {
        let address: NetworkAddress
        let port: UInt16
    }
    private var keys: Set<Key> = []
    /// Bit n is set when some port of the list is n modulo 64: spares most datagrams the look into the set.
    private var portBits: UInt64 = 0
    private var sourcePorts: Set<UInt16> = []
    private var sourceAddresses: Set<NetworkAddress> = []

    /// Replaces the list.
    mutating func replace(with endpoints: [Endpoint]) {
        keys = Set(endpoints.prefix(Self.endpointsMax).map { Key(address: NetworkAddress($0.address), port: $0.port) })
        portBits = keys.reduce(0) { $0 | Self.portBit($1.port) }
    }

    /// Replaces the sockets that the mesh's records come from.
    mutating func replace(with sockets: TunnelSockets) {
        sourcePorts = sockets.ports
        sourceAddresses = Set(sockets.addresses.map { NetworkAddress($0) })
    }

    /// Whether `frame` is a UDP datagram, or the first fragment of one, from a socket of this node to an endpoint of the list.
    func contains(_ frame: borrowing EthernetFrameView) -> Bool {
        guard !keys.isEmpty, !sourcePorts.isEmpty else { return false }
        switch frame.etherType {
        case EtherType.internetVersion4: return containsVersion4(frame.payload)
        case EtherType.internetVersion6: return containsVersion6(frame.payload)
        default: return false
        }
    }

    private func containsVersion4(_ packet: RawSpan) -> Bool {
        guard packet.byteCount >= 20, packet.bigEndian(at: 9, as: UInt8.self) == Self.userDatagram else { return false }
        let first = packet.bigEndian(at: 0, as: UInt8.self)
        let headerByteCount = Int(first & 0x0F) * 4
        let fragmentOffset = packet.bigEndian(at: 6, as: UInt16.self) & 0x1FFF
        guard first >> 4 == 4, headerByteCount >= 20, fragmentOffset == 0 else { return false }
        return contains(packet, headerByteCount) { isSource in
            NetworkAddress(version4: packet.bigEndian(at: isSource ? 12 : 16, as: UInt32.self))
        }
    }

    private func containsVersion6(_ packet: RawSpan) -> Bool {
        guard packet.byteCount >= 40, packet.bigEndian(at: 0, as: UInt8.self) >> 4 == 6 else { return false }
        var next = packet.bigEndian(at: 6, as: UInt8.self)
        var offset = 40
        for _ in 0...Self.extensionHeadersMax {
            if next == Self.userDatagram {
                return contains(packet, offset) { isSource in NetworkAddress(packet, at: isSource ? 8 : 24) }
            }
            guard packet.byteCount >= offset + 8 else { return false }
            switch next {
            case 0, 43, 60:  // hop-by-hop, routing, destination options (RFC 8200 section 4)
                next = packet.bigEndian(at: offset, as: UInt8.self)
                offset += (Int(packet.bigEndian(at: offset + 1, as: UInt8.self)) + 1) * 8
            case 44:  // fragment (RFC 8200 section 4.5); only the first holds the ports
                guard packet.bigEndian(at: offset + 2, as: UInt16.self) >> 3 == 0 else { return false }
                next = packet.bigEndian(at: offset, as: UInt8.self)
                offset += 8
            default: return false
            }
        }
        return false
    }

    private func contains(_ packet: RawSpan, _ offset: Int, address: (_ isSource: Bool) -> NetworkAddress) -> Bool {
        guard packet.byteCount >= offset + 4 else { return false }
        let port = packet.bigEndian(at: offset + 2, as: UInt16.self)
        return portBits & Self.portBit(port) != 0 && sourcePorts.contains(packet.bigEndian(at: offset, as: UInt16.self))
            && keys.contains(Key(address: address(false), port: port))
            && (sourceAddresses.isEmpty || sourceAddresses.contains(address(true)))
    }

    private static func portBit(_ port: UInt16) -> UInt64 { 1 << UInt64(port % 64) }
}
