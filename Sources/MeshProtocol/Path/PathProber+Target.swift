internal import MeshBase
internal import MeshWire

extension PathProber {
    /// A challenge that was sent and not answered yet.
    struct Outstanding: Sendable {
        var challenge: UInt64
        var sentAt: Instant
        /// Bytes of the record.
        var byteCount: Int
    }

    /// An address and what is known of it.
    struct Target: Sendable {
        let endpoint: Endpoint
        let pathID: UInt32
        /// How the peer learned of it; `nil`: this node learned it from what came.
        var source: Candidate.Source?
        var sentCount = 0
        var nextAt: Instant?
        var outstanding: [Outstanding] = []
        var validAt: Instant?
        var roundTripNanoseconds: UInt64 = 0
        /// Bytes that came from an address minus bytes sent to it.
        var credit = 0
        var hasAnsweredLast = false
        /// Whether it answered a challenge of this attempt.
        var isProvenAnew = false
        /// When it last answered a challenge.
        var answeredAt: Instant?
        /// Whether the peer has challenged this node from there: then both sides know the path.
        var wasChallenged = false
        var blockedUntil: Instant?
        var size: PathSizeSearch
        /// Whether it was blocked and has not answered since: what was proven before says nothing any more.
        var isDoubted = false
        var isNamed: Bool { source != nil }

        mutating func sent(_ challenge: UInt64, byteCount: Int, at now: Instant) {
            if outstanding.count >= PathProber.outstandingMax { outstanding.removeFirst() }
            outstanding.append(Outstanding(challenge: challenge, sentAt: now, byteCount: byteCount))
        }
    }
}
