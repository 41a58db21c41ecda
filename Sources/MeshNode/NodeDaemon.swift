internal import Logging
internal import MeshBase
internal import MeshControl
internal import MeshCrypto
internal import MeshDataPlane
internal import MeshEthernet
internal import MeshLinux
internal import MeshProtocol
internal import MeshTransport
internal import MeshWire
public import NIOCore
internal import NIOPosix

/// A running node: drives the protocol machine and the switch, and owns TAP, connections and timers.
///
///     TAP reader thread --batch--> event loop: switch -> seal into the carrier's message -> WebSocket
///     WebSocket -> event loop: open in place -> switch -> TAP
///
/// Everything but the TAP reader and signing happens on one event loop.
public actor NodeDaemon {
    /// One for this node's handshakes and one for its answers to others.
    static let workThreadCount = 2
    /// The machines' deadlines move with every record; looking once a second is enough for those that only records move.
    private static let tickNanoseconds: UInt64 = 1_000_000_000

    enum Source {
        case relay(Int)
        case direct
    }

    struct PingWait {
        var peer: PeerIndex
        var sentAt: Instant
        var promise: EventLoopPromise<PingReport.Probe>
    }

    /// The event loop of the daemon and all its connections.
    public nonisolated let eventLoop: any EventLoop
    /// The actor runs on its event loop.
    public nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe eventLoop.executor.asUnownedSerialExecutor()
    }

    let configuration: NodeConfiguration
    let logger: Logger
    let startedAt: Instant
    let tapName: String
    let tapAddress: EthernetAddress
    let writer: TapWriter
    var node: Node
    var ethernet: EthernetSwitch
    var peers: [PeerRecord]
    var relays: [RelayRecord]
    var outboxes: [UInt64: Outbox] = [:]
    var pings: [UInt64: PingWait] = [:]
    var counters: [String: UInt64] = [:]
    private let pool: NIOThreadPool
    private let port: TapPort
    private var reader: TapReader?
    private var server: WebSocketServer?
    private var sources: [UInt64: Source] = [:]
    private var relayConnections: [Int: UInt64] = [:]
    private var touched: Set<UInt64> = []
    private var ports: [PortIndex] = []
    private var reply: [UInt8] = []
    private var timer: Scheduled<Void>?
    private var timerAt = Instant(nanoseconds: .max)
    private var isStopping = false
    /// What was read from the TAP so far.
    var tapCounters: TapReader.Counters? { reader?.counters }
    private var lastUnknownLogAt: Instant?
    var datagrams: DatagramState?
    var touchesDatagrams = false
    let configuredCandidates: [Candidate]

    /// Makes a node on an open TAP device; `start` connects it.
    init(
        configuration: NodeConfiguration, identity: Identity, relayTokens: [PeerID: [UInt8]], port: TapPort,
        pool: NIOThreadPool, eventLoop: any EventLoop
    ) {
        let now = BootClock.now()
        self.configuration = configuration
        self.pool = pool
        self.port = port
        self.eventLoop = eventLoop
        logger = Logger(label: "node")
        startedAt = now
        tapName = port.device.name
        tapAddress = port.device.macAddress
        writer = TapWriter(port: port)
        let made = NodeSetUp(configuration: configuration, identity: identity, relayTokens: relayTokens)
        configuredCandidates = made.node.parameters.candidates
        node = Node(made.node, entropy: .system, at: now)
        peers = made.peers.map { PeerRecord(id: $0.id, name: $0.name, at: now) }
        relays = made.relays.map { RelayRecord(url: $0.url, id: $0.id, since: now) }
        var entropy = EntropySource.system
        ethernet = EthernetSwitch(
            configuration: EthernetSwitch.Configuration(localAddress: tapAddress), seed: entropy.next())
        for index in peers.indices { _ = ethernet.addPort(PortIndex(value: index)) }
    }

    // MARK: - Life

    /// Listens where configured, reads the TAP and connects. Throws what keeps the node from starting.
    func start() async throws {
        if configuration.mode != .relay, let address = configuration.listenAddress {
            let tls = try TLSMaterial.selfSigned(commonName: "shadowmesh node", validDays: 3650)
            server = try await WebSocketServer.listen(
                on: [address], tls: tls, eventLoop: eventLoop, handlers: handlers(for: nil)
            ).get()
            logger.notice("listening for peers", metadata: ["address": "\(address)"])
        }
        await startDatagrams()
        reader = try TapReader(
            port: port,
            onBatch: { batch in
                self.eventLoop.execute { self.assumeIsolated { $0.received(batch) } }
            },
            onEnd: { end in
                self.eventLoop.execute { self.assumeIsolated { $0.tapEnded(end) } }
            })
        timedOut()
    }

    private func tapEnded(_ end: TapReader.End) {
        guard !isStopping else { return }
        logger.error("the TAP device is gone; stop and start the node again", metadata: ["reason": "\(end)"])
    }

    /// Tells the peers, writes what is left and closes everything.
    func stop() async {
        isStopping = true
        let now = BootClock.now()
        var actions: [NodeAction] = []
        node.shutDown(at: now, actions: &actions)
        perform(actions, at: now)
        flush()
        // One round trip of a distant relay, so that the peers learn of it.
        try? await Task.sleep(for: .milliseconds(150))
        timer?.cancel()
        server?.close()
        stopDatagrams()
        for outbox in outboxes.values { outbox.connection.close(code: 1001, text: "the node stops") }
        for wait in pings.values { wait.promise.succeed(PingReport.Probe(path: "none", rttMicroseconds: nil)) }
        pings = [:]
        for _ in 0..<20 where !outboxes.isEmpty { try? await Task.sleep(for: .milliseconds(25)) }
        reader?.stop()
        logger.notice("stopped")
    }

    // MARK: - Time

    private func timedOut() {
        guard !isStopping else { return }
        timerAt = Instant(nanoseconds: .max)
        let now = BootClock.now()
        var actions: [NodeAction] = []
        node.handleTimeout(nowSeconds: BootClock.wallClockSeconds(), at: now, actions: &actions)
        deliverReleasedFrames(at: now)
        perform(actions, at: now)
        runSwitchTimers(at: now)
        expirePings(at: now)
        flush()
        arm(at: now)
    }

    /// Sets the timer to the machines' next deadline, at most a second ahead.
    func arm(at now: Instant) {
        var due = now.advanced(nanoseconds: Self.tickNanoseconds)
        if let deadline = node.deadline { due = min(due, deadline) }
        if let deadline = ethernet.deadline { due = min(due, deadline) }
        guard due < timerAt else { return }
        timer?.cancel()
        timerAt = due
        timer = eventLoop.scheduleTask(in: .nanoseconds(Int64(clamping: due.nanoseconds(since: now)))) {
            self.assumeIsolated { $0.timedOut() }
        }
    }

    private func runSwitchTimers(at now: Instant) {
        if let due = ethernet.deadline, due <= now {
            var actions: [EthernetSwitch.Action] = []
            ethernet.handleTimeout(at: now, actions: &actions)
            for action in actions { perform(action, at: now) }
        }
        for event in ethernet.takeEvents() { note(event) }
    }

    private func perform(_ action: EthernetSwitch.Action, at now: Instant) {
        switch action {
        case .send(let frame, let port): send(frame.span.rawBytes, to: port.value, at: now)
        }
    }

    // MARK: - Frames

    private func received(_ batch: FrameBatch) {
        let now = BootClock.now()
        batch.forEachFrame { frame in
            switch ethernet.receivedFromLocal(frame, at: now, ports: &ports, reply: &reply) {
            case .forward: for port in ports { send(frame, to: port.value, at: now) }
            case .reply: writer.write(reply.span.rawBytes)
            case .drop: break
            }
        }
        batch.complete()
        flush()
    }

    private func send(_ frame: RawSpan, to peer: PeerIndex, at now: Instant) {
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
        let isSealed = outbox.append(
            byteCountMax: Session.frameOverheadByteCount + byteCount, channel: channel
        ) { record in
            record.store(frame, at: Session.contentOffset)
            return node.sealFrame(to: peer, byteCount: byteCount, in: &record, at: now)
        }
        outboxes[connection] = outbox
        touched.insert(connection)
        if isSealed {
            peers[peer].sentFrame(byteCount: byteCount)
        } else {
            peers[peer].losses["no_session", default: 0] += 1
        }
    }

    private func connection(for carrier: CarrierID?) -> (UInt64, channel: UInt32)? {
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

    func flush() {
        if touchesDatagrams {
            touchesDatagrams = false
            datagrams?.port.flush()
        }
        for connection in touched { outboxes[connection]?.flush() }
        touched.removeAll(keepingCapacity: true)
    }

    // MARK: - Connections

    private nonisolated func handlers(for source: Source?) -> WebSocketHandlers {
        WebSocketHandlers(
            connected: { connection in
                if source == nil { self.assumeIsolated { $0.opened(connection, peer: nil) } }
            },
            received: { connection, message in self.assumeIsolated { $0.received(message, from: connection) } },
            receivedEnd: { _ in self.assumeIsolated { $0.flush() } },
            closed: { connection, reason in self.assumeIsolated { $0.closed(connection, reason: "\(reason)") } })
    }

    private func connectRelay(_ relay: Int) {
        WebSocketClient().connect(to: relays[relay].url, on: eventLoop, handlers: handlers(for: .relay(relay)))
            .whenComplete { result in
                self.assumeIsolated { daemon in
                    switch result {
                    case .success(let connection): daemon.connected(connection, toRelay: relay)
                    case .failure(let error): daemon.lostRelay(relay, reason: "\(error)")
                    }
                }
            }
    }

    /// Where relay `relay` is reached; `nil` unless connected.
    func address(ofRelay relay: Int) -> IPAddress? {
        relayConnections[relay].flatMap { outboxes[$0]?.connection.remoteEndpoint.address }
    }

    private func connected(_ connection: WebSocketConnection, toRelay relay: Int) {
        guard !isStopping, connection.isOpen else { return connection.close() }
        relayConnections[relay] = connection.id
        sources[connection.id] = .relay(relay)
        outboxes[connection.id] = Outbox(connection: connection, isRelay: true)
        drive { node, _, actions in
            node.relayConnected(
                relay, keyHash: connection.peerSPKIHash ?? [], nowSeconds: BootClock.wallClockSeconds(),
                actions: &actions)
        }
    }

    private func lostRelay(_ relay: Int, reason: String) {
        drive { node, now, actions in node.relayLost(relay, reason: reason, at: now, actions: &actions) }
    }

    private func dial(_ peer: PeerIndex) {
        guard let address = configuration.peers.first(where: { $0.id == peers[peer].id })?.address else { return }
        WebSocketClient().connect(to: RelayURL(server: address), on: eventLoop, handlers: handlers(for: .direct))
            .whenComplete { result in
                self.assumeIsolated { daemon in
                    switch result {
                    case .success(let connection): daemon.opened(connection, peer: peer)
                    case .failure(let error):
                        daemon.peers[peer].lastError = "\(error)"
                        daemon.drive { node, now, _ in node.dialFailed(peer, at: now) }
                    }
                }
            }
    }

    private func opened(_ connection: WebSocketConnection, peer: PeerIndex?) {
        guard !isStopping, connection.isOpen else { return connection.close() }
        sources[connection.id] = .direct
        outboxes[connection.id] = Outbox(connection: connection, isRelay: false)
        drive { node, now, actions in
            node.directOpened(
                connection.id, peer: peer, from: connection.remoteEndpoint.address,
                nowSeconds: BootClock.wallClockSeconds(), at: now, actions: &actions)
        }
    }

    private func closed(_ connection: WebSocketConnection, reason: String) {
        outboxes[connection.id] = nil
        switch sources.removeValue(forKey: connection.id) {
        case .relay(let relay):
            guard relayConnections[relay] == connection.id else { return }
            relayConnections[relay] = nil
            lostRelay(relay, reason: reason)
        case .direct:
            drive { node, now, actions in node.directClosed(connection.id, at: now, actions: &actions) }
        case nil: break
        }
    }

    // MARK: - Messages

    private func received(_ message: ByteBuffer, from connection: WebSocketConnection) {
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
    private func readItems(
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
    private func deliverReleasedFrames(at now: Instant) {
        for (peer, bytes) in node.takeReleasedFrames() { deliver(bytes.span.rawBytes, from: peer, at: now) }
    }

    private func deliver(_ frame: RawSpan, from peer: PeerIndex, at now: Instant) {
        peers[peer].receivedFrame(byteCount: frame.byteCount, since: startedAt, at: now)
        if ethernet.receivedFromPeer(frame, on: PortIndex(value: peer), at: now) == .deliver { writer.write(frame) }
    }

    // MARK: - The machine's actions

    func drive(_ body: (inout Node, Instant, inout [NodeAction]) -> Void) {
        let now = BootClock.now()
        var actions: [NodeAction] = []
        body(&node, now, &actions)
        deliverReleasedFrames(at: now)
        perform(actions, at: now)
        flush()
        arm(at: now)
    }

    func perform(_ actions: [NodeAction], at now: Instant) {
        for action in actions {
            switch action {
            case .send(.udp(let endpoint), let bytes):
                datagrams?.port.send(bytes.span.rawBytes, to: endpoint)
                touchesDatagrams = true
            case .send(let carrier, let bytes):
                guard let (connection, channel) = connection(for: carrier) else { continue }
                append(bytes, channel: channel, to: connection)
            case .sendToRelay(let relay, let bytes):
                guard let connection = relayConnections[relay] else { continue }
                append(bytes, channel: CarrierItem.controlChannel, to: connection)
            case .connectRelay(let relay): connectRelay(relay)
            case .closeRelay(let relay):
                guard let connection = relayConnections.removeValue(forKey: relay) else { continue }
                sources[connection] = nil
                outboxes[connection]?.connection.close()
            case .dial(let peer): dial(peer)
            case .closeDirect(let connection): outboxes[connection]?.connection.close()
            case .work(let ticket, let work): run(work, ticket)
            case .event(let event): note(event, at: now)
            }
        }
    }

    private func append(_ bytes: [UInt8], channel: UInt32, to connection: UInt64) {
        guard outboxes[connection] != nil else { return }
        outboxes[connection]?.append(bytes, channel: channel)
        touched.insert(connection)
    }

    private func run(_ work: Work, _ ticket: WorkTicket) {
        pool.runIfActive(eventLoop: eventLoop) {
            let start = ProcessResources.threadProcessorTimeNanoseconds()
            let result = work.run()
            return (result, ProcessResources.threadProcessorTimeNanoseconds() - start)
        }.whenSuccess { result, nanoseconds in
            self.assumeIsolated { daemon in
                daemon.drive { node, now, actions in
                    node.performed(ticket, result, processorNanoseconds: nanoseconds, at: now, actions: &actions)
                }
            }
        }
    }

    /// Whether to log one more unknown node now: at most one line a minute, since anyone can cause them.
    func mayLogUnknown(at now: Instant) -> Bool {
        if let lastUnknownLogAt, now.milliseconds(since: lastUnknownLogAt) < 60_000 { return false }
        lastUnknownLogAt = now
        return true
    }
}
