package import MeshBase

/// A token bucket for each source of datagrams, in a table of bounded size.
///
/// A source is an IPv4 address or the /64 prefix of an IPv6 address. When the table is full of sources that are still
/// draining, all further ones share one bucket.
package struct SourceRateLimiter {
    private struct Bucket {
        /// Nanoseconds' worth of credit.
        var credit: UInt64
        var updated: Instant
    }

    private let nanosecondsPerToken: UInt64
    private let creditMax: UInt64
    private let sourcesMax: Int
    private var buckets: [[UInt8]: Bucket] = [:]
    private var overflow: Bucket
    private var lastSweep = Instant.zero

    /// Makes a limiter that lets `perSecond` datagrams of each source through, and `burst` at once.
    package init(perSecond: Int, burst: Int, sourcesMax: Int) {
        nanosecondsPerToken = 1_000_000_000 / UInt64(perSecond)
        creditMax = nanosecondsPerToken * UInt64(burst)
        self.sourcesMax = sourcesMax
        overflow = Bucket(credit: creditMax, updated: .zero)
    }

    /// How many sources are in the table.
    package var sourceCount: Int { buckets.count }

    /// Whether one more datagram of this source may pass now.
    package mutating func admit(_ address: IPAddress, at now: Instant) -> Bool {
        let source = address.isVersion6 ? Array(address.bytes.prefix(8)) : address.bytes
        if let bucket = buckets[source] {
            var bucket = bucket
            let isAdmitted = take(from: &bucket, at: now)
            buckets[source] = bucket
            return isAdmitted
        }
        if buckets.count >= sourcesMax { sweep(at: now) }
        guard buckets.count < sourcesMax else { return take(from: &overflow, at: now) }
        var bucket = Bucket(credit: creditMax, updated: now)
        let isAdmitted = take(from: &bucket, at: now)
        buckets[source] = bucket
        return isAdmitted
    }

    private func take(from bucket: inout Bucket, at now: Instant) -> Bool {
        // The credit is at most `creditMax`, and the time that passed is cut to it: the sum cannot overflow.
        bucket.credit = min(creditMax, bucket.credit + min(creditMax, now.nanoseconds(since: bucket.updated)))
        bucket.updated = now
        guard bucket.credit >= nanosecondsPerToken else { return false }
        bucket.credit -= nanosecondsPerToken
        return true
    }

    /// Forgets the sources whose bucket is full again, as if they had never been; at most once a second, since it
    /// looks at all of them.
    private mutating func sweep(at now: Instant) {
        guard now.milliseconds(since: lastSweep) >= 1_000 || lastSweep == .zero else { return }
        lastSweep = now
        buckets = buckets.filter { now.nanoseconds(since: $0.value.updated) < creditMax - $0.value.credit }
    }
}
