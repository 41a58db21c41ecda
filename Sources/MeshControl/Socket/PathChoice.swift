public import MeshBase

/// Which path a person wants to a peer.
public enum PathChoice: Sendable, Hashable {
    /// The best there is: `auto`.
    case automatic
    /// The relay: `relay`.
    case relay
    /// The best direct one, looked for at once: `direct`.
    case direct
    /// A direct one by its address and port, such as `192.0.2.7:40312` or `[2001:db8::7]:40312`.
    case address(Endpoint)

    /// Parses a choice; `nil` when it is none.
    public init?(text: String) {
        switch text {
        case "auto": self = .automatic
        case "relay": self = .relay
        case "direct": self = .direct
        default:
            guard let endpoint = Endpoint(text: text), endpoint.port > 0 else { return nil }
            self = .address(endpoint)
        }
    }

    /// The choice as it is written.
    public var text: String {
        switch self {
        case .automatic: "auto"
        case .relay: "relay"
        case .direct: "direct"
        case .address(let endpoint): "\(endpoint)"
        }
    }
}

/// A peer's paths, and what came of a choice.
public struct PathReport: Sendable, Hashable, Codable {
    /// What came of a choice.
    public struct Outcome: Sendable, Hashable, Codable {
        /// What was chosen, as it is written.
        public var choice: String
        /// Whether frames take a path that was chosen.
        public var isMet: Bool
        /// The path before.
        public var from: String?
        /// The path now.
        public var to: String?
        /// From the request until frames took the path, or the daemon gave up waiting.
        public var milliseconds: UInt64
        /// What happened, in words.
        public var text: String

        /// Makes an outcome.
        public init(choice: String, isMet: Bool, from: String?, to: String?, milliseconds: UInt64, text: String) {
            self.choice = choice
            self.isMet = isMet
            self.from = from
            self.to = to
            self.milliseconds = milliseconds
            self.text = text
        }
    }

    /// The peer with its paths.
    public var peer: PeerStatus
    /// What came of the choice; absent when nothing was chosen.
    public var outcome: Outcome?

    /// Makes a report.
    public init(peer: PeerStatus, outcome: Outcome? = nil) {
        self.peer = peer
        self.outcome = outcome
    }
}
