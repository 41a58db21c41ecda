public import MeshBase

extension PortMapper {
    /// How a gateway is asked, the best first.
    public enum Method: String, Sendable, CaseIterable, Comparable {
        case pcp = "PCP"
        case natPMP = "NAT-PMP"
        case upnp = "UPnP"

        /// The better is less.
        public static func < (one: Method, other: Method) -> Bool { one.rank < other.rank }

        private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    }

    /// What is to be done.
    public enum Action: Hashable, Sendable {
        /// Send a datagram from the mapper's own socket, which has the address that leads to the gateway.
        case send([UInt8], to: Endpoint)
        /// Connect to the gateway by TCP, send these bytes, and report what comes until the other side closes or
        /// `GatewayAnswerEnd.isWhole` by `exchanged`, `nil` when nothing has come after 2 s; an exchange before it is void.
        case exchange(Int, with: Endpoint, [UInt8])
        /// Peers reach the node's socket at this address.
        case mapped(Endpoint, Method, lifetimeSeconds: UInt32)
        /// They do not any more.
        case unmapped
        /// The survey is over: this is what answers.
        case surveyed(Set<Method>)
        /// The mapping is given back: the machine is done.
        case released
    }

    /// What a mapper needs to know.
    public struct Configuration: Sendable {
        /// The gateway's address of version 4.
        public let gateway: IPAddress
        /// This host's address that leads to it.
        public let local: IPAddress
        /// The UDP port of the node's socket.
        public let port: UInt16
        /// 12 random bytes (RFC 6887 section 11.1), which make sure that nobody else's answer is taken.
        public let nonce: [UInt8]
        /// Whether only to find out what answers.
        public let isSurvey: Bool

        /// Makes one; `nil` unless `nonce` has 12 bytes and both addresses are of version 4.
        public init?(gateway: IPAddress, local: IPAddress, port: UInt16, nonce: [UInt8], isSurvey: Bool = false) {
            guard nonce.count == PCPMessage.nonceByteCount, !gateway.isVersion6, !local.isVersion6 else { return nil }
            self.gateway = gateway
            self.local = local
            self.port = port
            self.nonce = nonce
            self.isSurvey = isSurvey
        }
    }
}
