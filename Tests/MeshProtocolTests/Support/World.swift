import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire
import Testing

/// A message on its way; `carrier` is the receiver's name of the way it comes by.
struct Packet {
    var from: Int
    var to: Int
    var carrier: CarrierID
    var bytes: [UInt8]

    var kind: MessageKind? { bytes.first.flatMap(MessageKind.init(rawValue:)) }
}

/// Real nodes, and between them a carrier that does what the test says, in virtual time.
///
/// Node `i` of `nodeCount` has the identity `identities[i]`; lower indices have lower peer IDs. Identities without a node
/// are played by the test. On relay 0, channel `j + 1` of every node leads to identity `j`.
final class World {
    static let identityCount = 4
    // '!' okay: seeds of 32 bytes make an identity.
    static let identities: [Identity] = {
        var entropy = EntropySource.seeded(11)
        return (0..<identityCount).map { _ in try! Identity(entropy: &entropy) }.sorted { $0.id < $1.id }
    }()
    static let relayIdentity: Identity = {
        var entropy = EntropySource.seeded(12)
        return try! Identity(entropy: &entropy)
    }()
    static let keyHash = [UInt8](repeating: 7, count: 32)
    static let epochSeconds: UInt64 = 1_800_000_000
    static let statement = try! RelayKeyStatement(
        identity: relayIdentity, keyHash: keyHash, nowSeconds: epochSeconds)

    var now = Instant(nanoseconds: 1_000_000_000)
    var nodes: [Node] = []
    /// Sent and not yet delivered.
    var wire: [Packet] = []
    /// Everything that was sent.
    var sent: [Packet] = []
    /// What becomes of a message that is sent.
    var onSend: ((Packet) -> [Packet])?
    /// Work that waits, when `holdsWork`.
    var works: [(node: Int, ticket: WorkTicket, work: Work)] = []
    var holdsWork = false
    var events: [[NodeEvent]] = []
    var frames: [[[UInt8]]] = []
    var workCounts: [Int] = []
    var relayMessages: [RelayMessage] = []
    var connectRequests = 0
    var relayCloses = 0
    var dials: [PeerIndex] = []
    var closedDirects: [UInt64] = []
    var trustedDirects: [UInt64] = []
    /// By how much the wall clock was set.
    var clockChangeSeconds: Int64 = 0
    private var directEnds: [UInt64: (Int, Int)] = [:]

    init(
        nodeCount: Int = 2, identityCount: Int = 2, relayCount: Int = 0, rotationSeconds: UInt32 = 86_400,
        heartbeatSeconds: UInt16 = 15, dialled: Bool = false, usesDatagrams: Bool = false, keepsRelays: Bool = false
    ) {
        let ids = Self.identities.prefix(identityCount).map(\.id)
        for index in 0..<nodeCount {
            let parameters = SessionParameters(
                sessionIndex: 0, mtu: 1400, heartbeatIntervalSeconds: heartbeatSeconds,
                keyRotationIntervalSeconds: rotationSeconds, supportsDirect: usesDatagrams, resetToken: [],
                candidates: usesDatagrams
                    ? [Candidate(source: .interface, transport: .udp, endpoint: Self.endpoint(of: index))] : [])
            var configuration = Node.Configuration(
                identity: Self.identities[index], peers: ids.filter { $0 != Self.identities[index].id },
                relays: Array(repeating: Self.relayIdentity.id, count: relayCount), parameters: parameters)
            configuration.usesDatagrams = usesDatagrams
            configuration.keepsRelays = keepsRelays
            if dialled { configuration.dialledPeers = Set(configuration.peers) }
            nodes.append(Node(configuration, entropy: .seeded(UInt64(100 + index)), at: now))
        }
        events = Array(repeating: [], count: nodeCount)
        frames = Array(repeating: [], count: nodeCount)
        workCounts = Array(repeating: 0, count: nodeCount)
    }

    /// A world whose nodes are all connected to relay 0, with a channel for each pair.
    static func byRelay(
        nodeCount: Int = 2, identityCount: Int = 2, rotationSeconds: UInt32 = 86_400, opensChannels: Bool = true,
        usesDatagrams: Bool = false
    ) -> World {
        let world = World(
            nodeCount: nodeCount, identityCount: identityCount, relayCount: 1, rotationSeconds: rotationSeconds,
            usesDatagrams: usesDatagrams)
        for node in world.nodes.indices { world.connectRelay(node) }
        if opensChannels {
            for node in world.nodes.indices {
                for other in 0..<identityCount where other != node { world.openChannel(node, to: other) }
            }
        }
        return world
    }

    /// A world with a session between nodes 0 and 1; node 0 began it.
    static func established(rotationSeconds: UInt32 = 86_400) -> World {
        let world = byRelay(rotationSeconds: rotationSeconds)
        world.run(milliseconds: 100)
        return world
    }

    /// Two nodes on a direct path; node 0 has the lower ID and closes the channel.
    static func direct(rotationSeconds: UInt32 = 86_400) throws -> World {
        let world = World.byRelay(rotationSeconds: rotationSeconds, usesDatagrams: true)
        world.run(milliseconds: 500)
        for node in 0...1 { try #require(world.nodes[node].carrier(of: 0) == .udp(World.endpoint(of: 1 - node))) }
        // Each sees the other's path.
        for node in 0...1 { world.sendFrame(from: node, to: 1 - node) }
        world.run(milliseconds: 100)
        world.frames = [[], []]
        return world
    }

    // MARK: - What nodes ask for

    var nowSeconds: UInt64 {
        UInt64(Int64(Self.epochSeconds + now.nanoseconds / 1_000_000_000) + clockChangeSeconds)
    }

    func drive(_ index: Int, _ body: (inout Node, inout [NodeAction]) -> Void) {
        var actions: [NodeAction] = []
        body(&nodes[index], &actions)
        frames[index] += nodes[index].takeReleasedFrames().map(\.bytes)
        for action in actions { perform(action, of: index) }
        for peer in 0..<nodes[index].peerCount {
            while let carrier = nodes[index].keptFrameCarrier(of: peer),
                let record = nodes[index].takeKeptFrame(of: peer, at: now)
            {
                send(record, by: carrier, from: index)
            }
        }
    }

    private func perform(_ action: NodeAction, of index: Int) {
        switch action {
        case .send(let carrier, let bytes): send(bytes, by: carrier, from: index)
        case .work(let ticket, let work):
            workCounts[index] += 1
            if holdsWork { works.append((index, ticket, work)) } else { finish(index, ticket, work.run()) }
        case .event(let event): events[index].append(event)
        case .sendToRelay(_, let bytes):
            if let message = try? RelayMessage(parsing: bytes.span.rawBytes) { relayMessages.append(message) }
        case .connectRelay: connectRequests += 1
        case .closeRelay: relayCloses += 1
        case .dial(let peer): dials.append(peer)
        case .openConnections, .stopOpening, .traversal: break
        case .closeDirect(let connection): closedDirects.append(connection)
        case .trustDirect(let connection): trustedDirects.append(connection)
        }
    }

    func finish(_ index: Int, _ ticket: WorkTicket, _ result: WorkResult) {
        drive(index) { $0.performed(ticket, result, processorNanoseconds: 1, at: now, actions: &$1) }
    }

    /// Runs the waiting work at `place`.
    func runWork(at place: Int) {
        let (node, ticket, work) = works.remove(at: place)
        finish(node, ticket, work.run())
    }

    private func send(_ bytes: [UInt8], by carrier: CarrierID, from index: Int) {
        let packet: Packet
        switch carrier {
        case .relay(let relay, let channel):
            packet = Packet(
                from: index, to: Int(channel) - 1, carrier: .relay(relay, channel: UInt32(index + 1)), bytes: bytes)
        case .direct(let connection):
            guard let ends = directEnds[connection] else { return }
            packet = Packet(from: index, to: ends.0 == index ? ends.1 : ends.0, carrier: carrier, bytes: bytes)
        case .udp(let endpoint):
            guard let to = nodes.indices.first(where: { Self.endpoint(of: $0) == endpoint }) else { return }
            packet = Packet(from: index, to: to, carrier: .udp(Self.endpoint(of: index)), bytes: bytes)
        }
        sent.append(packet)
        wire += onSend.map { $0(packet) } ?? [packet]
    }

    // MARK: - Carriers

    func connectRelay(_ index: Int, relay: Int = 0, peersMax: UInt16 = 256) {
        drive(index) { $0.handleTimeout(nowSeconds: nowSeconds, at: now, actions: &$1) }
        drive(index) { $0.relayConnected(relay, keyHash: Self.keyHash, nowSeconds: nowSeconds, actions: &$1) }
        fromRelay(index, .challenge(Self.relayChallenge()), relay: relay)
        // '!' okay: four bytes make an address.
        let endpoint = Endpoint(address: IPAddress(bytes: [192, 0, 2, UInt8(index + 1)])!, port: 4000)
        fromRelay(
            index,
            .welcome(
                RelayWelcome(observedEndpoint: endpoint, stunPort: 0, payloadByteCountMax: 65_535, peersMax: peersMax)),
            relay: relay)
    }

    /// The address of a node's UDP socket (RFC 5737).
    static func endpoint(of index: Int) -> Endpoint {
        // '!' okay: four bytes make an address.
        Endpoint(address: IPAddress(bytes: [198, 51, 100, UInt8(index + 1)])!, port: 7000)
    }

    static func relayChallenge() -> RelayChallenge {
        RelayChallenge(
            relayIdentity: statement.relayIdentity, keyHash: statement.keyHash,
            notAfterSeconds: statement.notAfterSeconds, signature: statement.signature,
            challenge: [UInt8](repeating: 3, count: 32))
    }

    func fromRelay(_ index: Int, _ message: RelayMessage, relay: Int = 0) {
        let bytes = message.bytes
        drive(index) { $0.receivedFromRelay(relay, bytes.span.rawBytes, at: now, actions: &$1) }
    }

    func openChannel(_ index: Int, to other: Int, relay: Int = 0) {
        fromRelay(index, .channelOpened(channel: UInt32(other + 1), peer: Self.identities[other].id), relay: relay)
    }

    func closeChannel(_ index: Int, to other: Int, relay: Int = 0) {
        fromRelay(index, .channelClosed(channel: UInt32(other + 1)), relay: relay)
    }

    /// Node `from` has dialled identity `to`.
    func openDirect(_ connection: UInt64, from: Int, to: Int, remote: Endpoint? = nil) {
        directEnds[connection] = (from, to)
        if to < nodes.count {
            drive(to) {
                $0.directOpened(connection, peer: nil, from: remote, nowSeconds: nowSeconds, at: now, actions: &$1)
            }
        }
        guard from < nodes.count else { return }
        let peer = nodes[from].peerIndex(of: Self.identities[to].id)
        drive(from) {
            $0.directOpened(connection, peer: peer, nowSeconds: nowSeconds, at: now, actions: &$1)
        }
    }

    func closeDirect(_ connection: UInt64, at index: Int) {
        drive(index) { $0.directClosed(connection, at: now, actions: &$1) }
    }

    // MARK: - Messages

    func deliver(_ packet: Packet) {
        guard packet.to < nodes.count else { return }
        guard packet.kind == .record else {
            return drive(packet.to) {
                $0.received(packet.bytes.span.rawBytes, by: packet.carrier, at: now, actions: &$1)
            }
        }
        var copy = packet.bytes
        var frame: [UInt8]?
        var released: [[UInt8]] = []
        drive(packet.to) { node, actions in
            var bytes = copy.mutableSpan
            var span = bytes.mutableRawBytes
            if let opened = try? node.open(&span, by: packet.carrier, at: now, actions: &actions) {
                frame = span.bytes.copy(opened.frame)
            }
            released = node.takeReleasedFrames().map(\.bytes)
        }
        if let frame { frames[packet.to].append(frame) }
        frames[packet.to] += released
    }

    /// Delivers everything, in order, and what is sent in answer, until nothing is under way to a node.
    func deliverAll() {
        while let place = wire.firstIndex(where: { $0.to < nodes.count }) { deliver(wire.remove(at: place)) }
    }

    /// Takes what was sent to identity `index`, which the test plays.
    func take(to index: Int) -> [Packet] {
        defer { wire.removeAll { $0.to == index } }
        return wire.filter { $0.to == index }
    }

    /// Sends `bytes` to node `to` in the name of identity `from` by its channel of relay 0.
    func inject(_ bytes: [UInt8], from: Int, to: Int = 0, relay: Int = 0) {
        deliver(Packet(from: from, to: to, carrier: .relay(relay, channel: UInt32(from + 1)), bytes: bytes))
    }

    /// Seals a frame of `byteCount` bytes that begins with `number` and sends it. Returns whether there was a session.
    @discardableResult func sendFrame(from: Int, to: Int, number: UInt8 = 0, byteCount: Int = 64) -> Bool {
        guard let peer = nodes[from].peerIndex(of: Self.identities[to].id), let carrier = nodes[from].carrier(of: peer)
        else { return false }
        var record = [UInt8](repeating: 0, count: Session.frameOverheadByteCount + byteCount)
        record[Session.contentOffset] = number
        var bytes = record.mutableSpan
        var span = bytes.mutableRawBytes
        let second = nodes[from].secondCarrier(of: peer)
        guard nodes[from].sealFrame(to: peer, byteCount: byteCount, in: &span, at: now) != nil else { return false }
        send(record, by: carrier, from: from)
        if let second { send(record, by: second, from: from) }
        return true
    }

    /// Sends the only slice of a superframe of one segment, whose headers begin with `number`.
    func sendSlice(from: Int, to: Int, number: UInt8) throws {
        let peer = try #require(nodes[from].peerIndex(of: Self.identities[to].id))
        let cut = SuperframeCut(
            number: number, headerByteCount: 54, payloadByteCount: 1_300, segmentByteCount: 1_300, segmentCount: 1,
            segmentsPerRecord: 1)
        var record = [UInt8](repeating: 0, count: cut.recordByteCount(0))
        record[Session.superframeHeadersOffset] = number
        var bytes = record.mutableSpan
        var span = bytes.mutableRawBytes
        let prepared = try #require(
            nodes[from].prepareSuperframe(cut, slices: 0..<1, to: peer, in: &span, at: now))
        _ = nodes[from].seal(prepared, to: peer, in: &span, at: now)
        send(record, by: try #require(nodes[from].carrier(of: peer)), from: from)
    }

    // MARK: - Time

    /// Lets time pass. After each time-out a node's deadline must lie ahead.
    func run(milliseconds: UInt64, delivers: Bool = true) {
        let end = now.advanced(milliseconds: milliseconds)
        while true {
            if delivers { deliverAll() }
            guard let due = nodes.indices.compactMap({ nodes[$0].deadline }).min(), due <= end else { break }
            now = max(now, due)
            for index in nodes.indices where nodes[index].deadline.map({ $0 <= now }) ?? false {
                // What falls into doubt is asked at once, and the others with it.
                for _ in 0..<2 where nodes[index].deadline.map({ $0 <= now }) ?? false {
                    drive(index) { $0.handleTimeout(nowSeconds: nowSeconds, at: now, actions: &$1) }
                }
                if let next = nodes[index].deadline, next <= now {
                    Issue.record("node \(index) has nothing left to do at \(now) and wants to be called at \(next)")
                    return
                }
            }
        }
        now = end
    }

    // MARK: - Views

    func isReachable(_ from: Int, _ to: Int) -> Bool {
        nodes[from].peerIndex(of: Self.identities[to].id).map { nodes[from].isReachable($0) } ?? false
    }

    func establishedCount(_ index: Int) -> Int {
        events[index].count { if case .established = $0 { true } else { false } }
    }

    func failures(_ index: Int) -> [HandshakeFailure] {
        events[index].compactMap { if case .handshakeFailed(_, let failure) = $0 { failure } else { nil } }
    }

    func messages(_ kind: MessageKind, from: Int) -> [Packet] { sent.filter { $0.from == from && $0.kind == kind } }

    /// Whether a frame sent now in each direction arrives.
    func framesPass(_ first: Int = 0, _ second: Int = 1) -> Bool {
        let counts = (frames[first].count, frames[second].count)
        guard sendFrame(from: first, to: second), sendFrame(from: second, to: first) else { return false }
        deliverAll()
        return frames[first].count == counts.0 + 1 && frames[second].count == counts.1 + 1
    }
}
