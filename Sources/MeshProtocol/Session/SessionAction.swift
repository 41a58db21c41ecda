internal import MeshWire

/// What a session asks its peer machine to do.
enum SessionAction: Sendable {
    /// Send a sealed record.
    case send([UInt8])
    /// Sign or verify for a rotation of keys.
    case work(Work)
    /// A rotation completed; this node now sends in this epoch.
    case rotated(epoch: UInt8)
    /// A ping of this node was answered.
    case pong(identifier: UInt64, roundTripNanoseconds: UInt64)
    /// The peer named its addresses.
    case candidates([Candidate])
    /// The peer opens connections now.
    case openConnections
    /// The peer asks for challenges to ports of its address.
    case punch(PunchRequest)
    /// Nothing was received for too long although this node asked.
    case unresponsive
    /// The session is over: the peer closed it, or broke the protocol.
    case ended(SessionEnd)
}

/// Why a session ended.
public enum SessionEnd: Equatable, Sendable {
    /// The peer shut down or changed its mind.
    case closedByPeer
    /// A rotation of keys was refused.
    case rotationRefused(HandshakeFailure)
    /// The control stream carried what it never should.
    case controlStreamBroken
}
