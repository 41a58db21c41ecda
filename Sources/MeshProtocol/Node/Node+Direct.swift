public import MeshBase
public import MeshWire

extension Node {
    // MARK: - Direct connections

    /// A direct connection is open, whose other end is at `remote`: `peer` is who was dialled, or `nil` when the other
    /// side dialled.
    public mutating func directOpened(
        _ connection: UInt64, peer: PeerIndex?, from remote: Endpoint? = nil, nowSeconds: UInt64, at now: Instant,
        actions: inout [NodeAction]
    ) {
        context.remoteEndpoints[connection] = remote
        untrusted.insert(connection)
        wallClockMilliseconds = nowSeconds * 1000
        directPeers[connection] = .some(peer)
        guard let peer else { return admitStranger(connection, at: now, actions: &actions) }
        dials[peer]?.opened(at: now)
        dialledConnections[connection] = peer
        let milliseconds = wallClockMilliseconds
        run(peer, at: now, actions: &actions) { machine, context, out in
            if machine.resumesConnections {
                return machine.connectionOpened(connection, context: &context, at: now, actions: &out)
            }
            machine.startHandshake(
                by: .direct(connection), nowMilliseconds: milliseconds, context: &context, at: now, actions: &out)
        }
    }

    /// A connection that `NodeAction.openConnections` asked for is open, whose other end is at `remote`.
    public mutating func connectionOpened(
        _ connection: UInt64, peer: PeerIndex, from remote: Endpoint, at now: Instant, actions: inout [NodeAction]
    ) {
        context.remoteEndpoints[connection] = remote
        untrusted.insert(connection)
        directPeers[connection] = .some(peer)
        run(peer, at: now, actions: &actions) { machine, context, out in
            machine.connectionOpened(connection, context: &context, at: now, actions: &out)
        }
    }

    /// Keeps a connection of somebody unknown for a while, in place of the oldest when there are too many.
    private mutating func admitStranger(_ connection: UInt64, at now: Instant, actions: inout [NodeAction]) {
        let network = context.remoteEndpoints[connection]?.address.network
        strangers.append(Stranger(connection: connection, network: network, since: now))
        let places = strangers.indices.filter { strangers[$0].network == network }
        if network != nil, places.count > Self.strangersPerNetworkMax {
            closeStranger(places[0], actions: &actions)
        } else if strangers.count > Self.strangersMax {
            closeStranger(0, actions: &actions)
        }
    }

    private mutating func closeStranger(_ place: Int, actions: inout [NodeAction]) {
        let connection = strangers.remove(at: place).connection
        // Whoever said HELLO as a configured peer and finished no handshake is still a stranger.
        directPeers[connection] = nil
        messageRefusals[.unproven, default: 0] += 1
        actions.append(.closeDirect(connection))
    }

    /// A session is on the connection: the other end is a configured peer.
    mutating func trust(_ connection: UInt64, actions: inout [NodeAction]) {
        if untrusted.remove(connection) != nil { actions.append(.trustDirect(connection)) }
    }

    /// When the oldest connection of somebody unknown is closed.
    var strangerDeadline: Instant? { strangers.first?.since.advanced(milliseconds: Self.strangerMilliseconds) }

    mutating func closeStrangers(at now: Instant, actions: inout [NodeAction]) {
        while let due = strangerDeadline, now >= due { closeStranger(0, actions: &actions) }
    }

    /// A peer that was dialled could not be reached.
    public mutating func dialFailed(_ peer: PeerIndex, at now: Instant) {
        dials[peer]?.lost(at: now, entropy: &context.entropy)
    }

    /// A direct connection is gone.
    public mutating func directClosed(_ connection: UInt64, at now: Instant, actions: inout [NodeAction]) {
        context.remoteEndpoints[connection] = nil
        strangers.removeAll { $0.connection == connection }
        untrusted.remove(connection)
        if let dialled = dialledConnections.removeValue(forKey: connection) {
            dials[dialled]?.lost(at: now, entropy: &context.entropy)
        }
        guard let owner = directPeers.removeValue(forKey: connection), let peer = owner else { return }
        run(peer, at: now, actions: &actions) { machine, context, out in
            machine.directClosed(connection, context: &context, at: now, actions: &out)
        }
    }

    // MARK: - Datagrams

    /// This node's addresses on its UDP socket, in place of those named before: at most 32 count. Every peer is told,
    /// and direct paths are looked for anew.
    public mutating func setLocalCandidates(
        _ candidates: [Candidate], at now: Instant, actions: inout [NodeAction]
    ) {
        context.parameters.candidates = Array(candidates.prefix(SessionParameters.candidatesMax))
        listObservedEndpoints()
        settledAt = nil
        for relay in links.indices {
            links[relay].wake(at: now)
            links[relay].hurry(at: now)
        }
        for index in peers.indices {
            run(index, at: now, actions: &actions) { peer, context, out in
                peer.localCandidatesChanged(context: &context, at: now, actions: &out)
            }
        }
    }

    /// The kernel refused a datagram of `byteCount` bytes, because it is longer than the interface allows (EMSGSIZE).
    public mutating func datagramTooLong(
        byteCount: Int, to endpoint: Endpoint, at now: Instant, actions: inout [NodeAction]
    ) {
        for index in peers.indices where peers[index].paths.prober?.knows(endpoint) == true {
            run(index, at: now, actions: &actions) { peer, _, out in
                peer.datagramTooLong(byteCount: byteCount, to: endpoint, at: now, actions: &out)
            }
        }
    }

    /// This host's interfaces, addresses or routes changed: relays that were lost, and those closed since nobody needed
    /// them, are connected at once, the paths in use are checked, and direct paths looked for anew.
    public mutating func networkChanged(at now: Instant, actions: inout [NodeAction]) {
        settledAt = nil
        for relay in links.indices {
            links[relay].wake(at: now)
            links[relay].networkChanged(at: now)
        }
        for index in peers.indices {
            run(index, at: now, actions: &actions) { peer, _, _ in peer.networkChanged(at: now) }
        }
    }

    /// Takes a person's wish for the path to a peer; frames follow it without loss. An address is proven again before
    /// it is used. Returns `false` for an address that is not known to be the peer's.
    @discardableResult
    public mutating func setPathWish(
        _ wish: PathWish, for peer: PeerIndex, at now: Instant, actions: inout [NodeAction]
    ) -> Bool {
        var isKnown = false
        run(peer, at: now, actions: &actions) { machine, _, _ in isKnown = machine.setPathWish(wish, at: now) }
        return isKnown
    }

    /// Frames that waited for their turn while their sender changed its path: take them after each `open`, behind the
    /// frame it returned, and after `handleTimeout`.
    public mutating func takeReleasedFrames() -> [ReleasedFrame] {
        guard !context.released.isEmpty else { return [] }
        defer { context.released = [] }
        return context.released
    }

    /// Bytes of frames that wait for their turn.
    package var heldByteCount: Int { context.heldByteCount }
}
