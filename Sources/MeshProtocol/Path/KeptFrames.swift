internal import MeshBase

/// Sealed frames that went by a path in doubt while there was no other to send copies by.
///
///     empty --frame sealed, path in doubt, no relay--> keeping --relay open, or the path well and frames missing--> sending
///       ^                                                 |                                                            |
///       +----- the path is well and nothing missing ------+                     all sent, or too old ------------------+
///
/// They are sent in order, as fast as their carrier takes them; what is sealed meanwhile queues behind. The peer's replay
/// window drops what came by both paths.
struct KeptFrames: Sendable {
    /// What a relay queues for a pair (DESIGN section 13): 1.6 s of 20 Mbit/s.
    static let byteCountMax = 4 * 1024 * 1024
    /// The longest outage that is bridged, 1.5 s, and room. Whoever sent an older frame has sent it again, or has no more
    /// use for it.
    static let millisecondsMax: UInt64 = 2_000
    /// Added to each frame's size: what keeping it costs, so that tiny frames cannot cost many times the limit.
    static let frameOverheadByteCount = 64

    private struct Kept: Sendable {
        var record: [UInt8]
        var keptAt: Instant
    }

    /// Those before `first` are gone.
    private var frames: [Kept] = []
    private var first = 0
    /// Bytes that are kept, overhead included.
    private(set) var byteCount = 0

    var isEmpty: Bool { first == frames.count }

    /// Keeps a record; the oldest make room for it.
    mutating func append(_ record: [UInt8], at now: Instant) {
        frames.append(Kept(record: record, keptAt: now))
        byteCount += record.count + Self.frameOverheadByteCount
        while byteCount > Self.byteCountMax { _ = removeFirst() }
    }

    /// Takes the oldest record that is not too old.
    mutating func next(at now: Instant) -> [UInt8]? {
        expire(at: now)
        return isEmpty ? nil : removeFirst()
    }

    /// Forgets what is too old.
    mutating func expire(at now: Instant) {
        while !isEmpty, now.milliseconds(since: frames[first].keptAt) > Self.millisecondsMax { _ = removeFirst() }
    }

    /// Forgets everything.
    mutating func removeAll() { self = KeptFrames() }

    private mutating func removeFirst() -> [UInt8] {
        let record = frames[first].record
        byteCount -= record.count + Self.frameOverheadByteCount
        frames[first].record = []
        first += 1
        // Half of the list is empty: moving the rest costs as much as has been taken.
        if first * 2 >= frames.count {
            frames.removeFirst(first)
            first = 0
        }
        return record
    }
}
