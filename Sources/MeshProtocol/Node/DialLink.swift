internal import MeshBase
internal import MeshCrypto

/// The direct connection to a peer whose address is configured.
///
///     waiting --time--> dialling --opened--> open
///        ^                 | failed            | closed
///        +-----------------+-------------------+   0.5 s doubling to 30 s, with jitter
struct DialLink: Sendable {
    /// As for relays (DESIGN section 13).
    private static let backoffMillisecondsMin: UInt64 = 500
    private static let backoffMillisecondsMax: UInt64 = 30_000
    /// A connection that lasted this long was good: the next back-off starts anew.
    private static let settledMilliseconds: UInt64 = 10_000

    private enum State: Sendable {
        case waiting(until: Instant)
        case dialling
        case open(since: Instant)
    }

    private var state: State
    private var failures: UInt64 = 0

    init(at now: Instant) { state = .waiting(until: now) }

    var deadline: Instant? {
        if case .waiting(let until) = state { until } else { nil }
    }

    /// Whether to dial now.
    mutating func timedOut(at now: Instant) -> Bool {
        guard case .waiting(let until) = state, now >= until else { return false }
        state = .dialling
        return true
    }

    mutating func opened(at now: Instant) { state = .open(since: now) }

    mutating func lost(at now: Instant, entropy: inout EntropySource) {
        switch state {
        case .waiting: return
        case .open(let since) where now.milliseconds(since: since) >= Self.settledMilliseconds: failures = 0
        case .open, .dialling: break
        }
        let base = min(Self.backoffMillisecondsMin << min(failures, 6), Self.backoffMillisecondsMax)
        failures += 1
        state = .waiting(until: now.advanced(milliseconds: base / 2 + entropy.number(below: base / 2 + 1)))
    }
}
