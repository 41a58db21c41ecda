/// How many bytes may wait in a queue: few in the long run, more for a while when that has not happened lately and they will be
/// gone soon.
///
///     (short) --- `standingByteCount` is reached ---> (burst) --- `nanoseconds` later ---> (held)
///        ^                                              |                                    |
///        '------ not reached for `nanoseconds` ---------'------------------------------------'
///
/// A burst passes, and is worth taking whole; a queue that is always long only adds to the delay of all that passes (RFC 8289,
/// section 3.1: good queue, bad queue). In a burst no more may wait than what lately left in `delayNanoseconds`: what answers
/// signs of life must not be late because of it. A queue that was not asked for was short as well.
public struct BurstLimit: Sendable {
    /// Bytes are counted for as long before their rate is known: a round trip around the world, since TCP sends a window at once.
    private static let rateNanoseconds: UInt64 = 250_000_000
    /// A rate is of no use later: the network may be another.
    private static let rateNanosecondsMax: UInt64 = 2_000_000_000

    private let standingByteCount: Int
    private let burstByteCount: Int
    private let nanoseconds: UInt64
    private let delayNanoseconds: UInt64
    private var reachedFirstAt: Instant?
    private var reachedLastAt = Instant.zero
    private var addedByteCount = 0
    /// When counting began, and how many bytes had left by then.
    private var counted = (since: Instant.zero, byteCount: 0)
    private var bytesPerSecond = 0

    /// Limits a queue to `standingByteCount`, and to `burstByteCount` during the first `nanoseconds` after it reached that, if
    /// at the rate of late no byte will wait for `delayNanoseconds` then.
    public init(standingByteCount: Int, burstByteCount: Int, nanoseconds: UInt64, delayNanoseconds: UInt64) {
        self.standingByteCount = standingByteCount
        self.burstByteCount = burstByteCount
        self.nanoseconds = nanoseconds
        self.delayNanoseconds = delayNanoseconds
    }

    /// So many bytes were put into the queue.
    public mutating func added(byteCount: Int) { addedByteCount &+= byteCount }

    /// Whether a queue in which `waitingByteCount` wait takes more.
    public mutating func hasRoom(waitingByteCount: Int, at now: Instant) -> Bool {
        count(waitingByteCount: waitingByteCount, at: now)
        guard waitingByteCount >= standingByteCount else { return true }
        var first = reachedFirstAt ?? now
        if now.nanoseconds(since: reachedLastAt) >= nanoseconds { first = now }
        reachedFirstAt = first
        reachedLastAt = now
        guard waitingByteCount < burstByteCount, now.nanoseconds(since: first) < nanoseconds else { return false }
        return Double(waitingByteCount) * 1e9 < Double(bytesPerSecond) * Double(delayNanoseconds)
    }

    /// Takes the rate at which bytes left, again and again. The highest is forgotten by and by: a sender that has little to send
    /// does not show what the network takes. That none left may mean that nobody has looked yet, so this time counts, too.
    private mutating func count(waitingByteCount: Int, at now: Instant) {
        let elapsed = now.nanoseconds(since: counted.since)
        guard elapsed >= Self.rateNanoseconds else { return }
        if elapsed >= Self.rateNanosecondsMax { bytesPerSecond = 0 }
        let byteCount = addedByteCount &- waitingByteCount
        let leftByteCount = byteCount &- counted.byteCount
        guard leftByteCount > 0 || waitingByteCount == 0 else { return }
        for _ in 0..<min(elapsed, Self.rateNanosecondsMax) / Self.rateNanoseconds {
            bytesPerSecond -= bytesPerSecond / 8
        }
        bytesPerSecond = max(bytesPerSecond, Int(Double(max(0, leftByteCount)) * 1e9 / Double(elapsed)))
        counted = (now, byteCount)
    }
}
