internal import MeshBase
internal import MeshDataPlane
internal import MeshEthernet
internal import MeshLinux
internal import MeshProtocol
internal import MeshTransport
internal import MeshWire
internal import NIOCore

extension NodeDaemon {
    func received(_ batch: FrameBatch) {
        let now = BootClock.now()
        batch.forEachFrame { frame in
            switch ethernet.receivedFromLocal(frame, at: now, ports: &ports, reply: &reply) {
            case .forward: for port in ports { send(frame, to: port.value, at: now) }
            case .reply: writer.write(reply.span.rawBytes)
            case .drop: break
            }
        }
        batch.complete()
        if let due = ethernet.deadline, due <= now { runSwitchTimers(at: now) }
        flush()
    }

    func send(_ frame: RawSpan, to peer: PeerIndex, at now: Instant) {
        guard frame.byteCount <= Session.frameByteCountMax else {
            peers[peer].losses["too_long", default: 0] += 1
            return
        }
        let carrier = node.carrier(of: peer)
        if case .udp(let endpoint) = carrier {
            return send(frame, to: peer, at: endpoint, second: node.secondCarrier(of: peer), at: now)
        }
        guard let (connection, channel) = connection(for: carrier), var outbox = outboxes[connection] else {
            peers[peer].losses["no_path", default: 0] += 1
            return
        }
        guard outbox.takesData else {
            peers[peer].losses["path_full", default: 0] += 1
            return
        }
        outboxes[connection] = nil
        let byteCount = frame.byteCount
        let second = node.secondCarrier(of: peer)
        let isSealed = outbox.append(
            byteCountMax: Session.frameOverheadByteCount + byteCount, channel: channel
        ) { record in
            record.store(frame, at: Session.contentOffset)
            guard let count = node.sealFrame(to: peer, byteCount: byteCount, in: &record, at: now) else { return nil }
            if let second { appendCopy(of: record.bytes.extracting(0..<count), to: second) }
            return count
        }
        outboxes[connection] = outbox
        touched.insert(connection)
        if isSealed {
            peers[peer].sentFrame(byteCount: byteCount)
        } else {
            peers[peer].losses["no_session", default: 0] += 1
        }
    }

    func connection(for carrier: CarrierID?) -> (UInt64, channel: UInt32)? {
        switch carrier {
        case .relay(let relay, let channel): relayConnections[relay].map { ($0, channel) }
        case .direct(let connection): (connection, 0)
        case .udp, nil: nil
        }
    }

    /// A sealed record once more, by another carrier.
    func appendCopy(of record: RawSpan, to carrier: CarrierID) {
        if case .udp(let endpoint) = carrier {
            datagrams?.port.send(record, to: endpoint)
            touchesDatagrams = true
            return
        }
        guard let (connection, channel) = connection(for: carrier), outboxes[connection]?.takesData == true else {
            return
        }
        append(record.copy(0..<record.byteCount), channel: channel, to: connection)
    }

    /// Sends frames that waited for a path, as far as it takes them now.
    func sendKeptFrames() {
        guard node.hasKeptFrames else { return }
        let now = BootClock.now()
        for peer in peers.indices {
            while let carrier = node.keptFrameCarrier(of: peer), takesData(carrier),
                let record = node.takeKeptFrame(of: peer, at: now)
            {
                appendCopy(of: record.span.rawBytes, to: carrier)
            }
        }
    }

    private func takesData(_ carrier: CarrierID) -> Bool {
        if case .udp = carrier { return true }
        return connection(for: carrier).map { outboxes[$0.0]?.takesData == true } ?? false
    }

    func flush() {
        sendKeptFrames()
        if touchesDatagrams {
            touchesDatagrams = false
            datagrams?.port.flush()
            furtherSockets.flush()
        }
        for connection in touched { outboxes[connection]?.flush() }
        touched.removeAll(keepingCapacity: true)
    }
}
