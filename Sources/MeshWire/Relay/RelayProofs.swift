public import MeshBase

/// Relay to client: the relay's identity, its word on its TLS key, and a challenge.
///
///     | 1 | version | relay identity (2,624) | SPKI hash (32) | not after (8) | signature (4,691) | challenge (32) |
public struct RelayChallenge: Equatable, Sendable {
    /// The relay's public identity, 2,624 bytes.
    public var relayIdentity: [UInt8]
    /// SHA-256 of the SubjectPublicKeyInfo of the relay's TLS leaf certificate, 32 bytes.
    public var keyHash: [UInt8]
    /// Seconds since 1970 after which the signature is void; at most 30 days ahead.
    public var notAfterSeconds: UInt64
    /// The relay's hybrid signature over key hash and time, 4,691 bytes.
    public var signature: [UInt8]
    /// 32 random bytes for the client to sign.
    public var challenge: [UInt8]

    /// Makes the message.
    public init(
        relayIdentity: [UInt8], keyHash: [UInt8], notAfterSeconds: UInt64, signature: [UInt8], challenge: [UInt8]
    ) {
        self.relayIdentity = relayIdentity
        self.keyHash = keyHash
        self.notAfterSeconds = notAfterSeconds
        self.signature = signature
        self.challenge = challenge
    }

    init(from reader: inout WireReader) throws(WireError) {
        let version = try reader.readInteger(as: UInt8.self)
        guard version == ProtocolVersion.current else {
            throw .unsupportedVersion(version: version, suite: ProtocolVersion.suite)
        }
        relayIdentity = try reader.readBytes(count: SuiteSizes.publicIdentityByteCount)
        keyHash = try reader.readBytes(count: 32)
        notAfterSeconds = try reader.readInteger(as: UInt64.self)
        signature = try reader.readBytes(count: SuiteSizes.hybridSignatureByteCount)
        challenge = try reader.readBytes(count: SuiteSizes.nonceByteCount)
    }

    func write(_ tag: UInt8, to writer: inout WireWriter) {
        writer.write([tag, ProtocolVersion.current])
        writer.write(relayIdentity)
        writer.write(keyHash)
        writer.write(notAfterSeconds)
        writer.write(signature)
        writer.write(challenge)
    }
}

/// Client to relay: the client's identity, signed for this relay, this TLS key and this challenge.
///
///     | 2 | client identity (2,624) | instance (16) | signature (4,691) | token byte count (2) | token |
public struct RelayProof: Equatable, Sendable {
    /// Byte count of the instance nonce.
    public static let instanceByteCount = 16
    /// A bearer token is at most this long.
    public static let tokenByteCountMax = 512

    /// The client's public identity, 2,624 bytes.
    public var clientIdentity: [UInt8]
    /// 16 bytes, random per process: tells a client that reconnects from a clone of it.
    public var instance: [UInt8]
    /// The client's hybrid signature, 4,691 bytes.
    public var signature: [UInt8]
    /// What a relay with token admission asks for; else empty.
    public var token: [UInt8]

    /// Makes the message.
    public init(clientIdentity: [UInt8], instance: [UInt8], signature: [UInt8], token: [UInt8] = []) {
        self.clientIdentity = clientIdentity
        self.instance = instance
        self.signature = signature
        self.token = token
    }

    init(from reader: inout WireReader) throws(WireError) {
        clientIdentity = try reader.readBytes(count: SuiteSizes.publicIdentityByteCount)
        instance = try reader.readBytes(count: Self.instanceByteCount)
        signature = try reader.readBytes(count: SuiteSizes.hybridSignatureByteCount)
        let count = Int(try reader.readInteger(as: UInt16.self))
        guard count <= Self.tokenByteCountMax else { throw .invalidField(.count) }
        token = try reader.readBytes(count: count)
    }

    func write(_ tag: UInt8, to writer: inout WireWriter) {
        writer.write(tag)
        writer.write(clientIdentity)
        writer.write(instance)
        writer.write(signature)
        writer.write(UInt16(token.count))
        writer.write(token)
    }
}

/// Relay to client: the client is known by its ID from now on.
///
///     | 3 | family (1) | port (2) | address (4 or 16) | STUN port (2) | frame byte count (4) | peers (2) |
public struct RelayWelcome: Equatable, Sendable {
    /// The client's own address as the relay sees it; told to nobody else.
    public var observedEndpoint: Endpoint
    /// UDP port of the relay's STUN service; 0 when it has none.
    public var stunPort: UInt16
    /// Largest payload the relay forwards, in bytes.
    public var payloadByteCountMax: UInt32
    /// How many peers the client may name.
    public var peersMax: UInt16

    /// Makes the message.
    public init(observedEndpoint: Endpoint, stunPort: UInt16, payloadByteCountMax: UInt32, peersMax: UInt16) {
        self.observedEndpoint = observedEndpoint
        self.stunPort = stunPort
        self.payloadByteCountMax = payloadByteCountMax
        self.peersMax = peersMax
    }

    init(from reader: inout WireReader) throws(WireError) {
        observedEndpoint = try reader.readEndpoint()
        stunPort = try reader.readInteger(as: UInt16.self)
        payloadByteCountMax = try reader.readInteger(as: UInt32.self)
        peersMax = try reader.readInteger(as: UInt16.self)
    }

    func write(_ tag: UInt8, to writer: inout WireWriter) {
        writer.write(tag)
        writer.write(observedEndpoint)
        writer.write(stunPort)
        writer.write(payloadByteCountMax)
        writer.write(peersMax)
    }
}

/// Relay to client: why it is not served.
///
///     | 4 | reason (1) |
public struct RelayRefusal: Equatable, Sendable {
    /// Why a client is not served.
    public enum Reason: UInt8, Sendable {
        case full = 1, notAdmitted = 2, badProof = 3, draining = 4, protocolViolation = 5, timedOut = 6
    }

    /// Why the client is not served.
    public var reason: Reason

    /// Makes the message.
    public init(reason: Reason) { self.reason = reason }

    init(from reader: inout WireReader) throws(WireError) {
        guard let reason = Reason(rawValue: try reader.readInteger(as: UInt8.self)) else {
            throw .invalidField(.parameter)
        }
        self.reason = reason
    }

    func write(_ tag: UInt8, to writer: inout WireWriter) { writer.write([tag, reason.rawValue]) }
}
