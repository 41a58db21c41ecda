public import MeshBase

/// How messages lie in one binary WebSocket message: item after item.
///
///     to and from a relay:   | byte count (2) | channel (4) | that many bytes |
///     between two nodes:     | byte count (2) | that many bytes |
///
/// Channel 0 carries the relay's own messages; every other channel is one peer's, numbered by the relay
/// for this connection.
public enum CarrierItem {
    /// Bytes before an item's payload to and from a relay.
    public static let relayHeaderByteCount = 6
    /// Bytes before an item's payload between two nodes.
    public static let directHeaderByteCount = 2
    /// What a 2-byte count can say.
    public static let payloadByteCountMax = 65_535
    /// The channel of the relay's own messages.
    public static let controlChannel: UInt32 = 0

    /// One item to or from a relay, on the wire.
    public static func relayItem(channel: UInt32, payload: [UInt8]) -> [UInt8] {
        var writer = WireWriter(capacity: relayHeaderByteCount + payload.count)
        writer.write(UInt16(payload.count))
        writer.write(channel)
        writer.write(payload)
        return writer.bytes
    }

    /// One item between two nodes, on the wire.
    public static func directItem(payload: [UInt8]) -> [UInt8] {
        var writer = WireWriter(capacity: directHeaderByteCount + payload.count)
        writer.write(UInt16(payload.count))
        writer.write(payload)
        return writer.bytes
    }

    /// The place of an item's payload in its WebSocket message.
    public struct Place: Equatable, Sendable {
        /// The channel; 0 between two nodes.
        public var channel: UInt32
        /// The payload's bytes, without the item's header.
        public var payload: Range<Int>

        @inlinable
        init(channel: UInt32, payload: Range<Int>) {
            self.channel = channel
            self.payload = payload
        }
    }

    /// Finds the item that begins at `offset`; `nil` at the message's end. Throws `truncated` or `invalidField(.count)`.
    @inlinable
    public static func next(
        in message: RawSpan, at offset: Int, fromRelay: Bool
    ) throws(WireError) -> Place? {
        guard offset < message.byteCount else { return nil }
        let headerByteCount = fromRelay ? relayHeaderByteCount : directHeaderByteCount
        guard message.byteCount - offset >= headerByteCount else {
            throw .truncated(need: headerByteCount, have: message.byteCount - offset)
        }
        let count = Int(message.bigEndian(at: offset, as: UInt16.self))
        let start = offset + headerByteCount
        guard count > 0 else { throw .invalidField(.count) }
        guard message.byteCount - start >= count else { throw .truncated(need: count, have: message.byteCount - start) }
        let channel = fromRelay ? message.bigEndian(at: offset + 2, as: UInt32.self) : 0
        return Place(channel: channel, payload: start..<start + count)
    }
}
