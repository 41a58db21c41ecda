internal import Logging
internal import MeshBase
internal import MeshEthernet

extension NodeDaemon {
    /// Turns an event of the switch into a log line.
    func note(_ event: SwitchEvent) {
        switch event {
        case .loopFound(let port, let isForwarding):
            let role = isForwarding ? "this node links it to the mesh" : "the other node links it to the mesh"
            logger.warning("two nodes are bridged to one LAN", metadata: ["peer": "\(label(port))", "role": "\(role)"])
        case .localPortBlocked(let port):
            logger.error(
                "the TAP is blocked: frames would go round in a loop; unbridge one of both nodes",
                metadata: ["peer": "\(label(port))"])
        case .localPortUnblocked: logger.notice("the TAP is open again")
        case .peerPortBlocked(let port, let isBlocked):
            logger.notice(
                isBlocked ? "the peer has blocked its TAP" : "the peer has opened its TAP",
                metadata: ["peer": "\(label(port))"])
        case .foreignProbe(let port):
            logger.warning(
                "another node of a mesh delivers frames to this LAN",
                metadata: ["peer": "\(port.map(label) ?? "unknown")"])
        case .addressFlapping(let address, let held, let claimed):
            logger.warning(
                "an Ethernet address moves too often; it is held for a minute",
                metadata: [
                    "address": "\(address)", "held_at": "\(held.map(label) ?? "this host")",
                    "claimed_at": "\(claimed.map(label) ?? "this host")",
                ])
        case .addressLimitReached(let port):
            logger.warning(
                "the peer has more Ethernet addresses than are learned; the others are flooded",
                metadata: ["peer": "\(label(port))"])
        case .localAddressClaimed(let address, let port):
            logger.warning(
                "the peer sends from an Ethernet address of this side",
                metadata: ["address": "\(address)", "peer": "\(label(port))"])
        }
    }

    private func label(_ port: PortIndex) -> String { peers[port.value].label }
}
