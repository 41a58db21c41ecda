internal import MeshBase
internal import MeshControl
internal import MeshCrypto
internal import MeshDataPlane
internal import MeshEthernet
internal import MeshLinux
internal import MeshProtocol
internal import MeshTransport
internal import MeshWire
internal import NIOCore

extension NodeDaemon {
    /// Sends a frame from the TAP to all of `ports`, in the form that each of them takes.
    func forward(_ frame: inout MutableRawSpan, _ header: OffloadHeader, at now: Instant) {
        if configuration.datagrams.serviceClass == .copy {
            turn?.segments.serviceClass = EthernetFrameView.serviceClass(of: frame.bytes)
        }
        // Several peers may take it in different forms, made in its place one after the other.
        if ports.count > 1 { turn?.sealsLater = false }
        guard header.needsChecksum || header.segmentation != OffloadHeader.Segmentation.none else {
            for port in ports { send(frame.bytes, to: port.value, at: now) }
            return
        }
        let local = LocalFrame(
            frame.bytes, header: header, headerByteCountMax: SuperframeSlice.frameHeaderByteCountMax,
            segmentsMax: SuperframeSlice.segmentsMax)
        var header = header
        for port in ports {
            if let local, let segmentsPerRecord = segmentsPerRecord(of: local, to: port.value) {
                sendSuperframe(frame.bytes, local, segmentsPerRecord, to: port.value, at: now)
            } else {
                sendComplete(&frame, &header, to: port.value, at: now)
            }
        }
    }

    /// Does what the kernel left to be done, once, for a peer that cannot.
    private func sendComplete(
        _ frame: inout MutableRawSpan, _ header: inout OffloadHeader, to peer: PeerIndex, at now: Instant
    ) {
        guard header.segmentation != OffloadHeader.Segmentation.none else {
            if header.needsChecksum {
                guard
                    OffloadHeader.completeChecksum(
                        of: &frame, start: header.checksumStart, offset: header.checksumOffset)
                else { return lose("malformed_offload", peer) }
                header.needsChecksum = false
            }
            return send(frame.bytes, to: peer, at: now)
        }
        guard let segments = SoftwareSegments(frame.bytes, header: header),
            segments.frameByteCountMax <= segmentScratch.count
        else { return lose("malformed_offload", peer) }
        counters["superframes_cut_in_software", default: 0] += 1
        // Taken out meanwhile: one owner, no copy.
        var scratch: [UInt8] = []
        swap(&scratch, &segmentScratch)
        turn?.sealsLater = false
        var bytes = scratch.mutableSpan
        var target = bytes.mutableRawBytes
        for index in 0..<segments.count {
            let byteCount = segments.write(index, of: frame.bytes, to: &target)
            send(target.bytes.extracting(0..<byteCount), to: peer, at: now)
        }
        swap(&scratch, &segmentScratch)
    }

    /// Sends a complete frame, in slices when the path does not carry it whole.
    func send(_ frame: RawSpan, to peer: PeerIndex, at now: Instant) {
        let byteCount = frame.byteCount
        guard byteCount <= Session.frameByteCountMax else { return lose("too_long", peer) }
        guard let route = route(to: peer, at: now) else { return }
        var isSealed = true
        if let cut = node.cutFrame(to: peer, byteCount: byteCount) {
            for index in 0..<cut.count {
                let slice = frame.extracting(cut.slice(index).range)
                isSealed = sendRecord(
                    slice, at: Session.sliceOffset, to: peer, by: route, at: now
                ) { node, record in node.prepareSlice(index, of: cut, to: peer, in: &record, at: now) }
            }
        } else {
            let recordByteCount = Session.frameOverheadByteCount + byteCount
            guard !route.isDatagram || recordByteCount <= DatagramPort.datagramByteCountMax else {
                return lose("path_too_small", peer)
            }
            isSealed = sendRecord(frame, at: Session.contentOffset, to: peer, by: route, at: now) { node, record in
                node.prepareFrame(to: peer, byteCount: byteCount, in: &record, at: now)
            }
        }
        if isSealed {
            peers[peer].sentFrame(byteCount: byteCount)
        } else {
            lose("no_session", peer)
        }
    }

    func lose(_ reason: String, _ peer: PeerIndex) { peers[peer].losses[reason, default: 0] += 1 }

    // MARK: - Ways out

    /// Where a peer's records go.
    struct Route {
        enum Way {
            case datagrams(Endpoint, isRefused: Bool)
            case connection(UInt64, channel: UInt32)
        }
        let way: Way
        /// Where copies of them go while the path is in doubt: by a connection.
        let second: CarrierID?

        var isDatagram: Bool { if case .datagrams = way { true } else { false } }
    }

    /// The way to a peer; when there is none that takes data the frame is counted as lost.
    func route(to peer: PeerIndex, at now: Instant) -> Route? {
        let (carrier, second) = node.carriers(of: peer)
        if case .udp(let endpoint) = carrier {
            // In place: what is known of datagrams is large to copy.
            guard let isRefused = datagrams?.remotes.isRefused(endpoint) else {
                lose("no_path", peer)
                return nil
            }
            if let segments = turn?.segments { setDestination(endpoint, of: segments) }
            return Route(way: .datagrams(endpoint, isRefused: isRefused), second: second)
        }
        guard let (connection, channel) = connection(for: carrier), outboxes[connection] != nil else {
            lose("no_path", peer)
            return nil
        }
        guard takesData(connection, at: now) else {
            lose("path_full", peer)
            return nil
        }
        return Route(way: .connection(connection, channel: channel), second: second)
    }

    /// Has `prepare` write a record's headers in place where it goes out, puts `head` and `body` behind them at `offset`, and
    /// seals it; datagrams of a packet loop when they go out, if nothing asks for their bytes before. Returns whether there
    /// was a session.
    func sendRecord(
        _ head: RawSpan, _ body: RawSpan = RawSpan(), at offset: Int, to peer: PeerIndex, by route: Route,
        at now: Instant, prepare: (inout Node, inout MutableRawSpan) -> PreparedRecord?
    ) -> Bool {
        let second = route.second
        let byteCountMax = offset + head.byteCount + body.byteCount + SuiteSizes.tagByteCount
        switch route.way {
        case .datagrams(let endpoint, let isRefused):
            if !isRefused, let turn {
                var waiting: SealJob?
                let added = turn.segments.append(byteCountMax: byteCountMax) { record in
                    guard let prepared = prepare(&node, &record) else { return nil }
                    if turn.sealsLater, prepared.mayWait, second == nil {
                        waiting = prepared.job
                        return prepared.byteCount
                    }
                    record.store(head, body, at: offset)
                    let byteCount = node.seal(prepared, to: peer, in: &record, at: now)
                    if let second { appendCopy(of: record.bytes.extracting(0..<byteCount), to: second, at: now) }
                    return byteCount
                }
                if let waiting {
                    // SAFETY: both lie in the turn's `TapInput` (`sealsLater`), which is filled again after the turn.
                    unsafe turn.seals.append(
                        waiting, at: turn.segments.latestOffset, contentOffset: offset, head, body)
                }
                return added != nil
            }
            return sendScratch(byteCountMax: byteCountMax) { node, record in
                guard let prepared = prepare(&node, &record) else { return nil }
                record.store(head, body, at: offset)
                return node.seal(prepared, to: peer, in: &record, at: now)
            } send: { record in
                if !isRefused { sendDatagram(record, to: endpoint) }
                if let second { appendCopy(of: record, to: second, at: now) }
            }
        case .connection(let connection, let channel):
            guard var outbox = outboxes.removeValue(forKey: connection) else { return true }
            let isSealed = outbox.append(byteCountMax: byteCountMax, channel: channel) { record in
                guard let prepared = prepare(&node, &record) else { return nil }
                record.store(head, body, at: offset)
                let count = node.seal(prepared, to: peer, in: &record, at: now)
                if let second { appendCopy(of: record.bytes.extracting(0..<count), to: second, at: now) }
                return count
            }
            outboxes[connection] = outbox
            touched.insert(connection)
            return isSealed
        }
    }

    func connection(for carrier: CarrierID?) -> (UInt64, channel: UInt32)? {
        switch carrier {
        case .relay(let relay, let channel): relayConnections[relay].map { ($0, channel) }
        case .direct(let connection): (connection, 0)
        case .udp, nil: nil
        }
    }

    /// A sealed record once more, by a connection.
    func appendCopy(of record: RawSpan, to carrier: CarrierID, at now: Instant) {
        guard let (connection, channel) = connection(for: carrier), takesData(connection, at: now) else { return }
        outboxes[connection]?.append(record.copy(0..<record.byteCount), channel: channel)
        touched.insert(connection)
    }

    /// Sends frames that waited for a path, as far as it takes them now.
    func sendKeptFrames() {
        guard node.hasKeptFrames else { return }
        let now = BootClock.now()
        for peer in peers.indices {
            while let carrier = node.keptFrameCarrier(of: peer), takesData(carrier, at: now),
                let record = node.takeKeptFrame(of: peer, at: now)
            {
                if case .udp(let endpoint) = carrier {
                    sendDatagram(record.span.rawBytes, to: endpoint)
                } else {
                    appendCopy(of: record.span.rawBytes, to: carrier, at: now)
                }
            }
        }
    }

    private func takesData(_ carrier: CarrierID, at now: Instant) -> Bool {
        if case .udp = carrier { return true }
        return connection(for: carrier).map { takesData($0.0, at: now) } ?? false
    }

    private func takesData(_ connection: UInt64, at now: Instant) -> Bool {
        outboxes[connection]?.takesData(at: now) ?? false
    }

    /// Hands on what was written; the packet loop leaves connections to the event loop, once a turn.
    func flush() {
        sendKeptFrames()
        if turn != nil {
            if !touched.isEmpty { visitSoon() }
            return
        }
        if touchesDatagrams {
            touchesDatagrams = false
            datagrams?.port.flush()
            furtherSockets.flush()
        }
        for connection in touched { outboxes[connection]?.flush() }
        touched.removeAll(keepingCapacity: true)
    }
}

extension MutableRawSpan {
    /// Copies two parts to `offset`, one behind the other; traps when they do not fit.
    @_lifetime(self: copy self)
    mutating func store(_ head: RawSpan, _ body: RawSpan, at offset: Int) {
        store(head, at: offset)
        store(body, at: offset + head.byteCount)
    }
}
