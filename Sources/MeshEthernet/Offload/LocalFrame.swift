import MeshBase

/// A frame that came from the TAP: complete, or with work left to do.
///
///     complete   as it is
///     unfinished one TCP or UDP packet whose checksum is not filled in
///     superframe a TCP or UDP packet that is to be cut into segments
public struct LocalFrame: Sendable {
    /// DHCP's ports (RFC 2131 section 4.1): clients read raw sockets and check the checksum themselves.
    private static let dhcpPorts: Set<UInt16> = [67, 68]

    /// The headers of an unfinished frame or superframe that a peer can be left to finish.
    public let headers: SegmentHeaders
    /// Bytes of a segment; of an unfinished frame those behind its headers.
    public let segmentByteCount: Int
    /// Segments; 1 of an unfinished frame.
    public let segmentCount: Int

    /// Looks at a frame whose `header` says that something is left to do; `nil` when that is nothing for a peer: then the
    /// checksum has to be filled in here.
    public init?(_ frame: RawSpan, header: OffloadHeader, headerByteCountMax: Int, segmentsMax: Int) {
        guard header.needsChecksum, let segmentation = header.segmentation,
            let headers = SegmentHeaders(parsing: frame, byteCountMax: headerByteCountMax),
            header.checksumStart == headers.transportOffset,
            header.checksumOffset == headers.transport.checksumOffset,
            headers.statedPacketByteCount(frame) == frame.byteCount - headers.networkOffset
        else { return nil }
        let payloadByteCount = frame.byteCount - headers.byteCount
        guard payloadByteCount > 0, headers.canCarry(payloadByteCount: payloadByteCount) else { return nil }
        self.headers = headers
        if segmentation == .none {
            guard !Self.dhcpPorts.contains(headers.destinationPort) else { return nil }
            segmentByteCount = payloadByteCount
            segmentCount = 1
            return
        }
        guard segmentation == headers.segmentation, header.segmentByteCount > 0 else { return nil }
        segmentByteCount = header.segmentByteCount
        segmentCount = (payloadByteCount + segmentByteCount - 1) / segmentByteCount
        let most = headers.transport == .udp ? SegmentHeaders.datagramsMax : segmentsMax
        guard segmentCount <= most else { return nil }
    }

    /// The bytes of segments, from `first` on, in the frame; fewer than `count` at its end.
    public func payload(of frame: RawSpan, first: Int, count: Int) -> Range<Int> {
        let start = headers.byteCount + first * segmentByteCount
        return start..<min(start + count * segmentByteCount, frame.byteCount)
    }
}
