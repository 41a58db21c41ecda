/// The first four bytes of each handshake message: kind, version, suite, zero.
enum HandshakePreamble {
    static let byteCount = 4

    static func write(_ kind: MessageKind, to writer: inout WireWriter) {
        writer.write([kind.rawValue, ProtocolVersion.current, ProtocolVersion.suite, 0])
    }

    static func read(_ kind: MessageKind, from reader: inout WireReader) throws(WireError) {
        let found = try reader.readInteger(as: UInt8.self)
        guard found == kind.rawValue else { throw .unknownKind(found) }
        let version = try reader.readInteger(as: UInt8.self)
        let suite = try reader.readInteger(as: UInt8.self)
        guard version == ProtocolVersion.current, suite == ProtocolVersion.suite else {
            throw .unsupportedVersion(version: version, suite: suite)
        }
        guard try reader.readInteger(as: UInt8.self) == 0 else { throw .invalidField(.reserved) }
    }
}
