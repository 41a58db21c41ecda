/// A segment of the control stream, as a record's content.
///
///     | 0x03 | transmission number (4) | offset in the stream (8) | 1 to 1,000 bytes |
public struct StreamSegment: Equatable, Sendable {
    /// Small enough for any path's records.
    public static let dataByteCountMax = 1000

    /// New for each transmission, so that an acknowledgement tells which one arrived.
    public var transmission: UInt32
    /// Place of the first byte in the stream.
    public var offset: UInt64
    /// The stream's bytes.
    public var data: [UInt8]

    /// Makes a segment.
    public init(transmission: UInt32, offset: UInt64, data: [UInt8]) {
        self.transmission = transmission
        self.offset = offset
        self.data = data
    }

    /// Parses content after its kind byte. Throws `WireError`.
    public init(parsing content: RawSpan) throws(WireError) {
        var reader = WireReader(content)
        transmission = try reader.readInteger(as: UInt32.self)
        offset = try reader.readInteger(as: UInt64.self)
        guard (1...Self.dataByteCountMax).contains(reader.remainingByteCount) else { throw .invalidField(.count) }
        data = reader.readRest()
    }

    /// The content after its kind byte.
    public var bytes: [UInt8] {
        var writer = WireWriter(capacity: 12 + data.count)
        writer.write(transmission)
        writer.write(offset)
        writer.write(data)
        return writer.bytes
    }
}

/// Acknowledges control-stream bytes, as a record's content.
///
///     | 0x04 | transmission number (4) | all bytes before this offset have arrived (8) |
public struct StreamAcknowledgement: Equatable, Sendable {
    /// The transmission that caused this acknowledgement.
    public var transmission: UInt32
    /// Every byte before this offset has arrived.
    public var nextOffset: UInt64

    /// Makes an acknowledgement.
    public init(transmission: UInt32, nextOffset: UInt64) {
        self.transmission = transmission
        self.nextOffset = nextOffset
    }

    /// Parses content after its kind byte. Throws `WireError`.
    public init(parsing content: RawSpan) throws(WireError) {
        var reader = WireReader(content)
        transmission = try reader.readInteger(as: UInt32.self)
        nextOffset = try reader.readInteger(as: UInt64.self)
        try reader.requireEnd()
    }

    /// The content after its kind byte.
    public var bytes: [UInt8] {
        var writer = WireWriter(capacity: 12)
        writer.write(transmission)
        writer.write(nextOffset)
        return writer.bytes
    }
}

/// A ping or a pong, as a record's content.
///
///     | 0x05 or 0x06 | identifier (8) |
public struct Probe: Equatable, Sendable {
    /// Chosen by the asker, returned unchanged.
    public var identifier: UInt64

    /// Makes a probe.
    public init(identifier: UInt64) { self.identifier = identifier }

    /// Parses content after its kind byte. Throws `WireError`.
    public init(parsing content: RawSpan) throws(WireError) {
        var reader = WireReader(content)
        identifier = try reader.readInteger(as: UInt64.self)
        try reader.requireEnd()
    }

    /// The content after its kind byte.
    public var bytes: [UInt8] {
        var writer = WireWriter(capacity: 8)
        writer.write(identifier)
        return writer.bytes
    }
}
