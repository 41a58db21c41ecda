package import MeshBase

/// When a relay signs its word on its TLS key anew: every hour, and at once when the clock was set.
///
/// The word holds for 30 days from the wall clock's time, which may be wrong when a host starts; a client refuses one
/// that has expired or that holds for too long.
package struct StatementSchedule: Sendable {
    /// Clients allow for an error of a day; an hour is far inside it.
    private static let secondsMax: UInt64 = 3_600

    private var signedAt: Instant
    private var wallClockSeconds: UInt64

    /// A statement was signed now.
    package init(signedAt now: Instant, wallClockSeconds: UInt64) {
        signedAt = now
        self.wallClockSeconds = wallClockSeconds
    }

    /// Whether it is time to sign another.
    package func isDue(at now: Instant, wallClockSeconds: UInt64) -> Bool {
        let elapsed = now.milliseconds(since: signedAt) / 1000
        let expected = self.wallClockSeconds + elapsed
        let moved = max(expected, wallClockSeconds) - min(expected, wallClockSeconds)
        return elapsed >= Self.secondsMax || moved > Self.secondsMax
    }
}
