/// What a node tells of one of its peers.
public struct PeerStatus: Sendable, Hashable, Codable {
    /// How far the node is with a peer.
    public enum State: String, Sendable, Hashable, Codable, CaseIterable {
        /// Looking for a path to the peer.
        case connecting
        /// A handshake is under way.
        case handshaking
        /// A session stands.
        case established
        /// No path, or no answer on any; tried again from time to time.
        case unreachable
    }

    /// The only suite there is.
    public static let suiteName = "ML-KEM-1024+X25519 / ML-DSA-87+Ed25519 / ChaCha20-Poly1305"

    /// Its peer ID.
    public var id: String
    /// Its name from the configuration.
    public var name: String?
    /// How far the node is with it.
    public var state: State
    /// Time in that state.
    public var sinceMilliseconds: UInt64
    /// The path in use, such as `relay wss://relay.example` or `wss 192.0.2.1:443`.
    public var path: String?
    /// Round trip on the path in use where it is known, else inside the session.
    public var rttMicroseconds: UInt64?
    /// The path in use and the others; absent from daemons without direct paths.
    public var paths: PathStatus?
    /// The session, while there is one.
    public var session: SessionStatus?
    /// The last handshake that completed.
    public var handshake: HandshakeStatus?
    /// Frames of all sessions.
    public var traffic: TrafficStatus
    /// Lost, refused and repeated records by reason.
    public var losses: [String: UInt64]
    /// What went wrong last, in words.
    public var lastError: String?
    /// The steps of the last connecting, in order.
    public var steps: [ConnectionStep]

    /// Makes the status of a peer.
    public init(
        id: String, name: String? = nil, state: State, sinceMilliseconds: UInt64, path: String? = nil,
        rttMicroseconds: UInt64? = nil, paths: PathStatus? = nil, session: SessionStatus? = nil,
        handshake: HandshakeStatus? = nil,
        traffic: TrafficStatus = .init(), losses: [String: UInt64] = [:], lastError: String? = nil,
        steps: [ConnectionStep] = []
    ) {
        self.id = id
        self.name = name
        self.state = state
        self.sinceMilliseconds = sinceMilliseconds
        self.path = path
        self.rttMicroseconds = rttMicroseconds
        self.paths = paths
        self.session = session
        self.handshake = handshake
        self.traffic = traffic
        self.losses = losses
        self.lastError = lastError
        self.steps = steps
    }
}

/// A session between two nodes.
public struct SessionStatus: Sendable, Hashable, Codable {
    /// Its ID in hexadecimal.
    public var id: String
    /// Names of the algorithms.
    public var suite: String
    /// Time since it was established.
    public var ageMilliseconds: UInt64
    /// Number of the epoch in which the node sends, modulo 256.
    public var epoch: Int
    /// Key rotations completed.
    public var rekeys: UInt64

    /// Makes the status of a session.
    public init(
        id: String, suite: String = PeerStatus.suiteName, ageMilliseconds: UInt64, epoch: Int, rekeys: UInt64
    ) {
        self.id = id
        self.suite = suite
        self.ageMilliseconds = ageMilliseconds
        self.epoch = epoch
        self.rekeys = rekeys
    }
}

/// What a handshake cost.
public struct HandshakeStatus: Sendable, Hashable, Codable {
    /// From HELLO to keys, by the clock.
    public var durationMicroseconds: UInt64
    /// Processor time of this node.
    public var cpuMicroseconds: UInt64
    /// Bytes of all four messages.
    public var bytes: UInt64

    /// Makes the cost of a handshake.
    public init(durationMicroseconds: UInt64, cpuMicroseconds: UInt64, bytes: UInt64) {
        self.durationMicroseconds = durationMicroseconds
        self.cpuMicroseconds = cpuMicroseconds
        self.bytes = bytes
    }
}

/// One step on the way to a peer.
public struct ConnectionStep: Sendable, Hashable, Codable {
    /// At most so many are kept for a peer.
    public static let countMax = 32

    /// What happened, such as `HELLO sent`.
    public var name: String
    /// Time since connecting began.
    public var microseconds: UInt64

    /// Makes a step.
    public init(name: String, microseconds: UInt64) {
        self.name = name
        self.microseconds = microseconds
    }
}
