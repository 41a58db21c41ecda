internal import MeshBase
internal import MeshCrypto

/// How long to wait before a connection is made again: 0.5 s doubling to 30 s (DESIGN section 13).
struct ReconnectBackoff: Sendable {
    private static let millisecondsMin: UInt64 = 500
    private static let millisecondsMax: UInt64 = 30_000
    /// A connection that lasted this long was good: the next wait is short again.
    private static let settledMilliseconds: UInt64 = 10_000

    private var failures: UInt64 = 0

    /// A connection that was made at `openedAt` is gone, or, with `nil`, none could be made. Returns when to try again.
    mutating func lost(openedAt: Instant?, at now: Instant, entropy: inout EntropySource) -> Instant {
        if let openedAt, now.milliseconds(since: openedAt) >= Self.settledMilliseconds { failures = 0 }
        let base = min(Self.millisecondsMin << min(failures, 6), Self.millisecondsMax)
        failures += 1
        // Jitter of a half keeps the clients of a restarted relay from coming back all at once.
        return now.advanced(milliseconds: base / 2 + entropy.number(below: base / 2 + 1))
    }

    /// The connection was closed by choice.
    mutating func reset() { failures = 0 }
}
