import MeshBase
import Testing

@Suite struct BurstLimitTests {
    private static let start = Instant.zero.advanced(milliseconds: 60_000)

    /// Whether a queue of each of these lengths, in this order, takes more.
    private func hasRoom(_ queue: [(waitingByteCount: Int, milliseconds: UInt64)]) -> [Bool] {
        var limit = BurstLimit(standingByteCount: 100, burstByteCount: 800, nanoseconds: 1_000_000_000)
        return queue.map {
            limit.hasRoom(waitingByteCount: $0.waitingByteCount, at: Self.start.advanced(milliseconds: $0.milliseconds))
        }
    }

    @Test func aQueueThatWasShortTakesABurst() {
        #expect(hasRoom([(99, 0), (100, 5000), (799, 5001), (799, 5999)]) == [true, true, true, true])
    }

    @Test func noBurstIsLargerThanItsLimit() {
        #expect(hasRoom([(100, 0), (800, 0), (799, 1)]) == [true, false, true])
    }

    @Test func aQueueThatStaysLongIsHeldShort() {
        #expect(
            hasRoom([(100, 0), (500, 500), (500, 1000), (100, 1001), (99, 1001), (100, 1900), (100, 2800)])
                == [true, true, false, false, true, false, false])
    }

    @Test func aQueueThatWasShortAgainForAsLongTakesAnotherBurst() {
        #expect(
            hasRoom([(100, 0), (100, 1000), (99, 1500), (100, 1999), (99, 2500), (100, 2999), (799, 3000)])
                == [true, true, true, true, true, true, true])
        #expect(hasRoom([(100, 0), (100, 999), (100, 1998), (100, 2998)]) == [true, true, false, true])
    }
}
