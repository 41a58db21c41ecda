/// Fourth message of the handshake, from the responder.
///
///     0     4            20
///     | pre | session ID | sealed ...: the responder's parameters | tag
public struct Established: Equatable, Sendable {
    /// The session that CHALLENGE named.
    public var sessionIdentifier: [UInt8]
    /// The responder's parameters, sealed, with tag.
    public var sealed: [UInt8]

    /// Makes the message from its fields.
    public init(sessionIdentifier: [UInt8], sealed: [UInt8]) {
        self.sessionIdentifier = sessionIdentifier
        self.sealed = sealed
    }

    /// Parses a whole message. Throws `WireError`.
    public init(parsing bytes: RawSpan) throws(WireError) {
        var reader = WireReader(bytes)
        try HandshakePreamble.read(.established, from: &reader)
        sessionIdentifier = try reader.readBytes(count: SuiteSizes.sessionIdentifierByteCount)
        guard reader.remainingByteCount >= SuiteSizes.tagByteCount else {
            throw .truncated(need: SuiteSizes.tagByteCount, have: reader.remainingByteCount)
        }
        let most = SessionParameters.byteCountMax + SuiteSizes.tagByteCount
        guard reader.remainingByteCount <= most else { throw .trailing(byteCount: reader.remainingByteCount - most) }
        sealed = reader.readRest()
    }

    /// The message on the wire.
    public var bytes: [UInt8] {
        var writer = WireWriter(capacity: HandshakePreamble.byteCount + sessionIdentifier.count + sealed.count)
        HandshakePreamble.write(.established, to: &writer)
        writer.write(sessionIdentifier)
        writer.write(sealed)
        return writer.bytes
    }
}
