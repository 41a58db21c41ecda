public import MeshBase

/// What a node machine asks its driver to do for a way through address translators.
public enum TraversalAction: Sendable {
    /// Close all further sockets of the peer: an attempt begins.
    case reset
    /// Open a further UDP socket of version 4, ask a relay's STUN service from there how it is seen, and report it by
    /// `Node.portMeasured`; when nobody answers within 0.5 s, report `nil`.
    case measure
    /// Send a record from the peer's further socket of this number, which is opened if need be.
    case open(socket: Int, Endpoint, [UInt8])
    /// The record that is being handled came from the peer at this address: all that goes there leaves from the socket
    /// by which it came from now on.
    case opened(Endpoint)
    /// Send a record from the node's own UDP socket to a port that the peer asked to try. Addresses are tried by the
    /// hundred: keep none of them.
    case probe(Endpoint, [UInt8])
    /// Close the peer's further sockets, but for one that `opened` chose.
    case finish(isOpen: Bool)
}
