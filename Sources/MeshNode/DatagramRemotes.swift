internal import MeshBase

/// The addresses to which this node sends datagrams, and whether it may: never into the overlay, where the tunnel would
/// carry itself.
struct DatagramRemotes {
    /// What the switch keeps as the tunnel's own endpoints; far more than the candidates of a hundred peers.
    static let endpointsMax = 8_192

    private var verdicts: [Endpoint: Bool] = [:]
    /// Those to which nothing may be sent.
    private(set) var refused: Set<Endpoint> = []

    /// Those to which datagrams may go. Others would be dropped for others' sake: a peer may name any address.
    var endpoints: [Endpoint] { verdicts.filter(\.value).map(\.key) }

    /// What was found of an address; `nil`: it is not known.
    func verdict(_ endpoint: Endpoint) -> Bool? { verdicts[endpoint] }

    /// Whether nothing may be sent to an address.
    mutating func isRefused(_ endpoint: Endpoint) -> Bool { !refused.isEmpty && refused.contains(endpoint) }

    /// Keeps what was found of an address. Returns whether that is new.
    mutating func note(_ endpoint: Endpoint, isAllowed: Bool) -> Bool {
        if verdicts.count >= Self.endpointsMax, verdicts[endpoint] == nil { (verdicts, refused) = ([:], []) }
        if isAllowed { refused.remove(endpoint) } else { refused.insert(endpoint) }
        return verdicts.updateValue(isAllowed, forKey: endpoint) != isAllowed
    }
}
