internal import MeshBase
internal import MeshCrypto
internal import MeshProtocol
internal import MeshWire

/// A node and some peers of it in one thread, with direct connections between them that lose nothing.
final class NodeStar {
    static let frameByteCount = 1_400
    static let recordByteCount = Session.frameOverheadByteCount + frameByteCount

    var hub: Node
    /// Each knows the hub alone.
    var spokes: [Node]
    let now = Instant(nanoseconds: 1_000_000_000)
    /// Messages under way, and the spoke at one end of each.
    private var wire: [(spoke: Int, toHub: Bool, bytes: [UInt8])] = []

    /// Makes nodes without sessions; the first identity is the hub's.
    init(_ identities: [Identity]) {
        let now = now
        func node(_ identity: Identity, _ peers: some Sequence<Identity>) -> Node {
            Node(
                Node.Configuration(
                    identity: identity, peers: peers.map(\.id), relays: [],
                    parameters: .init(
                        sessionIndex: 0, mtu: 1_400, heartbeatIntervalSeconds: 15, keyRotationIntervalSeconds: 300,
                        supportsDirect: false, superframeKinds: 3, resetToken: [])),
                entropy: .system, at: now)
        }
        hub = node(identities[0], identities.dropFirst())
        spokes = identities.dropFirst().map { node($0, [identities[0]]) }
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

    private func deliver(_ message: (spoke: Int, toHub: Bool, bytes: [UInt8])) {
        let carrier = Self.carrier(message.spoke)
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
            case .send(_, let bytes): wire.append((spoke, !isHub, bytes))
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
