public import MeshBase

extension EthernetSwitch {
    /// What an operator may choose.
    public struct Configuration: Equatable, Sendable {
        /// The TAP's own address, which is local for ever; `nil` when unknown.
        public var localAddress: EthernetAddress?
        /// Addresses learned from one peer, 1 to 16,384. 256 is a home or office LAN behind a peer; a peer that
        /// invents addresses can take no more.
        public var addressesPerPeerMax: Int {
            didSet { addressesPerPeerMax = Self.clamped(addressesPerPeerMax) }
        }
        /// Seconds after which an address that was not seen is forgotten; 300 is the default of IEEE 802.1Q (table
        /// 8-6).
        public var ageSeconds: UInt64
        /// How fast each peer may be sent flooded frames.
        public var floodLimit: FloodLimit
        /// Whether spanning tree, LLDP and their like pass. Off: they would join the trees of LANs that have nothing
        /// to do with each other. Pause frames (IEEE 802.3 annex 31B) never pass.
        public var forwardsBridgeProtocol: Bool
        /// Whether ARP requests and neighbour solicitations are answered here when the answer is known.
        public var answersAddressResolution: Bool

        /// Makes a configuration; each value has its default.
        public init(
            localAddress: EthernetAddress? = nil, addressesPerPeerMax: Int = 256, ageSeconds: UInt64 = 300,
            floodLimit: FloodLimit = .standard, forwardsBridgeProtocol: Bool = false,
            answersAddressResolution: Bool = true
        ) {
            self.localAddress = localAddress
            self.addressesPerPeerMax = Self.clamped(addressesPerPeerMax)
            self.ageSeconds = ageSeconds
            self.floodLimit = floodLimit
            self.forwardsBridgeProtocol = forwardsBridgeProtocol
            self.answersAddressResolution = answersAddressResolution
        }

        private static func clamped(_ count: Int) -> Int { min(max(count, 1), 16_384) }
    }

    /// One line of the address table.
    public struct LearnedAddress: Equatable, Sendable {
        /// The station.
        public let address: EthernetAddress
        /// Where it lives; `nil` is the local side.
        public let port: PortIndex?
        /// Seconds since a frame of it was seen.
        public let ageSeconds: UInt64
    }
}
