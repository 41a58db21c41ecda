public import MeshBase
internal import MeshCrypto
internal import MeshWire

extension Node {
    /// A message that is not a record came by a carrier.
    public mutating func received(
        _ bytes: RawSpan, by carrier: CarrierID, at now: Instant, actions: inout [NodeAction]
    ) {
        do throws(NodeRefusal) { try dispatch(bytes, by: carrier, at: now, actions: &actions) } catch {
            messageRefusals[error, default: 0] += 1
        }
    }

    mutating func dispatch(
        _ bytes: RawSpan, by carrier: CarrierID, at now: Instant, actions: inout [NodeAction]
    ) throws(NodeRefusal) {
        guard bytes.byteCount > 0, let kind = MessageKind(rawValue: bytes.bigEndian(at: 0, as: UInt8.self)) else {
            throw .malformedMessage
        }
        if kind == .hello { return try receivedHello(bytes, by: carrier, at: now, actions: &actions) }
        guard let index = peer(by: carrier) else { throw .unknownCarrier }
        let copy = bytes.copy(0..<bytes.byteCount)
        let localID = id
        var refusal: NodeRefusal?
        run(index, at: now, actions: &actions) { peer, context, out in
            switch kind {
            case .challenge:
                refusal = peer.received(challenge: copy, by: carrier, context: &context, actions: &out)
            case .response:
                refusal = peer.received(
                    response: copy, by: carrier, localID: localID, context: &context, actions: &out)
            case .established:
                refusal = peer.received(established: copy, by: carrier, context: &context, at: now, actions: &out)
            case .reset:
                guard let message = try? SessionReset(parsing: copy.span.rawBytes) else {
                    return refusal = .malformedMessage
                }
                peer.sessionLost(remoteIndex: message.sessionIndex, token: message.token, at: now, actions: &out)
            case .noSession:
                // Without a token it counts only where a relay vouches for the sender.
                guard carrier.isRelay, let message = try? NoSession(parsing: copy.span.rawBytes) else {
                    return refusal = .malformedMessage
                }
                peer.sessionLost(remoteIndex: message.sessionIndex, token: nil, at: now, actions: &out)
            case .record, .hello: refusal = .unexpectedMessage
            }
        }
        if let refusal { throw refusal }
    }

    func peer(by carrier: CarrierID) -> PeerIndex? {
        switch carrier {
        case .relay(let relay, let channel):
            guard case .ready(let ready) = links[relay].state, let id = ready.peers[channel] else { return nil }
            return peerIndices[id]
        case .direct(let connection): return directPeers[connection] ?? nil
        case .udp(let endpoint): return peers.firstIndex { $0.paths.prober?.isValid(endpoint) == true }
        }
    }

    mutating func receivedHello(
        _ bytes: RawSpan, by carrier: CarrierID, at now: Instant, actions: inout [NodeAction]
    ) throws(NodeRefusal) {
        guard let hello = try? Hello(parsing: bytes) else { throw .malformedMessage }
        let sender = PublicIdentity.id(of: hello.initiatorIdentity)
        guard sender != id else { throw .ownIdentity }
        guard hello.responder == id else { throw .notForUs }
        switch carrier {
        case .relay(let relay, let channel):
            guard case .ready(let ready) = links[relay].state, let id = ready.peers[channel] else {
                throw .unknownCarrier
            }
            guard id == sender else { throw .wrongSource }
        case .direct(let connection):
            guard let owner = directPeers[connection] else { throw .unknownCarrier }
            if let owner, peers[owner].id != sender { throw .wrongSource }
            guard mayCostVerification(connection, at: now) else { throw .helloRateLimited }
        // No message of a handshake fits a datagram.
        case .udp: throw .unknownCarrier
        }
        guard let index = peerIndices[sender] else {
            notePending(sender, by: carrier, at: now)
            actions.append(.event(.unknownPeer(sender, carrier)))
            throw .unknownPeer
        }
        if case .direct(let connection) = carrier { directPeers[connection] = .some(index) }
        let copy = bytes.copy(0..<bytes.byteCount)
        var refusal: NodeRefusal?
        run(index, at: now, actions: &actions) { peer, context, out in
            refusal = peer.received(hello: copy, by: carrier, context: &context, at: now, actions: &out)
        }
        if let refusal { throw refusal }
    }

    /// Takes a token of the address that the connection comes from: anyone can dial and name a configured peer, and each
    /// HELLO costs two verifications.
    mutating func mayCostVerification(_ connection: UInt64, at now: Instant) -> Bool {
        // Whom this node dialled is limited by how often it dials.
        guard strangers.contains(where: { $0.connection == connection }),
            let address = context.remoteEndpoints[connection]?.address.network
        else { return true }
        if helloBuckets.count >= Self.helloAddressesMax {
            helloBuckets = helloBuckets.filter { !$0.value.isFull(at: now) }
            guard helloBuckets.count < Self.helloAddressesMax || helloBuckets[address] != nil else { return false }
        }
        var bucket = helloBuckets[address] ?? TokenBucket(perSecond: 1, burst: 5)
        defer { helloBuckets[address] = bucket }
        return bucket.take(at: now)
    }

    mutating func notePending(_ id: PeerID, by carrier: CarrierID, at now: Instant) {
        // Somebody asks at the relays: they stay a while longer.
        settledAt = nil
        if let known = pendingPeers.firstIndex(where: { $0.id == id }) {
            pendingPeers[known].count += 1
            pendingPeers[known].carrier = carrier
            pendingPeers[known].lastAskedAt = now
            return
        }
        if pendingPeers.count >= Self.pendingPeersMax { pendingPeers.removeFirst() }
        pendingPeers.append(PendingPeer(id: id, carrier: carrier, count: 1, lastAskedAt: now))
    }
}
