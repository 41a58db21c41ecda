/// Third message of the handshake, from the initiator.
///
///     0     4            20                       1588
///     | pre | session ID | ML-KEM-1024 ciphertext | sealed ...: parameter byte count (2), parameters, signature | tag
public struct Response: Equatable, Sendable {
    /// Byte count of the part that is not sealed.
    public static let clearByteCount =
        HandshakePreamble.byteCount + SuiteSizes.sessionIdentifierByteCount
        + SuiteSizes.encapsulationCiphertextByteCount

    /// The session that CHALLENGE named.
    public var sessionIdentifier: [UInt8]
    /// ML-KEM-1024 ciphertext for the key in CHALLENGE, 1,568 bytes.
    public var ciphertext: [UInt8]
    /// The initiator's parameters and signature, sealed, with tag.
    public var sealed: [UInt8]

    /// Makes the message from its fields.
    public init(sessionIdentifier: [UInt8], ciphertext: [UInt8], sealed: [UInt8]) {
        self.sessionIdentifier = sessionIdentifier
        self.ciphertext = ciphertext
        self.sealed = sealed
    }

    /// Parses a whole message. Throws `WireError`.
    public init(parsing bytes: RawSpan) throws(WireError) {
        var reader = WireReader(bytes)
        try HandshakePreamble.read(.response, from: &reader)
        sessionIdentifier = try reader.readBytes(count: SuiteSizes.sessionIdentifierByteCount)
        ciphertext = try reader.readBytes(count: SuiteSizes.encapsulationCiphertextByteCount)
        let least = 2 + SuiteSizes.hybridSignatureByteCount + SuiteSizes.tagByteCount
        guard reader.remainingByteCount >= least else {
            throw .truncated(need: least, have: reader.remainingByteCount)
        }
        guard reader.remainingByteCount <= least + SessionParameters.byteCountMax else {
            throw .trailing(byteCount: reader.remainingByteCount - least - SessionParameters.byteCountMax)
        }
        sealed = reader.readRest()
    }

    /// The message on the wire.
    public var bytes: [UInt8] {
        var writer = WireWriter(capacity: Self.clearByteCount + sealed.count)
        HandshakePreamble.write(.response, to: &writer)
        writer.write(sessionIdentifier)
        writer.write(ciphertext)
        writer.write(sealed)
        return writer.bytes
    }
}

/// What RESPONSE carries sealed.
public struct ResponseContent: Equatable, Sendable {
    /// The initiator's parameters as bytes, since the signature covers exactly these.
    public var parameters: [UInt8]
    /// Hybrid signature over the whole transcript, 4,691 bytes.
    public var signature: [UInt8]

    /// Makes the content from its fields.
    public init(parameters: [UInt8], signature: [UInt8]) {
        self.parameters = parameters
        self.signature = signature
    }

    /// Parses the opened content. Throws `WireError`.
    public init(parsing bytes: RawSpan) throws(WireError) {
        var reader = WireReader(bytes)
        let count = Int(try reader.readInteger(as: UInt16.self))
        parameters = try reader.readBytes(count: count)
        signature = try reader.readBytes(count: SuiteSizes.hybridSignatureByteCount)
        try reader.requireEnd()
    }

    /// The content before sealing.
    public var bytes: [UInt8] {
        var writer = WireWriter(capacity: 2 + parameters.count + signature.count)
        writer.write(UInt16(parameters.count))
        writer.write(parameters)
        writer.write(signature)
        return writer.bytes
    }
}
