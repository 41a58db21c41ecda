import MeshBase

/// Cuts a superframe into complete frames with right checksums, for a peer that does not join superframes.
public struct SoftwareSegments: Sendable {
    private let headers: SegmentHeaders
    private let segmentByteCount: Int
    private let payloadByteCount: Int
    /// How many frames it makes.
    public let count: Int

    /// `nil` when the superframe is malformed, or one of a kind that was not agreed on.
    public init?(_ frame: RawSpan, header: OffloadHeader) {
        guard let segmentation = header.segmentation, header.segmentByteCount > 0,
            let headers = SegmentHeaders(parsing: frame, byteCountMax: frame.byteCount),
            segmentation == headers.segmentation
        else { return nil }
        self.headers = headers
        segmentByteCount = header.segmentByteCount
        payloadByteCount = frame.byteCount - headers.byteCount
        count = (payloadByteCount + segmentByteCount - 1) / segmentByteCount
        guard payloadByteCount > 0, headers.canCarry(payloadByteCount: segmentByteCount) else { return nil }
    }

    /// Bytes of the longest frame.
    public var frameByteCountMax: Int { headers.byteCount + min(segmentByteCount, payloadByteCount) }

    /// Writes the frame at `index`, below `count`, to the front of `target`, which has room for the longest. Returns its
    /// byte count.
    public func write(_ index: Int, of frame: RawSpan, to target: inout MutableRawSpan) -> Int {
        let start = index * segmentByteCount
        let size = min(segmentByteCount, payloadByteCount - start)
        target.store(frame.extracting(0..<headers.byteCount), at: 0)
        let payload = headers.byteCount + start
        target.store(frame.extracting(payload..<payload + size), at: headers.byteCount)
        headers.adjust(
            &target, firstSegment: index, segmentByteCount: segmentByteCount, payloadByteCount: size,
            isLast: index == count - 1)
        var whole = target._mutatingExtracting(0..<headers.byteCount + size)
        _ = OffloadHeader.completeChecksum(
            of: &whole, start: headers.transportOffset, offset: headers.transport.checksumOffset)
        return headers.byteCount + size
    }
}
