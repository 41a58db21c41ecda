internal import MeshProtocol

/// What becomes of relays.
extension Simulation {
    /// The relay says that it is about to stop; it forwards until `stopRelay`.
    public mutating func drainRelay(_ index: Int) {
        driveRelay(index) {
            $0.drain(actions: &$1); _ = $2
        }
    }

    /// The relay is gone: its connections break, and nobody can make a new one.
    public mutating func stopRelay(_ index: Int) {
        relays[index].isDown = true
        for node in hosts.indices { breakConnection(node: node, relay: index) }
        run(until: now)
    }

    /// The relay is back, and has forgotten everything but its identity.
    public mutating func startRelay(_ index: Int) throws {
        relays[index].isDown = false
        try restartRelay(index)
    }
}
