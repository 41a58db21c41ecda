internal import MeshBase
internal import MeshCrypto
internal import MeshProtocol
internal import MeshWire

/// A node and some peers of it in one thread, with direct connections between them that lose nothing, and UDP if wanted.
final class NodeStar {
    static let frameByteCount = 1_400
    static let recordByteCount = Session.frameOverheadByteCount + frameByteCount

    var hub: Node
    /// Each knows the hub alone.
    var spokes: [Node]
    private(set) var now = Instant(nanoseconds: 1_000_000_000)
    /// Messages under way, the spoke at one end of each, and what they come by.
    private var wire: [(spoke: Int, toHub: Bool, carrier: CarrierID, bytes: [UInt8])] = []

    /// Makes nodes without sessions; the first identity is the hub's.
    init(_ identities: [Identity], usesDatagrams: Bool = false) {
        let now = now
        func node(_ place: Int, _ peers: some Sequence<Identity>) -> Node {
            let candidate = Candidate(source: .interface, transport: .udp, endpoint: Self.endpoint(of: place))
            var configuration = Node.Configuration(
                identity: identities[place], peers: peers.map(\.id), relays: [],
                parameters: .init(
                    sessionIndex: 0, mtu: 1_400, heartbeatIntervalSeconds: 15, keyRotationIntervalSeconds: 300,
                    supportsDirect: usesDatagrams, superframeKinds: 3, resetToken: [],
                    candidates: usesDatagrams ? [candidate] : []))
            configuration.usesDatagrams = usesDatagrams
            return Node(configuration, entropy: .system, at: now)
        }
        hub = node(0, identities.dropFirst())
        spokes = identities.indices.dropFirst().map { node($0, [identities[0]]) }
    }

    /// The UDP socket of the hub, 0, or of a spoke, one above its place (RFC 2544 section 12).
    static func endpoint(of place: Int) -> Endpoint {
        Endpoint(address: IPAddress(version4: 0xC612_0000 + UInt32(place) + 1), port: 7_000)
    }

    /// The connection between the hub and a spoke, by the number that both have for it.
    static func carrier(_ spoke: Int) -> CarrierID { .direct(UInt64(spoke) + 1) }

    /// All handshakes, with the work of both sides, until all have each other's first record.
    func establish() {
        for spoke in spokes.indices {
            let number = UInt64(spoke) + 1
            drive(spoke, isHub: false) { $0.directOpened(number, peer: nil, nowSeconds: 0, at: now, actions: &$1) }
            drive(spoke, isHub: true) { $0.directOpened(number, peer: spoke, nowSeconds: 0, at: now, actions: &$1) }
            while !wire.isEmpty { deliver(wire.removeFirst()) }
        }
    }

    /// Has the hub and its only spoke find each other's UDP socket.
    func takeDatagramPath() {
        // Proven and taken within a second.
        for _ in 0..<100 {
            now = now.advanced(milliseconds: 10)
            drive(0, isHub: true) { $0.handleTimeout(nowSeconds: 0, at: now, actions: &$1) }
            drive(0, isHub: false) { $0.handleTimeout(nowSeconds: 0, at: now, actions: &$1) }
            while !wire.isEmpty { deliver(wire.removeFirst()) }
        }
        precondition(spokes[0].carrier(of: 0) == .udp(Self.endpoint(of: 0)), "nothing is lost on the way")
        // The first frame shows the path that the hub has taken.
        var record = [UInt8](repeating: 0, count: Self.recordByteCount)
        seal(&record)
        deliver((0, false, .udp(Self.endpoint(of: 0)), record))
    }

    private func deliver(_ message: (spoke: Int, toHub: Bool, carrier: CarrierID, bytes: [UInt8])) {
        let carrier = message.carrier
        drive(message.spoke, isHub: message.toHub) { node, actions in
            guard message.bytes.first == MessageKind.record.rawValue else {
                return node.received(message.bytes.span.rawBytes, by: carrier, at: now, actions: &actions)
            }
            var record = message.bytes
            var bytes = record.mutableSpan
            var span = bytes.mutableRawBytes
            _ = try? node.open(&span, by: carrier, at: now, actions: &actions)
        }
    }

    private func drive(_ spoke: Int, isHub: Bool, _ body: (inout Node, inout [NodeAction]) -> Void) {
        var actions: [NodeAction] = []
        if isHub { body(&hub, &actions) } else { body(&spokes[spoke], &actions) }
        for action in actions {
            switch action {
            case .send(.udp, let bytes):
                wire.append((spoke, !isHub, .udp(Self.endpoint(of: isHub ? 0 : spoke + 1)), bytes))
            case .send(_, let bytes): wire.append((spoke, !isHub, Self.carrier(spoke), bytes))
            case .work(let ticket, let work):
                let result = work.run()
                drive(spoke, isHub: isHub) {
                    $0.performed(ticket, result, processorNanoseconds: 0, at: now, actions: &$1)
                }
            case .sendToRelay, .connectRelay, .closeRelay, .dial, .openConnections, .stopOpening, .closeDirect,
                .trustDirect, .traversal, .event:
                break
            }
        }
    }

    /// Whether all have a session.
    var isEstablished: Bool {
        spokes.indices.allSatisfy { hub.isReachable($0) } && spokes.allSatisfy { $0.isReachable(0) }
    }

    /// Leaves the hub alone, with its sessions.
    func removeSpokes() {
        spokes = []
        wire = []
    }

    /// Seals one frame from the hub to a spoke in `record`, in place.
    func seal(_ record: inout [UInt8], to spoke: Int = 0) {
        var bytes = record.mutableSpan
        var span = bytes.mutableRawBytes
        precondition(
            hub.sealFrame(to: spoke, byteCount: Self.frameByteCount, in: &span, at: now) == Self.recordByteCount)
    }

    /// Opens one record from the hub at a spoke, in place. Returns whether it held a frame.
    func open(_ record: inout [UInt8], at spoke: Int = 0, actions: inout [NodeAction]) -> Bool {
        var bytes = record.mutableSpan
        var span = bytes.mutableRawBytes
        return (try? spokes[spoke].open(&span, by: Self.carrier(spoke), at: now, actions: &actions)) != nil
    }
}
