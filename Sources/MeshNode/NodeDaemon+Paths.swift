internal import MeshBase
internal import MeshControl
internal import MeshLinux
internal import MeshProtocol
internal import MeshWire
internal import NIOCore

/// Someone who chose a path and waits for what comes of it.
struct PathWait {
    let peer: PeerIndex
    let choice: PathChoice
    /// The path at the request, as people call it.
    let from: String?
    let startedAt: Instant
    let promise: EventLoopPromise<ControlResponse>
}

extension NodeDaemon {
    /// An attempt at direct paths lasts 5 s, and reaching a relay that rests takes about as long at worst.
    private static let pathMilliseconds: UInt64 = 7_000
    /// More people than connections of the control socket never wait.
    private static let pathWaitsMax = 16

    /// Shows a peer's paths, or takes the one chosen and tells what came of it.
    func answerPath(_ text: String, use choice: PathChoice?) -> EventLoopFuture<ControlResponse> {
        let peer: PeerIndex
        do throws(ControlFailure) { peer = try find(text) } catch { return failed(error.code, error.message) }
        guard let choice else {
            return eventLoop.makeSucceededFuture(.path(PathReport(peer: peerStatus(peer))))
        }
        guard node.isReachable(peer) else { return notConnected(peer) }
        guard pathWaits.count < Self.pathWaitsMax else { return failed(.busy, "others choose paths now; ask again") }
        let now = BootClock.now()
        let from = node.carrier(of: peer).map(path)
        var isKnown = true
        drive { node, now, actions in
            isKnown = node.setPathWish(choice.wish, for: peer, at: now, actions: &actions)
        }
        guard isKnown else {
            let label = peers[peer].label
            let isForConnections = node.pathCandidates(of: peer, at: now).contains { "\($0.endpoint)" == choice.text }
            return failed(
                .unknownAddress,
                isForConnections
                    ? "\(choice.text) of \(label) is no UDP address; only those can be chosen, as a direct WebSocket is "
                        + "opened by itself where UDP leads nowhere"
                    : "\(label) has no address \(choice.text); `shadowmesh path \(text)` lists them")
        }
        let promise = eventLoop.makePromise(of: ControlResponse.self)
        pathWaits.append(PathWait(peer: peer, choice: choice, from: from, startedAt: now, promise: promise))
        settlePathWaits(at: now)
        return promise.futureResult
    }

    /// Answers those whose choice is met, cannot be met, or who waited long enough.
    func settlePathWaits(at now: Instant, failure: (peer: PeerIndex, text: String)? = nil) {
        pathWaits.removeAll { wait in
            let isMet = isMet(wait)
            let isOver = isStopping || now.milliseconds(since: wait.startedAt) >= Self.pathMilliseconds
            let reason = failure.flatMap { $0.peer == wait.peer && wait.choice.needsDirect ? $0.text : nil }
            guard isMet || isOver || reason != nil else { return false }
            wait.promise.succeed(.path(report(wait, isMet: isMet, reason: reason, at: now)))
            return true
        }
    }

    private func isMet(_ wait: PathWait) -> Bool {
        guard let carrier = node.carrier(of: wait.peer) else { return false }
        return switch wait.choice {
        case .automatic: true
        case .relay: carrier.isRelay
        case .direct: !carrier.isRelay
        case .address(let endpoint): carrier == .udp(endpoint)
        }
    }

    private func report(_ wait: PathWait, isMet: Bool, reason: String?, at now: Instant) -> PathReport {
        let milliseconds = now.milliseconds(since: wait.startedAt)
        let to = node.carrier(of: wait.peer).map(path)
        let label = peers[wait.peer].label
        let current = to ?? "no path"
        let text =
            if !isMet {
                "\(label) stays on \(current): \(reason ?? wait.choice.whyNotYet)"
            } else if to == wait.from {
                wait.choice == .automatic
                    ? "the best path is taken; now \(current)" : "\(label) is on \(current) already"
            } else {
                "\(label) moved from \(wait.from ?? "no path") to \(current) in \(milliseconds) ms"
            }
        let outcome = PathReport.Outcome(
            choice: wait.choice.text, isMet: isMet, from: wait.from, to: to, milliseconds: milliseconds, text: text)
        return PathReport(peer: peerStatus(wait.peer), outcome: outcome)
    }

    // MARK: - Status

    /// The addresses of this node that its peers are told.
    func ownCandidates() -> [CandidateStatus] {
        node.localCandidates.map {
            CandidateStatus(address: "\($0.endpoint)", transport: $0.transport.text, source: $0.source.text)
        }
    }

    /// What is known of the paths to a peer.
    func pathStatus(_ peer: PeerIndex, at now: Instant) -> PathStatus {
        let order = node.orderCounts(of: peer)
        let failures = node.lastAttemptFailures(of: peer)
        return PathStatus(
            sinceMilliseconds: node.carrier(of: peer).map { _ in now.milliseconds(since: node.pathSince(of: peer)) },
            wish: node.pathWish(of: peer).text, lossPercent: node.pathLossPermille(of: peer).map { Double($0) / 10 },
            suspicion: node.pathSuspicion(of: peer)?.rawValue,
            suspectMilliseconds: node.pathSuspectSince(of: peer).map { now.milliseconds(since: $0) },
            lateFrames: order.late, waitsInVain: order.timeouts,
            candidates: node.pathCandidates(of: peer, at: now).map { candidate in
                CandidateStatus(
                    address: "\(candidate.endpoint)", transport: candidate.transport.text,
                    source: candidate.source?.text ?? "learned", state: candidate.state.rawValue,
                    lastFailure: candidate.state == .unanswered ? failure(of: candidate, peer) : nil,
                    rttMicroseconds: candidate.roundTripNanoseconds.map { $0 / 1000 })
            },
            lastFailure: failures.isEmpty ? nil : failures.map(\.rawValue).joined(separator: "; "),
            nextAttemptMilliseconds: node.nextAttemptAt(of: peer).map {
                $0 > now ? $0.milliseconds(since: now) : 0
            })
    }

    /// What is known of why an address did not answer.
    private func failure(of candidate: PathCandidateStatus, _ peer: PeerIndex) -> String? {
        switch candidate.transport {
        case .udp:
            datagrams?.remotes.refused.contains(candidate.endpoint) == true
                ? "it leads into the mesh and is not used" : nil
        case .webSocket: peers[peer].connectionFailures[candidate.endpoint]
        }
    }
}

extension PathChoice {
    fileprivate var wish: PathWish {
        switch self {
        case .automatic, .direct: .automatic
        case .relay: .relay
        case .address(let endpoint): .address(endpoint)
        }
    }

    /// Whether it is settled when no direct path is found.
    fileprivate var needsDirect: Bool {
        switch self {
        case .automatic, .relay: false
        case .direct, .address: true
        }
    }

    fileprivate var whyNotYet: String {
        switch self {
        case .automatic: "there is no other"
        case .relay: "no relay leads to the peer yet; it is taken as soon as one does"
        case .direct: "no direct path was found yet"
        case .address: "the address does not answer"
        }
    }
}

extension PathWish {
    fileprivate var text: String {
        switch self {
        case .automatic: PathChoice.automatic.text
        case .relay: PathChoice.relay.text
        case .address(let endpoint): PathChoice.address(endpoint).text
        }
    }
}

extension Candidate.Source {
    /// The source for people.
    var text: String {
        switch self {
        case .configured: "configured"
        case .interface: "interface"
        case .relayObserved: "relay"
        case .portMapping: "port mapping"
        }
    }
}

extension Candidate.Transport {
    /// The transport for people.
    var text: String {
        switch self {
        case .udp: "udp"
        case .webSocket: "wss"
        }
    }
}
