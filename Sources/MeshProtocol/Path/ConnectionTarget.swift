public import MeshBase
internal import MeshWire

/// An address of a peer to which a WebSocket connection may be opened.
public struct ConnectionTarget: Hashable, Sendable {
    /// The TCP address.
    public var endpoint: Endpoint
    /// Whether the peer listens there on purpose: whoever connects is the TLS client, and any local port will do.
    ///
    /// Everywhere else both sides connect at the same time, each from the port that the other connects to.
    public var isListener: Bool

    /// Makes a target.
    public init(endpoint: Endpoint, isListener: Bool) {
        self.endpoint = endpoint
        self.isListener = isListener
    }

    /// Sockets that one attempt has at most; the addresses that are likeliest to work come first.
    static let countMax = 8

    /// The addresses of a peer's list that can be connected to.
    static func targets(in candidates: [Candidate], allowsLoopback: Bool) -> [ConnectionTarget] {
        var result: [ConnectionTarget] = []
        for source in [Candidate.Source.configured, .portMapping, .relayObserved, .interface] {
            for candidate in candidates.prefix(SessionParameters.candidatesMax)
            where candidate.source == source && candidate.transport == .webSocket
                && candidate.endpoint.isUsable(allowsLoopback: allowsLoopback)
                && !result.contains(where: { $0.endpoint == candidate.endpoint })
            {
                result.append(ConnectionTarget(endpoint: candidate.endpoint, isListener: source == .configured))
            }
        }
        return Array(result.prefix(countMax))
    }
}
