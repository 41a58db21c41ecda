/// Second message of the handshake, from the responder.
///
///     0     4               36           52                   2676    2708                4276          4308        8999
///     | pre | HELLO's nonce | session ID | responder identity | nonce | encapsulation key | X25519 share | signature |
public struct Challenge: Equatable, Sendable {
    /// Byte count on the wire.
    public static let byteCount = signedByteCount + SuiteSizes.hybridSignatureByteCount
    /// Byte count of what the signature covers, after HELLO.
    public static let signedByteCount =
        HandshakePreamble.byteCount + 2 * SuiteSizes.nonceByteCount + SuiteSizes.sessionIdentifierByteCount
        + SuiteSizes.publicIdentityByteCount + SuiteSizes.encapsulationKeyByteCount + SuiteSizes.x25519ShareByteCount

    /// The nonce of the HELLO that is answered.
    public var helloNonce: [UInt8]
    /// 16 random bytes that name the session between these two nodes.
    public var sessionIdentifier: [UInt8]
    /// The responder's public identity, 2,624 bytes.
    public var responderIdentity: [UInt8]
    /// 32 random bytes: what makes the handshake fresh for the responder.
    public var nonce: [UInt8]
    /// The responder's ephemeral ML-KEM-1024 encapsulation key, 1,568 bytes.
    public var encapsulationKey: [UInt8]
    /// The responder's X25519 share, 32 bytes.
    public var share: [UInt8]
    /// Hybrid signature, 4,691 bytes; empty while the message is being made.
    public var signature: [UInt8]

    /// Makes the message from its fields.
    public init(
        helloNonce: [UInt8], sessionIdentifier: [UInt8], responderIdentity: [UInt8], nonce: [UInt8],
        encapsulationKey: [UInt8], share: [UInt8], signature: [UInt8] = []
    ) {
        self.helloNonce = helloNonce
        self.sessionIdentifier = sessionIdentifier
        self.responderIdentity = responderIdentity
        self.nonce = nonce
        self.encapsulationKey = encapsulationKey
        self.share = share
        self.signature = signature
    }

    /// Parses a whole message. Throws `WireError`.
    public init(parsing bytes: RawSpan) throws(WireError) {
        var reader = WireReader(bytes)
        try HandshakePreamble.read(.challenge, from: &reader)
        helloNonce = try reader.readBytes(count: SuiteSizes.nonceByteCount)
        sessionIdentifier = try reader.readBytes(count: SuiteSizes.sessionIdentifierByteCount)
        responderIdentity = try reader.readBytes(count: SuiteSizes.publicIdentityByteCount)
        nonce = try reader.readBytes(count: SuiteSizes.nonceByteCount)
        encapsulationKey = try reader.readBytes(count: SuiteSizes.encapsulationKeyByteCount)
        share = try reader.readBytes(count: SuiteSizes.x25519ShareByteCount)
        signature = try reader.readBytes(count: SuiteSizes.hybridSignatureByteCount)
        try reader.requireEnd()
    }

    /// The bytes that the signature covers, after HELLO: everything before the signature.
    public var signedBytes: [UInt8] {
        var writer = WireWriter(capacity: Self.byteCount)
        HandshakePreamble.write(.challenge, to: &writer)
        writer.write(helloNonce)
        writer.write(sessionIdentifier)
        writer.write(responderIdentity)
        writer.write(nonce)
        writer.write(encapsulationKey)
        writer.write(share)
        return writer.bytes
    }

    /// The message on the wire.
    public var bytes: [UInt8] { signedBytes + signature }
}
