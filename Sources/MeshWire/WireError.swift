/// Why bytes from the network were refused before any cryptography.
public enum WireError: Error, Equatable, Sendable {
    /// The message ended before the field did; byte counts from the field's start.
    case truncated(need: Int, have: Int)
    /// Bytes were left after the last field.
    case trailing(byteCount: Int)
    /// The first byte names no message that is allowed here.
    case unknownKind(UInt8)
    /// The protocol version or the suite is not one this release speaks.
    case unsupportedVersion(version: UInt8, suite: UInt8)
    /// A field has a value outside of its range.
    case invalidField(Field)

    /// The fields whose values are checked while parsing.
    public enum Field: String, Sendable {
        case reserved, lane, sessionIndex, mtu, interval, parameter, candidate, count, text, address, streamMessage
    }
}
