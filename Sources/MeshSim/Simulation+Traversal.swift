internal import MeshBase
internal import MeshProtocol

/// The further sockets of a simulated host, by numbers of their own; its first socket has number 0.
struct SimulatedSockets: Sendable {
    /// The socket by which the datagram came that is being handled.
    var arrival = 0
    private var sockets: [PeerIndex: [Int: Int]] = [:]
    private var paths: [Endpoint: (peer: PeerIndex, socket: Int)] = [:]
    private var next = 1

    /// The socket from which everything to an address leaves.
    func socket(to endpoint: Endpoint) -> Int { paths[endpoint]?.socket ?? 0 }

    func isOpen(_ socket: Int) -> Bool {
        socket == 0 || paths.contains { $0.value.socket == socket }
            || sockets.contains { $0.value.contains { $0.value == socket } }
    }

    /// A fresh socket, which nobody keeps.
    mutating func open() -> Int {
        next += 1
        return next
    }

    /// The socket of a number, which is opened if need be.
    mutating func socket(_ number: Int, of peer: PeerIndex) -> Int {
        if let known = sockets[peer]?[number] { return known }
        let made = open()
        sockets[peer, default: [:]][number] = made
        return made
    }

    /// Keeps the socket of the datagram that is being handled as the way to an address.
    mutating func keep(_ endpoint: Endpoint, of peer: PeerIndex) {
        guard let found = sockets[peer]?.first(where: { $0.value == arrival }) else { return }
        sockets[peer]?[found.key] = nil
        paths[endpoint] = (peer, arrival)
    }

    mutating func close(_ peer: PeerIndex, withPaths: Bool) {
        sockets[peer] = nil
        if withPaths { paths = paths.filter { $0.value.peer != peer } }
    }
}

extension Simulation {
    /// Does what a machine asks for a way through translators.
    mutating func perform(_ action: TraversalAction, for peer: PeerIndex, of index: Int) {
        switch action {
        case .reset: hosts[index].furtherSockets.close(peer, withPaths: true)
        case .measure:
            let socket = hosts[index].furtherSockets.open()
            let seen = direct?.attachments[index].isBlocked == true ? nil : observed(socket, of: index)
            queue.add(
                .portMeasured(index, peer: peer, seen),
                at: now.advanced(milliseconds: 2 * delayMilliseconds(toRelay: 0)))
        case .open(let number, let endpoint, let record):
            noteSent(record)
            let socket = hosts[index].furtherSockets.socket(number, of: peer)
            sendDatagram(record, to: endpoint, from: index, socket: socket)
        case .opened(let endpoint): hosts[index].furtherSockets.keep(endpoint, of: peer)
        case .probe(let endpoint, let record):
            noteSent(record)
            probeCounts[index, default: 0] += 1
            sendDatagram(record, to: endpoint, from: index, socket: 0)
        case .finish: hosts[index].furtherSockets.close(peer, withPaths: false)
        }
    }

    /// How a STUN service sees a socket; `nil`: there is no translator.
    private mutating func observed(_ socket: Int, of index: Int) -> Endpoint? {
        var seen: Endpoint?
        let now = now
        attach(index) { seen = $0.translator?.sent(from: socket, to: Attachment.observers[0], at: now) }
        return seen
    }
}
