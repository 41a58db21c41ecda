import MeshBase
import Testing

@Suite struct ControlledDelayTests {
    private static let target: UInt64 = 1_000_000
    private static let interval: UInt64 = 10_000_000

    private func control() -> ControlledDelay {
        ControlledDelay(targetNanoseconds: Self.target, intervalNanoseconds: Self.interval)
    }

    /// The times, in tenths of a millisecond, at which a queue drops that a packet leaves each tenth, having waited for so
    /// many nanoseconds.
    private func drops(_ control: inout ControlledDelay, during tenths: Range<UInt64>, waiting: UInt64) -> [UInt64] {
        tenths.filter {
            control.drops(delayNanoseconds: waiting, at: Instant.zero.advanced(nanoseconds: $0 * 100_000))
        }
    }

    @Test func aBurstIsLeftAlone() {
        var control = control()
        #expect(drops(&control, during: 0..<100, waiting: 50_000_000).isEmpty)
        #expect(drops(&control, during: 100..<101, waiting: Self.target - 1).isEmpty)
        #expect(drops(&control, during: 101..<200, waiting: 50_000_000).isEmpty)
    }

    @Test func aQueueThatStaysLosesMoreAndMore() {
        var control = control()
        // 10 ms, then 10 / sqrt(1), 10 / sqrt(2), 10 / sqrt(3) ... later.
        #expect(drops(&control, during: 0..<400, waiting: Self.target) == [100, 200, 271, 329, 379])
    }

    @Test func anEmptyQueueEndsTheDropping() {
        var control = control()
        #expect(drops(&control, during: 0..<150, waiting: Self.target) == [100])
        control.emptied()
        #expect(drops(&control, during: 150..<300, waiting: Self.target) == [250])
    }
}
