internal import MeshBase
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

    /// The relay drains, and restarts half a second later, as `RelayServer` does.
    public mutating func replaceRelay(_ index: Int) throws {
        relays[index].next = try makeSwitch(relays[index].identity)
        drainRelay(index)
        queue.add(
            .relayReplaced(index, generation: relays[index].generation),
            at: now.advanced(milliseconds: Self.drainMilliseconds))
    }

    /// A drained relay stops, and a new one takes its place.
    mutating func relayReplaced(_ index: Int) {
        guard let next = relays[index].next else { return }
        // What is under way to it is lost; each node learns of it after the way there.
        for (connection, node) in relays[index].nodes.sorted(by: { $0.key < $1.key }) {
            queue.add(
                .closed(node: node, relay: index, connection: connection),
                at: now.advanced(milliseconds: delayMilliseconds(toRelay: index)))
        }
        relays[index].core = next
        relays[index].next = nil
        relays[index].generation += 1
        relays[index].nodes = [:]
        relays[index].brokenAt = now
    }

    /// Sets how far a relay is from each node, one way; otherwise it is as far as `faults` say.
    public mutating func setDelay(ofRelay relay: Int, milliseconds: UInt64) {
        relays[relay].delayMilliseconds = milliseconds
    }
}
