/// Why a frame went nowhere.
public enum DropReason: Int, CaseIterable, Sendable, CustomStringConvertible {
    /// Shorter than an Ethernet header.
    case runt
    /// Longer than 65,535 bytes.
    case oversized
    /// Ended inside a VLAN tag.
    case truncatedTag
    /// The source was a group address or all zero, which no station has (IEEE 802 section 8.2).
    case invalidSource
    /// To a group that no bridge may forward (IEEE 802.1Q section 8.6.3), or a Cisco equivalent, or a pause frame.
    case bridgeProtocol
    /// From the TAP to an address that lives behind the TAP.
    case localDestination
    /// Every peer's flood limit was used up.
    case floodLimited
    /// There is no peer to send to.
    case noPort
    /// From the TAP to the UDP endpoint of the mesh itself.
    case tunnelInsideTunnel
    /// The local port is blocked, as another node links the same LAN to the mesh.
    case loopBlocked
    /// A loop probe that arrived from the TAP and has been evaluated.
    case loopProbe
    /// A loop probe that claims to come from this node and does not.
    case forgedProbe
    /// More loop probes from one peer than it has reason to send.
    case probeLimited
    /// From the mesh, with the source address of a local station.
    case localSource
    /// From a port that was not added.
    case unknownPort

    /// The name in metrics and tables, words joined by underscores.
    public var description: String {
        switch self {
        case .runt: "runt"
        case .oversized: "oversized"
        case .truncatedTag: "truncated_tag"
        case .invalidSource: "invalid_source"
        case .bridgeProtocol: "bridge_protocol"
        case .localDestination: "local_destination"
        case .floodLimited: "flood_limited"
        case .noPort: "no_port"
        case .tunnelInsideTunnel: "tunnel_inside_tunnel"
        case .loopBlocked: "loop_blocked"
        case .loopProbe: "loop_probe"
        case .forgedProbe: "forged_probe"
        case .probeLimited: "probe_limited"
        case .localSource: "local_source"
        case .unknownPort: "unknown_port"
        }
    }

    init(_ error: EthernetFrameError) {
        switch error {
        case .runt: self = .runt
        case .oversized: self = .oversized
        case .truncatedTag: self = .truncatedTag
        }
    }
}
