internal import MeshBase
public import MeshWire

/// Records with frames of one session and path generation that came one behind the other, as their sender numbered them, and were
/// opened without their node: `Node.take` enters all of them in its books at once.
///
///     (none) --`init`: opened, a frame--> run --`append`: opened, a frame, the next counter--> run
public struct OpenedRun: Sendable {
    /// Of the first record.
    let header: RecordHeader
    let keyNumber: UInt64
    /// The numbers of the records; the largest of all is refused, as by the replay window.
    private(set) var counters: Range<UInt64>
    /// Records that short paths would not carry.
    private(set) var longCount: Int
    /// The first 8 bytes of each: kind, epoch, generation, lane and session.
    private let head: UInt64

    /// Records in it, 1 or more.
    public var count: Int { counters.count }

    /// A run of one `record`, which `opening` says was opened; `nil`: it was not, or holds no frame that is whole by itself.
    public init?(_ record: RawSpan, _ opening: RecordOpening?) {
        guard let header = try? RecordHeader(parsing: record), header.counter < .max,
            let opening, opening.contentByteCount != nil, Self.content(of: record) != nil
        else { return nil }
        self.header = header
        keyNumber = opening.keyNumber
        counters = header.counter..<header.counter + 1
        longCount = Self.isLong(record) ? 1 : 0
        head = record.bigEndian(at: 0, as: UInt64.self)
    }

    /// Adds the record that came next. Returns `false` when it does not follow; then there is no run.
    public mutating func append(_ record: RawSpan, _ opening: RecordOpening?) -> Bool {
        let next = counters.upperBound
        guard record.byteCount >= RecordHeader.recordByteCountMin, let opening, opening.keyNumber == keyNumber,
            record.bigEndian(at: 0, as: UInt64.self) == head,
            record.bigEndian(at: 8, as: UInt64.self) == next, next < .max,
            opening.contentByteCount != nil, Self.content(of: record) != nil
        else { return false }
        counters = counters.lowerBound..<next + 1
        if Self.isLong(record) { longCount += 1 }
        return true
    }

    /// The frame, or slice of a superframe, in a record that a run holds: which of both, and its place.
    public static func content(of record: RawSpan) -> (kind: ContentKind, frame: Range<Int>)? {
        guard let kind = ContentKind(rawValue: record.bigEndian(at: RecordHeader.byteCount, as: UInt8.self)),
            kind == .superframeSlice || kind == .frame
        else { return nil }
        return (kind, Session.contentOffset..<record.byteCount - SuiteSizes.tagByteCount)
    }

    private static func isLong(_ record: RawSpan) -> Bool { record.byteCount > PathSizeSearch.baseByteCount }
}
