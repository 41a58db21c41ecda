internal import MeshBase
internal import MeshCrypto
internal import MeshProtocol
internal import MeshWire

/// Two nodes in one thread with a direct connection between them that loses nothing.
final class NodePair {
    static let carrier = CarrierID.direct(1)
    static let frameByteCount = 1_400
    static let recordByteCount = Session.frameOverheadByteCount + frameByteCount

    var first: Node
    var second: Node
    let now = Instant(nanoseconds: 1_000_000_000)
    private var wire: [(toFirst: Bool, bytes: [UInt8])] = []

    init(_ identities: [Identity]) {
        let nodes = (0..<2).map { index in
            Node(
                Node.Configuration(
                    identity: identities[index], peers: [identities[1 - index].id], relays: [],
                    parameters: .init(
                        sessionIndex: 0, mtu: 1_400, heartbeatIntervalSeconds: 15, keyRotationIntervalSeconds: 300,
                        supportsDirect: false, superframeKinds: 3, resetToken: [])),
                entropy: .system, at: Instant(nanoseconds: 1_000_000_000))
        }
        (first, second) = (nodes[0], nodes[1])
    }

    /// The whole handshake, with the work of both sides, until both have each other's first record.
    func establish() {
        drive(toFirst: false) { $0.directOpened(1, peer: nil, nowSeconds: 0, at: now, actions: &$1) }
        drive(toFirst: true) { $0.directOpened(1, peer: 0, nowSeconds: 0, at: now, actions: &$1) }
        while !wire.isEmpty {
            let message = wire.removeFirst()
            drive(toFirst: message.toFirst) { node, actions in
                guard message.bytes.first == 0x40 else {
                    return node.received(message.bytes.span.rawBytes, by: Self.carrier, at: now, actions: &actions)
                }
                var record = message.bytes
                var bytes = record.mutableSpan
                var span = bytes.mutableRawBytes
                _ = try? node.open(&span, by: Self.carrier, at: now, actions: &actions)
            }
        }
    }

    private func drive(toFirst: Bool, _ body: (inout Node, inout [NodeAction]) -> Void) {
        var actions: [NodeAction] = []
        if toFirst { body(&first, &actions) } else { body(&second, &actions) }
        for action in actions {
            switch action {
            case .send(_, let bytes): wire.append((!toFirst, bytes))
            case .work(let ticket, let work):
                let result = work.run()
                drive(toFirst: toFirst) {
                    $0.performed(ticket, result, processorNanoseconds: 0, at: now, actions: &$1)
                }
            case .sendToRelay, .connectRelay, .closeRelay, .dial, .openConnections, .stopOpening, .closeDirect,
                .trustDirect, .event:
                break
            }
        }
    }

    var isEstablished: Bool { first.isReachable(0) && second.isReachable(0) }

    /// Seals one frame in `record`, in place.
    func seal(_ record: inout [UInt8]) {
        var bytes = record.mutableSpan
        var span = bytes.mutableRawBytes
        precondition(first.sealFrame(to: 0, byteCount: Self.frameByteCount, in: &span, at: now) == Self.recordByteCount)
    }

    /// Opens one record in place. Returns whether it held a frame.
    func open(_ record: inout [UInt8], actions: inout [NodeAction]) -> Bool {
        var bytes = record.mutableSpan
        var span = bytes.mutableRawBytes
        return (try? second.open(&span, by: Self.carrier, at: now, actions: &actions)) != nil
    }
}
