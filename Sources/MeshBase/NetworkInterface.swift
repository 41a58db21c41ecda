/// A network interface of this host with its addresses, at one moment.
public struct NetworkInterface: Hashable, Sendable {
    /// An address of an interface.
    public struct Address: Hashable, Sendable {
        /// The address and the prefix of its subnet.
        public let address: InterfaceAddress
        /// Whether it is a temporary one, made for privacy (RFC 8981).
        public let isTemporary: Bool

        /// Makes an address.
        public init(_ address: InterfaceAddress, isTemporary: Bool = false) {
            self.address = address
            self.isTemporary = isTemporary
        }
    }

    /// The kernel's number of the interface.
    public var index: UInt32
    /// The name.
    public var name: String
    /// Whether the interface is switched on and has a link (IFF_UP and IFF_RUNNING, netdevice(7)).
    public var isUp: Bool
    /// Whether it is a loopback interface.
    public var isLoopback: Bool
    /// Whether it has one other end instead of a subnet.
    public var isPointToPoint: Bool
    /// The bridge, bond or routing domain it is a port of, by index; `nil`: none.
    public var masterIndex: UInt32?
    /// The interface of this host it is stacked on, as a VLAN is on a port, by index; `nil`: none.
    public var parentIndex: UInt32?
    /// Addresses that may be used: neither tentative nor deprecated (RFC 4862 section 5.5.4).
    public var addresses: [Address]

    /// Makes an interface.
    public init(
        index: UInt32, name: String, isUp: Bool = true, isLoopback: Bool = false, isPointToPoint: Bool = false,
        masterIndex: UInt32? = nil, parentIndex: UInt32? = nil, addresses: [Address] = []
    ) {
        self.index = index
        self.name = name
        self.isUp = isUp
        self.isLoopback = isLoopback
        self.isPointToPoint = isPointToPoint
        self.masterIndex = masterIndex
        self.parentIndex = parentIndex
        self.addresses = addresses
    }
}
