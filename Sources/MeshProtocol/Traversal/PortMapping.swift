package import MeshBase
package import MeshWire

/// How an address translator of version 4 maps a node's UDP socket (RFC 4787 section 4.1), as far as the node's
/// candidates tell: what several relays saw of the same socket.
package enum PortMapping: Hashable, Sendable {
    /// No relay told of an address that is none of the node's interfaces, or they saw several addresses.
    case unknown
    /// One port, whatever the destination: all relays saw the same, or one told.
    case independent(Endpoint)
    /// A port of its own for each destination, each a little above the one before.
    case regular(IPAddress)
    /// A port of its own for each destination, far from each other.
    case random(IPAddress)

    /// Two ports at random are nearer than this once in 2,000 times; translators that count are asked by few others in
    /// the milliseconds between two requests.
    private static let regularDistanceMax = 16

    /// Finds it from all that a node names.
    package init(_ candidates: [Candidate]) {
        let seen = Set(
            candidates.lazy.filter {
                $0.source == .relayObserved && $0.transport == .udp && !$0.endpoint.address.isVersion6
            }.map(\.endpoint))
        guard let first = seen.first, seen.allSatisfy({ $0.address == first.address }) else {
            self = .unknown
            return
        }
        let ports = seen.map(\.port).sorted()
        guard let lowest = ports.first, let highest = ports.last, lowest < highest else {
            self = .independent(first)
            return
        }
        let isNear = Int(highest - lowest) <= Self.regularDistanceMax * (ports.count - 1)
        self = isNear ? .regular(first.address) : .random(first.address)
    }

    /// The same, but for what a person says it is.
    init(_ candidates: [Candidate], override: Node.Configuration.MappingOverride?) {
        let seen = candidates.first {
            $0.source == .relayObserved && $0.transport == .udp && !$0.endpoint.address.isVersion6
        }
        switch (override, seen?.endpoint) {
        case (.independent?, let endpoint?): self = .independent(endpoint)
        case (.random?, let endpoint?): self = .random(endpoint.address)
        case (nil, _), (_, nil): self.init(candidates)
        }
    }

    /// Whether destinations get ports of their own.
    var isDependent: Bool {
        switch self {
        case .regular, .random: true
        case .unknown, .independent: false
        }
    }
}
