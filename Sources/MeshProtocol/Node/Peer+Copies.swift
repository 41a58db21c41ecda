internal import MeshBase
internal import MeshCrypto
internal import MeshWire

/// What becomes of frames while the path in use is in doubt: copies go by another path, and are kept until that has shown
/// itself alive.
extension Peer {
    /// What takes over when the path in use is dead; no channel that this node is about to close.
    var alternative: CarrierID? {
        let relay = relayCarrier.flatMap { isClosing($0) ? nil : $0 }
        if case .direct = paths.current { return relay }
        return direct.map(CarrierID.direct) ?? relay
    }

    private func isClosing(_ carrier: CarrierID) -> Bool {
        guard case .relay(let relay, let channel) = carrier else { return false }
        return closingChannels[relay] == channel
    }

    /// Where copies of all records go while the path in use is suspect.
    var secondCarrier: CarrierID? {
        guard paths.liveness?.suspicion != nil, paths.isOnDirect else { return nil }
        return alternative
    }

    /// Where copies of frames go: nowhere, while older ones wait for that carrier.
    var copyCarrier: CarrierID? {
        // Not by a closure, which would copy the peer for each frame.
        guard let second = secondCarrier, !kept.isWaiting(for: second) else { return nil }
        return second
    }

    /// The carriers of records and of copies of frames; `mutating` so that the peer is asked where it is, and not copied.
    mutating func carriers() -> (first: CarrierID?, second: CarrierID?) {
        // Nearly always.
        if let current = paths.current, paths.liveness?.suspicion == nil, isUsable(current) { return (current, nil) }
        return (carrier, copyCarrier)
    }

    /// Where kept frames go now: not by a path in doubt, nor a second time by one that has not failed.
    var keptCarrier: CarrierID? {
        guard !kept.isEmpty, let next = alternative ?? (paths.liveness?.suspicion == nil ? carrier : nil),
            kept.isWaiting(for: next)
        else { return nil }
        return next
    }

    /// Takes a kept frame, to be sent by `keptCarrier`.
    mutating func takeKept(context: inout PeerContext, at now: Instant) -> [UInt8]? {
        guard let next = keptCarrier else { return nil }
        let isAlive = paths.aliveAlternative == next || paths.current == next
        return updateKept(context: &context) { $0.next(for: next, isAlive: isAlive, at: now) }
    }

    /// Keeps the record of a frame or slice that goes out by a path in doubt.
    mutating func keep(_ record: RawSpan, context: inout PeerContext, at now: Instant) {
        guard paths.liveness?.suspicion != nil, context.keptByteCount < PeerContext.keptByteCountMax else { return }
        let sender = copyCarrier
        if let sender, sender == paths.aliveAlternative { return }
        let copy = record.copy(0..<record.byteCount)
        updateKept(context: &context) { $0.append(copy, sentBy: sender, at: now) }
    }

    /// Asks the other path, at the beginning of a doubt, whether it still carries anything.
    mutating func askAlternative(
        _ place: Int, context: inout PeerContext, at now: Instant, actions: inout [PeerAction]
    ) {
        guard let other = secondCarrier, let identifier = paths.pingAlternative(other, entropy: &context.entropy) else {
            return
        }
        actions.append(.send(other, sessions[place].sealedPing(identifier, at: now)))
    }

    /// A ping was answered.
    mutating func ponged(_ identifier: UInt64, context: inout PeerContext) {
        paths.ponged(identifier)
        guard !kept.isEmpty, let alive = paths.aliveAlternative else { return }
        updateKept(context: &context) { $0.showedAlive(alive) }
    }
}
