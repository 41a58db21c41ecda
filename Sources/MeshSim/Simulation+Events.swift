internal import MeshBase
internal import MeshCrypto
internal import MeshProtocol
internal import MeshWire

extension Simulation {
    mutating func handle(_ event: Event) {
        switch event {
        case .nodeTimer(let index):
            hosts[index].timerAt = nil
            drive(index) { $0.handleTimeout(nowSeconds: Self.wallClockSeconds($2), at: $2, actions: &$1) }
        case .relayTimer(let index):
            relays[index].timerAt = nil
            driveRelay(index) { $0.handleTimeout(at: $2, actions: &$1) }
        case .connect(let node, let relay, let generation): connect(node, relay, generation)
        case .toNode(let index, let relay, let connection, let channel, let bytes):
            guard hosts[index].connections[relay] == connection else {
                return noteMisled(bytes, byRelay: relay, after: 2 * delayMilliseconds(toRelay: relay))
            }
            deliver(bytes, to: index, relay: relay, channel: channel)
        case .toRelay(let index, let connection, let channel, let bytes):
            forward(bytes, at: index, connection: connection, channel: channel)
        case .nodeWork(let index, let generation, let ticket, let result):
            guard hosts[index].generation == generation else { return }
            drive(index) { $0.performed(ticket, result, processorNanoseconds: 0, at: $2, actions: &$1) }
        case .relayWork(let index, let generation, let ticket, let result):
            guard relays[index].generation == generation else { return }
            driveRelay(index) { $0.performed(ticket, result, at: $2, actions: &$1) }
        case .datagram(let index, let datagram): arrived(datagram, at: index)
        case .portMeasured(let index, let peer, let endpoint):
            drive(index) { $0.portMeasured(endpoint, for: peer, at: $2, actions: &$1) }
        case .datagramTooLong(let index, let endpoint, let byteCount):
            drive(index) { $0.datagramTooLong(byteCount: byteCount, to: endpoint, at: $2, actions: &$1) }
        case .met(let one, let other): met(one, other)
        case .byConnection(let number, let index, let bytes):
            guard let network = connections, network.open[number]?.contains(index) == true else {
                return noteMisled(bytes, after: connections?.delayMilliseconds ?? 0)
            }
            deliver(bytes, to: index, by: .direct(number))
        case .connectionClosed(let number, let index): connectionClosed(number, at: index)
        case .relayReplaced(let index, let generation):
            if relays[index].generation == generation { relayReplaced(index) }
        case .closed(let node, let relay, let connection):
            guard hosts[node].connections[relay] == connection else { return }
            dropConnection(node: node, relay: relay)
            drive(node) { $0.relayLost(relay, reason: "connection reset", at: $2, actions: &$1) }
        }
    }

    static func wallClockSeconds(_ now: Instant) -> UInt64 { epochSeconds + now.nanoseconds / 1_000_000_000 }

    mutating func connect(_ node: Int, _ relay: Int, _ generation: UInt64) {
        guard hosts[node].generation == generation else { return }
        guard !relays[relay].isDown else {
            return drive(node) { $0.relayLost(relay, reason: "connection refused", at: $2, actions: &$1) }
        }
        let connection = nextConnection
        nextConnection += 1
        hosts[node].connections[relay] = connection
        relays[relay].nodes[connection] = node
        let keyHash = Digest.sha256(relays[relay].identity.id.bytes)
        drive(node) {
            $0.relayConnected(relay, keyHash: keyHash, nowSeconds: Self.wallClockSeconds($2), actions: &$1); _ = $2
        }
        // '!' okay: four bytes make an address.
        let endpoint = Endpoint(address: IPAddress(bytes: [192, 0, 2, UInt8(truncatingIfNeeded: node)])!, port: 40_000)
        driveRelay(relay) { $0.connected(connection, from: endpoint, at: $2, actions: &$1) }
    }

    mutating func dropConnection(node: Int, relay: Int) {
        guard let connection = hosts[node].connections.removeValue(forKey: relay) else { return }
        relays[relay].nodes.removeValue(forKey: connection)
        driveRelay(relay) {
            $0.closed(connection, actions: &$1); _ = $2
        }
    }

    mutating func deliver(_ bytes: [UInt8], to index: Int, relay: Int, channel: UInt32) {
        if channel == CarrierItem.controlChannel {
            return drive(index) { $0.receivedFromRelay(relay, bytes.span.rawBytes, at: $2, actions: &$1) }
        }
        deliver(bytes, to: index, by: .relay(relay, channel: channel))
    }

    mutating func deliver(_ bytes: [UInt8], to index: Int, by carrier: CarrierID) {
        guard bytes.first == MessageKind.record.rawValue else {
            return drive(index) { $0.received(bytes.span.rawBytes, by: carrier, at: $2, actions: &$1) }
        }
        noteArrived(bytes)
        var copy = bytes
        var delivered: (peer: PeerIndex, frame: [UInt8])?
        var released: [ReleasedFrame] = []
        drive(index) { node, actions, now in
            var mutable = copy.mutableSpan
            var span = mutable.mutableRawBytes
            // In all three ways of a daemon: opened by the node, without it, and taken as a run. A tag is random.
            let way = (bytes.last ?? 0) % 3
            let opening = way == 0 ? nil : node.openingKey(of: span.bytes).map { $0.open(&span) }
            if way == 2, let run = OpenedRun(span.bytes, opening), let content = OpenedRun.content(of: span.bytes),
                let peer = node.take(run, by: carrier, at: now)
            {
                delivered = (peer, span.bytes.copy(content.frame))
            } else if let opened = try? node.open(&span, opening: opening, by: carrier, at: now, actions: &actions) {
                delivered = (opened.peer, span.bytes.copy(opened.frame))
            }
            released = node.takeReleasedFrames()
        }
        if let delivered { judge(delivered.frame, from: delivered.peer, at: index) }
        for frame in released { judge(frame.bytes, from: frame.peer, at: index) }
    }

    mutating func forward(_ bytes: [UInt8], at index: Int, connection: UInt64, channel: UInt32) {
        let wayMilliseconds = delayMilliseconds(toRelay: index)
        guard relays[index].nodes[connection] != nil else {
            return noteMisled(bytes, byRelay: index, after: wayMilliseconds)
        }
        if channel == CarrierItem.controlChannel {
            return driveRelay(index) { $0.received(bytes.span.rawBytes, from: connection, at: $2, actions: &$1) }
        }
        guard
            let route = try? relays[index].core.route(
                from: connection, channel: channel, byteCount: bytes.count, at: now),
            let node = relays[index].nodes[route.connection]
        else { return noteMisled(bytes, byRelay: index, after: wayMilliseconds) }
        for (delay, altered) in suffer(bytes, faults(ofRelay: index)) {
            queue.add(
                .toNode(node, relay: index, connection: route.connection, channel: route.channel, altered),
                at: now.advanced(milliseconds: delay))
        }
    }

    /// What becomes of a message on one leg: nothing, one copy or two, each with its delay.
    mutating func suffer(
        _ bytes: [UInt8], _ faults: Faults? = nil
    ) -> [(delayMilliseconds: UInt64, bytes: [UInt8])] {
        let faults = faults ?? self.faults
        if entropy.number(below: 1000) < faults.lossPerMille { return [] }
        let copies = entropy.number(below: 1000) < faults.duplicationPerMille ? 2 : 1
        return (0..<copies).map { _ in
            var altered = bytes
            if entropy.number(below: 1000) < faults.corruptionPerMille {
                let bit = entropy.number(below: UInt64(altered.count * 8))
                altered[Int(bit / 8)] ^= 1 << UInt8(bit % 8)
            }
            if entropy.number(below: 1000) < faults.truncationPerMille {
                altered.removeLast(Int(entropy.number(below: UInt64(altered.count))))
            }
            return (faults.delayMilliseconds + entropy.number(below: faults.jitterMilliseconds + 1), altered)
        }
    }
}
