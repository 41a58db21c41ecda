public import MeshBase
public import MeshWire

extension Node {
    /// The number of peers; indices run from 0.
    public var peerCount: Int { peers.count }
    /// The ID of a peer.
    public func peerID(_ peer: PeerIndex) -> PeerID { peers[peer].id }
    /// The index of a configured peer.
    public func peerIndex(of id: PeerID) -> PeerIndex? { peerIndices[id] }
    /// The carrier that a peer's messages are sent by now.
    public func carrier(of peer: PeerIndex) -> CarrierID? { peers[peer].carrier }
    /// Where copies of the peer's frames go, the same bytes, while the path in use is suspect; `nil` normally, and while
    /// frames that were kept go first.
    public func secondCarrier(of peer: PeerIndex) -> CarrierID? { peers[peer].copyCarrier }
    /// All direct addresses that are known of a peer, and what is known of them.
    public func pathCandidates(of peer: PeerIndex, at now: Instant) -> [PathCandidateStatus] {
        let probed = peers[peer].paths.prober?.status(current: peers[peer].paths.currentEndpoint, at: now) ?? []
        return probed + peers[peer].connectionStatus(remotes: context.remoteEndpoints)
    }
    /// Bytes of the longest record that the UDP path in use is known to carry; `nil` while another path is in use. Frames
    /// that need more have to be cut by `cutFrame`.
    public func recordByteCountMax(of peer: PeerIndex) -> Int? { peers[peer].paths.recordByteCountMax }
    /// Frames of the peer that came in slices and were joined, and those that were begun and given up, of the session in
    /// use.
    public func slicedFrameCounts(of peer: PeerIndex) -> (joined: UInt64, dropped: UInt64) {
        guard let place = peers[peer].sendingSession else { return (0, 0) }
        let assembly = peers[peer].sessions[place].assembly
        return (assembly.joinedCount, assembly.droppedCount)
    }
    /// The addresses of this node that its peers are told.
    public var localCandidates: [Candidate] { context.parameters.candidates }
    /// Since when the peer's records take the path they take.
    public func pathSince(of peer: PeerIndex) -> Instant { peers[peer].paths.currentSince }
    /// Why the path in use is in doubt; `nil` when it is not.
    public func pathSuspicion(of peer: PeerIndex) -> PathSuspicion? { peers[peer].paths.liveness?.suspicion?.reason }
    /// Since when the path in use is in doubt; `nil` when it is not.
    public func pathSuspectSince(of peer: PeerIndex) -> Instant? { peers[peer].paths.liveness?.suspicion?.since }
    /// Frames lost of 1,000 sent lately on the direct path in use; `nil` when none is, or none were.
    public func pathLossPermille(of peer: PeerIndex) -> UInt64? { peers[peer].paths.liveness?.loss.permille }
    /// What a person wants of the path to the peer.
    public func pathWish(of peer: PeerIndex) -> PathWish { peers[peer].paths.wish }
    /// When direct paths to the peer are looked for again by themselves; `nil` when that is not planned.
    public func nextAttemptAt(of peer: PeerIndex) -> Instant? {
        [peers[peer].paths.prober?.nextAttemptAt, peers[peer].connections?.nextAttemptAt].compactMap(\.self).min()
    }
    /// Smoothed round trip of the direct path in use, in nanoseconds; `nil` when none is.
    public func pathRoundTripNanoseconds(of peer: PeerIndex) -> UInt64? {
        peers[peer].paths.liveness?.roundTrip.smoothedNanoseconds
    }
    /// Why the last attempts to reach the peer directly failed, by UDP and by connections; empty after a success.
    public func lastAttemptFailures(of peer: PeerIndex) -> [DirectAttemptFailure] {
        [peers[peer].paths.prober?.lastFailure, peers[peer].connections?.lastFailure].compactMap(\.self)
    }
    /// Frames that came after their path's generation was over, and waits for a path that were in vain, of the
    /// session in use.
    public func orderCounts(of peer: PeerIndex) -> (late: UInt64, timeouts: UInt64) {
        guard let place = peers[peer].sendingSession else { return (0, 0) }
        return (peers[peer].sessions[place].order.lateCount, peers[peer].sessions[place].order.timeoutCount)
    }
    /// The session that a peer's frames are sealed in now.
    public func session(of peer: PeerIndex) -> Session? { peers[peer].sendingSession.map { peers[peer].sessions[$0] } }
    /// Whether frames to the peer can be sealed and sent now.
    public func isReachable(_ peer: PeerIndex) -> Bool {
        peers[peer].sendingSession != nil && peers[peer].carrier != nil
    }
    /// Whether a handshake with the peer is under way.
    public func isHandshaking(_ peer: PeerIndex) -> Bool { peers[peer].isHandshaking }
    /// Why the last handshake failed; `nil` after a success.
    public func lastFailure(_ peer: PeerIndex) -> HandshakeFailure? { peers[peer].lastFailure }
    /// What relay `relay` said of this node's address; `nil` unless connected.
    public func observedEndpoint(_ relay: Int) -> Endpoint? {
        if case .ready(let ready)? = state(ofRelay: relay) { ready.welcome.observedEndpoint } else { nil }
    }
    /// Whether other relays of the list have the places for connections.
    public func isSpare(relay: Int) -> Bool { links[relay].isSpare }
    /// The UDP port of the STUN service of relay `relay`, 0 when it has none; `nil` unless connected.
    public func stunPort(of relay: Int) -> UInt16? {
        if case .ready(let ready)? = state(ofRelay: relay) { ready.welcome.stunPort } else { nil }
    }
    /// `nil` for a relay beyond those that a node connects to.
    private func state(ofRelay relay: Int) -> RelayLink.State? {
        links.indices.contains(relay) ? links[relay].state : nil
    }

    /// How much a node holds for its peers' messages; for tests that nothing leaks.
    package struct TableCounts: Equatable, Sendable {
        package var tickets = 0
        package var sessionIndices = 0
        package var sessions = 0
        package var handshakes = 0
        package var directConnections = 0
        package var relayChannels = 0
    }

    /// How much is held now.
    package var tableCounts: TableCounts {
        TableCounts(
            tickets: tickets.count, sessionIndices: context.indices.liveCount,
            sessions: peers.reduce(0) { $0 + $1.sessions.count },
            handshakes: peers.reduce(0) { $0 + $1.handshakeCount },
            directConnections: directPeers.count + dialledConnections.count,
            relayChannels: links.reduce(0) { $0 + $1.channelCount })
    }
}
