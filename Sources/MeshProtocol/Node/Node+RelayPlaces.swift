public import MeshBase

/// Which relays of the list are connected: a few at a time.
extension Node {
    /// Adds a relay that became known, at the end of the list; it takes a place when one is free, or when it is `urgent`:
    /// then it takes that of the last relay that is not connected, if there is one.
    public mutating func addRelay(_ id: PeerID, isUrgent: Bool, at now: Instant) {
        var isSpare = links.count { !$0.isSpare } >= relayPlacesMax
        if isSpare, isUrgent, let idle = links.lastIndex(where: { !$0.isSpare && $0.isWaiting }) {
            links[idle].leave(at: now)
            isSpare = false
        }
        links.append(RelayLink(id: id, instance: instance, token: [], isSpare: isSpare, at: now))
    }

    /// A peer that is at none of the connected relays may be at another one: then the last of them that nobody is at
    /// gives way after this long, which leaves a peer that starts later time to come.
    static let searchMilliseconds: UInt64 = 60_000

    /// Gives the places of relays that cannot be reached, or at which nobody is found, to others of the list.
    mutating func rotateRelays(at now: Instant, actions: inout [NodeAction]) {
        for relay in links.indices where links[relay].givesWay(at: now) {
            replaceRelay(relay, at: now, actions: &actions)
        }
        if let due = searchDeadline, now >= due, let relay = relayToLeave {
            replaceRelay(relay, at: now, actions: &actions)
            actions.append(.closeRelay(relay))
            dropChannels(of: relay, at: now, actions: &actions)
        }
    }

    /// The next spare relay behind it in the list, which is a ring, takes its place.
    private mutating func replaceRelay(_ relay: Int, at now: Instant, actions: inout [NodeAction]) {
        let behind = links.indices.map { (relay + $0) % links.count }
        guard let next = behind.first(where: { links[$0].isSpare }) else { return }
        links[relay].leave(at: now)
        links[next].enter(at: now)
        actions.append(.event(.relay(relay, .spare)))
    }

    /// When another relay is tried for the sake of peers that are at none of those connected.
    var searchDeadline: Instant? {
        guard let relay = relayToLeave, let since = links[relay].readySince,
            peers.contains(where: { $0.carrier == nil })
        else { return nil }
        return since.advanced(milliseconds: Self.searchMilliseconds)
    }

    /// The last connected relay with nobody behind it, while all places are connected and the list is longer.
    private var relayToLeave: Int? {
        guard !keepsRelays else { return nil }
        let placed = links.indices.filter { !links[$0].isSpare }
        guard placed.count < links.count, placed.allSatisfy({ links[$0].canRest }) else { return nil }
        return placed.last { links[$0].channelCount == 0 }
    }
}
