internal import MeshBase
internal import MeshCrypto
internal import MeshWire

/// A peer's paths: what `PeerPaths` decides is done here, with the session's records.
extension Peer {
    /// The carrier for records: the path in use, or what else there is.
    var carrier: CarrierID? {
        if let current = paths.current, isUsable(current) { return current }
        return reliableCarrier
    }

    /// Whether relays have to be there for this peer.
    var needsRelay: Bool {
        guard sendingSession != nil, let current = paths.current, !current.isRelay else { return true }
        return paths.wantsRelay || !isUsable(current)
    }

    /// What this peer's paths need of the relays.
    var relayNeed: RelayNeed {
        guard !needsRelay, let place = sendingSession else { return .needed }
        // Also who is at the relay only because the peer asked for it may be about to use it.
        guard relayChannels.isEmpty, let remote = sessions[place].arrivals.remotePath, !remote.isRelay else {
            return .used
        }
        return .none
    }

    /// Whether the path in use is direct and can be used.
    var isOnDirect: Bool { paths.isOnDirect && paths.current.map(isUsable) ?? false }

    func isUsable(_ carrier: CarrierID) -> Bool {
        switch carrier {
        case .relay(let relay, let channel): relayChannels[relay] == channel
        case .direct(let connection): direct == connection
        case .udp(let endpoint): paths.prober?.isValid(endpoint) == true
        }
    }

    private var hasAlternative: Bool { alternative != nil }

    // MARK: - Choice

    /// Brings path, relay channel and session together after anything that happened.
    mutating func settle(context: inout PeerContext, at now: Instant, actions: inout [PeerAction]) {
        guard let place = sendingSession else {
            if paths.sessionIndex != 0 {
                paths.begin(sessionIndex: 0, prober: nil, at: now)
                beginConnections(nil, context: context, at: now, actions: &actions)
                beginTraversal(context: context, actions: &actions)
            }
            return
        }
        if paths.sessionIndex != sessions[place].localIndex {
            beginPaths(place, context: &context, at: now)
            beginConnections(place, context: context, at: now, actions: &actions)
            beginTraversal(context: context, actions: &actions)
        }
        leaveDoubtfulPath(at: now, actions: &actions)
        if let next = preferredCarrier(place, context: &context, at: now, actions: &actions), next != paths.current {
            move(to: next, place, at: now, actions: &actions)
        }
        askAlternative(place, context: &context, at: now, actions: &actions)
        guard context.usesDatagrams else { return }
        closeIdleConnections(at: now, actions: &actions)
        let isOnDatagrams = hasDatagramPath
        holePunch?.update(isDirect: isOnDatagrams, at: now)
        if lacksRelay, paths.mayName(at: now) { actions.append(.namePeer) }
        if let due = closeDue(context), now >= due {
            for (relay, channel) in relayChannels.sorted(by: { $0.key < $1.key }) {
                closingChannels[relay] = channel
                actions.append(.closeChannel(relay, channel))
            }
        }
    }

    /// While the path in use is in doubt, another address that answers is better, and need not wait for its death.
    private mutating func leaveDoubtfulPath(at now: Instant, actions: inout [PeerAction]) {
        guard paths.isDirectAllowed, let since = paths.liveness?.suspicion?.since, let endpoint = paths.currentEndpoint,
            paths.prober?.hasAlternative(to: endpoint, since: since, at: now) == true
        else { return }
        currentPathDied(at: now, actions: &actions)
    }

    private mutating func beginPaths(_ place: Int, context: inout PeerContext, at now: Instant) {
        var prober: PathProber?
        if context.usesDatagrams, context.parameters.supportsDirect, sessions[place].remoteParameters.supportsDirect {
            var made = PathProber(
                largestRecordByteCount: min(
                    Int(context.parameters.mtu) + PeerPaths.recordOverheadByteCount,
                    context.datagramByteCountMax),
                allowsLoopback: context.allowsLoopback)
            _ = made.name(sessions[place].remoteCandidates ?? sessions[place].remoteParameters.candidates)
            prober = made
        }
        paths.begin(sessionIndex: sessions[place].localIndex, prober: prober, at: now)
    }

    private mutating func preferredCarrier(
        _ place: Int, context: inout PeerContext, at now: Instant, actions: inout [PeerAction]
    ) -> CarrierID? {
        if let endpoint = paths.bestEndpoint(at: now) {
            // An answer to an earlier ping says nothing about a later move: the channel may be closing by then.
            paths.cancelRelayPing()
            return .udp(endpoint)
        }
        guard !paths.isDirectAllowed, let current = paths.current, isOnDirect, let relay = relayCarrier else {
            paths.cancelRelayPing()
            return paths.isDirectAllowed ? reliableCarrier : relayCarrier ?? reliableCarrier
        }
        // By choice, nothing is lost: the relay's channel carries a ping before frames follow.
        if paths.confirmedRelay == relay { return relay }
        if let identifier = paths.pingRelay(relay, entropy: &context.entropy, at: now) {
            actions.append(.send(relay, sessions[place].sealedPing(identifier, at: now)))
        }
        return current
    }

    private mutating func move(to next: CarrierID, _ place: Int, at now: Instant, actions: inout [PeerAction]) {
        if let old = paths.current {
            let isDead = !isUsable(old)
            let end = sessions[place].endGeneration(isOldPathDead: isDead)
            // Three times, since nothing tells whether one arrived; without any the receiver waits in vain.
            for _ in 0..<3 {
                actions.append(.send(isDead ? next : old, sessions[place].sealed(.pathEnd, end.bytes, at: now)))
            }
            let reason = reason(toLeave: old, for: next, isDead: isDead)
            actions.append(.event(.pathChanged(index, from: old, to: next, reason)))
            // What did not answer by one path has as long again by another.
            if sessions[place].isAsking { sessions[place].askAgain(at: now) }
        }
        paths.moved(to: next, connectionRoundTripNanoseconds: roundTripNanoseconds(of: next, place), at: now)
        guard !next.isRelay else { return }
        var steps: [PeerConnections.Step] = []
        connections?.settled(steps: &steps)
        perform(steps, place, at: now, actions: &actions)
    }

    /// The round trip of a connection; one on which a handshake was run was not measured on its own.
    private func roundTripNanoseconds(of carrier: CarrierID, _ place: Int) -> UInt64 {
        guard case .direct(let number) = carrier else { return 0 }
        return connections?.roundTripNanoseconds(of: number) ?? sessions[place].longestRoundTripNanoseconds ?? 0
    }

    private func reason(toLeave old: CarrierID, for next: CarrierID, isDead: Bool) -> PathChangeReason {
        if isDead { return old.isDatagram ? .dead : .closed }
        if case .relay(let relay, _) = old, drainingRelays.contains(relay) { return .draining }
        return paths.isWished(next) ? .chosen : .better
    }

    /// Whether the peer is not to be had at any relay though it should be.
    private var lacksRelay: Bool {
        relayChannels.isEmpty && sendingSession != nil && (paths.wantsRelay || carrier == nil)
    }

    /// When this side closes the pair's relay channels; `nil` when it must not. The lower peer ID does it.
    private func closeDue(_ context: PeerContext) -> Instant? {
        guard context.usesDatagrams, context.identity.id < id, closingChannels.isEmpty, !relayChannels.isEmpty,
            let place = sendingSession, sessions[place].order.isEmpty, !needsRelay,
            sessions[place].arrivals.remotePath.map({ !$0.isRelay }) ?? false
        else { return nil }
        let grace = max(
            PeerPaths.relayGraceMilliseconds * 1_000_000, 4 * (sessions[place].longestRoundTripNanoseconds ?? 0))
        return paths.relayUsedAt.advanced(nanoseconds: grace)
    }

    /// When `handlePathTimeout` or `settle` has something to do.
    func pathDeadline(_ context: PeerContext) -> Instant? {
        var result = paths.deadline(hasAlternative: hasAlternative)
        func consider(_ instant: Instant?) { if let instant { result = min(result ?? instant, instant) } }
        for place in sessions.indices { consider(sessions[place].orderDeadline) }
        consider(closeDue(context))
        consider(connectionDeadline)
        if paths.isDirectAllowed { consider(holePunch?.deadline) }
        if context.usesDatagrams, lacksRelay { consider(paths.nameDeadline) }
        return result
    }

    // MARK: - Events from above

    /// The peer named its addresses anew, in the session at `place`.
    mutating func received(_ candidates: [Candidate], place: Int, at now: Instant) {
        sessions[place].remoteCandidates = candidates
        guard sessions[place].localIndex == paths.sessionIndex else { return }
        let current = paths.currentEndpoint
        paths.updateProber { if $0.name(candidates, current: current) { $0.start(at: now) } }
        holePunch?.networkChanged(at: now)
        if connections?.name(candidates) == true, !isOnDirect { connections?.start(at: now) }
    }

    /// This node's addresses changed.
    mutating func localCandidatesChanged(
        context: inout PeerContext, at now: Instant, actions: inout [PeerAction]
    ) {
        guard let place = sendingSession else { return }
        let list = context.parameters.candidates
        perform(on: place, context: &context, at: now, actions: &actions) { session, _, out in
            session.send(.candidates(list), at: now, actions: &out)
        }
        networkChanged(at: now)
    }

    /// This host's interfaces, addresses or routes changed: what was known of paths has to be proven anew.
    mutating func networkChanged(at now: Instant) {
        let current = paths.currentEndpoint
        paths.updateProber {
            $0.distrust(except: current)
            $0.start(at: now)
        }
        holePunch?.networkChanged(at: now)
        if !isOnDirect { connections?.start(at: now) }
        _ = paths.updateLiveness { $0.check(isUrgent: true, at: now) }
    }

    /// Takes a person's wish. Returns `false` for an address that is not known to be the peer's.
    mutating func setPathWish(_ wish: PathWish, at now: Instant) -> Bool {
        switch wish {
        case .relay: break
        case .automatic:
            paths.updateProber { $0.start(at: now) }
            if !isOnDirect { connections?.start(at: now) }
        case .address(let endpoint):
            var isKnown = false
            paths.updateProber { isKnown = $0.prove(endpoint, at: now) }
            guard isKnown else { return false }
        }
        paths.wish = wish
        return true
    }

    // MARK: - Time

    mutating func handlePathTimeout(context: inout PeerContext, at now: Instant, actions: inout [PeerAction]) {
        for place in sessions.indices where sessions[place].orderDeadline.map({ $0 <= now }) ?? false {
            let wait = sessions[place].orderWaitNanoseconds
            let free = sessions[place].order.timedOut(waitNanoseconds: wait, at: now)
            deliver(free, place: place, context: &context, at: now)
        }
        if !kept.isEmpty { updateKept(context: &context) { $0.expire(at: now) } }
        guard let place = sendingSession, paths.sessionIndex == sessions[place].localIndex else { return }
        if sessions[place].isAsking { _ = paths.updateLiveness { $0.heartbeatSent(at: now) } }
        let isDirect = !paths.isDirectAllowed || paths.currentEndpoint.map { isUsable(.udp($0)) } ?? false
        var steps: [PathProber.Step] = []
        let endpoint = paths.currentEndpoint
        paths.updateProber {
            $0.timedOut(isDirect: isDirect, current: endpoint, entropy: &context.entropy, at: now, steps: &steps)
        }
        perform(steps, place, at: now, actions: &actions)
        if let wanted = paths.dropsVainWish(at: now) { actions.append(.event(.wishDropped(index, wanted))) }
        let hasAlternative = hasAlternative
        handleConnectionTimeout(context: &context, at: now, actions: &actions)
        handleTraversalTimeout(place, context: &context, at: now, actions: &actions)
        guard let current = paths.current,
            let due = paths.updateLiveness({ $0.timedOut(hasAlternative: hasAlternative, at: now) })
        else { return }
        if let reason = due.suspect { becameSuspect(reason, at: now, actions: &actions) }
        if due.isDead { currentPathDied(at: now, actions: &actions) }
        if let poll = due.poll {
            actions.append(.send(current, sessions[place].sealed(.poll, poll.bytes, at: now)))
        }
    }

    mutating func currentPathDied(at now: Instant, actions: inout [PeerAction]) {
        guard let current = paths.current else { return }
        actions.append(.event(.pathDead(index, current)))
        let blocked = paths.currentDied(at: now)
        if case .direct(let number) = current { dropConnection(number, actions: &actions) }
        connections?.died(blockedMilliseconds: current.isDatagram ? 0 : blocked, at: now)
    }
}
