import MeshBase
import Testing

@Suite struct TokenBucketTests {
    private func instant(_ milliseconds: UInt64) -> Instant { Instant.zero.advanced(milliseconds: milliseconds) }

    /// The macro cannot call what changes its receiver.
    private func expect(_ isTaken: Bool, _ expected: Bool, at location: SourceLocation = #_sourceLocation) {
        #expect(isTaken == expected, sourceLocation: location)
    }

    @Test func aBurstPassesAndTheRateFollows() {
        var bucket = TokenBucket(perSecond: 10, burst: 2)
        let taken = [0, 0, 0, 99, 100, 100, 200].map { bucket.take(at: instant($0)) }
        #expect(taken == [true, true, false, false, true, false, true])
    }

    @Test func aRefusalTakesNothing() {
        var bucket = TokenBucket(perSecond: 1, burst: 3)
        expect(bucket.take(4, at: .zero), false)
        #expect(bucket.isFull(at: .zero))
        expect(bucket.take(3, at: .zero), true)
        #expect(!bucket.isFull(at: instant(2_999)))
        #expect(bucket.isFull(at: instant(3_000)))
    }

    @Test func aClockThatGoesBackGivesNothing() {
        var bucket = TokenBucket(perSecond: 1_000, burst: 1)
        expect(bucket.take(at: instant(10)), true)
        expect(bucket.take(at: instant(5)), false)
        expect(bucket.take(at: instant(10)), false)
        expect(bucket.take(at: instant(11)), true)
    }

    @Test func hugeRatesAndPausesSaturate() {
        var bucket = TokenBucket(perSecond: .max, burst: .max)
        expect(bucket.take(1 << 33, at: Instant(nanoseconds: .max)), true)
        expect(bucket.take(1 << 33, at: Instant(nanoseconds: .max)), true)
        expect(bucket.take(1 << 33, at: Instant(nanoseconds: .max)), false)
    }
}
