internal import MeshWire

/// How a superframe is cut into slices of whole segments, each with a copy of the headers, for records of one length.
///
///     | headers | segment | segment | segment | segment | shorter |      2 segments a record: 3 slices
///     '------------- payload behind the headers ------------------'
public struct SuperframeCut: Equatable, Sendable {
    /// Tells superframes of a session that follow each other apart.
    public let number: UInt8
    /// Bytes of the headers, which each slice repeats.
    public let headerByteCount: Int
    /// Bytes behind the headers.
    public let payloadByteCount: Int
    /// Bytes of a segment; the last one may be shorter.
    public let segmentByteCount: Int
    /// Segments of a slice; the last one may have fewer.
    public let segmentsPerRecord: Int
    /// Segments of the superframe, 1...255.
    public let segmentCount: Int
    /// Slices of the superframe.
    public let count: Int

    /// Describes a cut; all counts but `number` are at least 1, and `segmentCount` is the payload's.
    public init(
        number: UInt8, headerByteCount: Int, payloadByteCount: Int, segmentByteCount: Int, segmentCount: Int,
        segmentsPerRecord: Int
    ) {
        self.number = number
        self.headerByteCount = headerByteCount
        self.payloadByteCount = payloadByteCount
        self.segmentByteCount = segmentByteCount
        self.segmentCount = segmentCount
        self.segmentsPerRecord = segmentsPerRecord
        count = (segmentCount + segmentsPerRecord - 1) / segmentsPerRecord
    }

    /// Bytes of the payload in each slice but the last.
    public var slicePayloadByteCount: Int { segmentsPerRecord * segmentByteCount }

    /// The part of the payload that the slice at `index`, below `count`, carries.
    public func payload(_ index: Int) -> Range<Int> {
        let start = index * slicePayloadByteCount
        return start..<min(start + slicePayloadByteCount, payloadByteCount)
    }

    /// Bytes of the record with the slice at `index`.
    public func recordByteCount(_ index: Int) -> Int {
        Session.superframeOverheadByteCount + headerByteCount + payload(index).count
    }

    /// What stands in front of the slice at `index`.
    func header(_ index: Int) -> SuperframeSlice {
        SuperframeSlice(
            number: number, firstSegment: index * segmentsPerRecord, segmentCount: segmentCount,
            segmentByteCount: segmentByteCount)
    }
}
