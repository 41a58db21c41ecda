/// How many bytes may wait in a queue: few in the long run, more for a while when that has not happened lately.
///
///     (short) --- `standingByteCount` is reached ---> (burst) --- `nanoseconds` later ---> (held)
///        ^                                              |                                    |
///        '------ not reached for `nanoseconds` ---------'------------------------------------'
///
/// A burst passes, and is worth taking whole; a queue that is always long only adds to the delay of all that passes (RFC 8289,
/// section 3.1: good queue, bad queue).
public struct BurstLimit: Sendable {
    private let standingByteCount: Int
    private let burstByteCount: Int
    private let nanoseconds: UInt64
    private var reachedFirstAt: Instant?
    private var reachedLastAt = Instant.zero

    /// Limits a queue to `standingByteCount`, and to `burstByteCount` during the first `nanoseconds` after it reached that.
    public init(standingByteCount: Int, burstByteCount: Int, nanoseconds: UInt64) {
        self.standingByteCount = standingByteCount
        self.burstByteCount = burstByteCount
        self.nanoseconds = nanoseconds
    }

    /// Whether a queue in which `waitingByteCount` wait takes more.
    public mutating func hasRoom(waitingByteCount: Int, at now: Instant) -> Bool {
        guard waitingByteCount >= standingByteCount else { return true }
        var first = reachedFirstAt ?? now
        if now.nanoseconds(since: reachedLastAt) >= nanoseconds { first = now }
        reachedFirstAt = first
        reachedLastAt = now
        return waitingByteCount < burstByteCount && now.nanoseconds(since: first) < nanoseconds
    }
}
