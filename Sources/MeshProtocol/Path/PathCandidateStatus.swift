public import MeshBase
public import MeshWire

/// One of a peer's addresses, for people.
public struct PathCandidateStatus: Equatable, Sendable {
    /// What is known of an address.
    public enum State: String, Sendable {
        /// Challenged now.
        case probing
        /// Answered, not in use.
        case valid
        /// The peer's frames go there.
        case inUse = "in use"
        /// Did not answer.
        case unanswered
        /// Answered, but lost what was sent there; tried again later.
        case blocked
        /// No connection to it was tried: only where UDP leads nowhere are connections opened.
        case untried = "not tried"
    }

    /// The address.
    public let endpoint: Endpoint
    /// Whether it is a path of datagrams or of a connection.
    public let transport: Candidate.Transport
    /// How the peer learned of it; `nil` when this node learned it from what came.
    public let source: Candidate.Source?
    /// What is known of it.
    public let state: State
    /// Round trip of the last challenge in nanoseconds; `nil` unless it answered.
    public let roundTripNanoseconds: UInt64?
    /// Bytes of the longest record that is known to get there; `nil` for a connection, and unless it answered.
    public let recordByteCountMax: Int?
}
