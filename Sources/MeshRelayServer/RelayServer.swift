internal import Logging
public import MeshBase
public import MeshControl
public import MeshCrypto
internal import MeshLinux
internal import MeshProtocol
public import MeshTransport
internal import MeshWire
public import NIOCore
public import NIOPosix

/// A relay: the WebSocket server, the switch that decides, and each client's queue.
///
/// Everything happens on one event loop; signatures are verified on a thread pool.
public actor RelayServer {
    /// A client that reads nothing is sent this much at once, so that signalling never waits behind more.
    private static let batchByteCountMax = 64 * 1024
    /// Two cores verify 2,000 proofs a second; more threads would only take time from forwarding.
    static let workThreadCount = 2
    /// A day: the statement holds for 30.
    private static let statementIntervalHours: Int64 = 24

    private struct Client {
        let connection: WebSocketConnection
        var queue = OutboundQueue()
        var batch: ByteBuffer?
        var isClosing = false
    }

    /// The event loop of the relay and of all its connections.
    public nonisolated let eventLoop: any EventLoop
    /// The actor runs on its event loop.
    public nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe eventLoop.executor.asUnownedSerialExecutor()
    }

    private let identity: Identity
    private let pool: NIOThreadPool
    private let logger: Logger
    private var queueLimits: OutboundQueue.Limits
    private var tls: TLSMaterial
    private var core: RelaySwitch
    private var clients: [UInt64: Client] = [:]
    private var touched: [UInt64] = []
    private var metrics = RelayMetrics()
    private var isDraining = false
    private let startedAt = BootClock.now()
    private var server: WebSocketServer?
    private var stun: StunServer?
    private var tasks: [RepeatedTask] = []

    /// Makes a relay that is not yet listening. Throws `CryptoError` when the statement cannot be signed.
    public init(
        configuration: RelayConfiguration, token: [UInt8], identity: Identity, tls: TLSMaterial, pool: NIOThreadPool,
        eventLoop: any EventLoop
    ) throws {
        self.identity = identity
        self.tls = tls
        self.pool = pool
        self.eventLoop = eventLoop
        logger = Logger(label: "relay")
        queueLimits = OutboundQueue.Limits(configuration.limits)
        let statement = try RelayKeyStatement(
            identity: identity, keyHash: tls.spkiHash, nowSeconds: BootClock.wallClockSeconds())
        core = RelaySwitch(
            id: identity.id, statement: statement, admission: .init(configuration.admission, token: token),
            limits: .init(configuration.limits), stunPort: configuration.stunAddress?.port ?? 0, entropy: .system)
    }

    /// Listens. Throws `TransportError`.
    public func start(_ configuration: RelayConfiguration) async throws {
        let handlers = WebSocketHandlers(
            connected: { connection in self.assumeIsolated { $0.connected(connection) } },
            received: { connection, message in self.assumeIsolated { $0.received(message, from: connection) } },
            receivedEnd: { _ in self.assumeIsolated { $0.flush() } },
            writabilityChanged: { connection in self.assumeIsolated { $0.drainQueue(of: connection.id) } },
            drained: { connection in self.assumeIsolated { $0.drainQueue(of: connection.id) } },
            closed: { connection, reason in self.assumeIsolated { $0.closed(connection, reason) } })
        server = try await WebSocketServer.listen(
            on: [configuration.listenAddress], tls: tls, eventLoop: eventLoop, handlers: handlers,
            admits: { _ in self.assumeIsolated { $0.core.isFull ? .full(retryAfterSeconds: 30) : .admit } },
            http: { method, path in self.assumeIsolated { $0.answer(method, path) } }
        ).get()
        if let address = configuration.stunAddress {
            stun = try await StunServer.listen(on: [address], eventLoop: eventLoop).get()
        }
        startTimers()
        logger.notice(
            "relay is listening",
            metadata: ["id": "\(identity.id)", "address": "\(server?.endpoints.first.map(\.description) ?? "")"])
    }

    /// The address that clients connect to; `nil` before `start`.
    public var endpoint: Endpoint? { server?.endpoints.first }

    private func startTimers() {
        // A tick of 1 s bounds how late a proof that does not come is noticed.
        tasks.append(
            eventLoop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in
                self.assumeIsolated { $0.tick() }
            })
        tasks.append(
            eventLoop.scheduleRepeatedTask(
                initialDelay: .hours(Self.statementIntervalHours), delay: .hours(Self.statementIntervalHours)
            ) { _ in self.assumeIsolated { $0.renewStatement() } })
    }

    private func tick() { drive { core, now, actions in core.handleTimeout(at: now, actions: &actions) } }

    private func renewStatement() {
        do throws(CryptoError) {
            core.replaceStatement(
                try RelayKeyStatement(
                    identity: identity, keyHash: tls.spkiHash, nowSeconds: BootClock.wallClockSeconds()))
        } catch {
            logger.error("the statement on the TLS key could not be signed anew", metadata: ["error": "\(error)"])
        }
    }

    /// Uses other limits from now on; clients that are here stay.
    public func apply(_ limits: RelayConfiguration.Limits) {
        core.limits = RelaySwitch.Limits(limits)
        queueLimits = OutboundQueue.Limits(limits)
        logger.notice("limits reloaded", metadata: ["clients": "\(limits.clients)"])
    }

    /// Takes no new clients, tells those that are here, lets queues empty, then closes. Takes at most 2 s.
    public func drain() async {
        isDraining = true
        logger.notice("draining", metadata: ["clients": "\(core.admittedCount)"])
        drive { core, _, actions in core.drain(actions: &actions) }
        server?.close()
        // Half a second lets both sides of each pair move to another relay; the rest is for queues.
        for step in 0..<20 {
            if clients.isEmpty || (step >= 5 && clients.values.allSatisfy { $0.queue.isEmpty }) { break }
            try? await Task.sleep(for: .milliseconds(100))
        }
        for task in tasks { task.cancel() }
        stun?.close()
        for client in clients.values { client.connection.close(code: 1001, text: "the relay stops") }
        for _ in 0..<10 where !clients.isEmpty { try? await Task.sleep(for: .milliseconds(50)) }
        logger.notice("stopped")
    }

    // MARK: - Connections

    private func connected(_ connection: WebSocketConnection) {
        clients[connection.id] = Client(connection: connection)
        drive { core, now, actions in
            core.connected(connection.id, from: connection.remoteEndpoint, at: now, actions: &actions)
        }
    }

    private func closed(_ connection: WebSocketConnection, _ reason: CloseReason) {
        clients.removeValue(forKey: connection.id)
        logger.debug(
            "connection closed", metadata: ["connection": "\(connection.id)", "reason": "\(reason)"])
        drive { core, _, actions in core.closed(connection.id, actions: &actions) }
    }

    private func received(_ message: ByteBuffer, from connection: WebSocketConnection) {
        let now = BootClock.now()
        var offset = 0
        do throws(WireError) {
            while let place = try Self.place(in: message, at: offset) {
                offset = place.payload.upperBound
                if place.channel == CarrierItem.controlChannel {
                    let bytes = Self.bytes(of: place.payload, in: message)
                    drive { core, now, actions in
                        core.received(bytes.span.rawBytes, from: connection.id, at: now, actions: &actions)
                    }
                } else {
                    forward(place, of: message, from: connection.id, at: now)
                }
                // The switch may have refused the client while handling the item.
                guard clients[connection.id]?.isClosing == false else { return }
            }
        } catch {
            metrics.malformedMessages += 1
            logger.info(
                "malformed message; closing",
                metadata: ["connection": "\(connection.id)", "from": "\(connection.remoteEndpoint)"])
            connection.close(code: 1002, text: "malformed item")
        }
    }

    private static func place(in message: ByteBuffer, at offset: Int) throws(WireError) -> CarrierItem.Place? {
        do {
            return try unsafe message.withUnsafeReadableBytes { bytes in
                // SAFETY: the span is used only inside the closure.
                try CarrierItem.next(in: unsafe bytes.bytes, at: offset, fromRelay: true)
            }
        } catch let error as WireError { throw error } catch { throw .invalidField(.count) }
    }

    private static func bytes(of range: Range<Int>, in message: ByteBuffer) -> [UInt8] {
        message.getBytes(at: message.readerIndex + range.lowerBound, length: range.count) ?? []
    }

    // MARK: - Forwarding

    private func forward(_ place: CarrierItem.Place, of message: ByteBuffer, from connection: UInt64, at now: Instant) {
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
        send(payload, channel: route.channel, isSignalling: isSignalling, to: route.connection, at: now)
    }

    /// Puts an item into the client's batch, or into its queue when its connection takes no more.
    ///
    /// - Returns: why the item was dropped; `nil` when it was not.
    @discardableResult
    private func send(
        _ payload: ByteBuffer, channel: UInt32, isSignalling: Bool, to connection: UInt64, at now: Instant
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
            isSignalling
            ? client.queue.addSignalling(item, limits: queueLimits)
            : client.queue.addData(item, channel: channel, limits: queueLimits, at: now)
        if let drop { metrics.drops[drop, default: 0] += 1 }
        return drop
    }

    /// Writes all batches to their sockets.
    private func flush() {
        for connection in touched {
            guard let batch = clients[connection]?.batch else { continue }
            clients[connection]?.batch = nil
            clients[connection]?.connection.send(batch)
            clients[connection]?.connection.flush()
            drainQueue(of: connection)
        }
        touched.removeAll(keepingCapacity: true)
    }

    private func drainQueue(of connection: UInt64) {
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

    // MARK: - The switch's actions

    private func drive(_ body: (inout RelaySwitch, Instant, inout [RelaySwitch.Action]) -> Void) {
        let now = BootClock.now()
        var actions: [RelaySwitch.Action] = []
        body(&core, now, &actions)
        for action in actions { perform(action, at: now) }
        flush()
    }

    private func perform(_ action: RelaySwitch.Action, at now: Instant) {
        switch action {
        case .send(let connection, let bytes):
            let drop = send(
                ByteBuffer(bytes: bytes), channel: CarrierItem.controlChannel, isSignalling: true, to: connection,
                at: now)
            // A client that misses one of these would be of another mind about its channels for ever.
            if drop != nil { clients[connection]?.connection.close(code: 1008, text: "too slow") }
        case .close(let connection):
            flush()
            clients[connection]?.isClosing = true
            clients[connection]?.connection.close(code: 1008, text: "refused")
        case .work(let ticket, let work):
            pool.runIfActive(eventLoop: eventLoop) { work.run() }.whenSuccess { result in
                self.assumeIsolated { relay in
                    relay.drive { core, now, actions in
                        core.performed(ticket, result, at: now, actions: &actions)
                    }
                }
            }
        case .admitted(let connection, let id):
            logger.debug("client admitted", metadata: ["connection": "\(connection)", "id": "\(id.abbreviated)"])
        }
    }

    // MARK: - HTTP

    private func answer(_ method: String, _ path: String) -> HTTPAnswer {
        switch path {
        case "/health":
            let seconds = BootClock.now().milliseconds(since: startedAt) / 1000
            let status = isDraining ? "draining" : "ok"
            let text =
                "{\"clients\":\(core.admittedCount),\"status\":\"\(status)\",\"uptime_seconds\":\(seconds)}\n"
            return HTTPAnswer(
                status: isDraining ? 503 : 200, contentType: "application/json", body: Array(text.utf8))
        case "/metrics":
            return HTTPAnswer(
                contentType: "text/plain; version=0.0.4; charset=utf-8",
                text: metrics.text(core: core, residentByteCount: ProcessResources.residentByteCount()))
        default: return .notFound
        }
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

extension RelaySwitch.Admission {
    init(_ admission: RelayConfiguration.Admission, token: [UInt8]) {
        switch admission {
        case .open: self = .open
        case .allowList(let ids): self = .allowList(Set(ids))
        case .token: self = .token(token)
        }
    }
}

extension OutboundQueue.Limits {
    init(_ limits: RelayConfiguration.Limits) {
        self.init(
            signallingMessagesMax: limits.signallingMessages, dataByteCountPerPairMax: limits.dataBytesPerPair,
            dataAgeMilliseconds: UInt64(limits.dataAgeMilliseconds))
    }
}

extension RelaySwitch.Limits {
    init(_ limits: RelayConfiguration.Limits) {
        self.init()
        clientsMax = limits.clients
        payloadByteCountMax = limits.frameBytes
        peersPerClientMax = limits.peersPerClient
        bytesPerSecondMax = limits.rateBytesPerSecond.map { UInt64($0) }
    }
}
