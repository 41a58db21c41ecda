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
    /// Two cores verify 2,000 proofs a second; more threads would only take time from forwarding.
    static let workThreadCount = 2
    /// What a client that is turned away is asked to wait: the longest back-off of a node.
    private static let retryAfterSeconds = 30

    struct Client {
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
    var queueLimits: OutboundQueue.Limits
    private let tls: TLSMaterial
    private var schedule: StatementSchedule
    var core: RelaySwitch
    var clients: [UInt64: Client] = [:]
    var touched: [UInt64] = []
    var metrics = RelayMetrics()
    var isDraining = false
    let startedAt = BootClock.now()
    var server: WebSocketServer?
    var stun: StunServer?
    private var timer: RepeatedTask?

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
        let nowSeconds = BootClock.wallClockSeconds()
        let statement = try RelayKeyStatement(identity: identity, keyHash: tls.spkiHash, nowSeconds: nowSeconds)
        schedule = StatementSchedule(signedAt: BootClock.now(), wallClockSeconds: nowSeconds)
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
        var limits = WebSocketServer.Limits()
        limits.connection.messageByteCountMax = WebSocketLimits.unprovenMessageByteCountMax
        server = try await WebSocketServer.listen(
            on: [configuration.listenAddress], tls: tls, limits: limits, eventLoop: eventLoop, handlers: handlers,
            admits: { _ in
                self.assumeIsolated {
                    $0.core.isFull ? .full(retryAfterSeconds: Self.retryAfterSeconds) : .admit
                }
            },
            http: { method, path in self.assumeIsolated { $0.answer(method, path) } }
        ).get()
        if let address = configuration.stunAddress {
            let addresses = [address] + [configuration.stunAlternateAddress].compactMap(\.self)
            stun = try await StunServer.listen(on: addresses, eventLoop: eventLoop).get()
        }
        startTimers()
        if server?.hasSystemCongestionControl == true {
            logger.warning(
                """
                TCP's congestion control is this host's: if that is bbr, each connection pauses 0.2 s every 10 s; to allow \
                another: sysctl net.ipv4.tcp_allowed_congestion_control="reno cubic bbr"
                """)
        }
        logger.notice(
            "relay is listening",
            metadata: ["id": "\(identity.id)", "address": "\(server?.endpoints.first.map(\.description) ?? "")"])
    }

    /// The address that clients connect to; `nil` before `start`.
    public var endpoint: Endpoint? { server?.endpoints.first }

    private func startTimers() {
        // A tick of 1 s bounds how late a proof that does not come, or a clock that was set, is noticed.
        timer = eventLoop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in
            self.assumeIsolated { $0.tick() }
        }
    }

    private func tick() {
        let nowSeconds = BootClock.wallClockSeconds()
        if schedule.isDue(at: BootClock.now(), wallClockSeconds: nowSeconds) { renewStatement(nowSeconds) }
        drive { core, now, actions in core.handleTimeout(at: now, actions: &actions) }
    }

    private func renewStatement(_ nowSeconds: UInt64) {
        // Also after a failure: the next try is not to come in a second.
        schedule = StatementSchedule(signedAt: BootClock.now(), wallClockSeconds: nowSeconds)
        do throws(CryptoError) {
            core.replaceStatement(
                try RelayKeyStatement(identity: identity, keyHash: tls.spkiHash, nowSeconds: nowSeconds))
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

    /// Takes no new clients, tells those that are here and those that come, lets queues empty, then closes. Takes at most
    /// 2.5 s.
    public func drain() async {
        isDraining = true
        logger.notice("draining", metadata: ["clients": "\(core.admittedCount)"])
        drive { core, _, actions in core.drain(actions: &actions) }
        // Half a second lets both sides of each pair move to another relay; the rest is for queues.
        for step in 0..<20 {
            if clients.isEmpty || (step >= 5 && clients.values.allSatisfy { $0.queue.isEmpty }) { break }
            try? await Task.sleep(for: .milliseconds(100))
        }
        timer?.cancel()
        server?.close()
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
                ByteBuffer(bytes: bytes), channel: CarrierItem.controlChannel, as: .control, to: connection, at: now)
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
            clients[connection]?.connection.setMessageByteCountMax(WebSocketLimits().messageByteCountMax)
            logger.debug("client admitted", metadata: ["connection": "\(connection)", "id": "\(id.abbreviated)"])
        }
    }
}
