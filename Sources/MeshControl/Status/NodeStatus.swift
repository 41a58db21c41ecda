/// What a node tells of itself; JSON keys are the names in snake case.
public struct NodeStatus: Sendable, Hashable, Codable {
    /// The node's peer ID.
    public var id: String
    /// Version of the program.
    public var version: String
    /// Time since the daemon started.
    public var uptimeMilliseconds: UInt64
    /// The mode from the configuration.
    public var mode: String
    /// Where the node listens for direct connections.
    public var listenAddress: String?
    /// The TAP device.
    public var tap: TapStatus
    /// The addresses at which peers are told they may reach the node.
    public var candidates: [CandidateStatus]
    /// Relays, in the order of the configuration.
    public var relays: [RelayStatus]
    /// Peers, in the order of the configuration.
    public var peers: [PeerStatus]
    /// The latest IDs that asked for a session and are not configured.
    public var pending: [PendingPeer]
    /// What address translators do; absent until it was found out.
    public var nat: NATStatus?
    /// How often each thing happened, by its reason; what never happened may be absent.
    public var counters: [String: UInt64]

    /// Makes a status.
    public init(
        id: String, version: String, uptimeMilliseconds: UInt64, mode: String, listenAddress: String? = nil,
        tap: TapStatus, candidates: [CandidateStatus] = [], relays: [RelayStatus] = [], peers: [PeerStatus] = [],
        pending: [PendingPeer] = [], nat: NATStatus? = nil,
        counters: [String: UInt64] = [:]
    ) {
        self.id = id
        self.version = version
        self.uptimeMilliseconds = uptimeMilliseconds
        self.mode = mode
        self.listenAddress = listenAddress
        self.tap = tap
        self.candidates = candidates
        self.relays = relays
        self.peers = peers
        self.pending = pending
        self.nat = nat
        self.counters = counters
    }
}

/// Frames and bytes in both directions.
public struct TrafficStatus: Sendable, Hashable, Codable {
    /// Frames sent.
    public var sentFrames: UInt64
    /// Bytes of those frames.
    public var sentBytes: UInt64
    /// Frames received.
    public var receivedFrames: UInt64
    /// Bytes of those frames.
    public var receivedBytes: UInt64

    /// Makes a status of traffic.
    public init(
        sentFrames: UInt64 = 0, sentBytes: UInt64 = 0, receivedFrames: UInt64 = 0, receivedBytes: UInt64 = 0
    ) {
        self.sentFrames = sentFrames
        self.sentBytes = sentBytes
        self.receivedFrames = receivedFrames
        self.receivedBytes = receivedBytes
    }
}

/// The TAP device of a node.
public struct TapStatus: Sendable, Hashable, Codable {
    /// Name of the interface.
    public var name: String
    /// Ethernet address of the interface.
    public var mac: String
    /// Largest payload of a frame, in bytes.
    public var mtu: Int
    /// Addresses with their prefix.
    public var addresses: [String]
    /// Frames to (sent) and from (received) the mesh, as the device counts them.
    public var traffic: TrafficStatus

    /// Makes the status of a TAP device.
    public init(name: String, mac: String, mtu: Int, addresses: [String] = [], traffic: TrafficStatus = .init()) {
        self.name = name
        self.mac = mac
        self.mtu = mtu
        self.addresses = addresses
        self.traffic = traffic
    }
}

/// A relay of a node.
public struct RelayStatus: Sendable, Hashable, Codable {
    /// Its address from the configuration.
    public var url: String
    /// Its ID from the configuration.
    public var id: String
    /// What the connection is doing, in words such as "connected".
    public var state: String
    /// Time in that state.
    public var sinceMilliseconds: UInt64
    /// Round trip to the relay, last measured.
    public var rttMicroseconds: UInt64?
    /// The address from which the relay sees this node.
    public var observedAddress: String?
    /// What went wrong last, in words.
    public var lastError: String?

    /// Makes the status of a relay.
    public init(
        url: String, id: String, state: String, sinceMilliseconds: UInt64, rttMicroseconds: UInt64? = nil,
        observedAddress: String? = nil, lastError: String? = nil
    ) {
        self.url = url
        self.id = id
        self.state = state
        self.sinceMilliseconds = sinceMilliseconds
        self.rttMicroseconds = rttMicroseconds
        self.observedAddress = observedAddress
        self.lastError = lastError
    }
}

/// Someone who asked for a session and is not configured.
public struct PendingPeer: Sendable, Hashable, Codable {
    /// At most so many are kept, the oldest forgotten first.
    public static let countMax = 16

    /// The peer ID it claims.
    public var id: String
    /// The relay or address from which it asked.
    public var from: String
    /// Time since it asked last.
    public var sinceMilliseconds: UInt64
    /// How often it asked.
    public var count: UInt64

    /// Makes a record of an unknown peer.
    public init(id: String, from: String, sinceMilliseconds: UInt64, count: UInt64) {
        self.id = id
        self.from = from
        self.sinceMilliseconds = sinceMilliseconds
        self.count = count
    }
}
