public import MeshBase

/// A message between a client and its relay, on channel 0.
///
///     | type (1) | fields |
public enum RelayMessage: Equatable, Sendable {
    /// Relay to client, first: who the relay is and what the client must sign.
    case challenge(RelayChallenge)
    /// Client to relay: who the client is.
    case proof(RelayProof)
    /// Relay to client: the proof was accepted.
    case welcome(RelayWelcome)
    /// Relay to client: the client is not served; the connection is closed next.
    case refused(RelayRefusal)
    /// Client to relay: connect me with these peers once they have named me; 1 to 256 IDs.
    case namePeers([PeerID])
    /// Client to relay: I no longer want these peers.
    case forgetPeers([PeerID])
    /// Relay to client: this channel leads to this peer.
    case channelOpened(channel: UInt32, peer: PeerID)
    /// Either way: the channel is void.
    case channelClosed(channel: UInt32)
    /// Relay to client: the relay will stop; find another.
    case draining
    /// Relay to client: another connection proved the same identity; its instance nonce.
    case replaced(instance: [UInt8])

    /// IDs in one message; more are sent in several.
    public static let peersMax = 256

    private enum Tag {
        static let challenge: UInt8 = 1
        static let proof: UInt8 = 2
        static let welcome: UInt8 = 3
        static let refused: UInt8 = 4
        static let namePeers: UInt8 = 5
        static let forgetPeers: UInt8 = 6
        static let channelOpened: UInt8 = 7
        static let channelClosed: UInt8 = 8
        static let draining: UInt8 = 9
        static let replaced: UInt8 = 10
    }

    /// Parses a whole message. Throws `WireError`.
    public init(parsing bytes: RawSpan) throws(WireError) {
        var reader = WireReader(bytes)
        let type = try reader.readInteger(as: UInt8.self)
        switch type {
        case Tag.challenge: self = .challenge(try RelayChallenge(from: &reader))
        case Tag.proof: self = .proof(try RelayProof(from: &reader))
        case Tag.welcome: self = .welcome(try RelayWelcome(from: &reader))
        case Tag.refused: self = .refused(try RelayRefusal(from: &reader))
        case Tag.namePeers: self = .namePeers(try Self.readPeers(&reader))
        case Tag.forgetPeers: self = .forgetPeers(try Self.readPeers(&reader))
        case Tag.channelOpened:
            let channel = try reader.readInteger(as: UInt32.self)
            self = .channelOpened(channel: channel, peer: try reader.readPeerID())
        case Tag.channelClosed: self = .channelClosed(channel: try reader.readInteger(as: UInt32.self))
        case Tag.draining: self = .draining
        case Tag.replaced: self = .replaced(instance: try reader.readBytes(count: RelayProof.instanceByteCount))
        default: throw .unknownKind(type)
        }
        try reader.requireEnd()
    }

    private static func readPeers(_ reader: inout WireReader) throws(WireError) -> [PeerID] {
        let count = Int(try reader.readInteger(as: UInt16.self))
        guard (1...peersMax).contains(count) else { throw .invalidField(.count) }
        var peers: [PeerID] = []
        for _ in 0..<count { peers.append(try reader.readPeerID()) }
        return peers
    }

    /// The message on the wire.
    public var bytes: [UInt8] {
        var writer = WireWriter(capacity: 64)
        switch self {
        case .challenge(let challenge): challenge.write(Tag.challenge, to: &writer)
        case .proof(let proof): proof.write(Tag.proof, to: &writer)
        case .welcome(let welcome): welcome.write(Tag.welcome, to: &writer)
        case .refused(let refusal): refusal.write(Tag.refused, to: &writer)
        case .namePeers(let peers): Self.write(Tag.namePeers, peers, to: &writer)
        case .forgetPeers(let peers): Self.write(Tag.forgetPeers, peers, to: &writer)
        case .channelOpened(let channel, let peer):
            writer.write(Tag.channelOpened)
            writer.write(channel)
            writer.write(peer)
        case .channelClosed(let channel):
            writer.write(Tag.channelClosed)
            writer.write(channel)
        case .draining: writer.write(Tag.draining)
        case .replaced(let instance):
            writer.write(Tag.replaced)
            writer.write(instance)
        }
        return writer.bytes
    }

    private static func write(_ tag: UInt8, _ peers: [PeerID], to writer: inout WireWriter) {
        writer.write(tag)
        writer.write(UInt16(peers.count))
        for peer in peers { writer.write(peer) }
    }
}
