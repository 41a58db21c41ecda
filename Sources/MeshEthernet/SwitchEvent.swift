public import MeshBase

/// Something that a person should hear of.
public enum SwitchEvent: Equatable, Sendable {
    /// This node and the peer at `peer` are attached to the same LAN. `isForwarding` says whether this node is the one that
    /// links it to the mesh; the other one blocks.
    case loopFound(through: PortIndex, isForwarding: Bool)
    /// The TAP was blocked because of the peer at the port: frames pass neither way.
    case localPortBlocked(because: PortIndex)
    /// The TAP is open again: no probe came back for `LoopGuard.holdSeconds`, or the peer is the one to block.
    case localPortUnblocked
    /// The peer at the port says that it blocked (`true`) or opened (`false`) its TAP.
    case peerPortBlocked(PortIndex, Bool)
    /// A probe of another node came in by the TAP: some other node delivers frames to this LAN. `peer` is the port of the probe's
    /// sender. If no `loopFound` follows, that other node is no peer of this one, and should be made one.
    case foreignProbe(peer: PortIndex?)
    /// The address moved too often and is held at `at` for a minute; `nil` means the local side.
    case addressFlapping(EthernetAddress, heldAt: PortIndex?, claimedAt: PortIndex?)
    /// The peer has as many addresses as it may have; further ones are not learned. Reported once a minute at most.
    case addressLimitReached(PortIndex)
    /// The peer sends frames from an address that lives on the local side. Reported once a minute for each port at most.
    case localAddressClaimed(EthernetAddress, by: PortIndex)
}
