/// Lets events through at a steady rate after a burst.
///
/// Credit is kept in billionths of a token, so that refilling is exact and needs no division.
public struct TokenBucket: Sendable {
    private static let creditPerToken: UInt64 = 1_000_000_000
    private let perSecond: UInt64
    private let creditMax: UInt64
    private var credit: UInt64
    private var refilledAt = Instant.zero

    /// A full bucket that refills with `perSecond` tokens a second and holds at most `burst`; more than 1.8 * 10^10
    /// count as that.
    public init(perSecond: UInt64, burst: UInt64) {
        self.perSecond = perSecond
        creditMax = Self.saturatingProduct(burst, Self.creditPerToken)
        credit = creditMax
    }

    /// Takes `count` tokens. Returns `false` and takes none when there are fewer.
    public mutating func take(_ count: UInt64 = 1, at now: Instant) -> Bool {
        credit = credit(at: now)
        // A clock that went back gives nothing, then or when it catches up.
        refilledAt = max(refilledAt, now)
        let price = Self.saturatingProduct(count, Self.creditPerToken)
        guard credit >= price else { return false }
        credit -= price
        return true
    }

    /// Whether the bucket holds a whole burst, as if it were new.
    public func isFull(at now: Instant) -> Bool { credit(at: now) == creditMax }

    private func credit(at now: Instant) -> UInt64 {
        let refill = Self.saturatingProduct(now.nanoseconds(since: refilledAt), perSecond)
        let (sum, overflowed) = credit.addingReportingOverflow(refill)
        return overflowed ? creditMax : min(sum, creditMax)
    }

    private static func saturatingProduct(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let (product, overflowed) = left.multipliedReportingOverflow(by: right)
        return overflowed ? .max : product
    }
}
