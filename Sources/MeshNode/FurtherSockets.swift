internal import MeshBase
internal import MeshProtocol
internal import MeshTransport
internal import NIOCore

/// The further UDP sockets of a node: those of attempts under way, and those that became paths.
struct FurtherSockets {
    /// A measurement of what port a translator gives next.
    struct Measurement {
        let socket: FurtherSocket
        let transactionID: [UInt8]
        let server: Endpoint
    }

    /// By peer and number.
    private(set) var sockets: [PeerIndex: [Int: FurtherSocket]] = [:]
    /// Those that lead to an address, and whose they are.
    private var paths: [Endpoint: (peer: PeerIndex, socket: FurtherSocket)] = [:]
    var measurements: [PeerIndex: Measurement] = [:]
    /// The socket by which the datagram came that is being handled.
    var arrival: FurtherSocket?

    /// Sockets open for attempts and measurements; paths are not among them.
    var count: Int { measurements.count + sockets.values.reduce(0) { $0 + $1.count } }

    /// The ports of those that are paths.
    var pathPorts: [UInt16] { paths.values.map(\.socket.localPort) }

    /// The socket from which everything to an address leaves; `nil`: the node's own.
    func socket(to endpoint: Endpoint) -> FurtherSocket? { paths.isEmpty ? nil : paths[endpoint]?.socket }

    mutating func add(_ socket: FurtherSocket, number: Int, peer: PeerIndex) {
        sockets[peer, default: [:]][number] = socket
    }

    /// Keeps the socket of the datagram that is being handled as the way to an address.
    mutating func open(_ endpoint: Endpoint, peer: PeerIndex) {
        guard let arrival, let found = sockets[peer]?.first(where: { $0.value === arrival }) else { return }
        sockets[peer]?[found.key] = nil
        paths.updateValue((peer, arrival), forKey: endpoint)?.socket.close()
    }

    /// Closes a peer's sockets; its paths too if they are to be opened anew.
    mutating func close(_ peer: PeerIndex, withPaths: Bool) {
        for socket in (sockets.removeValue(forKey: peer) ?? [:]).values { socket.close() }
        measurements.removeValue(forKey: peer)?.socket.close()
        guard withPaths else { return }
        for (endpoint, path) in paths where path.peer == peer {
            path.socket.close()
            paths[endpoint] = nil
        }
    }

    mutating func closeAll() {
        for peer in Set(sockets.keys).union(measurements.keys).union(paths.values.map(\.peer)) {
            close(peer, withPaths: true)
        }
    }

    func flush() { for path in paths.values { path.socket.flush() } }
}
