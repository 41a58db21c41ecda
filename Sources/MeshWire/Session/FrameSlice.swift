internal import MeshBase

/// The place of a slice in its frame, in front of the slice's bytes: a frame that is larger than a path's records goes in
/// several.
///
///     | 0x02 | number of the frame (4) | offset in the frame (2) | byte count of the frame (2) | 1 or more bytes |
public struct FrameSlice: Equatable, Sendable {
    /// Bytes between a record's kind byte and the slice's bytes.
    public static let headerByteCount = 8
    /// What the 2-byte count can say.
    public static let frameByteCountMax = 65_535

    /// Counts the sender's sliced frames of a session, modulo 2^32.
    public var frameNumber: UInt32
    /// The slice's place in its frame, in bytes.
    public var range: Range<Int>
    /// Bytes of the whole frame; more than those of the slice.
    public var frameByteCount: Int

    /// Describes the slice `range`, not empty, of a longer frame of at most `frameByteCountMax` bytes.
    public init(frameNumber: UInt32, range: Range<Int>, frameByteCount: Int) {
        self.frameNumber = frameNumber
        self.range = range
        self.frameByteCount = frameByteCount
    }

    /// Parses content after its kind byte. Throws `truncated`, and `invalidField(.count)` for a slice that is empty, is
    /// the whole frame or reaches beyond it.
    public init(parsing content: RawSpan) throws(WireError) {
        var reader = WireReader(content)
        frameNumber = try reader.readInteger(as: UInt32.self)
        let offset = Int(try reader.readInteger(as: UInt16.self))
        frameByteCount = Int(try reader.readInteger(as: UInt16.self))
        range = offset..<offset + reader.remainingByteCount
        guard !range.isEmpty, range.upperBound <= frameByteCount, range.count < frameByteCount else {
            throw .invalidField(.count)
        }
    }

    /// Writes the header to `record` at `offset`; the slice's bytes belong behind it.
    public func writeHeader(to record: inout MutableRawSpan, at offset: Int) {
        record.storeBigEndian(frameNumber, at: offset)
        record.storeBigEndian(UInt16(truncatingIfNeeded: range.lowerBound), at: offset + 4)
        record.storeBigEndian(UInt16(truncatingIfNeeded: frameByteCount), at: offset + 6)
    }
}
