import Glibc
public import MeshBase

/// How far a connection attempt had come.
public enum ConnectStage: Equatable, Sendable, CustomStringConvertible {
    /// Resolving the name and connecting with TCP.
    case connecting
    /// The TLS handshake.
    case tls
    /// The upgrade from HTTP to WebSocket.
    case upgrade

    /// The stage in words.
    public var description: String {
        switch self {
        case .connecting: "connecting"
        case .tls: "the TLS handshake"
        case .upgrade: "the WebSocket upgrade"
        }
    }
}

/// Why a connection or a listener could not be had.
public enum TransportError: NumberedError, Equatable, Sendable, CustomStringConvertible {
    /// The name has no address, or no name server answered.
    case couldNotResolve(host: String)
    /// The host is up, and nothing listens on the port.
    case refused(String)
    /// No route leads to the host.
    case unreachable(String)
    /// The time for the whole attempt ran out in this stage.
    case timedOut(ConnectStage)
    /// The TLS handshake failed.
    case tlsFailed(String)
    /// The server answered, but not as a WebSocket server does; `status` is its HTTP status.
    case notAWebSocket(status: Int)
    /// The server has no room (HTTP 503); `retryAfterSeconds` is its advice.
    case serverFull(retryAfterSeconds: Int?)
    /// The other side ended the connection in this stage.
    case closed(during: ConnectStage)
    /// Another program listens on the port.
    case portInUse(Endpoint)
    /// Listening on the port needs privileges this process lacks.
    case portNotPermitted(Endpoint)
    /// This host does not have the address.
    case addressNotAvailable(Endpoint)
    /// Another connection between the same two addresses has the local port.
    case localPortTaken
    /// No address to listen on was given.
    case nothingToListenOn
    /// Any other failure, in the system's words.
    case failed(String)

    /// EACCES for a port that is not permitted; 0 for everything else.
    public var errorNumber: Int32 {
        if case .portNotPermitted = self { EACCES } else { 0 }
    }

    /// What happened, to what, and what to do next.
    public var description: String {
        switch self {
        case .couldNotResolve(let host): "the name \(host) has no address; check its spelling and this host's DNS"
        case .refused(let peer): "\(peer) refused the connection; check that the server runs and the port is right"
        case .unreachable(let peer): "\(peer) cannot be reached; check this host's network and routes"
        case .timedOut(let stage): "no answer in time during \(stage); check for a firewall in between"
        case .tlsFailed(let text): "the TLS 1.3 handshake failed: \(text); check that the port is the relay's"
        case .notAWebSocket(let status):
            "the server answered with HTTP status \(status) and not as a relay; check the URL's host, port and path"
        case .serverFull(let seconds):
            "the server is full" + (seconds.map { "; it asks to try again after \($0) s" } ?? "; try again later")
        case .closed(let stage): "the other side ended the connection during \(stage); see its log"
        case .portInUse(let endpoint): "\(endpoint) is in use by another program; stop that or choose another port"
        case .portNotPermitted(let endpoint):
            "listening on \(endpoint) is not permitted; use a port above 1023 or grant CAP_NET_BIND_SERVICE"
        case .addressNotAvailable(let endpoint): "this host has no address \(endpoint.address); choose one it has"
        case .localPortTaken: "the local port is taken by another connection to the same address; try again later"
        case .nothingToListenOn: "no address to listen on was given; give at least one"
        case .failed(let text): text
        }
    }
}
