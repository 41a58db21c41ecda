package import MeshBase

/// A token bucket for each source of datagrams, in a table of bounded size.
///
/// A source is an `IPAddress.network`. When the table is full of sources that are still
/// draining, all further ones share one bucket.
package struct SourceRateLimiter {
    private let full: TokenBucket
    private let sourcesMax: Int
    private var buckets: [IPAddress: TokenBucket] = [:]
    private var overflow: TokenBucket
    private var lastSweep = Instant.zero

    /// Makes a limiter that lets `perSecond` datagrams of each source through, and `burst` at once.
    package init(perSecond: Int, burst: Int, sourcesMax: Int) {
        full = TokenBucket(perSecond: UInt64(perSecond), burst: UInt64(burst))
        self.sourcesMax = sourcesMax
        overflow = full
    }

    /// How many sources are in the table.
    package var sourceCount: Int { buckets.count }

    /// Whether one more datagram of this source may pass now.
    package mutating func admit(_ address: IPAddress, at now: Instant) -> Bool {
        let source = address.network
        if buckets[source] == nil {
            if buckets.count >= sourcesMax { sweep(at: now) }
            guard buckets.count < sourcesMax else { return overflow.take(at: now) }
        }
        return buckets[source, default: full].take(at: now)
    }

    /// Forgets the sources whose bucket is full again, as if they had never been; at most once a second, since it
    /// looks at all of them.
    private mutating func sweep(at now: Instant) {
        guard now.milliseconds(since: lastSweep) >= 1_000 || lastSweep == .zero else { return }
        lastSweep = now
        buckets = buckets.filter { !$0.value.isFull(at: now) }
    }
}
