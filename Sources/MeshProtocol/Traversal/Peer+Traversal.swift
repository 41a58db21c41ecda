internal import MeshBase
internal import MeshCrypto
internal import MeshWire

/// A peer's way through address translators: what `HolePunch` decides is done here, with the session's records.
extension Peer {
    /// Whether the path in use is UDP and can be used.
    var hasDatagramPath: Bool { paths.currentEndpoint.map { isUsable(.udp($0)) } ?? false }

    /// A new session, or none: attempts begin anew.
    mutating func beginTraversal(context: PeerContext, actions: inout [PeerAction]) {
        if let holePunch {
            sprayLimit = holePunch.sprayLimit
            actions.append(.traversal(.reset))
        }
        holePunch = context.opensSockets && paths.prober != nil ? HolePunch(sprayLimit: sprayLimit) : nil
    }

    /// The peer asks for challenges to ports of its address.
    mutating func received(
        _ request: PunchRequest, place: Int, context: inout PeerContext, at now: Instant, actions: inout [PeerAction]
    ) {
        guard sessions[place].localIndex == paths.sessionIndex, paths.isDirectAllowed,
            request.first.isUsable(allowsLoopback: context.allowsLoopback)
        else { return }
        let named = sessions[place].remoteCandidates ?? sessions[place].remoteParameters.candidates
        let isNamed = named.contains {
            $0.source == .relayObserved && $0.transport == .udp && $0.endpoint.address == request.first.address
        }
        updateHolePunch(place, context: &context, at: now, actions: &actions) { punch, _, steps in
            punch.received(request, isNamed: isNamed, at: now, steps: &steps)
        }
    }

    /// A further socket was seen at `endpoint`.
    mutating func portMeasured(
        _ endpoint: Endpoint?, context: inout PeerContext, at now: Instant, actions: inout [PeerAction]
    ) {
        guard let place = sendingSession else { return }
        let nanoseconds = sessions[place].roundTripNanoseconds ?? 0
        updateHolePunch(place, context: &context, at: now, actions: &actions) { punch, _, steps in
            punch.measured(endpoint, roundTripNanoseconds: nanoseconds, at: now, steps: &steps)
        }
    }

    /// An authentic record came by UDP, not from the address in use.
    mutating func heardForTraversal(from endpoint: Endpoint, at now: Instant, actions: inout [PeerAction]) {
        guard holePunch != nil else { return }
        var steps: [HolePunch.Step] = []
        holePunch?.heard(from: endpoint, at: now, steps: &steps)
        for step in steps {
            switch step {
            case .found(let endpoint):
                paths.updateProber { $0.trust(endpoint, at: now) }
            case .opened(let endpoint):
                actions.append(.traversal(.opened(endpoint)))
                paths.updateProber { _ = $0.prove(endpoint, at: now) }
            case .finish(let isOpen): actions.append(.traversal(.finish(isOpen: isOpen)))
            case .ask, .reset, .measure, .open, .probe: break
            }
        }
    }

    mutating func handleTraversalTimeout(
        _ place: Int, context: inout PeerContext, at now: Instant, actions: inout [PeerAction]
    ) {
        guard let due = holePunch?.deadline, now >= due, paths.isDirectAllowed else { return }
        let nanoseconds = sessions[place].roundTripNanoseconds ?? 0
        updateHolePunch(place, context: &context, at: now, actions: &actions) { punch, entropy, steps in
            punch.timedOut(roundTripNanoseconds: nanoseconds, entropy: &entropy, at: now, steps: &steps)
        }
    }

    private mutating func updateHolePunch(
        _ place: Int, context: inout PeerContext, at now: Instant, actions: inout [PeerAction],
        _ body: (inout HolePunch, inout EntropySource, inout [HolePunch.Step]) -> Void
    ) {
        guard var punch = holePunch.take() else { return }
        var steps: [HolePunch.Step] = []
        punch.update(
            local: PortMapping(context.parameters.candidates, override: context.mappingOverride),
            remote: PortMapping(sessions[place].remoteCandidates ?? sessions[place].remoteParameters.candidates))
        body(&punch, &context.entropy, &steps)
        holePunch = punch
        for step in steps {
            switch step {
            case .ask(let request):
                perform(on: place, context: &context, at: now, actions: &actions) { session, _, out in
                    session.send(.punch(request), at: now, actions: &out)
                }
            case .reset: actions.append(.traversal(.reset))
            case .measure: actions.append(.traversal(.measure))
            case .open(let socket, let endpoint):
                let record = smallChallenge(place, entropy: &context.entropy, at: now)
                actions.append(.traversal(.open(socket: socket, endpoint, record)))
            case .probe(let endpoint):
                let record = smallChallenge(place, entropy: &context.entropy, at: now)
                actions.append(.traversal(.probe(endpoint, record)))
            case .finish(let isOpen): actions.append(.traversal(.finish(isOpen: isOpen)))
            case .opened, .found: break
            }
        }
    }

    /// A challenge that proves nothing, as short as there are: it opens translators, and shows the peer who sent it.
    private mutating func smallChallenge(_ place: Int, entropy: inout EntropySource, at now: Instant) -> [UInt8] {
        let challenge = PathChallenge(
            pathID: 0, challenge: entropy.next(), contentByteCount: PathChallenge.contentByteCountMin)
        return sessions[place].sealed(.pathChallenge, challenge.bytes, at: now)
    }
}

extension PathProber {
    /// The peer asked to be tried at `endpoint`, and a record came from there: it counts as named by the peer.
    mutating func trust(_ endpoint: Endpoint, at now: Instant) {
        guard let place = targets.firstIndex(where: { $0.endpoint == endpoint }), !targets[place].isNamed else {
            return
        }
        targets[place].source = .relayObserved
        _ = prove(endpoint, at: now)
    }
}
