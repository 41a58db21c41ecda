public import MeshBase
internal import MeshCrypto
public import MeshProtocol
internal import MeshWire

extension Simulation {
    // MARK: - What a test does

    /// Runs until virtual time `end`.
    public mutating func run(until end: Instant) {
        while let next = queue.next, next <= end, let (at, event) = queue.removeFirst() {
            now = max(now, at)
            handle(event)
        }
        now = max(now, end)
    }

    /// Runs for `milliseconds`.
    public mutating func run(milliseconds: UInt64) { run(until: now.advanced(milliseconds: milliseconds)) }

    /// Runs until `condition`, checked every `stepMilliseconds`. Returns whether it came true in time.
    public mutating func run(
        until condition: (Simulation) -> Bool, withinMilliseconds limit: UInt64, stepMilliseconds: UInt64 = 100
    ) -> Bool {
        let end = now.advanced(milliseconds: limit)
        while !condition(self) {
            guard now < end else { return false }
            run(milliseconds: stepMilliseconds)
        }
        return true
    }

    /// Whether `from` can seal frames for `to` and send them.
    public func isReachable(from: Int, to: Int) -> Bool {
        guard let index = hosts[from].node.peerIndex(of: hosts[to].identity.id) else { return false }
        return hosts[from].node.isReachable(index)
    }

    /// Whether every node reaches every other.
    public var isMeshed: Bool {
        hosts.indices.allSatisfy { from in hosts.indices.allSatisfy { $0 == from || isReachable(from: from, to: $0) } }
    }

    /// A frame: its number in 8 bytes, then bytes that differ from place to place and from frame to frame.
    static func frame(_ number: UInt64, byteCount: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: byteCount)
        for place in bytes.indices {
            let mixed: UInt64 = (number &+ UInt64(place)) &* 0x9E37
            let value: UInt64 = place < 8 ? number >> UInt64(56 - 8 * place) : mixed >> 8
            bytes[place] = UInt8(truncatingIfNeeded: value)
        }
        return bytes
    }

    /// Sends a frame of at least 8 bytes. Returns its number, or `nil` when there is no session.
    public mutating func sendFrame(from: Int, to: Int, byteCount: Int = Simulation.frameByteCount) -> UInt64? {
        guard let peer = hosts[from].node.peerIndex(of: hosts[to].identity.id),
            let carrier = hosts[from].node.carrier(of: peer)
        else { return nil }
        let number = nextFrame
        guard let records = seal(Self.frame(number, byteCount: byteCount), from: from, to: peer) else { return nil }
        nextFrame += 1
        let second = hosts[from].node.secondCarrier(of: peer)
        sentFrames[number] = SentFrame(
            from: from, to: to, at: now, byteCount: byteCount, recordCount: records.count,
            isSuspect: hosts[from].node.pathSuspicion(of: peer) != nil)
        for record in records { noteSealed(record, number) }
        for record in records {
            send(record, by: carrier, from: from)
            if let second { send(record, by: second, from: from) }
        }
        armNode(from)
        return number
    }

    /// The frame's records: one, or those of its slices.
    private mutating func seal(_ frame: [UInt8], from: Int, to peer: PeerIndex) -> [[UInt8]]? {
        guard let cut = hosts[from].node.cutFrame(to: peer, byteCount: frame.count) else {
            var record = [UInt8](repeating: 0, count: Session.frameOverheadByteCount + frame.count)
            record.replaceSubrange(Session.contentOffset..<Session.contentOffset + frame.count, with: frame)
            var bytes = record.mutableSpan
            var span = bytes.mutableRawBytes
            let count = hosts[from].node.sealFrame(to: peer, byteCount: frame.count, in: &span, at: now)
            return count == nil ? nil : [record]
        }
        slicedFrameCount += 1
        return (0..<cut.count).compactMap { index in
            let slice = frame[cut.slice(index).range]
            var record = [UInt8](repeating: 0, count: Session.sliceOverheadByteCount + slice.count)
            record.replaceSubrange(Session.sliceOffset..<Session.sliceOffset + slice.count, with: slice)
            var bytes = record.mutableSpan
            var span = bytes.mutableRawBytes
            let count = hosts[from].node.sealSlice(index, of: cut, to: peer, in: &span, at: now)
            return count == nil ? nil : record
        }
    }

    /// Breaks the connection of a node and a relay.
    public mutating func breakConnection(node: Int, relay: Int) {
        guard let connection = hosts[node].connections[relay] else { return }
        relays[relay].brokenAt = now
        queue.add(.closed(node: node, relay: relay, connection: connection), at: now)
    }

    /// The node forgets everything but its identity.
    public mutating func restartNode(_ index: Int) {
        for relay in relays.indices { dropConnection(node: index, relay: relay) }
        for (number, ends) in connections?.open ?? [:] where ends.contains(index) {
            closeConnection(number, by: index)
        }
        hosts[index].node = makeNode(
            hosts[index].identity, peers: hosts.map(\.identity.id), candidates: hosts[index].candidates)
        hosts[index].generation += 1
        hosts[index].timerAt = nil
        armNode(index)
    }

    /// The relay forgets everything but its identity.
    public mutating func restartRelay(_ index: Int) throws {
        for node in hosts.indices { breakConnection(node: node, relay: index) }
        run(until: now)
        relays[index].core = try makeSwitch(relays[index].identity)
        relays[index].generation += 1
        relays[index].nodes = [:]
        relays[index].brokenAt = now
    }

    // MARK: - Paths

    /// The carrier of `from`'s records to `to`.
    public func carrier(from: Int, to: Int) -> CarrierID? {
        hosts[from].node.peerIndex(of: hosts[to].identity.id).flatMap { hosts[from].node.carrier(of: $0) }
    }

    /// Whether all records between the two go by UDP, both ways.
    public func isDirect(_ one: Int, _ other: Int) -> Bool {
        [(one, other), (other, one)].allSatisfy { from, to in
            if case .udp = carrier(from: from, to: to) { true } else { false }
        }
    }

    /// Whether all records between the two go by relay, both ways.
    public func isRelayed(_ one: Int, _ other: Int) -> Bool {
        [(one, other), (other, one)].allSatisfy { from, to in carrier(from: from, to: to)?.isRelay ?? false }
    }

    /// Whether a node is connected to a relay.
    public func isConnected(_ node: Int, toRelay relay: Int) -> Bool { hosts[node].connections[relay] != nil }

    /// Pairs of nodes that the relay forwards for.
    public func pairCount(atRelay relay: Int) -> Int { relays[relay].core.pairCount }

    /// Bytes of the longest record that a node's path to another is known to carry; `nil` unless it goes by UDP.
    public func recordByteCountMax(from: Int, to: Int) -> Int? {
        hosts[from].node.peerIndex(of: hosts[to].identity.id).flatMap { hosts[from].node.recordByteCountMax(of: $0) }
    }

    /// What a node tells of the loss on its direct path to another, in frames of 1,000; `nil` when it cannot.
    public func lossPermille(from: Int, to: Int) -> UInt64? {
        hosts[from].node.peerIndex(of: hosts[to].identity.id).flatMap { hosts[from].node.pathLossPermille(of: $0) }
    }

    /// Records that a node dropped, by reason.
    public func recordRefusals(of node: Int) -> [RecordRefusal: UInt64] { hosts[node].node.recordRefusals }

    /// People allow direct paths between two nodes, or want the relay.
    public mutating func setDirectAllowed(_ isAllowed: Bool, _ one: Int, _ other: Int) {
        for (from, to) in [(one, other), (other, one)] {
            guard let peer = hosts[from].node.peerIndex(of: hosts[to].identity.id) else { continue }
            drive(from) { $0.setPathWish(isAllowed ? .automatic : .relay, for: peer, at: $2, actions: &$1) }
        }
    }
}
