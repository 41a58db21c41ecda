public import MeshBase
public import MeshWire

/// The place of a peer in the node's list.
public typealias PeerIndex = Int

/// What the node machine asks its driver to do.
public enum NodeAction: Sendable {
    /// Send one message to a peer.
    case send(CarrierID, [UInt8])
    /// Send one message to a relay, on channel 0.
    case sendToRelay(Int, [UInt8])
    /// Connect to the relay.
    case connectRelay(Int)
    /// Close the connection to the relay.
    case closeRelay(Int)
    /// Dial the peer's configured address.
    case dial(PeerIndex)
    /// Try to connect to these addresses of the peer, in place of those before, until `stopOpening`: the other side does
    /// the same at the same time. `isClient` says which of the two begins TLS where none of them was called.
    case openConnections(PeerIndex, [ConnectionTarget], isClient: Bool)
    /// Stop trying to connect to the peer; what is not a WebSocket yet is closed.
    case stopOpening(PeerIndex)
    /// Part of opening a way to the peer through address translators.
    case traversal(PeerIndex, TraversalAction)
    /// A peer has proven itself on a direct connection: messages on it may be longer than 16 KiB.
    case trustDirect(UInt64)
    /// Close a direct connection.
    case closeDirect(UInt64)
    /// Run work away from the event loop, then report it with this ticket.
    case work(WorkTicket, Work)
    /// Something worth a log line, a step of the timeline or an answer to a person.
    case event(NodeEvent)
}

/// What happened, for people.
public enum NodeEvent: Sendable {
    /// A relay connection changed.
    case relay(Int, RelayLinkEvent)
    /// The relay connects with fewer peers than are configured: it was not asked for these.
    case peersNotNamed(Range<PeerIndex>, relay: Int)
    /// A peer became reachable by a carrier.
    case carrierOpened(PeerIndex, CarrierID)
    /// A peer is no longer reachable by a carrier.
    case carrierClosed(PeerIndex, CarrierID)
    /// A handshake message was sent or received.
    case handshake(PeerIndex, HandshakeProgress)
    /// A handshake attempt failed.
    case handshakeFailed(PeerIndex, HandshakeFailure)
    /// A session is ready.
    case established(PeerIndex, HandshakeSummary)
    /// The peer's first valid record came: both sides have the session.
    case confirmed(PeerIndex)
    /// Keys were rotated.
    case rotated(PeerIndex, epoch: UInt8)
    /// A session ended, or its peer has lost it.
    case sessionEnded(PeerIndex, SessionEnd)
    /// The peer says that it has no such session.
    case sessionLost(PeerIndex)
    /// The peer does not answer.
    case unresponsive(PeerIndex)
    /// A ping was answered, by this carrier.
    case pong(PeerIndex, identifier: UInt64, roundTripNanoseconds: UInt64, CarrierID)
    /// An address of the peer answered a challenge.
    case pathValidated(PeerIndex, Endpoint, roundTripNanoseconds: UInt64)
    /// The longest record that a UDP path in use is known to carry has another length now.
    case pathSizeChanged(PeerIndex, Endpoint, recordByteCount: Int)
    /// The peer answered a challenge on a direct connection, by the driver's number.
    case connectionProven(PeerIndex, UInt64, roundTripNanoseconds: UInt64)
    /// The peer's records take another path.
    case pathChanged(PeerIndex, from: CarrierID, to: CarrierID, PathChangeReason)
    /// The direct path in use is in doubt: what is sent also goes by another.
    case pathSuspect(PeerIndex, CarrierID, PathSuspicion)
    /// The direct path in use carries nothing any more.
    case pathDead(PeerIndex, CarrierID)
    /// No direct path was found; it is tried again later.
    case attemptFailed(PeerIndex, DirectAttemptFailure)
    /// A person's wish for an address ended: it does not answer.
    case wishDropped(PeerIndex, Endpoint)
    /// A node that is not configured as a peer asked for a session.
    case unknownPeer(PeerID, CarrierID)
}

/// A message of a handshake that was sent or received.
public enum HandshakeProgress: String, Sendable {
    case helloSent = "HELLO sent"
    case helloReceived = "HELLO received"
    case challengeSent = "CHALLENGE sent"
    case challengeReceived = "CHALLENGE received"
    case responseSent = "RESPONSE sent"
    case responseReceived = "RESPONSE received"
    case establishedSent = "ESTABLISHED sent"
    case establishedReceived = "ESTABLISHED received"
}

/// Figures of a completed handshake.
public struct HandshakeSummary: Sendable {
    /// Which side this node was.
    public let role: SessionSecrets.Role
    /// The session's name, 16 bytes.
    public let sessionIdentifier: [UInt8]
    /// From the first message made or received to the last, in nanoseconds.
    public let nanoseconds: UInt64
    /// CPU time of this node's signing and verifying, in nanoseconds.
    public let processorNanoseconds: UInt64
    /// Bytes of all four messages.
    public let byteCount: Int
    /// What the peer announced.
    public let remoteParameters: SessionParameters
}

/// Why records take another path.
public enum PathChangeReason: String, Sendable {
    case better = "a better path was proven"
    case dead = "the path before is dead"
    case closed = "the connection before was closed"
    case chosen = "a person chose it"
    case draining = "the relay before is about to stop"
}
