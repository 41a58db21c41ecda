internal import MeshBase
internal import MeshControl
internal import MeshDataPlane
internal import MeshEthernet
internal import MeshLinux
internal import MeshProtocol
internal import MeshTransport
internal import NIOCore

extension NodeDaemon {
    /// A ping that is not answered in this time is lost, and its person told so.
    private static let pingMilliseconds: UInt64 = 2_000
    /// Between the pings of one request; a second, as ping(8).
    private static let pingIntervalMilliseconds: Int64 = 200

    /// Answers a request of the control socket.
    func answer(_ request: ControlRequest, stop: @escaping @Sendable () -> Void) -> EventLoopFuture<ControlResponse> {
        setUpMemory.used(at: BootClock.now())
        switch request {
        case .status: return eventLoop.makeSucceededFuture(.status(status()))
        case .peers:
            return eventLoop.makeSucceededFuture(
                .peers(PeerListing(peers: peers.indices.map(peerStatus), pending: pendingPeers())))
        case .ping(let text, let count): return ping(text, count: count)
        case .path(let text, let choice): return answerPath(text, use: choice)
        case .down:
            stop()
            return eventLoop.makeSucceededFuture(.down)
        }
    }

    // MARK: - Status

    private func status() -> NodeStatus {
        let now = BootClock.now()
        return NodeStatus(
            id: "\(node.id)", version: ShadowMeshVersion.text, uptimeMilliseconds: now.milliseconds(since: startedAt),
            mode: configuration.mode.rawValue, listenAddress: configuration.listenAddress.map { "\($0)" },
            tap: tapStatus(), candidates: ownCandidates(), relays: relays.indices.map { relayStatus($0, at: now) },
            peers: peers.indices.map(peerStatus),
            pending: pendingPeers(), nat: natStatus(), counters: allCounters())
    }

    private func tapStatus() -> TapStatus {
        let loop = loopCounters()
        var written = writer.counters
        written.add(messageOutput.counters)
        written.add(loop.output)
        return TapStatus(
            name: tapName, mac: "\(tapAddress)", mtu: configuration.tap.mtu,
            addresses: configuration.tap.addresses.map { "\($0)" },
            traffic: TrafficStatus(
                sentFrames: written.frameCount, sentBytes: written.byteCount, receivedFrames: loop.readFrameCount,
                receivedBytes: loop.readByteCount))
    }

    private func relayStatus(_ relay: Int, at now: Instant) -> RelayStatus {
        RelayStatus(
            url: "\(relays[relay].url)", id: "\(relays[relay].id)", state: relays[relay].state,
            sinceMilliseconds: now.milliseconds(since: relays[relay].since),
            rttMicroseconds: relayConnections[relay].flatMap { outboxes[$0]?.connection.roundTripNanoseconds }.map {
                $0 / 1000
            }, observedAddress: node.observedEndpoint(relay).map { "\($0)" }, lastError: relays[relay].lastError)
    }

    func peerStatus(_ peer: PeerIndex) -> PeerStatus {
        let now = BootClock.now()
        let record = peers[peer]
        let session = node.session(of: peer)
        return PeerStatus(
            id: "\(record.id)", name: record.name, state: record.state,
            sinceMilliseconds: now.milliseconds(since: record.since), path: node.carrier(of: peer).map(path),
            rttMicroseconds: (node.pathRoundTripNanoseconds(of: peer) ?? session?.roundTripNanoseconds).map {
                $0 / 1000
            }, paths: pathStatus(peer, at: now),
            session: session.map { session in
                SessionStatus(
                    id: Self.hexadecimal(session.identifier),
                    ageMilliseconds: now.milliseconds(since: session.establishedAt),
                    epoch: Int(session.epoch), rekeys: session.rotationCount)
            },
            handshake: record.handshake, traffic: record.traffic, losses: record.losses, lastError: record.lastError,
            steps: record.steps)
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private func pendingPeers() -> [PendingPeer] {
        let now = BootClock.now()
        return node.pendingPeers.map { pending in
            PendingPeer(
                id: "\(pending.id)", from: path(of: pending.carrier),
                sinceMilliseconds: now.milliseconds(since: pending.lastAskedAt), count: pending.count)
        }
    }

    /// What all packet loops have done.
    private func loopCounters() -> PacketLoop.Counters {
        packetLoops.reduce(into: PacketLoop.Counters()) { $0.add($1.counters) }
    }

    private func allCounters() -> [String: UInt64] {
        var all = counters
        for (reason, count) in node.recordRefusals { all[reason.rawValue, default: 0] += count }
        for (reason, count) in node.messageRefusals { all[reason.rawValue, default: 0] += count }
        if let listener = server?.counters {
            for (reason, count) in listener.refused.named { all["listener_refused_\(reason)"] = count }
            for (reason, count) in listener.closed.named { all["listener_closed_\(reason)"] = count }
        }
        let frames = ethernet.counters
        for reason in DropReason.allCases { all["frame_\(reason)"] = frames.dropped(reason) }
        all["frame_flooded"] = frames.flooded
        all["frame_answered"] = frames.answered
        all["frame_flood_copies_limited"] = frames.floodCopiesLimited
        let loop = loopCounters()
        if packetLoops.count > 1 {
            for (number, part) in packetLoops.map(\.counters).enumerated() {
                all["packet_loop_\(number)_frames_read"] = part.readFrameCount
                all["packet_loop_\(number)_frames_written"] = part.output.frameCount
                all["packet_loop_\(number)_datagrams_sent"] = part.segments.sentCount
            }
        }
        let dropped = writer.counters.droppedCount + messageOutput.counters.droppedCount + loop.output.droppedCount
        all["tap_joined"] = loop.output.joinedCount + messageOutput.counters.joinedCount
        all["datagrams_dropped_early"] = loop.droppedDatagramCount
        all["datagrams_sent"] = loop.segments.sentCount
        all["datagram_messages_sent"] = loop.segments.messageCount
        all["datagrams_refused"] = loop.segments.refusedCounts.values.reduce(0, +)
        all["datagram_segmentation_failures"] = loop.segments.segmentationFailureCount
        if dropped > 0 { all["tap_write_dropped"] = dropped }
        return all.filter { $0.value > 0 }
    }

    // MARK: - Ping

    /// The peer that a person named by its name, its ID or a unique beginning of that.
    func find(_ text: String) throws(ControlFailure) -> PeerIndex {
        if let named = peers.firstIndex(where: { $0.name == text }) { return named }
        let matches = peers.indices.filter { "\(peers[$0].id)".hasPrefix(text.lowercased()) }
        guard let peer = matches.first, matches.count == 1 else {
            let problem = matches.isEmpty ? "no peer is called" : "more than one peer begins with"
            throw ControlFailure(
                code: .unknownPeer, message: "\(problem) \(text); `shadowmesh peers` lists them")
        }
        return peer
    }

    /// The answer to a request that needs a session with a peer.
    func notConnected(_ peer: PeerIndex) -> EventLoopFuture<ControlResponse> {
        let reason = peers[peer].lastError.map { ": \($0)" } ?? ""
        return failed(.notConnected, "there is no session with \(peers[peer].label)\(reason)")
    }

    private func ping(_ text: String, count: Int) -> EventLoopFuture<ControlResponse> {
        let peer: PeerIndex
        do throws(ControlFailure) { peer = try find(text) } catch { return failed(error.code, error.message) }
        guard node.isReachable(peer) else { return notConnected(peer) }
        let probes = (0..<max(1, count)).map { number in
            eventLoop.flatScheduleTask(in: .milliseconds(Int64(number) * Self.pingIntervalMilliseconds)) {
                self.enter { $0.sendPing(to: peer) }
            }.futureResult
        }
        let record = peers[peer]
        return EventLoopFuture.whenAllSucceed(probes, on: eventLoop).map { probes in
            .ping(PingReport(id: "\(record.id)", name: record.name, probes: probes))
        }
    }

    func failed(_ code: ControlFailure.Code, _ text: String) -> EventLoopFuture<ControlResponse> {
        eventLoop.makeSucceededFuture(.failure(ControlFailure(code: code, message: text)))
    }

    private func sendPing(to peer: PeerIndex) -> EventLoopFuture<PingReport.Probe> {
        let promise = eventLoop.makePromise(of: PingReport.Probe.self)
        let identifier = UInt64.random(in: 1...UInt64.max)
        pings[identifier] = PingWait(peer: peer, sentAt: BootClock.now(), promise: promise)
        var isSent = false
        drive { node, now, actions in
            isSent = node.ping(peer, identifier: identifier, at: now, actions: &actions)
        }
        if !isSent { answerPing(identifier, peer: peer, microseconds: nil, path: "none") }
        return promise.futureResult
    }

    /// A ping was answered, or cannot be.
    func answerPing(_ identifier: UInt64, peer: PeerIndex, microseconds: UInt64?, path: String) {
        guard let wait = pings[identifier], wait.peer == peer else { return }
        pings[identifier] = nil
        wait.promise.succeed(PingReport.Probe(path: path, rttMicroseconds: microseconds))
    }

    /// Gives up on pings that were not answered in time.
    func expirePings(at now: Instant) {
        for (identifier, wait) in pings where now.milliseconds(since: wait.sentAt) >= Self.pingMilliseconds {
            let path = node.carrier(of: wait.peer).map(path) ?? "none"
            answerPing(identifier, peer: wait.peer, microseconds: nil, path: path)
        }
    }
}
