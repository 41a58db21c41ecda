package import MeshBase

/// Looks for the longest record that a UDP path carries, after RFC 8899: the names of its constants are in brackets.
///
///     unproven --a challenge of the base size answered--> searching --the largest answered------------> complete
///                                                         |  ^    |                                        |
///          answered: it is proven, the next is larger; ---+  |    +--bounds 16 bytes apart--> complete --+ |
///          lost three times: the next is smaller             |                                           | |
///                                                            +-- 10 min, and at once at a black hole ----+-+
///
/// The first probe has the size that the largest frame needs, so that an ordinary path is searched in one round trip;
/// the next ones halve what is left. A black hole brings the base size back, and the search begins anew.
package struct PathSizeSearch: Sendable {
    /// RFC 8899 section 5.1.2 (BASE_PLPMTU): nearly every path carries it, also through tunnels.
    package static let baseByteCount = 1_200
    /// RFC 8899 section 5.1.2 (MAX_PROBES).
    package static let probesMax = 3
    /// RFC 8899 section 5.1.1 (PROBE_TIMER): not below 1 s.
    package static let probeMilliseconds: UInt64 = 1_000
    /// RFC 8899 section 5.1.1 (PMTU_RAISE_TIMER).
    package static let raiseMilliseconds: UInt64 = 600_000
    /// Knowing it better spares no slice of a frame that has to be cut anyway.
    package static let granularityByteCount = 16
    /// After a second black hole within the time of `raiseMilliseconds` the search waits, each time twice as long: a
    /// path may carry challenges and not frames of their size.
    private static let holdMillisecondsMin: UInt64 = 1_000

    private enum State: Sendable {
        case unproven
        case searching(byteCount: Int, sentCount: Int, nextAt: Instant)
        case complete(raiseAt: Instant?)
    }

    /// What the largest frame needs.
    package let largestByteCount: Int
    /// The size at which a path can be used.
    package let firstByteCount: Int
    /// What is proven; 0 when nothing is.
    package private(set) var provenByteCount = 0
    private var state = State.unproven
    /// The smallest size that is taken for lost.
    private var lostByteCount: Int
    private var blackHoleCount: UInt64 = 0
    private var lastBlackHoleAt: Instant?

    package init(largestByteCount: Int) {
        self.largestByteCount = largestByteCount
        firstByteCount = min(Self.baseByteCount, largestByteCount)
        lostByteCount = largestByteCount + 1
    }

    /// When `timedOut` has something to do.
    package var deadline: Instant? {
        switch state {
        case .unproven: nil
        case .searching(_, _, let nextAt): nextAt
        case .complete(let raiseAt): raiseAt
        }
    }

    /// Whether nothing larger is looked for now.
    package var isComplete: Bool { if case .complete = state { true } else { false } }

    /// A challenge of `byteCount` bytes was answered. Returns whether more is proven now than before.
    package mutating func proved(_ byteCount: Int, at now: Instant) -> Bool {
        guard byteCount > provenByteCount else { return false }
        provenByteCount = byteCount
        if lostByteCount <= byteCount { lostByteCount = largestByteCount + 1 }
        proceed(at: now)
        return true
    }

    /// The size of the probe to be sent now; `nil` for none.
    package mutating func timedOut(at now: Instant) -> Int? {
        if case .complete(let raiseAt?) = state, now >= raiseAt {
            lostByteCount = largestByteCount + 1
            proceed(at: now)
        }
        guard case .searching(let lost, let sentCount, let nextAt) = state, now >= nextAt else { return nil }
        if sentCount >= Self.probesMax {
            lostByteCount = lost
            proceed(at: now)
        }
        guard case .searching(let byteCount, let sentCount, _) = state else { return nil }
        state = .searching(
            byteCount: byteCount, sentCount: sentCount + 1,
            nextAt: now.advanced(milliseconds: Self.probeMilliseconds))
        return byteCount
    }

    /// The peer has come to know the path only now, and may not have been free to answer before: asks again at once.
    package mutating func repeatProbe(at now: Instant) {
        if case .searching(let byteCount, 1, _) = state {
            state = .searching(byteCount: byteCount, sentCount: 1, nextAt: now)
        }
    }

    /// Nothing may be sent now: the search goes on later.
    package mutating func postpone(at now: Instant) {
        state = .complete(raiseAt: now.advanced(milliseconds: Self.raiseMilliseconds))
    }

    /// This host's kernel does not send records of this size there: they are longer than the interface's MTU.
    package mutating func refused(_ byteCount: Int, at now: Instant) {
        if byteCount <= provenByteCount {
            // Below the base size there is nothing to go back to: liveness judges such a path.
            guard byteCount > firstByteCount else { return }
            provenByteCount = firstByteCount
        } else {
            guard case .searching(let probed, _, _) = state, probed >= byteCount else { return }
        }
        lostByteCount = min(lostByteCount, byteCount)
        proceed(at: now)
    }

    /// Records longer than the base size get lost while shorter ones arrive.
    package mutating func foundBlackHole(at now: Instant) {
        let isNew = lastBlackHoleAt.map { now >= $0.advanced(milliseconds: Self.raiseMilliseconds) } ?? true
        blackHoleCount = isNew ? 0 : blackHoleCount + 1
        lastBlackHoleAt = now
        provenByteCount = firstByteCount
        lostByteCount = largestByteCount + 1
        var hold: UInt64 = 0
        if blackHoleCount > 0 {
            hold = min(Self.holdMillisecondsMin << min(blackHoleCount - 1, 10), Self.raiseMilliseconds)
        }
        state = .searching(byteCount: largestByteCount, sentCount: 0, nextAt: now.advanced(milliseconds: hold))
    }

    /// The path has to be proven again.
    package mutating func reset() {
        provenByteCount = 0
        lostByteCount = largestByteCount + 1
        state = .unproven
    }

    private mutating func proceed(at now: Instant) {
        if provenByteCount >= largestByteCount {
            state = .complete(raiseAt: nil)
        } else if lostByteCount - provenByteCount <= Self.granularityByteCount {
            state = .complete(raiseAt: now.advanced(milliseconds: Self.raiseMilliseconds))
        } else {
            let next = lostByteCount > largestByteCount ? largestByteCount : (provenByteCount + lostByteCount) / 2
            state = .searching(byteCount: next, sentCount: 0, nextAt: now)
        }
    }
}
