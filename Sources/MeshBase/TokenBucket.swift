/// Lets events through at a steady rate after a burst.
public struct TokenBucket: Sendable {
    private let perSecond: Double
    private let burst: Double
    private var tokens: Double
    private var refilledAt: Instant?

    /// A full bucket that refills with `perSecond` tokens a second and holds at most `burst`.
    public init(perSecond: Double, burst: Double) {
        self.perSecond = perSecond
        self.burst = burst
        tokens = burst
    }

    /// Takes `count` tokens. Returns `false` and takes none when there are fewer.
    public mutating func take(_ count: Double = 1, at now: Instant) -> Bool {
        if let refilledAt { tokens = min(burst, tokens + Double(now.nanoseconds(since: refilledAt)) / 1e9 * perSecond) }
        refilledAt = now
        guard tokens >= count else { return false }
        tokens -= count
        return true
    }
}
