internal import MeshBase
internal import MeshCrypto
internal import MeshWire

/// What all peers of a node share.
struct PeerContext: Sendable {
    let identity: Identity
    /// What this node announces, apart from session index and reset token.
    var parameters: SessionParameters
    var entropy: EntropySource
    var indices = SessionIndexTable()

    /// Parameters for a new session with `peer`.
    mutating func sessionParameters(for peer: PeerIndex) -> SessionParameters {
        var result = parameters
        result.sessionIndex = indices.allocate(for: peer, entropy: &entropy)
        result.resetToken = identity.resetToken(for: result.sessionIndex)
        return result
    }

    mutating func jitterPercent() -> UInt64 { entropy.number(below: 11) }
}

/// What a peer machine asks of its node machine.
enum PeerAction: Sendable {
    case send(CarrierID, [UInt8])
    case work(Work, PeerWork)
    case event(NodeEvent)
    case closeDirect(UInt64)
    /// The direct connection belongs to this peer from now on.
    case claim(UInt64)
}

/// Which part of a peer asked for work.
enum PeerWork: Sendable, Hashable {
    case initiator(nonce: [UInt8])
    case responder(sessionIdentifier: [UInt8])
    case session(localIndex: UInt32)
}
