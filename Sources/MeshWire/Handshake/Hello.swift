public import MeshBase

/// First message of the handshake, from the initiator.
///
///     0     4                    2628            2660    2692        2700          2732        7423
///     | pre | initiator identity | responder ID  | nonce | timestamp | X25519 share | signature |
public struct Hello: Equatable, Sendable {
    /// Byte count on the wire.
    public static let byteCount = signedByteCount + SuiteSizes.hybridSignatureByteCount
    /// Byte count of what the signature covers.
    public static let signedByteCount =
        HandshakePreamble.byteCount + SuiteSizes.publicIdentityByteCount + PeerID.byteCount
        + SuiteSizes.nonceByteCount + 8 + SuiteSizes.x25519ShareByteCount

    /// The initiator's public identity, 2,624 bytes.
    public var initiatorIdentity: [UInt8]
    /// Whom the initiator calls.
    public var responder: PeerID
    /// 32 random bytes; they name this handshake in CHALLENGE.
    public var nonce: [UInt8]
    /// Milliseconds since 1970 by the initiator's clock; informational, nothing depends on it.
    public var timestampMilliseconds: UInt64
    /// The initiator's X25519 share, 32 bytes.
    public var share: [UInt8]
    /// Hybrid signature, 4,691 bytes; empty while the message is being made.
    public var signature: [UInt8]

    /// Makes the message from its fields.
    public init(
        initiatorIdentity: [UInt8], responder: PeerID, nonce: [UInt8], timestampMilliseconds: UInt64, share: [UInt8],
        signature: [UInt8] = []
    ) {
        self.initiatorIdentity = initiatorIdentity
        self.responder = responder
        self.nonce = nonce
        self.timestampMilliseconds = timestampMilliseconds
        self.share = share
        self.signature = signature
    }

    /// Parses a whole message. Throws `WireError`.
    public init(parsing bytes: RawSpan) throws(WireError) {
        var reader = WireReader(bytes)
        try HandshakePreamble.read(.hello, from: &reader)
        initiatorIdentity = try reader.readBytes(count: SuiteSizes.publicIdentityByteCount)
        responder = try reader.readPeerID()
        nonce = try reader.readBytes(count: SuiteSizes.nonceByteCount)
        timestampMilliseconds = try reader.readInteger(as: UInt64.self)
        share = try reader.readBytes(count: SuiteSizes.x25519ShareByteCount)
        signature = try reader.readBytes(count: SuiteSizes.hybridSignatureByteCount)
        try reader.requireEnd()
    }

    /// The bytes that the signature covers: everything before it.
    public var signedBytes: [UInt8] {
        var writer = WireWriter(capacity: Self.byteCount)
        HandshakePreamble.write(.hello, to: &writer)
        writer.write(initiatorIdentity)
        writer.write(responder)
        writer.write(nonce)
        writer.write(timestampMilliseconds)
        writer.write(share)
        return writer.bytes
    }

    /// The message on the wire.
    public var bytes: [UInt8] { signedBytes + signature }
}
