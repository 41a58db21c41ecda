public import MeshBase
internal import MeshWire

extension Node {
    /// The TLS connection to a relay is up; `keyHash` is what its certificate's SubjectPublicKeyInfo hashes to.
    public mutating func relayConnected(
        _ relay: Int, keyHash: [UInt8], nowSeconds: UInt64, actions: inout [NodeAction]
    ) {
        wallClockMilliseconds = nowSeconds * 1000
        links[relay].connected(keyHash: keyHash, nowSeconds: nowSeconds)
        actions.append(.event(.relay(relay, .connected)))
    }

    /// The connection to a relay was lost or could not be made.
    public mutating func relayLost(_ relay: Int, reason: String, at now: Instant, actions: inout [NodeAction]) {
        switch links[relay].state {
        case .waiting, .resting, .spare: return
        default: break
        }
        links[relay].lost(at: now, entropy: &context.entropy)
        actions.append(.event(.relay(relay, .lost(reason))))
        dropChannels(of: relay, at: now, actions: &actions)
    }

    /// Closes relay connections that no peer needs, and opens them again when one does.
    mutating func settleRelays(at now: Instant, actions: inout [NodeAction]) {
        guard context.usesDatagrams, let milliseconds = afterDirect.settledMilliseconds else { return }
        switch relayNeeds.greatest {
        case .needed:
            settledAt = nil
            for relay in links.indices { links[relay].wake(at: now) }
        case .used: settledAt = nil
        case .none:
            guard let settledAt else { return self.settledAt = now }
            guard now >= settledAt.advanced(milliseconds: milliseconds) else { return }
            for relay in links.indices where links[relay].rest() {
                actions.append(.event(.relay(relay, .resting)))
                actions.append(.closeRelay(relay))
                dropChannels(of: relay, at: now, actions: &actions)
            }
        }
    }

    var settleDeadline: Instant? {
        guard let settledAt, let milliseconds = afterDirect.settledMilliseconds,
            links.contains(where: { $0.canRest })
        else { return nil }
        return settledAt.advanced(milliseconds: milliseconds)
    }

    mutating func dropChannels(of relay: Int, at now: Instant, actions: inout [NodeAction]) {
        for index in peers.indices {
            run(index, at: now, actions: &actions) { peer, context, out in
                peer.relayClosed(relay, context: &context, at: now, actions: &out)
            }
        }
    }

    /// A relay sent a message on channel 0.
    public mutating func receivedFromRelay(
        _ relay: Int, _ bytes: RawSpan, at now: Instant, actions: inout [NodeAction]
    ) {
        guard let message = try? RelayMessage(parsing: bytes) else {
            messageRefusals[.malformedMessage, default: 0] += 1
            actions.append(.closeRelay(relay))
            return relayLost(relay, reason: "the relay sent a malformed message", at: now, actions: &actions)
        }
        let outcome = links[relay].received(
            message, identity: context.identity, at: now, entropy: &context.entropy)
        apply(outcome, of: relay, at: now, actions: &actions)
    }

    mutating func apply(
        _ outcome: RelayLink.Outcome, of relay: Int, at now: Instant, actions: inout [NodeAction]
    ) {
        switch outcome {
        case .none: break
        case .connect:
            actions.append(.event(.relay(relay, .connecting)))
            actions.append(.connectRelay(relay))
        case .work(let work): start(work, for: .relay(relay, attempt: links[relay].attempt), actions: &actions)
        case .ready(let welcome):
            actions.append(.event(.relay(relay, .ready(observed: welcome.observedEndpoint))))
            listObservedEndpoints()
            let peersMax = Int(welcome.peersMax)
            name(peers.map(\.id), to: relay, peersMax: peersMax, actions: &actions)
            if peersMax < peers.count {
                actions.append(.event(.peersNotNamed(peersMax..<peers.count, relay: relay)))
            }
        case .opened(let channel, let id):
            guard let index = peerIndices[id] else { return }
            let localID = self.id
            run(index, at: now, actions: &actions) { peer, context, out in
                peer.relayOpened(
                    relay, channel: channel, localID: localID, context: &context, at: now, actions: &out)
            }
        case .closed(let channel):
            for index in peers.indices where peers[index].relayChannels[relay] == channel {
                run(index, at: now, actions: &actions) { peer, context, out in
                    peer.relayClosed(relay, context: &context, at: now, actions: &out)
                }
            }
        case .close(let event):
            actions.append(.event(.relay(relay, event)))
            actions.append(.closeRelay(relay))
            dropChannels(of: relay, at: now, actions: &actions)
        case .event(let event):
            actions.append(.event(.relay(relay, event)))
            if event == .draining {
                for index in peers.indices {
                    // Now, not with the next record: a node that only sends hears of nothing before the relay is gone.
                    run(index, at: now, actions: &actions) { peer, _, _ in peer.relayDraining(relay) }
                }
            }
        }
    }

    /// The addresses that relays saw are told to this node only, which lists them inside its sessions.
    mutating func listObservedEndpoints() {
        context.parameters.candidates.removeAll { $0.source == .relayObserved && $0.transport == .webSocket }
        for relay in links.indices {
            guard let endpoint = observedEndpoint(relay) else { continue }
            let candidate = Candidate(source: .relayObserved, transport: .webSocket, endpoint: endpoint)
            if !context.parameters.candidates.contains(candidate),
                context.parameters.candidates.count < SessionParameters.candidatesMax
            {
                context.parameters.candidates.append(candidate)
            }
        }
    }

    func name(_ ids: [PeerID], to relay: Int, peersMax: Int, actions: inout [NodeAction]) {
        var rest = ids.prefix(peersMax)
        while !rest.isEmpty {
            let part = Array(rest.prefix(RelayMessage.peersMax))
            rest = rest.dropFirst(part.count)
            actions.append(.sendToRelay(relay, RelayMessage.namePeers(part).bytes))
        }
    }
}
