public import MeshBase

/// The place of some segments in a superframe, in front of the headers that all its segments share and of their bytes.
///
///     | 0x0C | number (1) | first segment (1) | segments (1) | segment byte count (2) | headers | 1 or more segments |
///
/// A superframe is a TCP or UDP packet that the kernel left to be cut into segments. All but its last segment have the
/// segment byte count. The headers, Ethernet to TCP or UDP, are those of the whole superframe.
public struct SuperframeSlice: Equatable, Sendable {
    /// Bytes between a record's kind byte and the headers.
    public static let headerByteCount = 5
    /// Segments of a superframe: 60 KB in segments of 236 bytes.
    public static let segmentsMax = 255
    /// Bytes of the headers of a superframe: Ethernet with two tags, IP and the longest TCP header fit 22 + 40 + 60.
    public static let frameHeaderByteCountMax = 128

    /// Tells superframes of a session that follow each other apart; counts modulo 256.
    public var number: UInt8
    /// The place of the first segment in the slice, from 0.
    public var firstSegment: Int
    /// Segments of the whole superframe, 1...255.
    public var segmentCount: Int
    /// Bytes of a segment without headers, 1...65,535.
    public var segmentByteCount: Int

    /// Describes a slice whose first segment is at `firstSegment`, below `segmentCount`.
    @inlinable
    public init(number: UInt8, firstSegment: Int, segmentCount: Int, segmentByteCount: Int) {
        self.number = number
        self.firstSegment = firstSegment
        self.segmentCount = segmentCount
        self.segmentByteCount = segmentByteCount
    }

    /// Parses content after its kind byte. Throws `truncated`, and `invalidField(.count)` for a slice without segments or
    /// outside its superframe.
    @inlinable
    public init(parsing content: RawSpan) throws(WireError) {
        guard content.byteCount > Self.headerByteCount else {
            throw .truncated(need: Self.headerByteCount + 1, have: content.byteCount)
        }
        number = content.bigEndian(at: 0, as: UInt8.self)
        firstSegment = Int(content.bigEndian(at: 1, as: UInt8.self))
        segmentCount = Int(content.bigEndian(at: 2, as: UInt8.self))
        segmentByteCount = Int(content.bigEndian(at: 3, as: UInt16.self))
        guard firstSegment < segmentCount, segmentByteCount > 0 else { throw .invalidField(.count) }
    }

    /// Writes the header to `record` at `offset`; headers and segments belong behind it.
    @inlinable
    public func writeHeader(to record: inout MutableRawSpan, at offset: Int) {
        record.storeBytes(of: number, toByteOffset: offset, as: UInt8.self)
        record.storeBytes(of: UInt8(truncatingIfNeeded: firstSegment), toByteOffset: offset + 1, as: UInt8.self)
        record.storeBytes(of: UInt8(truncatingIfNeeded: segmentCount), toByteOffset: offset + 2, as: UInt8.self)
        record.storeBigEndian(UInt16(truncatingIfNeeded: segmentByteCount), at: offset + 3)
    }
}

/// Kinds of superframes that a node joins: a bit each in its parameters.
public struct SuperframeKinds: OptionSet, Hashable, Sendable {
    /// The bits.
    public let rawValue: UInt8

    /// Makes a set from its bits; those that mean nothing are kept and ignored.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// TCP over IPv4 and IPv6.
    public static let tcp = SuperframeKinds(rawValue: 1)
    /// UDP over IPv4 and IPv6.
    public static let udp = SuperframeKinds(rawValue: 2)
}
