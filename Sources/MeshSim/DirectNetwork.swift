public import MeshBase

/// The simulated network between the hosts' UDP sockets: one link each way for each pair.
public struct DirectNetwork: Sendable {
    /// What the links do to datagrams; those of `oneWay` differ.
    public var faults: Faults
    /// One-way delays that differ, by sender and receiver.
    public var delays: [Link: UInt64] = [:]
    /// Links that carry nothing.
    public var cut: Set<Link> = []
    /// Whether datagrams of the size of a simulated frame are lost: polls and challenges get through, frames do not.
    public var dropsFrames = false
    /// Whether all frames and slices are lost, and nothing else.
    public var dropsAllFrames = false
    /// Longer datagrams vanish on the way, and nobody is told.
    public var datagramByteCountMax = Int.max
    /// Longer datagrams are refused by the sender's kernel, which says so (EMSGSIZE).
    public var interfaceByteCountMax = Int.max
    /// Every datagram that was sent, for an attacker; only kept when asked for.
    public var recorded: [Datagram]?
    /// Bytes sent to addresses that belong to no host.
    public internal(set) var strayByteCounts: [Endpoint: Int] = [:]
    /// Datagrams sent, by sender and receiver.
    public internal(set) var sentCounts: [Link: Int] = [:]

    /// From one host to another.
    public struct Link: Hashable, Sendable {
        /// The sender.
        public var from: Int
        /// The receiver.
        public var to: Int

        /// Makes a link.
        public init(_ from: Int, _ to: Int) {
            self.from = from
            self.to = to
        }
    }

    /// A datagram on its way.
    public struct Datagram: Sendable {
        /// The sender's address.
        public var source: Endpoint
        /// The receiver's address.
        public var destination: Endpoint
        /// What it carries.
        public var bytes: [UInt8]
    }

    init() {
        faults = Faults()
        faults.delayMilliseconds = 15
    }

    /// The address of a host's UDP socket (RFC 5737).
    public static func endpoint(of host: Int) -> Endpoint {
        // '!' okay: four bytes make an address.
        Endpoint(address: IPAddress(bytes: [198, 51, 100, UInt8(truncatingIfNeeded: host + 1)])!, port: 7000)
    }

    static func host(at endpoint: Endpoint) -> Int? {
        guard endpoint.port == 7000, endpoint.address.bytes.prefix(3) == [198, 51, 100] else { return nil }
        return Int(endpoint.address.bytes[3]) - 1
    }
}
