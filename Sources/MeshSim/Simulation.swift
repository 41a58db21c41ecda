public import MeshBase
internal import MeshCrypto
public import MeshProtocol
internal import MeshWire

/// Whole nodes and relays in one thread, in virtual time, from a seed.
///
/// The relays' own messages arrive in order, as over TLS. What they forward suffers `faults`, as with a relay that
/// lies or drops. Connections break and hosts restart when told to.
public struct Simulation {
    /// What the oracle found wrong.
    public enum Violation: Error, Equatable, Sendable {
        case deliveredTwice(UInt64)
        case deliveredButNeverSent
        case deliveredToTheWrongNode(UInt64)
    }

    private enum Event: Sendable {
        case nodeTimer(Int)
        case relayTimer(Int)
        case connect(node: Int, relay: Int, generation: UInt64)
        case toNode(Int, relay: Int, connection: UInt64, channel: UInt32, [UInt8])
        case toRelay(Int, connection: UInt64, channel: UInt32, [UInt8])
        case nodeWork(Int, generation: UInt64, WorkTicket, WorkResult)
        case relayWork(Int, generation: UInt64, WorkTicket, WorkResult)
        case closed(node: Int, relay: Int, connection: UInt64)
        case datagram(to: Int, from: Endpoint, [UInt8])
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

    private struct Host {
        var candidates: [Candidate] = []
        var identity: Identity
        var node: Node
        var generation: UInt64 = 0
        var connections: [Int: UInt64] = [:]
        var timerAt: Instant?
    }

    private struct Relay {
        var identity: Identity
        var core: RelaySwitch
        var generation: UInt64 = 0
        var nodes: [UInt64: Int] = [:]
        var timerAt: Instant?
    }

    /// Work takes this long in virtual time: a signature and two verifications.
    private static let workMilliseconds: UInt64 = 4
    /// A frame of the simulation: its number.
    private static let frameByteCount = 64
    /// The wall clock at virtual time 0, in seconds since 1970.
    private static let epochSeconds: UInt64 = 1_800_000_000

    /// What the network does to forwarded messages now.
    public var faults = Faults()
    /// What the network between the UDP sockets does; `nil` for hosts without.
    public var direct: DirectNetwork?
    /// Frames in the order of their arrival.
    public private(set) var deliveries: [Delivery] = []
    /// Frames that arrived after a later one of the same direction.
    public private(set) var reorderedCount = 0
    private var newestDelivered: [DirectNetwork.Link: UInt64] = [:]
    /// What the nodes told people about paths, with the time and the node.
    public private(set) var pathEvents: [(at: Instant, node: Int, event: NodeEvent)] = []
    /// When sessions were established, in the nodes' words.
    public private(set) var establishedAt: [Instant] = []
    /// Virtual time.
    public private(set) var now = Instant.zero
    /// Frames sent and delivered, by frame number.
    public private(set) var sentFrames: [UInt64: (from: Int, to: Int)] = [:]
    /// Frames that arrived.
    public private(set) var deliveredFrames: Set<UInt64> = []
    /// Wrong deliveries.
    public private(set) var violations: [Violation] = []
    /// Completed handshakes, both sides counted.
    public private(set) var establishedCount = 0
    /// Completed rotations of keys, both sides counted.
    public private(set) var rotatedCount = 0
    /// The number of handshake failures told to people.
    public private(set) var failures: [HandshakeFailure] = []

    private var entropy: EntropySource
    private var hosts: [Host] = []
    private var relays: [Relay] = []
    private var queue = EventQueue<Event>()
    private var nextConnection: UInt64 = 1
    private var nextFrame: UInt64 = 1
    private let rotationIntervalSeconds: UInt32
    private let afterDirect: Node.AfterDirect

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
        isDirect: Bool = false, afterDirect: Node.AfterDirect = .standby
    ) throws {
        if isDirect { direct = DirectNetwork() }
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
            let candidates = isDirect ? Self.candidates(of: hosts.count) : []
            let node = makeNode(identity, peers: ids.map(\.id), candidates: candidates)
            hosts.append(Host(candidates: candidates, identity: identity, node: node))
        }
        for index in hosts.indices { armNode(index) }
    }

    private mutating func makeSwitch(_ identity: Identity) throws -> RelaySwitch {
        let statement = try RelayKeyStatement(
            identity: identity, keyHash: Digest.sha256(identity.id.bytes), nowSeconds: Self.epochSeconds)
        return RelaySwitch(
            id: identity.id, statement: statement, admission: .open, limits: .init(), stunPort: 3478,
            entropy: .seeded(entropy.next()))
    }

    private static func candidates(of host: Int) -> [Candidate] {
        [Candidate(source: .interface, transport: .udp, endpoint: DirectNetwork.endpoint(of: host))]
    }

    private mutating func makeNode(_ identity: Identity, peers: [PeerID], candidates: [Candidate]) -> Node {
        let parameters = SessionParameters(
            sessionIndex: 0, mtu: 1400, heartbeatIntervalSeconds: 15,
            keyRotationIntervalSeconds: rotationIntervalSeconds, supportsDirect: direct != nil, resetToken: [],
            candidates: candidates)
        var configuration = Node.Configuration(
            identity: identity, peers: peers, relays: relays.map(\.identity.id), parameters: parameters)
        configuration.usesDatagrams = direct != nil
        configuration.afterDirect = afterDirect
        return Node(configuration, entropy: .seeded(entropy.next()), at: now)
    }

    // MARK: - What a test does

    /// Runs until virtual time `end`.
    public mutating func run(until end: Instant) {
        while let next = queue.next, next <= end, let (at, event) = queue.removeFirst() {
            now = max(now, at)
            handle(event)
        }
        now = max(now, end)
    }

    /// Runs for `milliseconds`.
    public mutating func run(milliseconds: UInt64) { run(until: now.advanced(milliseconds: milliseconds)) }

    /// Runs until `condition`, checked every `stepMilliseconds`. Returns whether it came true in time.
    public mutating func run(
        until condition: (Simulation) -> Bool, withinMilliseconds limit: UInt64, stepMilliseconds: UInt64 = 100
    ) -> Bool {
        let end = now.advanced(milliseconds: limit)
        while !condition(self) {
            guard now < end else { return false }
            run(milliseconds: stepMilliseconds)
        }
        return true
    }

    /// Whether `from` can seal frames for `to` and send them.
    public func isReachable(from: Int, to: Int) -> Bool {
        guard let index = hosts[from].node.peerIndex(of: hosts[to].identity.id) else { return false }
        return hosts[from].node.isReachable(index)
    }

    /// Whether every node reaches every other.
    public var isMeshed: Bool {
        hosts.indices.allSatisfy { from in hosts.indices.allSatisfy { $0 == from || isReachable(from: from, to: $0) } }
    }

    /// Sends a frame. Returns its number, or `nil` when there is no session.
    public mutating func sendFrame(from: Int, to: Int) -> UInt64? {
        guard let peer = hosts[from].node.peerIndex(of: hosts[to].identity.id),
            let carrier = hosts[from].node.carrier(of: peer)
        else { return nil }
        let number = nextFrame
        var record = [UInt8](repeating: 0, count: Session.frameOverheadByteCount + Self.frameByteCount)
        for place in 0..<8 {
            record[Session.contentOffset + place] = UInt8(truncatingIfNeeded: number >> UInt64(56 - 8 * place))
        }
        var bytes = record.mutableSpan
        var span = bytes.mutableRawBytes
        guard hosts[from].node.sealFrame(to: peer, byteCount: Self.frameByteCount, in: &span, at: now) != nil else {
            return nil
        }
        nextFrame += 1
        sentFrames[number] = (from, to)
        send(record, by: carrier, from: from)
        if let second = hosts[from].node.secondCarrier(of: peer) { send(record, by: second, from: from) }
        armNode(from)
        return number
    }

    /// Breaks the connection of a node and a relay.
    public mutating func breakConnection(node: Int, relay: Int) {
        guard let connection = hosts[node].connections[relay] else { return }
        queue.add(.closed(node: node, relay: relay, connection: connection), at: now)
    }

    /// The node forgets everything but its identity.
    public mutating func restartNode(_ index: Int) {
        for relay in relays.indices { dropConnection(node: index, relay: relay) }
        hosts[index].node = makeNode(
            hosts[index].identity, peers: hosts.map(\.identity.id), candidates: hosts[index].candidates)
        hosts[index].generation += 1
        hosts[index].timerAt = nil
        armNode(index)
    }

    /// The relay forgets everything but its identity.
    public mutating func restartRelay(_ index: Int) throws {
        for node in hosts.indices { breakConnection(node: node, relay: index) }
        run(until: now)
        relays[index].core = try makeSwitch(relays[index].identity)
        relays[index].generation += 1
        relays[index].nodes = [:]
    }

    // MARK: - Paths

    /// The carrier of `from`'s records to `to`.
    public func carrier(from: Int, to: Int) -> CarrierID? {
        hosts[from].node.peerIndex(of: hosts[to].identity.id).flatMap { hosts[from].node.carrier(of: $0) }
    }

    /// Whether all records between the two go by UDP, both ways.
    public func isDirect(_ one: Int, _ other: Int) -> Bool {
        [(one, other), (other, one)].allSatisfy { from, to in
            if case .udp = carrier(from: from, to: to) { true } else { false }
        }
    }

    /// Whether all records between the two go by relay, both ways.
    public func isRelayed(_ one: Int, _ other: Int) -> Bool {
        [(one, other), (other, one)].allSatisfy { from, to in carrier(from: from, to: to)?.isRelay ?? false }
    }

    /// Whether a node is connected to a relay.
    public func isConnected(_ node: Int, toRelay relay: Int) -> Bool { hosts[node].connections[relay] != nil }

    /// Pairs of nodes that the relay forwards for.
    public func pairCount(atRelay relay: Int) -> Int { relays[relay].core.pairCount }

    /// Records that a node dropped, by reason.
    public func recordRefusals(of node: Int) -> [RecordRefusal: UInt64] { hosts[node].node.recordRefusals }

    /// A node's addresses change.
    public mutating func setCandidates(_ endpoints: [Endpoint], of node: Int) {
        hosts[node].candidates = endpoints.map { Candidate(source: .interface, transport: .udp, endpoint: $0) }
        let candidates = hosts[node].candidates
        drive(node) { $0.setLocalCandidates(candidates, at: $2, actions: &$1) }
    }

    /// People allow direct paths between two nodes, or want the relay.
    public mutating func setDirectAllowed(_ isAllowed: Bool, _ one: Int, _ other: Int) {
        for (from, to) in [(one, other), (other, one)] {
            guard let peer = hosts[from].node.peerIndex(of: hosts[to].identity.id) else { continue }
            drive(from) { $0.setDirectAllowed(isAllowed, for: peer, at: $2, actions: &$1) }
        }
    }

    /// An attacker sends a datagram with a source of his choice.
    public mutating func inject(_ bytes: [UInt8], from source: Endpoint, to node: Int, afterMilliseconds: UInt64) {
        queue.add(.datagram(to: node, from: source, bytes), at: now.advanced(milliseconds: afterMilliseconds))
    }

    private mutating func sendDatagram(_ bytes: [UInt8], to endpoint: Endpoint, from index: Int) {
        guard var network = direct else { return }
        let source = DirectNetwork.endpoint(of: index)
        network.recorded?.append(.init(source: source, destination: endpoint, bytes: bytes))
        guard let to = DirectNetwork.host(at: endpoint), hosts.indices.contains(to) else {
            network.strayByteCounts[endpoint, default: 0] += bytes.count
            return direct = network
        }
        let link = DirectNetwork.Link(index, to)
        network.sentCounts[link, default: 0] += 1
        direct = network
        let isFrame = bytes.count == Session.frameOverheadByteCount + Self.frameByteCount
        guard !network.cut.contains(link), !(network.dropsFrames && isFrame) else { return }
        let extra = network.delays[link].map { Int64($0) - Int64(network.faults.delayMilliseconds) } ?? 0
        for (delay, altered) in suffer(bytes, network.faults) {
            queue.add(
                .datagram(to: to, from: source, altered),
                at: now.advanced(milliseconds: UInt64(max(Int64(delay) + extra, 0))))
        }
    }

    // MARK: - Events

    private mutating func handle(_ event: Event) {
        switch event {
        case .nodeTimer(let index):
            hosts[index].timerAt = nil
            drive(index) { $0.handleTimeout(nowSeconds: Self.wallClockSeconds($2), at: $2, actions: &$1) }
        case .relayTimer(let index):
            relays[index].timerAt = nil
            driveRelay(index) { $0.handleTimeout(at: $2, actions: &$1) }
        case .connect(let node, let relay, let generation): connect(node, relay, generation)
        case .toNode(let index, let relay, let connection, let channel, let bytes):
            guard hosts[index].connections[relay] == connection else { return }
            deliver(bytes, to: index, relay: relay, channel: channel)
        case .toRelay(let index, let connection, let channel, let bytes):
            forward(bytes, at: index, connection: connection, channel: channel)
        case .nodeWork(let index, let generation, let ticket, let result):
            guard hosts[index].generation == generation else { return }
            drive(index) { $0.performed(ticket, result, processorNanoseconds: 0, at: $2, actions: &$1) }
        case .relayWork(let index, let generation, let ticket, let result):
            guard relays[index].generation == generation else { return }
            driveRelay(index) { $0.performed(ticket, result, at: $2, actions: &$1) }
        case .datagram(let index, let source, let bytes): deliver(bytes, to: index, by: .udp(source))
        case .closed(let node, let relay, let connection):
            guard hosts[node].connections[relay] == connection else { return }
            dropConnection(node: node, relay: relay)
            drive(node) { $0.relayLost(relay, reason: "connection reset", at: $2, actions: &$1) }
        }
    }

    private static func wallClockSeconds(_ now: Instant) -> UInt64 { epochSeconds + now.nanoseconds / 1_000_000_000 }

    private mutating func connect(_ node: Int, _ relay: Int, _ generation: UInt64) {
        guard hosts[node].generation == generation else { return }
        let connection = nextConnection
        nextConnection += 1
        hosts[node].connections[relay] = connection
        relays[relay].nodes[connection] = node
        let keyHash = Digest.sha256(relays[relay].identity.id.bytes)
        drive(node) {
            $0.relayConnected(relay, keyHash: keyHash, nowSeconds: Self.wallClockSeconds($2), actions: &$1); _ = $2
        }
        // '!' okay: four bytes make an address.
        let endpoint = Endpoint(address: IPAddress(bytes: [192, 0, 2, UInt8(truncatingIfNeeded: node)])!, port: 40_000)
        driveRelay(relay) { $0.connected(connection, from: endpoint, at: $2, actions: &$1) }
    }

    private mutating func dropConnection(node: Int, relay: Int) {
        guard let connection = hosts[node].connections.removeValue(forKey: relay) else { return }
        relays[relay].nodes.removeValue(forKey: connection)
        driveRelay(relay) {
            $0.closed(connection, actions: &$1); _ = $2
        }
    }

    private mutating func deliver(_ bytes: [UInt8], to index: Int, relay: Int, channel: UInt32) {
        if channel == CarrierItem.controlChannel {
            return drive(index) { $0.receivedFromRelay(relay, bytes.span.rawBytes, at: $2, actions: &$1) }
        }
        deliver(bytes, to: index, by: .relay(relay, channel: channel))
    }

    private mutating func deliver(_ bytes: [UInt8], to index: Int, by carrier: CarrierID) {
        guard bytes.first == MessageKind.record.rawValue else {
            return drive(index) { $0.received(bytes.span.rawBytes, by: carrier, at: $2, actions: &$1) }
        }
        var copy = bytes
        var delivered: (peer: PeerIndex, frame: [UInt8])?
        var released: [(peer: PeerIndex, bytes: [UInt8])] = []
        drive(index) { node, actions, now in
            var mutable = copy.mutableSpan
            var span = mutable.mutableRawBytes
            if let opened = try? node.open(&span, by: carrier, at: now, actions: &actions) {
                delivered = (opened.peer, span.bytes.copy(opened.frame))
            }
            released = node.takeReleasedFrames()
        }
        if let delivered { judge(delivered.frame, from: delivered.peer, at: index) }
        for (peer, bytes) in released { judge(bytes, from: peer, at: index) }
    }

    private mutating func judge(_ frame: [UInt8], from peer: PeerIndex, at index: Int) {
        let number = frame.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard let sent = sentFrames[number], frame.count == Self.frameByteCount else {
            return violations.append(.deliveredButNeverSent)
        }
        guard sent.to == index, hosts[sent.from].identity.id == hosts[index].node.peerID(peer) else {
            return violations.append(.deliveredToTheWrongNode(number))
        }
        if !deliveredFrames.insert(number).inserted { violations.append(.deliveredTwice(number)) }
        deliveries.append(Delivery(number: number, from: sent.from, to: index, at: now))
        let link = DirectNetwork.Link(sent.from, index)
        if let newest = newestDelivered[link], newest > number {
            reorderedCount += 1
        } else {
            newestDelivered[link] = number
        }
    }

    private mutating func forward(_ bytes: [UInt8], at index: Int, connection: UInt64, channel: UInt32) {
        guard relays[index].nodes[connection] != nil else { return }
        if channel == CarrierItem.controlChannel {
            return driveRelay(index) { $0.received(bytes.span.rawBytes, from: connection, at: $2, actions: &$1) }
        }
        guard
            let route = try? relays[index].core.route(
                from: connection, channel: channel, byteCount: bytes.count, at: now),
            let node = relays[index].nodes[route.connection]
        else { return }
        for (delay, altered) in suffer(bytes) {
            queue.add(
                .toNode(node, relay: index, connection: route.connection, channel: route.channel, altered),
                at: now.advanced(milliseconds: delay))
        }
    }

    /// What becomes of a message on one leg: nothing, one copy or two, each with its delay.
    private mutating func suffer(
        _ bytes: [UInt8], _ faults: Faults? = nil
    ) -> [(delayMilliseconds: UInt64, bytes: [UInt8])] {
        let faults = faults ?? self.faults
        if entropy.number(below: 1000) < faults.lossPerMille { return [] }
        let copies = entropy.number(below: 1000) < faults.duplicationPerMille ? 2 : 1
        return (0..<copies).map { _ in
            var altered = bytes
            if entropy.number(below: 1000) < faults.corruptionPerMille {
                let bit = entropy.number(below: UInt64(altered.count * 8))
                altered[Int(bit / 8)] ^= 1 << UInt8(bit % 8)
            }
            if entropy.number(below: 1000) < faults.truncationPerMille {
                altered.removeLast(Int(entropy.number(below: UInt64(altered.count))))
            }
            return (faults.delayMilliseconds + entropy.number(below: faults.jitterMilliseconds + 1), altered)
        }
    }

    // MARK: - Driving

    private mutating func drive(_ index: Int, _ body: (inout Node, inout [NodeAction], Instant) -> Void) {
        var actions: [NodeAction] = []
        body(&hosts[index].node, &actions, now)
        for (peer, bytes) in hosts[index].node.takeReleasedFrames() { judge(bytes, from: peer, at: index) }
        for action in actions { perform(action, of: index) }
        armNode(index)
    }

    private mutating func perform(_ action: NodeAction, of index: Int) {
        switch action {
        case .send(let carrier, let bytes): send(bytes, by: carrier, from: index)
        case .sendToRelay(let relay, let bytes):
            guard let connection = hosts[index].connections[relay] else { return }
            queue.add(
                .toRelay(relay, connection: connection, channel: CarrierItem.controlChannel, bytes),
                at: now.advanced(milliseconds: faults.delayMilliseconds))
        case .connectRelay(let relay):
            queue.add(
                .connect(node: index, relay: relay, generation: hosts[index].generation),
                at: now.advanced(milliseconds: 3 * faults.delayMilliseconds))
        case .closeRelay(let relay): dropConnection(node: index, relay: relay)
        case .work(let ticket, let work):
            queue.add(
                .nodeWork(index, generation: hosts[index].generation, ticket, work.run()),
                at: now.advanced(milliseconds: Self.workMilliseconds))
        case .event(.established):
            establishedCount += 1
            establishedAt.append(now)
        case .event(let event) where event.isAboutPaths: pathEvents.append((now, index, event))
        case .event(.rotated): rotatedCount += 1
        case .event(.handshakeFailed(_, let failure)): failures.append(failure)
        case .event, .dial, .closeDirect: break
        }
    }

    private mutating func send(_ bytes: [UInt8], by carrier: CarrierID, from index: Int) {
        if case .udp(let endpoint) = carrier { return sendDatagram(bytes, to: endpoint, from: index) }
        guard case .relay(let relay, let channel) = carrier, let connection = hosts[index].connections[relay] else {
            return
        }
        for (delay, altered) in suffer(bytes) {
            queue.add(
                .toRelay(relay, connection: connection, channel: channel, altered),
                at: now.advanced(milliseconds: delay))
        }
    }

    private mutating func armNode(_ index: Int) {
        guard let deadline = hosts[index].node.deadline.map({ max($0, now) }),
            hosts[index].timerAt.map({ deadline < $0 }) ?? true
        else { return }
        hosts[index].timerAt = deadline
        queue.add(.nodeTimer(index), at: deadline)
    }

    private mutating func driveRelay(
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
                    at: now.advanced(milliseconds: faults.delayMilliseconds))
            case .close(let connection):
                guard let node = relays[index].nodes[connection] else { continue }
                queue.add(
                    .closed(node: node, relay: index, connection: connection),
                    at: now.advanced(milliseconds: faults.delayMilliseconds))
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
    fileprivate var isAboutPaths: Bool {
        switch self {
        case .pathValidated, .pathChanged, .pathSuspect, .pathDead, .attemptFailed, .unresponsive: true
        default: false
        }
    }
}
