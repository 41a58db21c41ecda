public import MeshBase

/// Something that carries messages to one peer.
public enum CarrierID: Hashable, Sendable {
    /// A channel of a relay connection; `relay` is the relay's place in the node's list.
    case relay(Int, channel: UInt32)
    /// A WebSocket straight to the peer, by the driver's number.
    case direct(UInt64)
    /// Datagrams between this node's UDP socket and an address; one datagram is one message, without any header.
    case udp(Endpoint)

    /// Whether the relay vouches for the sender.
    public var isRelay: Bool {
        switch self {
        case .relay: true
        case .direct, .udp: false
        }
    }

    /// Whether messages go as datagrams.
    var isDatagram: Bool { if case .udp = self { true } else { false } }

    /// What the limits of one peer are kept apart by: the relay's place in the list, -1 for direct connections.
    var way: Int {
        switch self {
        case .relay(let relay, _): relay
        case .direct, .udp: -1
        }
    }
}
