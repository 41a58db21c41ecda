import MeshBase
import MeshCrypto
import MeshProtocol
import Testing

@Suite struct ReplayWindowTests {
    @Test func eachCounterIsTakenOnce() {
        let window = Window()
        for counter in [0, 1, 63, 64, 65, 2, 1_000] as [UInt64] {
            #expect(window.insert(counter))
            #expect(!window.insert(counter))
        }
    }

    @Test func theWindowEndsExactly65536BehindTheHighest() {
        for highest in [65_536, 65_599, 65_600, 131_071, 1_000_003, UInt64(1) << 40] {
            let window = Window()
            let first = window.insert(highest)
            let tooOld = window.insert(highest - 65_536)
            let oldest = window.insert(highest - 65_535)
            let again = window.insert(highest - 65_535)
            #expect(first && !tooOld && oldest && !again, "\(highest)")
        }
    }

    @Test func aJumpBeyondTheWindowForgetsNothingThatCouldComeAgain() {
        let window = Window()
        for counter in 0..<200 as Range<UInt64> { _ = window.insert(counter) }
        #expect(window.insert(200 + 70_000))
        #expect(!window.insert(199) && !window.insert(0))
        // Words of the array that were set before the jump stand for new counters now.
        for counter in 200 + 70_000 - 65_535..<200 + 70_000 as Range<UInt64> { #expect(window.insert(counter)) }
    }

    @Test func theLastCountersDoNotOverflow() {
        let window = Window()
        #expect(!window.insert(.max), "the window counts one above the highest")
        #expect(window.insert(.max - 1))
        #expect(!window.insert(.max - 1) && window.insert(.max - 2) && !window.insert(0))
    }

    @Test(arguments: [4_094, 4_095, 4_096, 4_097, 60_000] as [UInt64])
    func theWindowGrowsToItsFullSizeWithoutForgetting(highest: UInt64) {
        let window = Window()
        for counter in stride(from: UInt64(0), to: 4_090, by: 2) { _ = window.insert(counter) }
        #expect(window.insert(highest))
        #expect(!window.insert(highest))
        for counter in stride(from: UInt64(0), to: 4_090, by: 2) {
            #expect(!window.insert(counter))
            #expect(window.insert(counter + 1))
        }
    }

    @Test func aRandomModelAgrees() {
        for seed in 1...20 as ClosedRange<UInt64> {
            var random = EntropySource.seeded(seed)
            let window = Window()
            var seen: Set<UInt64> = []
            var highest: UInt64?
            for _ in 0..<20_000 {
                let counter: UInt64
                switch random.number(below: 20) {
                case 0: counter = (highest ?? 0) + random.number(below: 200_000)
                case 1...4:
                    let back = min(highest ?? 0, random.number(below: 70_000))
                    counter = (highest ?? 0) - back
                default: counter = (highest ?? 0) + random.number(below: 130) - min(highest ?? 0, 64)
                }
                let isOld = highest.map { $0 >= 65_536 && counter <= $0 - 65_536 } ?? false
                let expected = !isOld && seen.insert(counter).inserted
                #expect(window.insert(counter) == expected, "seed \(seed), counter \(counter)")
                highest = max(highest ?? 0, counter)
            }
        }
    }

    @Test func countersInsertedTogetherAreThoseInsertedOneByOneOrNone() {
        for seed in 1...20 as ClosedRange<UInt64> {
            var random = EntropySource.seeded(seed)
            let (together, single) = (Window(), Window())
            var next: UInt64 = 0
            for _ in 0..<500 {
                let isNewer = random.number(below: 4) > 0
                let first = isNewer ? next + random.number(below: 200) : next - min(next, 1 + random.number(below: 300))
                let counters = first..<first + random.number(below: 600)
                let expected = first >= next && !counters.isEmpty
                #expect(together.insert(newer: counters) == expected, "seed \(seed), \(counters)")
                guard expected else { continue }
                for counter in counters { #expect(single.insert(counter)) }
                next = counters.upperBound
            }
            for counter in 0..<next + 10 {
                #expect(together.insert(counter) == single.insert(counter), "seed \(seed), \(counter)")
            }
        }
    }

    @Test func countersUpToTheLastOneCanBeInsertedTogether() {
        let window = Window()
        #expect(window.insert(newer: .max - 40..<UInt64.max))
        #expect(!window.insert(.max - 1) && !window.insert(.max) && window.insert(.max - 41))
        #expect(!window.insert(newer: .max - 1..<UInt64.max))
    }
}

/// A window behind a reference, so that expectations can call it.
private final class Window {
    private var value = ReplayWindow()
    func insert(_ counter: UInt64) -> Bool { value.insert(counter) }
    func insert(newer counters: Range<UInt64>) -> Bool { value.insert(newer: counters) }
}
