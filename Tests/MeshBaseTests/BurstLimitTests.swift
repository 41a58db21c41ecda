import MeshBase
import Testing

@Suite struct BurstLimitTests {
    private static let start = Instant.zero.advanced(milliseconds: 60_000)

    private func unknown() -> BurstLimit {
        BurstLimit(
            standingByteCount: 100, burstByteCount: 8_000, nanoseconds: 1_000_000_000, delayNanoseconds: 500_000_000)
    }

    /// A queue that took 10,000 bytes a second for half a second, at the end of which it was empty: 5,000 are gone in 500 ms.
    private func known() -> BurstLimit {
        var limit = unknown()
        for milliseconds: UInt64 in [0, 250, 500] {
            _ = limit.hasRoom(
                waitingByteCount: 0, at: Instant.zero.advanced(milliseconds: 59_500 + milliseconds))
            limit.added(byteCount: 2_500)
        }
        return limit
    }

    /// Whether a queue of each of these lengths, in this order, takes more.
    private func hasRoom(
        _ queue: [(waitingByteCount: Int, milliseconds: UInt64)], in start: BurstLimit? = nil
    ) -> [Bool] {
        var limit = start ?? known()
        return queue.map {
            limit.hasRoom(waitingByteCount: $0.waitingByteCount, at: Self.start.advanced(milliseconds: $0.milliseconds))
        }
    }

    @Test func aQueueThatWasShortTakesABurst() {
        #expect(hasRoom([(99, 0), (100, 0), (799, 1), (799, 999)]) == [true, true, true, true])
    }

    @Test func noMoreWaitsThanLeavesSoon() {
        #expect(hasRoom([(100, 0), (4_999, 1), (5_000, 2), (4_999, 3)]) == [true, true, false, true])
    }

    @Test func noBurstIsLargerThanItsLimit() {
        var limit = known()
        limit.added(byteCount: 100_000)
        #expect(hasRoom([(100, 250), (7_999, 251), (8_000, 252)], in: limit) == [true, true, false])
    }

    @Test func aQueueOfWhichNothingIsKnownTakesNoBurst() {
        #expect(hasRoom([(99, 0), (100, 0)], in: unknown()) == [true, false])
    }

    @Test func aRateIsForgottenByAndBy() {
        // 10,000 a second, less an eighth seven times: 1,963 in 500 ms.
        #expect(hasRoom([(0, 1_900), (1_960, 1_901), (1_970, 1_902)]) == [true, true, false])
    }

    @Test func bytesWhoseLeavingIsSeenLateDoNotMakeAHighRate() {
        var limit = BurstLimit(
            standingByteCount: 1_000, burstByteCount: 8_000, nanoseconds: 1_000_000_000, delayNanoseconds: 500_000_000)
        _ = limit.hasRoom(waitingByteCount: 0, at: Self.start)
        limit.added(byteCount: 900)
        let seen: [(waitingByteCount: Int, milliseconds: UInt64)] = [
            (900, 250), (900, 500), (900, 750), (900, 1_000), (900, 1_250), (0, 1_500), (1_000, 1_501),
        ]
        #expect(hasRoom(seen, in: limit).last == false)
    }

    @Test func anOldRateCountsForNothing() {
        #expect(hasRoom([(0, 0), (2_500, 2_001), (700, 2_002)]) == [true, false, false])
    }

    @Test func aQueueThatStaysLongIsHeldShort() {
        #expect(
            hasRoom([(100, 0), (500, 100), (500, 1000), (100, 1001), (99, 1001), (100, 1900), (100, 2800)])
                == [true, true, false, false, true, false, false])
    }

    @Test func aQueueThatWasNotLongForAsLongTakesAnotherBurst() {
        #expect(
            hasRoom([(100, 0), (100, 1000), (99, 1500), (100, 1999), (99, 2500), (100, 2999), (799, 3000)])
                == [true, true, true, true, true, true, true])
        #expect(hasRoom([(100, 0), (100, 999), (100, 1998), (100, 2998)]) == [true, true, false, true])
    }
}
