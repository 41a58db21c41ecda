internal import MeshBase
internal import MeshLinux
internal import MeshProtocol
internal import MeshTransport
internal import MeshWire
internal import NIOCore

extension RelayServer {
    /// A client that reads nothing is sent this much at once, so that signalling never waits behind more.
    private static let batchByteCountMax = 64 * 1024

    /// Which of a client's queues an item waits in.
    enum ItemKind {
        /// The relay's own, on channel 0.
        case control
        /// A peer's, of a kind that goes before data.
        case signalling
        /// Everything else.
        case data
    }

    func forward(_ place: CarrierItem.Place, of message: ByteBuffer, from connection: UInt64, at now: Instant) {
        let route: RelaySwitch.Route
        do throws(RelaySwitch.Refusal) {
            route = try core.route(
                from: connection, channel: place.channel, byteCount: place.payload.count, at: now)
        } catch { return }
        let start = message.readerIndex + place.payload.lowerBound
        guard let payload = message.getSlice(at: start, length: place.payload.count),
            let kind = payload.getInteger(at: payload.readerIndex, as: UInt8.self)
        else { return }
        metrics.forwardedItems += 1
        metrics.forwardedByteCount += UInt64(place.payload.count)
        let isSignalling = MessageKind(rawValue: kind)?.isSignalling ?? false
        send(payload, channel: route.channel, as: isSignalling ? .signalling : .data, to: route.connection, at: now)
    }

    /// Puts an item into the client's batch, or into its queue when its connection takes no more.
    ///
    /// - Returns: why the item was dropped; `nil` when it was not.
    @discardableResult
    func send(
        _ payload: ByteBuffer, channel: UInt32, as kind: ItemKind, to connection: UInt64, at now: Instant
    ) -> OutboundQueue.Drop? {
        guard var client = clients[connection] else { return nil }
        clients[connection] = nil
        defer { clients[connection] = client }
        if client.queue.isEmpty, client.connection.isWritable || client.batch != nil,
            (client.batch?.readableBytes ?? 0) < Self.batchByteCountMax
        {
            if client.batch == nil {
                client.batch = client.connection.makeMessageBuffer(
                    capacity: max(payload.readableBytes + 6, 16 * 1024))
                touched.append(connection)
            }
            client.batch?.writeItem(payload, channel: channel)
            return nil
        }
        var item = ByteBufferAllocator().buffer(capacity: payload.readableBytes + CarrierItem.relayHeaderByteCount)
        item.writeItem(payload, channel: channel)
        let drop =
            switch kind {
            case .control: client.queue.addControl(item, limits: queueLimits)
            case .signalling: client.queue.addSignalling(item, channel: channel, limits: queueLimits, at: now)
            case .data: client.queue.addData(item, channel: channel, limits: queueLimits, at: now)
            }
        if let drop { metrics.drops[drop, default: 0] += 1 }
        return drop
    }

    /// Writes all batches to their sockets.
    func flush() {
        for connection in touched {
            guard let batch = clients[connection]?.batch else { continue }
            clients[connection]?.batch = nil
            clients[connection]?.connection.send(batch)
            clients[connection]?.connection.flush()
            drainQueue(of: connection)
        }
        touched.removeAll(keepingCapacity: true)
    }

    func drainQueue(of connection: UInt64) {
        guard var client = clients[connection], !client.queue.isEmpty else { return }
        clients[connection] = nil
        let now = BootClock.now()
        var tooOld: UInt64 = 0
        while client.connection.isWritable, !client.queue.isEmpty {
            var batch = client.connection.makeMessageBuffer(capacity: Self.batchByteCountMax)
            while batch.readableBytes < Self.batchByteCountMax,
                var item = client.queue.removeFirst(limits: queueLimits, at: now, tooOld: &tooOld)
            {
                batch.writeBuffer(&item)
            }
            guard batch.readableBytes > 0 else { break }
            client.connection.send(batch)
            client.connection.flush()
        }
        if tooOld > 0 { metrics.drops[.dataTooOld, default: 0] += tooOld }
        clients[connection] = client
    }
}

extension ByteBuffer {
    /// Writes an item for a client: byte count, channel, payload.
    fileprivate mutating func writeItem(_ payload: ByteBuffer, channel: UInt32) {
        writeInteger(UInt16(payload.readableBytes))
        writeInteger(channel)
        writeImmutableBuffer(payload)
    }
}
