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
        let now = BootClock.now()
        var actions: [NodeAction] = []
        var message = message
        var isWhole = true
        unsafe message.withUnsafeMutableReadableBytes { bytes in
            // SAFETY: the span covers the readable bytes of the buffer and is used only inside the closure.
            var span = unsafe MutableRawSpan(_unsafeBytes: bytes)
            isWhole = readItems(of: &span, source: source, connection: connection.id, at: now, actions: &actions)
        }
        if !isWhole {
            counters["message_malformed", default: 0] += 1
            connection.close(code: 1002, text: "malformed item")
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

    func received(
        _ payload: inout MutableRawSpan, by carrier: CarrierID, at now: Instant, actions: inout [NodeAction]
    ) {
        guard payload.bigEndian(at: 0, as: UInt8.self) == MessageKind.record.rawValue else {
            return node.received(payload.bytes, by: carrier, at: now, actions: &actions)
        }
        // Refusals are counted by the machine.
        if let opened = try? node.open(&payload, by: carrier, at: now, actions: &actions) {
            deliver(payload.bytes.extracting(opened.frame), from: opened.peer, at: now)
        }
        deliverReleasedFrames(at: now)
    }

    /// Frames that waited for their turn while their sender changed its path.
    func deliverReleasedFrames(at now: Instant) {
        for (peer, bytes) in node.takeReleasedFrames() { deliver(bytes.span.rawBytes, from: peer, at: now) }
    }

    func deliver(_ frame: RawSpan, from peer: PeerIndex, at now: Instant) {
        peers[peer].receivedFrame(byteCount: frame.byteCount, since: startedAt, at: now)
        if ethernet.receivedFromPeer(frame, on: PortIndex(value: peer), at: now) == .deliver { writer.write(frame) }
    }
}
