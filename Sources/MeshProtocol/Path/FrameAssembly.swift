package import MeshBase
package import MeshWire

/// Joins the slices of a session's frames: all of a frame or nothing of it.
///
///     (nothing) --first slice--> in progress --last missing slice--> whole, delivered
///                                   | too many, too large together, older than 2 s; or a slice that contradicts the
///                                   | others: it overlaps one, or names another length
///                                   +--> dropped
package struct FrameAssembly: Sendable {
    /// Frames in progress. The slices of a frame follow one another, so more than a few are only there when slices are
    /// lost, or when paths of different length are in use at once.
    package static let framesMax = 32
    /// Bytes of frames in progress: twenty of a jumbo LAN.
    package static let byteCountMax = 256 * 1024
    /// Slices of a frame. The longest frame in records of the base size is 57; who cuts smaller wastes this node's time.
    package static let slicesMax = 64
    /// A slice whose frame began longer ago than any path delays a packet has no frame any more.
    package static let ageMillisecondsMax: UInt64 = 2_000

    private struct Partial: Sendable {
        let frameNumber: UInt32
        let beganAt: Instant
        var bytes: [UInt8]
        var ranges: [Range<Int>] = []
        var missingByteCount: Int

        mutating func store(_ slice: RawSpan, at range: Range<Int>) {
            ranges.append(range)
            missingByteCount -= range.count
            var mutable = bytes.mutableSpan
            var span = mutable.mutableRawBytes
            span.store(slice, at: range.lowerBound)
        }
    }

    private var partials: [Partial] = []
    /// Bytes of the frames in progress.
    package private(set) var byteCount = 0
    /// Frames that were joined.
    package private(set) var joinedCount: UInt64 = 0
    /// Frames that were begun and given up.
    package private(set) var droppedCount: UInt64 = 0

    package init() {}

    /// Frames in progress.
    package var partialCount: Int { partials.count }

    /// Takes the content of a record, a slice, after its kind byte.
    ///
    /// Throws `WireError` for a slice that is malformed or contradicts the others of its frame, which is dropped then.
    ///
    /// - Returns: the frame, when the slice was the last that was missing.
    package mutating func add(_ content: RawSpan, at now: Instant) throws(WireError) -> [UInt8]? {
        let slice = try FrameSlice(parsing: content)
        expire(at: now)
        let place = place(of: slice, at: now)
        guard partials[place].bytes.count == slice.frameByteCount, partials[place].ranges.count < Self.slicesMax,
            !partials[place].ranges.contains(where: { $0.overlaps(slice.range) })
        else {
            drop(place)
            throw .invalidField(.count)
        }
        partials[place].store(content.extracting(FrameSlice.headerByteCount..<content.byteCount), at: slice.range)
        guard partials[place].missingByteCount == 0 else { return nil }
        let whole = partials.remove(at: place)
        byteCount -= whole.bytes.count
        joinedCount += 1
        return whole.bytes
    }

    /// The place of the slice's frame; a new one takes the room of the oldest.
    private mutating func place(of slice: FrameSlice, at now: Instant) -> Int {
        // The frame in progress is nearly always the newest.
        if let known = partials.lastIndex(where: { $0.frameNumber == slice.frameNumber }) { return known }
        while !partials.isEmpty,
            partials.count >= Self.framesMax || byteCount + slice.frameByteCount > Self.byteCountMax
        {
            drop(0)
        }
        partials.append(
            Partial(
                frameNumber: slice.frameNumber, beganAt: now,
                bytes: [UInt8](repeating: 0, count: slice.frameByteCount), missingByteCount: slice.frameByteCount))
        byteCount += slice.frameByteCount
        return partials.count - 1
    }

    /// Forgets frames that began too long ago.
    package mutating func expire(at now: Instant) {
        while let oldest = partials.first,
            now >= oldest.beganAt.advanced(milliseconds: Self.ageMillisecondsMax)
        {
            drop(0)
        }
    }

    private mutating func drop(_ place: Int) {
        byteCount -= partials.remove(at: place).bytes.count
        droppedCount += 1
    }
}
