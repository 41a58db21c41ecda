/// RESET: "I have no session with this index", proven by the token that the peer learned inside the session.
///
///     | 0x41 | 0 (3) | session index (4) | token (16) |
public struct SessionReset: Equatable, Sendable {
    /// Byte count on the wire: less than the smallest record, so it never amplifies.
    public static let byteCount = 24

    /// The index in the record that has no session.
    public var sessionIndex: UInt32
    /// The token of that index.
    public var token: [UInt8]

    /// Makes the message.
    public init(sessionIndex: UInt32, token: [UInt8]) {
        self.sessionIndex = sessionIndex
        self.token = token
    }

    /// Parses a whole message. Throws `WireError`.
    public init(parsing bytes: RawSpan) throws(WireError) {
        var reader = WireReader(bytes)
        sessionIndex = try reader.readLostIndex(.reset)
        token = try reader.readBytes(count: SuiteSizes.resetTokenByteCount)
        try reader.requireEnd()
    }

    /// The message on the wire.
    public var bytes: [UInt8] {
        var writer = WireWriter(capacity: Self.byteCount)
        writer.write([MessageKind.reset.rawValue, 0, 0, 0])
        writer.write(sessionIndex)
        writer.write(token)
        return writer.bytes
    }
}

/// NO_SESSION: the same without a token, over a relay, which vouches for the sender.
///
///     | 0x42 | 0 (3) | session index (4) |
public struct NoSession: Equatable, Sendable {
    /// Byte count on the wire.
    public static let byteCount = 8

    /// The index in the record that has no session.
    public var sessionIndex: UInt32

    /// Makes the message.
    public init(sessionIndex: UInt32) { self.sessionIndex = sessionIndex }

    /// Parses a whole message. Throws `WireError`.
    public init(parsing bytes: RawSpan) throws(WireError) {
        var reader = WireReader(bytes)
        sessionIndex = try reader.readLostIndex(.noSession)
        try reader.requireEnd()
    }

    /// The message on the wire.
    public var bytes: [UInt8] {
        var writer = WireWriter(capacity: Self.byteCount)
        writer.write([MessageKind.noSession.rawValue, 0, 0, 0])
        writer.write(sessionIndex)
        return writer.bytes
    }
}

extension WireReader {
    fileprivate mutating func readLostIndex(_ kind: MessageKind) throws(WireError) -> UInt32 {
        let found = try readInteger(as: UInt8.self)
        guard found == kind.rawValue else { throw .unknownKind(found) }
        guard try readBytes(count: 3) == [0, 0, 0] else { throw .invalidField(.reserved) }
        return try readInteger(as: UInt32.self)
    }
}
