/// What the address translators between a node and the relays do, in the terms of RFC 4787, as far as it was found out.
public struct NATBehavior: Hashable, Sendable {
    /// What decides which port outside a socket gets (RFC 4787 section 4.1).
    public enum Mapping: String, Sendable {
        /// The relays see the socket's own address.
        case none = "none"
        case endpointIndependent = "endpoint-independent"
        case addressDependent = "address-dependent"
        case addressAndPortDependent = "address-and-port-dependent"
        /// One observation only.
        case unknown = "unknown"
    }

    /// From whom a packet to such a port is let in (RFC 4787 section 5).
    public enum Filtering: String, Sendable {
        /// Anybody.
        case endpointIndependent = "endpoint-independent"
        /// Any port of an address that was sent to.
        case addressDependent = "address-dependent"
        /// An address and port that was sent to.
        case addressAndPortDependent = "address-and-port-dependent"
        /// No relay answers from elsewhere.
        case unknown = "unknown"
    }

    /// Whether no relay's STUN service answered at all.
    public var isBlocked: Bool
    /// How sockets are mapped.
    public var mapping: Mapping
    /// Who is let in.
    public var filtering: Filtering
    /// Whether a socket keeps its port outside (RFC 4787 section 4.2.1).
    public var keepsPort: Bool
    /// From each new mapping's port to the next, where all were equal and each destination has a port of its own.
    public var portStep: Int?
    /// Whether a host behind the translator reaches another one there by its address outside (RFC 4787 section 6); `nil`: it
    /// was not found out.
    public var hairpin: Bool?

    /// Makes a behaviour.
    public init(
        isBlocked: Bool = false, mapping: Mapping = .unknown, filtering: Filtering = .unknown, keepsPort: Bool = false,
        portStep: Int? = nil, hairpin: Bool? = nil
    ) {
        self.isBlocked = isBlocked
        self.mapping = mapping
        self.filtering = filtering
        self.keepsPort = keepsPort
        self.portStep = portStep
        self.hairpin = hairpin
    }

    /// What users call it.
    public var name: String {
        if isBlocked { return "UDP blocked" }
        return switch (mapping, filtering) {
        case (.unknown, _): "unknown"
        case (.none, _): "none"
        case (.endpointIndependent, .endpointIndependent): "full cone"
        case (.endpointIndependent, .addressDependent): "restricted cone"
        case (.endpointIndependent, .addressAndPortDependent): "port-restricted cone"
        case (.endpointIndependent, .unknown): "cone"
        case (.addressDependent, _), (.addressAndPortDependent, _): "symmetric"
        }
    }
}
