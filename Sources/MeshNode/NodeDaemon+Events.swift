internal import Logging
internal import MeshBase
internal import MeshControl
internal import MeshEthernet
internal import MeshProtocol
internal import MeshTransport
internal import MeshWire

extension NodeDaemon {
    /// Turns an event of the machine into log lines, timeline and status.
    func note(_ event: NodeEvent, at now: Instant) {
        switch event {
        case .relay(let relay, let event): note(event, of: relay, at: now)
        case .peersNotNamed(let range, let relay): noteNotNamed(range, relay)
        case .carrierOpened(let peer, let carrier):
            peers[peer].step(carrier.isRelay ? "peer at relay" : "direct connection", since: startedAt, at: now)
            logger.info("peer reachable", metadata: metadata(peer, ["path": "\(path(of: carrier))"]))
        case .carrierClosed(let peer, let carrier):
            logger.info("path closed", metadata: metadata(peer, ["path": "\(path(of: carrier))"]))
            if node.carrier(of: peer) == nil { peers[peer].enter(.unreachable, at: now) }
        case .handshake(let peer, let progress):
            peers[peer].step(progress.rawValue, since: startedAt, at: now)
            if node.session(of: peer) == nil { peers[peer].enter(.handshaking, at: now) }
            logger.debug("handshake", metadata: metadata(peer, ["step": "\(progress.rawValue)"]))
        case .handshakeFailed(let peer, let failure):
            peers[peer].lastError = failure.text
            logger.warning("handshake failed", metadata: metadata(peer, ["reason": "\(failure.text)"]))
            if node.session(of: peer) == nil { peers[peer].enter(.connecting, at: now) }
        case .established(let peer, let summary): note(summary, of: peer, at: now)
        case .confirmed(let peer):
            peers[peer].step("session confirmed", since: startedAt, at: now)
            logger.debug("session confirmed", metadata: metadata(peer))
        case .rotated(let peer, let epoch):
            logger.debug("keys rotated", metadata: metadata(peer, ["epoch": "\(epoch)"]))
        case .sessionEnded(let peer, let end):
            peers[peer].lastError = end.text
            if node.session(of: peer) == nil { peers[peer].enter(.connecting, at: now) }
            logger.notice("session ended", metadata: metadata(peer, ["reason": "\(end.text)"]))
        case .sessionLost(let peer):
            logger.info("the peer has lost the session", metadata: metadata(peer))
        case .unresponsive(let peer):
            peers[peer].enter(.unreachable, at: now)
            peers[peer].lastError = "the peer does not answer; a new handshake is tried"
            logger.notice("peer does not answer", metadata: metadata(peer))
        case .pong(let peer, let identifier, let nanoseconds, let carrier):
            if peers[peer].state == .unreachable { peers[peer].enter(.established, at: now) }
            answerPing(identifier, peer: peer, microseconds: nanoseconds / 1000, path: path(of: carrier))
        case .pathValidated(let peer, let endpoint, let nanoseconds):
            logger.info(
                "direct path proven",
                metadata: metadata(peer, ["path": "udp \(endpoint)", "rtt_us": "\(nanoseconds / 1000)"]))
        case .connectionProven(let peer, let connection, let nanoseconds):
            let metadata = metadata(
                peer, ["path": "\(path(of: .direct(connection)))", "rtt_us": "\(nanoseconds / 1000)"])
            logger.info("direct path proven", metadata: metadata)
        case .pathChanged(let peer, let from, let to, let reason):
            notePathChange(of: peer, from: from, to: to, reason, at: now)
        case .pathSizeChanged(let peer, let endpoint, let byteCount):
            logger.info(
                "record size changed",
                metadata: metadata(peer, ["path": "udp \(endpoint)", "record_bytes": "\(byteCount)"]))
        case .pathSuspect(let peer, let carrier, let reason):
            // A translator on the way may have given this node another address.
            for server in datagrams?.servers.all ?? [] { datagrams?.port.observe(server) }
            logger.info(
                "path in doubt",
                metadata: metadata(peer, ["path": "\(path(of: carrier))", "reason": "\(reason.rawValue)"]))
        case .pathDead(let peer, let carrier):
            logger.notice("path dead", metadata: metadata(peer, ["path": "\(path(of: carrier))"]))
        case .attemptFailed(let peer, let failure):
            let isDirect = node.carrier(of: peer).map { !$0.isRelay } ?? false
            let text: Logger.Message = isDirect ? "no better direct path" : "no direct path"
            logger.info(text, metadata: metadata(peer, ["reason": "\(failure.rawValue)"]))
            settlePathWaits(at: now, failure: (peer, failure.rawValue))
        case .wishDropped(let peer, let endpoint):
            logger.info(
                "chosen path not taken: it does not answer", metadata: metadata(peer, ["path": "udp \(endpoint)"]))
            settlePathWaits(at: now, failure: (peer, "the address does not answer"))
        case .unknownPeer(let id, let carrier):
            guard mayLogUnknown(at: now) else { return }
            logger.notice(
                "a node that is not configured asks for a session; add its peer_id to peers: to admit it",
                metadata: ["peer_id": "\(id)", "path": "\(path(of: carrier))"])
        }
    }

    private func notePathChange(
        of peer: PeerIndex, from: CarrierID, to: CarrierID, _ reason: PathChangeReason, at now: Instant
    ) {
        let lasted = peers[peer].pathSince.map { now.milliseconds(since: $0) } ?? 0
        peers[peer].pathSince = now
        logger.info(
            "path changed",
            metadata: metadata(
                peer,
                [
                    "from": "\(path(of: from))", "to": "\(path(of: to))", "reason": "\(reason.rawValue)",
                    "lasted_ms": "\(lasted)",
                ]))
        settlePathWaits(at: now)
    }

    private func note(_ summary: HandshakeSummary, of peer: PeerIndex, at now: Instant) {
        peers[peer].step("session established", since: startedAt, at: now)
        peers[peer].enter(.established, at: now)
        ethernet.portReachable(PortIndex(value: peer))
        peers[peer].pathSince = now
        peers[peer].lastError = nil
        peers[peer].handshake = HandshakeStatus(
            durationMicroseconds: summary.nanoseconds / 1000, cpuMicroseconds: summary.processorNanoseconds / 1000,
            bytes: UInt64(summary.byteCount))
        if Int(summary.remoteParameters.mtu) != configuration.tap.mtu {
            logger.warning(
                "the peer's MTU differs; give all nodes of a mesh the same tap.mtu",
                metadata: metadata(peer, ["theirs": "\(summary.remoteParameters.mtu)"]))
        }
        logger.info(
            "session established",
            metadata: metadata(
                peer,
                [
                    "path": "\(node.carrier(of: peer).map(path) ?? "none")",
                    "milliseconds": "\(summary.nanoseconds / 1_000_000)", "bytes": "\(summary.byteCount)",
                ]))
    }

    private func noteNotNamed(_ range: Range<PeerIndex>, _ relay: Int) {
        let text =
            "the relay \(relays[relay].url) connects a node with its first \(range.lowerBound) peers only; raise "
            + "limits.peers_per_client there, or list this peer earlier"
        for peer in range where node.carrier(of: peer) == nil { peers[peer].lastError = text }
        if relays[relay].warnedPeersMax != range.lowerBound {
            relays[relay].warnedPeersMax = range.lowerBound
            logger.warning(
                "a relay connects this node with some of its peers only",
                metadata: [
                    "relay": "\(relays[relay].url)", "peers_max": "\(range.lowerBound)",
                    "not_connected": "\(range.count)",
                ])
        }
    }

    private func note(_ event: RelayLinkEvent, of relay: Int, at now: Instant) {
        let url = relays[relay].url
        switch event {
        case .connecting: relays[relay].enter("connecting", at: now)
        case .connected: relays[relay].enter("proving", at: now)
        case .ready(let observed):
            relays[relay].enter("connected", at: now)
            relays[relay].lastError = nil
            for peer in peers.indices { peers[peer].step("relay connected", since: startedAt, at: now) }
            logger.info("relay connected", metadata: ["relay": "\(url)", "observed": "\(observed)"])
            if let address = address(ofRelay: relay) { observeDatagrams(by: relay, at: address) }
        case .lost(let reason):
            fail(relay, "disconnected", reason, at: now)
        case .untrusted(let failure):
            fail(relay, "not trusted", failure.text, at: now)
        case .refused(let reason):
            fail(relay, "refused", "the relay refused this node: \(reason.text)", at: now)
        case .draining:
            relays[relay].enter("draining", at: now)
            logger.notice("relay is about to stop", metadata: ["relay": "\(url)"])
        case .resting:
            relays[relay].enter("resting", at: now)
            logger.info("relay not needed: every peer is reached directly", metadata: ["relay": "\(url)"])
        case .spare: relays[relay].enter("spare", at: now)
        case .identityInUseElsewhere:
            fail(
                relay, "identity in use elsewhere",
                "another host uses this identity; give each host its own (shadowmesh init)", at: now)
        }
    }

    private func fail(_ relay: Int, _ state: String, _ reason: String, at now: Instant) {
        relays[relay].enter(state, at: now)
        if relays[relay].lastError != reason {
            logger.warning("relay \(state)", metadata: ["relay": "\(relays[relay].url)", "reason": "\(reason)"])
        }
        relays[relay].lastError = reason
    }

    private func metadata(_ peer: PeerIndex, _ more: Logger.Metadata = [:]) -> Logger.Metadata {
        more.merging(["peer": "\(peers[peer].label)"]) { first, _ in first }
    }

    /// A path as people call it.
    func path(of carrier: CarrierID) -> String {
        switch carrier {
        case .relay(let relay, _): "relay \(relays[relay].id.abbreviated)"
        case .direct(let connection):
            outboxes[connection].map { "wss \($0.connection.remoteEndpoint)" } ?? "wss"
        case .udp(let endpoint): "udp \(endpoint)"
        }
    }
}
