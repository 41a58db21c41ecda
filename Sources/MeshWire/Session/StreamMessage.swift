/// A message on the control stream.
///
///     | type (1) | byte count of the body (3) | body |
public enum StreamMessage: Equatable, Sendable {
    /// Starts a rotation of keys; only the session's initiator sends it.
    case rekeyRequest(RekeyRequest)
    /// Answers it.
    case rekeyReply(RekeyReply)
    /// The sender ends the session.
    case close(CloseReason)
    /// The sender's addresses, in place of all that it named before; at most 32.
    case candidates([Candidate])
    /// The sender opens connections to the receiver's addresses now: do the same, so that both meet. The body is empty.
    case openConnections
    /// The sender asks for challenges to ports of its own address.
    case punch(PunchRequest)
    /// A type that a later release may add; skipped.
    case unknown(type: UInt8)

    /// Larger than a rekey request, the largest message; a peer cannot make us hold more.
    public static let bodyByteCountMax = 16_384
    /// Byte count of type and length.
    public static let headerByteCount = 4

    /// Why a session was ended by its peer.
    public enum CloseReason: UInt8, Sendable {
        case shutdown = 1, protocolViolation = 2
    }

    private enum Tag {
        static let rekeyRequest: UInt8 = 1
        static let rekeyReply: UInt8 = 2
        static let close: UInt8 = 3
        static let candidates: UInt8 = 4
        static let openConnections: UInt8 = 5
        static let punch: UInt8 = 6
    }

    /// Parses a body whose type and length were read. Throws `WireError`.
    public init(type: UInt8, body: RawSpan) throws(WireError) {
        switch type {
        case Tag.rekeyRequest: self = .rekeyRequest(try RekeyRequest(parsing: body))
        case Tag.rekeyReply: self = .rekeyReply(try RekeyReply(parsing: body))
        case Tag.close:
            var reader = WireReader(body)
            guard let reason = CloseReason(rawValue: try reader.readInteger(as: UInt8.self)) else {
                throw .invalidField(.streamMessage)
            }
            try reader.requireEnd()
            self = .close(reason)
        case Tag.candidates: self = .candidates(try SessionParameters.candidates(parsing: body))
        case Tag.openConnections:
            try WireReader(body).requireEnd()
            self = .openConnections
        case Tag.punch: self = .punch(try PunchRequest(parsing: body))
        default: self = .unknown(type: type)
        }
    }

    /// The message on the stream.
    public var bytes: [UInt8] {
        let (type, body): (UInt8, [UInt8]) =
            switch self {
            case .rekeyRequest(let request): (Tag.rekeyRequest, request.bytes)
            case .rekeyReply(let reply): (Tag.rekeyReply, reply.bytes)
            case .close(let reason): (Tag.close, [reason.rawValue])
            case .candidates(let list): (Tag.candidates, SessionParameters.bytes(of: list))
            case .openConnections: (Tag.openConnections, [])
            case .punch(let request): (Tag.punch, request.bytes)
            case .unknown(let type): (type, [])
            }
        var writer = WireWriter(capacity: Self.headerByteCount + body.count)
        writer.write(UInt32(type) << 24 | UInt32(body.count))
        writer.write(body)
        return writer.bytes
    }
}

/// Starts a rotation: body of stream message type 1.
///
///     | epoch (1) | encapsulation key (1,568) | X25519 share (32) | hybrid signature (4,691) |
public struct RekeyRequest: Equatable, Sendable {
    /// The epoch that the new keys will have.
    public var epoch: UInt8
    /// Ephemeral ML-KEM-1024 encapsulation key.
    public var encapsulationKey: [UInt8]
    /// Ephemeral X25519 share.
    public var share: [UInt8]
    /// Signature over the rotation's transcript; empty while the message is being made.
    public var signature: [UInt8]

    /// Makes a request.
    public init(epoch: UInt8, encapsulationKey: [UInt8], share: [UInt8], signature: [UInt8] = []) {
        self.epoch = epoch
        self.encapsulationKey = encapsulationKey
        self.share = share
        self.signature = signature
    }

    init(parsing body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        epoch = try reader.readInteger(as: UInt8.self)
        encapsulationKey = try reader.readBytes(count: SuiteSizes.encapsulationKeyByteCount)
        share = try reader.readBytes(count: SuiteSizes.x25519ShareByteCount)
        signature = try reader.readBytes(count: SuiteSizes.hybridSignatureByteCount)
        try reader.requireEnd()
    }

    /// The body without the signature.
    public var signedBytes: [UInt8] { [epoch] + encapsulationKey + share }
    /// The body on the stream.
    public var bytes: [UInt8] { signedBytes + signature }
}

/// Answers a rotation: body of stream message type 2.
///
///     | epoch (1) | ML-KEM-1024 ciphertext (1,568) | X25519 share (32) | hybrid signature (4,691) |
public struct RekeyReply: Equatable, Sendable {
    /// The epoch of the request.
    public var epoch: UInt8
    /// ML-KEM-1024 ciphertext for the request's key.
    public var ciphertext: [UInt8]
    /// Ephemeral X25519 share.
    public var share: [UInt8]
    /// Signature over the rotation's transcript; empty while the message is being made.
    public var signature: [UInt8]

    /// Makes a reply.
    public init(epoch: UInt8, ciphertext: [UInt8], share: [UInt8], signature: [UInt8] = []) {
        self.epoch = epoch
        self.ciphertext = ciphertext
        self.share = share
        self.signature = signature
    }

    init(parsing body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        epoch = try reader.readInteger(as: UInt8.self)
        ciphertext = try reader.readBytes(count: SuiteSizes.encapsulationCiphertextByteCount)
        share = try reader.readBytes(count: SuiteSizes.x25519ShareByteCount)
        signature = try reader.readBytes(count: SuiteSizes.hybridSignatureByteCount)
        try reader.requireEnd()
    }

    /// The body without the signature.
    public var signedBytes: [UInt8] { [epoch] + ciphertext + share }
    /// The body on the stream.
    public var bytes: [UInt8] { signedBytes + signature }
}
