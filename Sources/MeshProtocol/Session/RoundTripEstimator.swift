/// Smoothed round-trip time and time-out (RFC 6298), in nanoseconds.
public struct RoundTripEstimator: Sendable, Equatable {
    /// RFC 6298 section 2.1 starts at 1 s.
    private static let initialTimeoutNanoseconds: UInt64 = 1_000_000_000
    /// Below RFC 6298's 1 s, as QUIC and TCP in practice: a relay is at most a few hundred milliseconds away.
    private static let timeoutNanosecondsMin: UInt64 = 200_000_000
    /// RFC 6298 section 2.5 allows any bound of at least 60 s; a path is given up long before.
    private static let timeoutNanosecondsMax: UInt64 = 8_000_000_000
    /// A host that slept answers late: that says nothing about the path, and no sum below may overflow.
    private static let sampleNanosecondsMax: UInt64 = 60_000_000_000

    /// Smoothed round-trip time; `nil` before the first sample.
    public private(set) var smoothedNanoseconds: UInt64?
    private var variationNanoseconds: UInt64 = 0
    private var backoff: UInt64 = 0

    /// An estimator without samples.
    public init() {}

    /// Takes a measured round trip.
    public mutating func sample(nanoseconds measured: UInt64) {
        let nanoseconds = min(measured, Self.sampleNanosecondsMax)
        backoff = 0
        guard let smoothed = smoothedNanoseconds else {
            smoothedNanoseconds = nanoseconds
            variationNanoseconds = nanoseconds / 2
            return
        }
        let difference = smoothed > nanoseconds ? smoothed - nanoseconds : nanoseconds - smoothed
        variationNanoseconds = (3 * variationNanoseconds + difference) / 4
        smoothedNanoseconds = (7 * smoothed + nanoseconds) / 8
    }

    /// Doubles the time-out until the next sample (RFC 6298 section 5.5).
    public mutating func backOff() { backoff = min(backoff + 1, 6) }

    /// After this long without an answer a path in use is suspect (DESIGN section 13).
    var suspicionNanoseconds: UInt64 {
        max(3 * (smoothedNanoseconds ?? 0) + 4 * variationNanoseconds, Self.timeoutNanosecondsMin)
    }

    /// How long to wait for an answer.
    public var timeoutNanoseconds: UInt64 {
        guard let smoothedNanoseconds else {
            return min(Self.initialTimeoutNanoseconds << backoff, Self.timeoutNanosecondsMax)
        }
        let base = max(smoothedNanoseconds + 4 * variationNanoseconds, Self.timeoutNanosecondsMin)
        return min(base << backoff, Self.timeoutNanosecondsMax)
    }
}
