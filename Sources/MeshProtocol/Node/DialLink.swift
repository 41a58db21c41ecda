internal import MeshBase
internal import MeshCrypto

/// The direct connection to a peer whose address is configured.
///
///     waiting --time--> dialling --opened--> open
///        ^                 | failed            | closed
///        +-----------------+-------------------+   as ReconnectBackoff says
struct DialLink: Sendable {
    /// As long as the longest back-off: the better path may be gone by then.
    private static let restMilliseconds: UInt64 = 30_000

    private enum State: Sendable {
        case waiting(until: Instant)
        case dialling
        case open(since: Instant)
    }

    private var state: State
    private var backoff = ReconnectBackoff()

    init(at now: Instant) { state = .waiting(until: now) }

    var deadline: Instant? {
        if case .waiting(let until) = state { until } else { nil }
    }

    /// The peer is reached by a better path: it is not dialled for a while.
    mutating func rest(at now: Instant) {
        guard case .waiting(let until) = state, now >= until else { return }
        state = .waiting(until: now.advanced(milliseconds: Self.restMilliseconds))
    }

    /// Whether to dial now.
    mutating func timedOut(at now: Instant) -> Bool {
        guard case .waiting(let until) = state, now >= until else { return false }
        state = .dialling
        return true
    }

    mutating func opened(at now: Instant) { state = .open(since: now) }

    mutating func lost(at now: Instant, entropy: inout EntropySource) {
        let openedAt: Instant?
        switch state {
        case .waiting: return
        case .open(let since): openedAt = since
        case .dialling: openedAt = nil
        }
        state = .waiting(until: backoff.lost(openedAt: openedAt, at: now, entropy: &entropy))
    }
}
