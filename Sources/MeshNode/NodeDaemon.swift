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
///     packet loops: TAP -> switch -> seal into datagrams -> UDP, or into the carrier's message -> event loop -> WebSocket
///     packet loops: UDP -> open in place -> switch -> TAP
///     event loop:   WebSocket -> open in place -> switch -> TAP
///
/// Everything but frames, their records and signing happens on one event loop; the packet loops enter the daemon for a turn
/// at a time (`DaemonExecutor`), and seal, open, send and write outside of it (`LoopTurn`).
public actor NodeDaemon {
    /// One for this node's handshakes and one for its answers to others.
    static let workThreadCount = 2
    /// The machines' deadlines move with every record; looking once a second is enough for those that only records move.
    static let tickNanoseconds: UInt64 = 1_000_000_000

    /// Whoever connects sends at most 16 KiB in a message, enough for two flights of the handshake, until it has proven
    /// to be a peer.
    static var listenerLimits: WebSocketServer.Limits {
        var limits = WebSocketServer.Limits()
        limits.connection.messageByteCountMax = WebSocketLimits.unprovenMessageByteCountMax
        return limits
    }

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
    /// The actor runs on its event loop, unless the packet loop has entered it.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }
    nonisolated let executor: DaemonExecutor

    /// Called when the node cannot go on.
    let failed: @Sendable (NodeFailure) -> Void
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
    var pathWaits: [PathWait] = []
    var counters: [String: UInt64] = [:]
    let pool: NIOThreadPool
    /// The queues of the TAP, one for each packet loop.
    var queues: [TapPort]
    let wantedPacketLoopCount: Int
    var packetLoops: [PacketLoop] = []
    /// What the packet loop's turn works on; `nil` while the event loop is in the daemon.
    var turn: LoopTurn?
    /// The turns of all packet loops.
    var loopTurns: [LoopTurn] = []
    /// Where frames go that lie in memory which stays until the turn, or message, is over; `nil`: they are written at once.
    var output: TapOutput?
    /// The same for messages of connections.
    var messageOutput: TapOutput
    /// Kinds of superframes that this node's TAP takes whole.
    let acceptedSuperframes: SuperframeKinds
    /// Segments made of superframes for peers that do not join them.
    var segmentScratch: [UInt8]
    /// Actions for the event loop, in order.
    var deferredActions: [NodeAction] = []
    var isVisitDue = false
    var server: WebSocketServer?
    var sources: [UInt64: Source] = [:]
    var relayConnections: [Int: UInt64] = [:]
    /// Connections tried so far, by relay.
    var relayAttempts: [Int: UInt64] = [:]
    var touched: Set<UInt64> = []
    var ports: [PortIndex] = []
    var reply: [UInt8] = []
    var timer: Scheduled<Void>?
    var timerAt = Instant(nanoseconds: .max)
    var isStopping = false
    var lastUnknownLogAt: Instant?
    var setUpMemory = SetUpMemory()
    var datagrams: DatagramState?
    /// Further UDP sockets, which open ways through address translators.
    var furtherSockets = FurtherSockets()
    /// What address translators do, as found last.
    var natBehavior: NATBehavior?
    var discovery: DiscoveryRun?
    var discoveryTimer: Scheduled<Void>?
    /// Whether probes may go to the address that was probed last.
    var probedAddress: (address: IPAddress, isAllowed: Bool)?
    var meetingPoint: MeetingPoint?
    /// Attempts to meet peers half-way.
    var meetings: [PeerIndex: SimultaneousOpen] = [:]
    var touchesDatagrams = false
    let configuredCandidates: [Candidate]

    /// Makes a node on an open TAP device, of whose queues there may be fewer than are wanted; `start` connects it.
    init(
        configuration: NodeConfiguration, identity: Identity, relayTokens: [PeerID: [UInt8]], queues: [TapPort],
        wantedPacketLoopCount: Int, pool: NIOThreadPool, eventLoop: any EventLoop,
        failed: @escaping @Sendable (NodeFailure) -> Void
    ) {
        self.failed = failed
        let now = BootClock.now()
        self.configuration = configuration
        self.pool = pool
        self.queues = queues
        self.wantedPacketLoopCount = wantedPacketLoopCount
        let port = queues[0]
        self.eventLoop = eventLoop
        executor = DaemonExecutor(eventLoop: eventLoop)
        acceptedSuperframes = SuperframeKinds(port.device.offloads)
        messageOutput = TapOutput(ports: queues)
        segmentScratch = [UInt8](repeating: 0, count: TapDevice.frameByteCountMax)
        logger = Logger(label: "node")
        startedAt = now
        tapName = port.device.name
        tapAddress = port.device.macAddress
        writer = TapWriter(port: port)
        let made = NodeSetUp(
            configuration: configuration, identity: identity, relayTokens: relayTokens,
            superframeKinds: acceptedSuperframes)
        configuredCandidates = made.node.parameters.candidates
        node = Node(made.node, entropy: .system, at: now)
        peers = made.peers.map { PeerRecord(id: $0.id, name: $0.name, at: now) }
        relays = made.relays.map { RelayRecord(url: $0.url, id: $0.id, since: now) }
        var entropy = EntropySource.system
        ethernet = EthernetSwitch(
            configuration: EthernetSwitch.Configuration(localAddress: tapAddress), seed: entropy.next())
        for index in relays.indices where node.isSpare(relay: index) { relays[index].enter("spare", at: now) }
        for index in peers.indices { _ = ethernet.addPort(PortIndex(value: index)) }
    }

    // MARK: - Life

    /// Listens where configured, reads the TAP and connects. Throws what keeps the node from starting.
    func start() async throws {
        if configuration.mode != .relay, let address = configuration.listenAddress {
            let tls = try TLSMaterial.selfSigned(commonName: "shadowmesh node", validDays: 3650)
            server = try await WebSocketServer.listen(
                on: [address], tls: tls, limits: Self.listenerLimits, eventLoop: eventLoop,
                handlers: handlers(for: nil)
            ).get()
            logger.notice("listening for peers", metadata: ["address": "\(address)"])
        }
        await startMeetingPoint()
        await startDatagrams()
        try startPacketLoops()
        timedOut()
    }

    func tapEnded(_ end: PacketLoop.End) {
        guard !isStopping else { return }
        failed(.tapLost(name: tapName, end))
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
        await releasePortMapping()
        timer?.cancel()
        server?.close()
        await stopPacketLoops()
        stopDatagrams()
        stopMeetingPoint()
        for outbox in outboxes.values { outbox.connection.close(code: 1001, text: "the node stops") }
        for wait in pings.values { wait.promise.succeed(PingReport.Probe(path: "none", rttMicroseconds: nil)) }
        pings = [:]
        settlePathWaits(at: now)
        for _ in 0..<20 where !outboxes.isEmpty { try? await Task.sleep(for: .milliseconds(25)) }
        logger.notice("stopped")
    }

    // MARK: - Time

    func timedOut() {
        guard !isStopping else { return }
        timerAt = Instant(nanoseconds: .max)
        let now = BootClock.now()
        var actions: [NodeAction] = []
        node.handleTimeout(nowSeconds: BootClock.wallClockSeconds(), at: now, actions: &actions)
        deliverReleasedFrames(at: now)
        perform(actions, at: now)
        runSwitchTimers(at: now)
        expirePings(at: now)
        settlePathWaits(at: now)
        flush()
        if setUpMemory.takeIsDue(at: now) { pool.submit { _ in ProcessResources.forgetSetUp() } }
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
            self.enter { $0.timedOut() }
        }
    }

    func runSwitchTimers(at now: Instant) {
        if let due = ethernet.deadline, due <= now {
            var actions: [EthernetSwitch.Action] = []
            ethernet.handleTimeout(at: now, actions: &actions)
            for action in actions { perform(action, at: now) }
        }
        for event in ethernet.takeEvents() { note(event) }
    }

    func perform(_ action: EthernetSwitch.Action, at now: Instant) {
        switch action {
        case .send(let frame, let port): send(frame.span.rawBytes, to: port.value, at: now)
        }
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
        if turn == nil, !deferredActions.isEmpty {
            let earlier = deferredActions
            deferredActions = []
            perform(earlier, at: now)
        }
        for action in actions {
            switch action {
            case .send(.udp(let endpoint), let bytes):
                guard maySend(to: endpoint) else {
                    counters["datagram_into_overlay", default: 0] += 1
                    continue
                }
                sendDatagram(bytes.span.rawBytes, to: endpoint)
            case .send(let carrier, let bytes):
                guard let (connection, channel) = connection(for: carrier) else { continue }
                guard outboxes[connection]?.takesControl() == true else {
                    counters["control_dropped", default: 0] += 1
                    continue
                }
                append(bytes, channel: channel, to: connection)
            case .sendToRelay(let relay, let bytes):
                guard let connection = relayConnections[relay] else { continue }
                append(bytes, channel: CarrierItem.controlChannel, to: connection)
            case _ where turn != nil: deferToEventLoop(action)
            case .connectRelay(let relay): connectRelay(relay)
            case .closeRelay(let relay):
                guard let connection = relayConnections.removeValue(forKey: relay) else { continue }
                sources[connection] = nil
                outboxes[connection]?.connection.close()
            case .dial(let peer): dial(peer)
            case .openConnections(let peer, let targets, let isClient):
                openConnections(to: peer, at: targets, isClient: isClient)
            case .stopOpening(let peer): stopOpening(to: peer)
            case .traversal(let peer, let action): perform(action, for: peer)
            case .trustDirect(let connection):
                outboxes[connection]?.connection.setMessageByteCountMax(WebSocketLimits().messageByteCountMax)
            case .closeDirect(let connection):
                outboxes[connection]?.flush()
                outboxes[connection]?.connection.close()
            case .work(let ticket, let work): run(work, ticket)
            case .event(let event): note(event, at: now)
            }
        }
    }

    func append(_ bytes: [UInt8], channel: UInt32, to connection: UInt64) {
        guard outboxes[connection] != nil else { return }
        outboxes[connection]?.append(control: bytes, channel: channel)
        touched.insert(connection)
    }

    func run(_ work: Work, _ ticket: WorkTicket) {
        pool.runIfActive(eventLoop: eventLoop) {
            let start = ProcessResources.threadProcessorTimeNanoseconds()
            let result = work.run()
            return (result, ProcessResources.threadProcessorTimeNanoseconds() - start)
        }.whenSuccess { result, nanoseconds in
            self.enter { daemon in
                daemon.setUpMemory.used(at: BootClock.now())
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
