import MeshBase

/// Joins slices of superframes that came one after the other into frames for the kernel.
///
///     (nothing) --slice--> run --next slice of the same superframe--> run
///                           | any other slice, a gap, the superframe's end, or the end of the batch
///                           +--> one frame: headers of the run, and the pieces of its segments
///
/// Everything a peer says is checked before the kernel sees it: the headers are parsed, the lengths have to add up, and
/// what the kernel is told follows from the headers alone.
public struct SegmentRun: Sendable {
    /// Why a slice is dropped.
    public enum Refusal: Error, Sendable {
        /// Its headers are not those of a TCP or UDP packet over IP, or it has no segments.
        case malformed
    }

    /// What a peer says of a slice.
    public struct Place: Equatable, Sendable {
        /// Whose superframe it is.
        public var source: Int
        /// Tells superframes of one source apart.
        public var number: UInt8
        /// Place of the slice's first segment.
        public var firstSegment: Int
        /// Segments of the superframe.
        public var segmentCount: Int
        /// Bytes of a segment.
        public var segmentByteCount: Int

        /// Makes a place.
        public init(source: Int, number: UInt8, firstSegment: Int, segmentCount: Int, segmentByteCount: Int) {
            self.source = source
            self.number = number
            self.firstSegment = firstSegment
            self.segmentCount = segmentCount
            self.segmentByteCount = segmentByteCount
        }
    }

    /// A slice that was found to be sound.
    public struct Slice: Sendable {
        /// Its headers.
        public let headers: SegmentHeaders
        /// Its place.
        public let place: Place
        /// Segments in it.
        public let segmentCount: Int
        /// Their bytes.
        public let payloadByteCount: Int

        var nextSegment: Int { place.firstSegment + segmentCount }

        /// Checks a slice; `bytes` are its headers and segments. Throws `malformed`.
        public init(_ bytes: RawSpan, at place: Place, headerByteCountMax: Int) throws(Refusal) {
            guard place.segmentByteCount > 0, place.firstSegment >= 0, place.firstSegment < place.segmentCount,
                let headers = SegmentHeaders(parsing: bytes, byteCountMax: headerByteCountMax)
            else { throw .malformed }
            let payloadByteCount = bytes.byteCount - headers.byteCount
            let count = (payloadByteCount + place.segmentByteCount - 1) / place.segmentByteCount
            let isLast = place.firstSegment + count == place.segmentCount
            // Only the last segment of a superframe may be short.
            guard payloadByteCount > 0, place.firstSegment + count <= place.segmentCount,
                isLast || payloadByteCount == count * place.segmentByteCount,
                headers.transport != .udp || place.segmentCount <= SegmentHeaders.datagramsMax,
                headers.canCarry(payloadByteCount: payloadByteCount)
            else { throw .malformed }
            self.headers = headers
            self.place = place
            segmentCount = count
            self.payloadByteCount = payloadByteCount
        }
    }

    private var first: Slice
    private var nextSegment: Int
    /// Bytes of all segments.
    public private(set) var payloadByteCount: Int
    /// Segments in the run.
    public var segmentCount: Int { nextSegment - first.place.firstSegment }
    /// The headers that all slices share.
    public var headers: SegmentHeaders { first.headers }

    /// A run that begins with `slice`.
    public init(_ slice: Slice) {
        first = slice
        nextSegment = slice.nextSegment
        payloadByteCount = slice.payloadByteCount
    }

    /// Whether the superframe ends with the run.
    public var isEnded: Bool { nextSegment == first.place.segmentCount }

    /// Takes a slice when it goes on where the run ends. `bytes` are its headers and segments; `firstBytes` those of the
    /// run's first slice, whose headers have to be the same, byte for byte: then they are as sound, and need not be parsed.
    public mutating func append(_ bytes: RawSpan, at place: Place, firstBytes: RawSpan) -> Bool {
        let added = bytes.byteCount - first.headers.byteCount
        guard place.firstSegment == nextSegment, place.number == first.place.number,
            place.source == first.place.source, place.segmentCount == first.place.segmentCount,
            place.segmentByteCount == first.place.segmentByteCount, added > 0,
            bytes.extracting(0..<first.headers.byteCount).equals(firstBytes.extracting(0..<first.headers.byteCount))
        else { return false }
        // Nearly always one full segment: spares a division.
        let count =
            added == place.segmentByteCount ? 1 : (added + place.segmentByteCount - 1) / place.segmentByteCount
        let end = nextSegment + count
        // Only the last segment of a superframe may be short.
        guard end < place.segmentCount ? added == count * place.segmentByteCount : end == place.segmentCount,
            first.headers.canCarry(payloadByteCount: payloadByteCount + added)
        else { return false }
        nextSegment = end
        payloadByteCount += added
        return true
    }

    /// Makes the headers at the front of `frame`, a copy of the slices', those of the run. Returns what the kernel is told.
    public func finish(_ frame: inout MutableRawSpan) -> OffloadHeader {
        first.headers.adjust(
            &frame, firstSegment: first.place.firstSegment, segmentByteCount: first.place.segmentByteCount,
            payloadByteCount: payloadByteCount, isLast: isEnded)
        var header = OffloadHeader()
        header.needsChecksum = true
        header.checksumStart = first.headers.transportOffset
        header.checksumOffset = first.headers.transport.checksumOffset
        if segmentCount > 1 {
            header.segmentation = first.headers.segmentation
            header.segmentByteCount = first.place.segmentByteCount
            header.headerByteCount = first.headers.byteCount
            header.hasECN = first.headers.hasCongestionWindowReduced(frame.bytes)
        }
        return header
    }
}

extension RawSpan {
    /// Whether both hold the same bytes.
    fileprivate func equals(_ other: RawSpan) -> Bool {
        guard byteCount == other.byteCount else { return false }
        var offset = 0
        // SAFETY of the loads: each is bounds-checked by the library, and every bit pattern is a valid integer.
        while byteCount - offset >= 8 {
            let left = unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
            let right = unsafe other.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
            guard left == right else { return false }
            offset &+= 8
        }
        while offset < byteCount {
            guard bigEndian(at: offset, as: UInt8.self) == other.bigEndian(at: offset, as: UInt8.self) else {
                return false
            }
            offset &+= 1
        }
        return true
    }
}
