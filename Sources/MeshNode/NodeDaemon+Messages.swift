internal import MeshBase
internal import MeshDataPlane
internal import MeshEthernet
internal import MeshLinux
internal import MeshProtocol
internal import MeshTransport
internal import MeshWire
internal import NIOCore

extension NodeDaemon {
    func received(_ message: ByteBuffer, from connection: WebSocketConnection) {
        guard let source = sources[connection.id] else { return }
        var isWhole = true
        take(message) { bytes, now, actions in
            isWhole = readItems(of: &bytes, source: source, connection: connection.id, at: now, actions: &actions)
        }
        if !isWhole {
            counters["message_malformed", default: 0] += 1
            connection.close(code: 1002, text: "malformed item")
        }
    }

    /// Has `body` take what came in place; frames in it are written before its memory goes, then its actions are performed.
    func take(_ message: ByteBuffer, _ body: (inout MutableRawSpan, Instant, inout [NodeAction]) -> Void) {
        let now = BootClock.now()
        var actions: [NodeAction] = []
        var message = message
        unsafe message.withUnsafeMutableReadableBytes { bytes in
            // SAFETY: the span covers the readable bytes of the buffer and is used only inside the closure.
            var span = unsafe MutableRawSpan(_unsafeBytes: bytes)
            output = messageOutput
            body(&span, now, &actions)
            messageOutput.flush()
            output = nil
        }
        guard !actions.isEmpty else { return }
        perform(actions, at: now)
        arm(at: now)
    }

    /// Handles the items of a message in place. Returns `false` when they do not add up.
    func readItems(
        of message: inout MutableRawSpan, source: Source, connection: UInt64, at now: Instant,
        actions: inout [NodeAction]
    ) -> Bool {
        var relay: Int?
        if case .relay(let index) = source { relay = index }
        var offset = 0
        do throws(WireError) {
            while let place = try CarrierItem.next(in: message.bytes, at: offset, fromRelay: relay != nil) {
                offset = place.payload.upperBound
                if let relay, place.channel == CarrierItem.controlChannel {
                    let bytes = message.bytes.extracting(place.payload)
                    node.receivedFromRelay(relay, bytes, at: now, actions: &actions)
                    continue
                }
                let carrier =
                    relay.map { CarrierID.relay($0, channel: place.channel) } ?? CarrierID.direct(connection)
                var payload = message._mutatingExtracting(place.payload)
                received(&payload, by: carrier, at: now, actions: &actions)
            }
            return true
        } catch { return false }
    }

    /// Takes a message of a peer; `opening` says what opening it gave, unless that is still to be done.
    func received(
        _ payload: inout MutableRawSpan, opening: RecordOpening? = nil, by carrier: CarrierID, at now: Instant,
        actions: inout [NodeAction]
    ) {
        guard payload.bigEndian(at: 0, as: UInt8.self) == MessageKind.record.rawValue else {
            return node.received(payload.bytes, by: carrier, at: now, actions: &actions)
        }
        // Refusals are counted by the machine.
        if let opened = try? node.open(&payload, opening: opening, by: carrier, at: now, actions: &actions) {
            deliver(payload.bytes.extracting(opened.frame), opened.kind, from: opened.peer, at: now)
            if opened.isAlone { return }
        }
        deliverReleasedFrames(at: now)
    }

    /// Delivers the frames of a message whose records are a run that the node took.
    func deliver(messageOf received: ReceiveBatch, _ index: Int, from peer: PeerIndex, at now: Instant) {
        received.forEachDatagram(of: index) { record in
            guard let content = OpenedRun.content(of: record.bytes) else { return }
            deliver(record.bytes.extracting(content.frame), content.kind, from: peer, at: now)
        }
    }

    /// Delivers a frame, or slice of a superframe: `kind` says which.
    private func deliver(_ content: RawSpan, _ kind: ContentKind, from peer: PeerIndex, at now: Instant) {
        if kind == .superframeSlice {
            deliver(slice: content, from: peer, at: now)
        } else {
            deliver(content, from: peer, at: now)
        }
    }

    /// Frames that waited for their turn while their sender changed its path.
    func deliverReleasedFrames(at now: Instant) {
        let released = node.takeReleasedFrames()
        guard !released.isEmpty else { return }
        // Their memory ends here: what came before them is written first, and they at once.
        let batch = output
        batch?.flush()
        output = nil
        defer { output = batch }
        for frame in released {
            if frame.kind == .superframeSlice {
                output = messageOutput
                deliver(slice: frame.bytes.span.rawBytes, from: frame.peer, at: now)
                messageOutput.flush()
                output = nil
            } else {
                deliver(frame.bytes.span.rawBytes, from: frame.peer, at: now)
            }
        }
    }

    /// What another packet loop has delivered of a peer's is written before more of it follows.
    private func waitForOthers(of peer: PeerIndex) {
        guard peers[peer].latestLoop != turn?.number else { return }
        if let other = peers[peer].latestLoop { loopTurns[other].wait() }
        peers[peer].latestLoop = turn?.number
    }

    func deliver(_ frame: RawSpan, from peer: PeerIndex, at now: Instant) {
        waitForOthers(of: peer)
        peers[peer].receivedFrame(byteCount: frame.byteCount, since: startedAt, at: now)
        guard ethernet.receivedFromPeer(frame, on: PortIndex(value: peer), at: now) == .deliver else { return }
        // By the peer's queue, whoever delivers: what its flows are answered with comes by that one too, and keeps its order
        // when the peer's records begin to take another way.
        guard let output else {
            // SAFETY: the frame is written at once.
            unsafe messageOutput.append(frame, queue: peer)
            return messageOutput.flush()
        }
        // SAFETY: the memory stays until the turn or message is over, and `output` is flushed before.
        unsafe output.append(frame, queue: peer)
    }

    /// Joins a slice of a superframe with those before it, and hands the whole to the kernel.
    private func deliver(slice content: RawSpan, from peer: PeerIndex, at now: Instant) {
        waitForOthers(of: peer)
        guard let place = try? SuperframeSlice(parsing: content) else { return countMalformedSlice() }
        let bytes = content.extracting(SuperframeSlice.headerByteCount..<content.byteCount)
        let at = SegmentRun.Place(
            source: peer, number: place.number, firstSegment: place.firstSegment, segmentCount: place.segmentCount,
            segmentByteCount: place.segmentByteCount)
        // SAFETY: as in `deliver`. What goes on where a run ends has the run's headers, which were checked and which the
        // switch has seen.
        if let output, unsafe output.joins(bytes, at: at) {
            return peers[peer].receivedFrame(byteCount: bytes.byteCount, since: startedAt, at: now)
        }
        guard
            let slice = try? SegmentRun.Slice(
                bytes, at: at, headerByteCountMax: SuperframeSlice.frameHeaderByteCountMax),
            let output, acceptedSuperframes.contains(slice.headers.transport == .tcp ? .tcp : .udp)
        else { return countMalformedSlice() }
        peers[peer].receivedFrame(byteCount: bytes.byteCount, since: startedAt, at: now)
        guard ethernet.receivedFromPeer(bytes, on: PortIndex(value: peer), at: now) == .deliver else { return }
        unsafe output.append(slice, bytes, queue: peer)
    }

    private func countMalformedSlice() { counters["superframe_malformed", default: 0] += 1 }
}
