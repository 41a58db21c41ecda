/// A point in time on the host's boot-time clock, which also runs while the host sleeps.
///
/// Unit: nanoseconds since boot (`CLOCK_BOOTTIME`, clock_gettime(2)). Never wall-clock time.
public struct Instant: Comparable, Hashable, Sendable {
    /// Nanoseconds since boot.
    public var nanoseconds: UInt64

    /// Makes an instant from nanoseconds since boot.
    @inlinable
    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// The earliest instant.
    public static let zero = Instant(nanoseconds: 0)

    /// Whether `left` is before `right`.
    @inlinable
    public static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

    /// The instant `milliseconds` later; saturates instead of wrapping.
    @inlinable
    public func advanced(milliseconds: UInt64) -> Instant {
        let (delta, overflowed) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
        guard !overflowed else { return Instant(nanoseconds: .max) }
        return advanced(nanoseconds: delta)
    }

    /// The instant `nanoseconds` later; saturates instead of wrapping.
    @inlinable
    public func advanced(nanoseconds delta: UInt64) -> Instant {
        let (sum, overflowed) = nanoseconds.addingReportingOverflow(delta)
        return Instant(nanoseconds: overflowed ? .max : sum)
    }

    /// Nanoseconds from `earlier` to this instant; 0 when `earlier` is later.
    @inlinable
    public func nanoseconds(since earlier: Instant) -> UInt64 {
        nanoseconds > earlier.nanoseconds ? nanoseconds &- earlier.nanoseconds : 0
    }

    /// Whole milliseconds from `earlier` to this instant; 0 when `earlier` is later.
    @inlinable
    public func milliseconds(since earlier: Instant) -> UInt64 { nanoseconds(since: earlier) / 1_000_000 }
}
