internal import MeshBase
internal import MeshCrypto
internal import MeshWire

/// A peer's direct connections as paths of a session that exists: what `PeerConnections` decides is done here.
extension Peer {
    /// Whether a connection that was opened becomes a path of the session; otherwise a handshake is run on it.
    var resumesConnections: Bool {
        guard connections != nil, let place = sendingSession else { return false }
        // A peer that does not answer may have lost the session: only a handshake tells.
        return carrier != nil && !sessions[place].isUnresponsive
    }

    /// A connection to this peer is open, and is proven with the session's keys before it is used.
    mutating func connectionOpened(
        _ number: UInt64, context: inout PeerContext, at now: Instant, actions: inout [PeerAction]
    ) {
        guard connections?.opened(number, at: now) == true else { return actions.append(.closeDirect(number)) }
        handleConnectionTimeout(context: &context, at: now, actions: &actions)
    }

    /// The peer's addresses for connections, for people.
    func connectionStatus(remotes: [UInt64: Endpoint]) -> [PathCandidateStatus] {
        var current: UInt64?
        if case .direct(let number) = paths.current { current = number }
        return connections?.status(current: current, remotes: remotes) ?? []
    }

    /// An authentic record came by a connection: who opened it is this peer.
    mutating func noteConnection(_ number: UInt64, at now: Instant, actions: inout [PeerAction]) {
        if direct != number, connections?.isKnown(number) == false {
            guard connections?.opened(number, at: now) == true else { return actions.append(.closeDirect(number)) }
            actions.append(.claim(number))
        }
        connections?.used(number, at: now)
    }

    mutating func received(
        _ challenge: PathChallenge, place: Int, by number: UInt64, context: PeerContext, at now: Instant,
        actions: inout [PeerAction]
    ) {
        guard let observed = context.remoteEndpoints[number] else { return }
        let answer = PathAnswer(challenge, observed: observed)
        actions.append(.send(.direct(number), sessions[place].sealed(.pathAnswer, answer.bytes, at: now)))
    }

    mutating func received(
        _ answer: PathAnswer, place: Int, by number: UInt64, at now: Instant, actions: inout [PeerAction]
    ) {
        var steps: [PeerConnections.Step] = []
        connections?.received(answer, by: number, at: now, steps: &steps)
        perform(steps, place, at: now, actions: &actions)
    }

    /// The peer opens connections now.
    mutating func peerOpensConnections(place: Int, at now: Instant, actions: inout [PeerAction]) {
        guard sessions[place].localIndex == paths.sessionIndex else { return }
        var steps: [PeerConnections.Step] = []
        let isDirect = isOnDirect || !paths.isDirectAllowed
        connections?.peerOpens(isDirect: isDirect, at: now, steps: &steps)
        perform(steps, place, at: now, actions: &actions)
    }

    mutating func perform(
        _ steps: [PeerConnections.Step], _ place: Int, at now: Instant, actions: inout [PeerAction]
    ) {
        for step in steps {
            switch step {
            case .open(let targets): actions.append(.openConnections(targets))
            case .stop: actions.append(.stopOpening)
            case .tellPeer:
                var out: [SessionAction] = []
                sessions[place].send(.openConnections, at: now, actions: &out)
                for case .send(let record) in out {
                    if let carrier { actions.append(.send(carrier, record)) }
                }
            case .failed(let failure): actions.append(.event(.attemptFailed(index, failure)))
            case .challenge(let number, let challenge):
                actions.append(
                    .send(.direct(number), sessions[place].sealed(.pathChallenge, challenge.bytes, at: now)))
            case .proven(let number, let nanoseconds):
                actions.append(.event(.connectionProven(index, number, roundTripNanoseconds: nanoseconds)))
                if direct == nil { direct = number }
            case .close(let number): actions.append(.closeDirect(number))
            }
        }
    }

    /// A new session begins with new connections: its keys proved none of the old ones.
    mutating func beginConnections(_ place: Int?, context: PeerContext, at now: Instant, actions: inout [PeerAction]) {
        var steps: [PeerConnections.Step] = []
        connections?.closeAll(steps: &steps)
        if let direct, connections?.isKnown(direct) == true { self.direct = nil }
        for step in steps {
            switch step {
            case .stop: actions.append(.stopOpening)
            case .close(let number): actions.append(.closeDirect(number))
            case .open, .tellPeer, .failed, .challenge, .proven: break
            }
        }
        connections = nil
        guard let place, paths.prober != nil else { return }
        var made = PeerConnections(
            opensConnections: context.opensConnections, allowsLoopback: context.allowsLoopback)
        _ = made.name(sessions[place].remoteCandidates ?? sessions[place].remoteParameters.candidates)
        made.start(at: now)
        connections = made
    }

    /// Closes a connection that carries nothing any more, and goes on with another one if there is one.
    mutating func dropConnection(_ number: UInt64, actions: inout [PeerAction]) {
        connections?.closed(number)
        if direct == number { direct = connections?.proven }
        actions.append(.closeDirect(number))
    }

    /// Closes connections that neither side's records take any more; what was under way on them has arrived.
    mutating func closeIdleConnections(at now: Instant, actions: inout [PeerAction]) {
        for (number, due) in idleConnections where now >= due { dropConnection(number, actions: &actions) }
    }

    /// Proven connections that are nobody's path, and when to close them.
    private var idleConnections: [(number: UInt64, due: Instant)] {
        guard let connections, let place = sendingSession, sessions[place].order.isEmpty,
            let current = paths.current, isUsable(current), paths.liveness?.suspicion == nil
        else { return [] }
        let grace = max(
            PeerPaths.relayGraceMilliseconds * 1_000_000, 4 * (sessions[place].longestRoundTripNanoseconds ?? 0))
        let remote = sessions[place].arrivals.remotePath
        return connections.idleSince.compactMap { number, usedAt in
            guard current != .direct(number), remote != .direct(number) else { return nil }
            return (number, max(usedAt, paths.currentSince).advanced(nanoseconds: grace))
        }
    }

    /// When `handleConnectionTimeout` or `closeIdleConnections` has something to do.
    var connectionDeadline: Instant? {
        [connections?.deadline, idleConnections.map(\.due).min()].compactMap(\.self).min()
    }

    mutating func handleConnectionTimeout(
        context: inout PeerContext, at now: Instant, actions: inout [PeerAction]
    ) {
        guard let place = sendingSession, paths.sessionIndex == sessions[place].localIndex else { return }
        var steps: [PeerConnections.Step] = []
        let isDirect = isOnDirect || !paths.isDirectAllowed
        connections?.timedOut(isDirect: isDirect, entropy: &context.entropy, at: now, steps: &steps)
        perform(steps, place, at: now, actions: &actions)
    }
}
