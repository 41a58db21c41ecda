public import MeshBase

extension Node {
    /// How a STUN service sees the socket that `TraversalAction.measure` asked for; `nil`: nobody told.
    public mutating func portMeasured(
        _ endpoint: Endpoint?, for peer: PeerIndex, at now: Instant, actions: inout [NodeAction]
    ) {
        run(peer, at: now, actions: &actions) { machine, context, out in
            machine.portMeasured(endpoint, context: &context, at: now, actions: &out)
        }
    }
}
