public import MeshBase
internal import MeshCrypto
public import MeshProtocol
internal import MeshWire

/// Whole nodes and relays in one thread, in virtual time, from a seed.
///
/// The relays' own messages arrive in order, as over TLS. What they forward suffers `faults`, as with a relay that
/// lies or drops. Connections break and hosts restart when told to.
public struct Simulation {
    enum Event: Sendable {
        case nodeTimer(Int)
        case relayTimer(Int)
        case connect(node: Int, relay: Int, generation: UInt64)
        case toNode(Int, relay: Int, connection: UInt64, channel: UInt32, [UInt8])
        case toRelay(Int, connection: UInt64, channel: UInt32, [UInt8])
        case nodeWork(Int, generation: UInt64, WorkTicket, WorkResult)
        case relayWork(Int, generation: UInt64, WorkTicket, WorkResult)
        case closed(node: Int, relay: Int, connection: UInt64)
        case datagram(to: Int, Datagram)
        case portMeasured(Int, peer: PeerIndex, Endpoint?)
        case datagramTooLong(from: Int, to: Endpoint, byteCount: Int)
        case met(Int, Int)
        case byConnection(UInt64, to: Int, [UInt8])
        case connectionClosed(UInt64, at: Int)
        case relayReplaced(Int, generation: UInt64)
    }

    /// A datagram on its way to a host.
    struct Datagram: Sendable {
        var source: Endpoint
        var destination: Endpoint
        /// The host that sent it; `nil` for an attacker.
        var sender: Int?
        /// When it was sent.
        var sentAt: Instant
        var bytes: [UInt8]
    }

    /// A frame that arrived.
    public struct Delivery: Sendable {
        /// Its number.
        public var number: UInt64
        /// Who sent it.
        public var from: Int
        /// Who got it.
        public var to: Int
        /// When.
        public var at: Instant
    }

    struct Host {
        var candidates: [Candidate] = []
        var identity: Identity
        var node: Node
        var generation: UInt64 = 0
        var connections: [Int: UInt64] = [:]
        var timerAt: Instant?
        var furtherSockets = SimulatedSockets()
    }

    struct Relay {
        var identity: Identity
        var core: RelaySwitch
        var generation: UInt64 = 0
        var nodes: [UInt64: Int] = [:]
        var timerAt: Instant?
        var isDown = false
        /// One way to each node; `nil` for that of the faults.
        var delayMilliseconds: UInt64?
        /// What it will be when it has restarted.
        var next: RelaySwitch?
        /// When it last broke a connection.
        var brokenAt: Instant?
    }

    /// Work takes this long in virtual time: a signature and two verifications.
    static let workMilliseconds: UInt64 = 4
    /// As long as a relay that drains goes on.
    static let drainMilliseconds: UInt64 = 500
    /// A small frame of the simulation.
    public static let frameByteCount = 64
    /// The wall clock at virtual time 0, in seconds since 1970.
    static let epochSeconds: UInt64 = 1_800_000_000

    /// What the network does to forwarded messages now.
    public var faults = Faults()
    /// What the network between the UDP sockets does; `nil` for hosts without.
    public var direct: DirectNetwork?
    /// What the network does to direct TCP connections; `nil` for hosts that open none.
    public var connections: ConnectionNetwork?
    /// Frames in the order of their arrival.
    public internal(set) var deliveries: [Delivery] = []
    /// Frames that went in slices.
    public internal(set) var slicedFrameCount = 0
    /// Frames that arrived after a later one of the same direction.
    public internal(set) var reorderedCount = 0
    var newestDelivered: [DirectNetwork.Link: UInt64] = [:]
    /// Frames that were overtaken though no path was suspect.
    var overtakenFrames: [UInt64] = []
    /// When senders began to doubt their path, by sender and receiver.
    public internal(set) var suspicions: [(link: DirectNetwork.Link, at: Instant)] = []
    var sealedRecords: [RecordName: SealedRecord] = [:]
    /// What the nodes told people about paths, with the time and the node.
    public internal(set) var pathEvents: [(at: Instant, node: Int, event: NodeEvent)] = []
    /// When sessions were established, in the nodes' words.
    public internal(set) var establishedAt: [Instant] = []
    /// Virtual time.
    public internal(set) var now = Instant.zero
    /// Frames sent, by frame number.
    public internal(set) var sentFrames: [UInt64: SentFrame] = [:]
    /// Frames that arrived.
    public internal(set) var deliveredFrames: Set<UInt64> = []
    /// Wrong deliveries.
    public internal(set) var violations: [Violation] = []
    /// Datagrams sent to ports that a peer asked to try, by host.
    public internal(set) var probeCounts: [Int: Int] = [:]
    /// Completed handshakes, both sides counted.
    public internal(set) var establishedCount = 0
    /// Completed rotations of keys, both sides counted.
    public internal(set) var rotatedCount = 0
    /// The number of handshake failures told to people.
    public internal(set) var failures: [HandshakeFailure] = []

    var entropy: EntropySource
    var hosts: [Host] = []
    var relays: [Relay] = []
    var queue = EventQueue<Event>()
    var nextConnection: UInt64 = 1
    var nextFrame: UInt64 = 1
    let rotationIntervalSeconds: UInt32
    let afterDirect: Node.AfterDirect

    /// Identities are expensive; many simulations share them.
    public struct Identities: Sendable {
        let values: [Identity]

        /// Makes `count` identities.
        public init(count: Int, seed: UInt64) throws {
            var entropy = EntropySource.seeded(seed)
            values = try (0..<count).map { _ in try Identity(entropy: &entropy) }.sorted { $0.id < $1.id }
        }
    }

    /// Makes `nodeCount` nodes that all know each other and all `relayCount` relays.
    public init(
        seed: UInt64, nodeCount: Int, relayCount: Int, identities: Identities, rotationIntervalSeconds: UInt32 = 300,
        isDirect: Bool = false, opensConnections: Bool = false, afterDirect: Node.AfterDirect = .standby,
        opensSockets: Bool = false
    ) throws {
        if isDirect { direct = DirectNetwork(hostCount: nodeCount) }
        direct?.opensSockets = opensSockets
        if opensConnections { connections = ConnectionNetwork() }
        self.afterDirect = afterDirect
        entropy = .seeded(seed)
        self.rotationIntervalSeconds = rotationIntervalSeconds
        for index in 0..<relayCount {
            let identity = identities.values[identities.values.count - 1 - index]
            relays.append(Relay(identity: identity, core: try makeSwitch(identity)))
        }
        var ids = Array(identities.values.prefix(nodeCount))
        // Which node has the lower ID depends on the seed.
        if entropy.number(below: 2) == 1 { ids.reverse() }
        for identity in ids {
            let attachment = direct?.attachments[hosts.count]
            let candidates = candidates(of: hosts.count, endpoints: attachment?.candidates ?? [])
            let node = makeNode(identity, peers: ids.map(\.id), candidates: candidates)
            hosts.append(Host(candidates: candidates, identity: identity, node: node))
        }
        for index in hosts.indices { armNode(index) }
    }

    mutating func makeSwitch(_ identity: Identity) throws -> RelaySwitch {
        let statement = try RelayKeyStatement(
            identity: identity, keyHash: Digest.sha256(identity.id.bytes), nowSeconds: Self.epochSeconds)
        return RelaySwitch(
            id: identity.id, statement: statement, admission: .open, limits: .init(), stunPort: 3478,
            entropy: .seeded(entropy.next()))
    }

    /// What a host names to its peers.
    func candidates(of host: Int, endpoints: [Endpoint]) -> [Candidate] {
        let translator = direct?.attachments[host].translator?.address
        var candidates = endpoints.map {
            Candidate(source: $0.address == translator ? .relayObserved : .interface, transport: .udp, endpoint: $0)
        }
        if connections != nil {
            let endpoint = ConnectionNetwork.endpoint(of: host)
            candidates.append(Candidate(source: .interface, transport: .webSocket, endpoint: endpoint))
        }
        return candidates
    }

    /// One way between a relay and a node, in milliseconds.
    func delayMilliseconds(toRelay relay: Int) -> UInt64 {
        relays[relay].delayMilliseconds ?? faults.delayMilliseconds
    }

    func faults(ofRelay relay: Int) -> Faults {
        var result = faults
        result.delayMilliseconds = delayMilliseconds(toRelay: relay)
        return result
    }

    mutating func makeNode(_ identity: Identity, peers: [PeerID], candidates: [Candidate]) -> Node {
        let parameters = SessionParameters(
            sessionIndex: 0, mtu: 1400, heartbeatIntervalSeconds: 15,
            keyRotationIntervalSeconds: rotationIntervalSeconds, supportsDirect: direct != nil, resetToken: [],
            candidates: candidates)
        var configuration = Node.Configuration(
            identity: identity, peers: peers, relays: relays.map(\.identity.id), parameters: parameters)
        configuration.usesDatagrams = direct != nil
        configuration.opensConnections = connections != nil
        configuration.opensSockets = direct?.opensSockets == true
        configuration.afterDirect = afterDirect
        return Node(configuration, entropy: .seeded(entropy.next()), at: now)
    }

    // MARK: - Driving

    mutating func drive(_ index: Int, _ body: (inout Node, inout [NodeAction], Instant) -> Void) {
        var actions: [NodeAction] = []
        body(&hosts[index].node, &actions, now)
        for frame in hosts[index].node.takeReleasedFrames() { judge(frame.bytes, from: frame.peer, at: index) }
        for action in actions { perform(action, of: index) }
        sendKeptFrames(of: index)
        armNode(index)
    }

    /// Frames that waited for a path.
    mutating func sendKeptFrames(of index: Int) {
        guard hosts[index].node.hasKeptFrames else { return }
        for peer in 0..<hosts[index].node.peerCount {
            while let carrier = hosts[index].node.keptFrameCarrier(of: peer),
                let record = hosts[index].node.takeKeptFrame(of: peer, at: now)
            {
                send(record, by: carrier, from: index)
            }
        }
    }

    mutating func perform(_ action: NodeAction, of index: Int) {
        switch action {
        case .send(let carrier, let bytes): send(bytes, by: carrier, from: index)
        case .sendToRelay(let relay, let bytes):
            guard let connection = hosts[index].connections[relay] else { return }
            queue.add(
                .toRelay(relay, connection: connection, channel: CarrierItem.controlChannel, bytes),
                at: now.advanced(milliseconds: delayMilliseconds(toRelay: relay)))
        case .connectRelay(let relay):
            queue.add(
                .connect(node: index, relay: relay, generation: hosts[index].generation),
                at: now.advanced(milliseconds: 3 * delayMilliseconds(toRelay: relay)))
        case .closeRelay(let relay):
            dropConnection(node: index, relay: relay)
        case .work(let ticket, let work):
            queue.add(
                .nodeWork(index, generation: hosts[index].generation, ticket, work.run()),
                at: now.advanced(milliseconds: Self.workMilliseconds))
        case .event(.established):
            establishedCount += 1
            establishedAt.append(now)
        case .event(let event) where event.isAboutPaths:
            pathEvents.append((now, index, event))
            noteEvent(event, of: index)
        case .event(.rotated): rotatedCount += 1
        case .event(.handshakeFailed(_, let failure)): failures.append(failure)
        case .openConnections(let peer, let targets, _): openConnections(peer, targets, from: index)
        case .stopOpening(let peer): stopOpening(peer, from: index)
        case .closeDirect(let number): closeConnection(number, by: index)
        case .traversal(let peer, let action): perform(action, for: peer, of: index)
        case .event, .dial, .trustDirect: break
        }
    }

    mutating func send(_ bytes: [UInt8], by carrier: CarrierID, from index: Int) {
        noteSent(bytes)
        if case .udp(let endpoint) = carrier { return sendDatagram(bytes, to: endpoint, from: index) }
        if case .direct(let number) = carrier { return sendByConnection(bytes, number, from: index) }
        guard case .relay(let relay, let channel) = carrier else { return }
        guard let connection = hosts[index].connections[relay] else { return noteMisled(bytes, byRelay: relay) }
        for (delay, altered) in suffer(bytes, faults(ofRelay: relay)) {
            queue.add(
                .toRelay(relay, connection: connection, channel: channel, altered),
                at: now.advanced(milliseconds: delay))
        }
    }

    mutating func armNode(_ index: Int) {
        guard let deadline = hosts[index].node.deadline.map({ max($0, now) }),
            hosts[index].timerAt.map({ deadline < $0 }) ?? true
        else { return }
        hosts[index].timerAt = deadline
        queue.add(.nodeTimer(index), at: deadline)
    }

    mutating func driveRelay(
        _ index: Int, _ body: (inout RelaySwitch, inout [RelaySwitch.Action], Instant) -> Void
    ) {
        var actions: [RelaySwitch.Action] = []
        body(&relays[index].core, &actions, now)
        for action in actions {
            switch action {
            case .send(let connection, let bytes):
                guard let node = relays[index].nodes[connection] else { continue }
                queue.add(
                    .toNode(
                        node, relay: index, connection: connection, channel: CarrierItem.controlChannel, bytes),
                    at: now.advanced(milliseconds: delayMilliseconds(toRelay: index)))
            case .close(let connection):
                guard let node = relays[index].nodes[connection] else { continue }
                queue.add(
                    .closed(node: node, relay: index, connection: connection),
                    at: now.advanced(milliseconds: delayMilliseconds(toRelay: index)))
            case .work(let ticket, let work):
                queue.add(
                    .relayWork(index, generation: relays[index].generation, ticket, work.run()),
                    at: now.advanced(milliseconds: Self.workMilliseconds))
            case .admitted: break
            }
        }
        guard let deadline = relays[index].core.deadline.map({ max($0, now) }),
            relays[index].timerAt.map({ deadline < $0 }) ?? true
        else { return }
        relays[index].timerAt = deadline
        queue.add(.relayTimer(index), at: deadline)
    }
}

extension NodeEvent {
    var isAboutPaths: Bool {
        switch self {
        case .pathValidated, .pathSizeChanged, .pathChanged, .pathSuspect, .pathDead, .attemptFailed, .unresponsive,
            .connectionProven, .carrierOpened, .carrierClosed, .relay, .sessionLost, .sessionEnded:
            true
        default: false
        }
    }
}
