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
    /// Whether the driver has a UDP socket.
    var usesDatagrams = false
    var allowsLoopback = false
    /// Bytes of the longest datagram that the driver sends.
    var datagramByteCountMax = 0
    /// Whether the driver opens connections on request.
    var opensConnections = false
    /// Whether the driver carries out `TraversalAction`s.
    var opensSockets = false
    /// What this node's translators are taken for.
    var mappingOverride: Node.Configuration.MappingOverride?
    /// Where the other ends of direct connections are.
    var remoteEndpoints: [UInt64: Endpoint] = [:]
    /// Frames that may be delivered, in order, and their peers.
    var released: [ReleasedFrame] = []
    /// Bytes of frames that wait for their turn, of all peers.
    private(set) var heldByteCount = 0
    /// DESIGN section 7: 1 s of 134 Mbit/s.
    static let heldByteCountMax = 16 * 1024 * 1024
    /// Bytes of frames that all peers keep for a path to come.
    var keptByteCount = 0
    /// As many as wait for their turn: four peers at 20 Mbit/s each through the longest outage.
    static let keptByteCountMax = 16 * 1024 * 1024

    /// Parameters for a new session with `peer`.
    mutating func sessionParameters(for peer: PeerIndex) -> SessionParameters {
        var result = parameters
        result.sessionIndex = indices.allocate(for: peer, entropy: &entropy)
        result.resetToken = identity.resetToken(for: result.sessionIndex)
        return result
    }

    /// Makes room for a frame or slice to be held. Returns `false` when there is none.
    mutating func hold(_ bytes: [UInt8]) -> Bool {
        let byteCount = bytes.count + FrameOrder.heldFrameOverheadByteCount
        guard heldByteCount + byteCount <= Self.heldByteCountMax else { return false }
        heldByteCount += byteCount
        return true
    }

    /// What was held is held no more.
    mutating func free(_ bytes: [UInt8]) { heldByteCount -= bytes.count + FrameOrder.heldFrameOverheadByteCount }

    mutating func jitterPercent() -> UInt64 { entropy.number(below: 11) }
}

/// What a peer machine asks of its node machine.
enum PeerAction: Sendable {
    case send(CarrierID, [UInt8])
    case work(Work, PeerWork)
    case event(NodeEvent)
    case closeDirect(UInt64)
    /// A message of somebody unproven was refused, which is counted and not held against the peer.
    case refused(NodeRefusal)
    /// The direct connection belongs to this peer from now on.
    case claim(UInt64)
    /// Try to connect to these addresses of the peer until told to stop.
    case openConnections([ConnectionTarget])
    /// Stop trying to connect to the peer.
    case stopOpening
    /// Part of opening a way through address translators.
    case traversal(TraversalAction)
    /// Ask the relays for a channel to the peer.
    case namePeer
    /// Relays that wait after a failure are tried at once.
    case hurryRelays
    /// Tell the relay to close the peer's channel.
    case closeChannel(Int, UInt32)
}

/// Which part of a peer asked for work.
enum PeerWork: Sendable, Hashable {
    case initiator(nonce: [UInt8])
    case responder(sessionIdentifier: [UInt8])
    case session(localIndex: UInt32)
}
