/// What a client of the control socket asks for.
///
/// One JSON object a line, such as `{"request":"ping","version":1,"peer":"home","count":1}`.
public enum ControlRequest: Sendable, Hashable {
    /// The whole status.
    case status
    /// The peers, or the pending ones: those that asked for a session and are not configured.
    case peers(pending: Bool)
    /// `count` probes inside the session with a peer, named by its name, its ID, or a unique beginning of its ID.
    case ping(peer: String, count: Int)
    /// The paths to a peer, named as for `ping`; with a choice also to take the path chosen, and what came of it.
    case path(peer: String, use: PathChoice?)
    /// To shut down.
    case down

    /// Version of requests and answers. An answer carries the server's version; others are refused by name.
    public static let version = 1
    /// Probes of one request: more are more requests, so that no request lasts long.
    public static let pingCountMax = 100
    /// Bytes of the text that names a peer; names have at most 63, IDs 52.
    static let peerByteCountMax = 255
}

/// What the daemon answers.
public enum ControlResponse: Sendable, Hashable {
    /// To ``ControlRequest/status``.
    case status(NodeStatus)
    /// To ``ControlRequest/peers(pending:)``.
    case peers(PeerListing)
    /// To ``ControlRequest/ping(peer:count:)``.
    case ping(PingReport)
    /// To ``ControlRequest/path(peer:use:)``.
    case path(PathReport)
    /// To ``ControlRequest/down``: shutting down has begun.
    case down
    /// To a request that could not be served.
    case failure(ControlFailure)
}

/// Peers, or pending ones; the other list is empty.
public struct PeerListing: Sendable, Hashable, Codable {
    /// Configured peers.
    public var peers: [PeerStatus]
    /// Peers that are not configured and asked for a session.
    public var pending: [PendingPeer]

    /// Makes a listing.
    public init(peers: [PeerStatus] = [], pending: [PendingPeer] = []) {
        self.peers = peers
        self.pending = pending
    }
}

/// What came of probing a peer.
public struct PingReport: Sendable, Hashable, Codable {
    /// One probe.
    public struct Probe: Sendable, Hashable, Codable {
        /// The path on which it was sent.
        public var path: String
        /// Round trip; `nil` when no answer came in time.
        public var rttMicroseconds: UInt64?

        /// Makes a probe.
        public init(path: String, rttMicroseconds: UInt64?) {
            self.path = path
            self.rttMicroseconds = rttMicroseconds
        }
    }

    /// The peer's ID.
    public var id: String
    /// The peer's name from the configuration.
    public var name: String?
    /// The probes in the order sent.
    public var probes: [Probe]

    /// Makes a report.
    public init(id: String, name: String? = nil, probes: [Probe]) {
        self.id = id
        self.name = name
        self.probes = probes
    }
}

/// Why a request was not served.
public struct ControlFailure: Error, Sendable, Hashable, Codable, CustomStringConvertible {
    /// The reason for programs.
    public enum Code: String, Sendable, Hashable, Codable, CaseIterable {
        /// Not a request: not JSON, not an object, a field missing or of the wrong type.
        case badRequest = "bad_request"
        /// A request of another version.
        case unsupportedVersion = "unsupported_version"
        /// No configured peer has that name or ID, or more than one has.
        case unknownPeer = "unknown_peer"
        /// The peer has no such address.
        case unknownAddress = "unknown_address"
        /// The peer has no session now.
        case notConnected = "not_connected"
        /// All connections of the control socket are in use.
        case busy
        /// The daemon failed to serve it.
        case `internal`
    }

    /// The reason for programs.
    public var code: Code
    /// The reason for people, with what to do.
    public var message: String

    /// Makes a failure.
    public init(code: Code, message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    public var description: String { message }
}
