import MeshBase
import MeshEthernet
import Testing

@Suite struct FloodLimitTests {
    private let flood = Frames.ethernet(to: Frames.broadcast, from: 0x0200_0000_000A)

    private func makeBench(rate: UInt32 = 10, burst: UInt32 = 5) -> Bench {
        Bench(.init(floodLimit: FloodLimit(framesPerSecond: rate, burstFrames: burst)), ports: 2)
    }

    @Test func aBurstPassesAndTheRestIsDropped() {
        var bench = makeBench()
        for _ in 0..<5 { #expect(bench.local(flood) == .forward) }
        #expect(bench.local(flood) == .drop(.floodLimited))
        #expect(bench.ethernet.counters.floodCopiesLimited == 2)
    }

    @Test func theLimitRefillsAtItsRate() {
        var bench = makeBench()
        for _ in 0..<6 { _ = bench.local(flood, at: 1) }
        #expect(bench.local(flood, at: 1.05) == .drop(.floodLimited))
        #expect(bench.local(flood, at: 1.15) == .forward)
        #expect(bench.local(flood, at: 1.16) == .drop(.floodLimited))
        for _ in 0..<5 { #expect(bench.local(flood, at: 100) == .forward) }
        #expect(bench.local(flood, at: 100) == .drop(.floodLimited))
    }

    @Test func eachPeerHasItsOwnLimit() {
        var bench = makeBench()
        for _ in 0..<5 { _ = bench.local(flood) }
        bench.ethernet.addPort(port(2))
        #expect(bench.local(flood) == .forward)
        #expect(bench.targets == [2])
    }

    @Test func knownUnicastIsNotLimited() {
        var bench = makeBench()
        _ = bench.peer(Frames.ethernet(to: Frames.broadcast, from: 0x0200_0000_000B), on: 0)
        for _ in 0..<100 {
            #expect(bench.local(Frames.ethernet(to: 0x0200_0000_000B, from: 0x0200_0000_000A)) == .forward)
        }
    }

    @Test func aSuperframeCountsForItsSegments() {
        var bench = makeBench(burst: 10)
        let superframe = Frames.ethernet(
            to: Frames.broadcast, from: 0x0200_0000_000A, payload: [UInt8](repeating: 0, count: 8 * 1_514 - 14))
        #expect(bench.local(superframe) == .forward)
        #expect(bench.local(superframe) == .drop(.floodLimited))
        #expect(bench.local(flood) == .forward)
        #expect(bench.local(flood) == .forward)
        #expect(bench.local(flood) == .drop(.floodLimited))
    }

    @Test func aSuperframeLargerThanTheBurstStillPassesOnce() {
        var bench = makeBench(burst: 2)
        let superframe = Frames.ethernet(
            to: Frames.broadcast, from: 0x0200_0000_000A, payload: [UInt8](repeating: 0, count: 60_000))
        #expect(bench.local(superframe) == .forward)
        #expect(bench.local(flood) == .drop(.floodLimited))
    }

    @Test func aClockThatStandsStillOrGoesBackGivesNothing() {
        var bench = makeBench()
        for _ in 0..<5 { _ = bench.local(flood, at: 10) }
        #expect(bench.local(flood, at: 5) == .drop(.floodLimited))
        #expect(bench.local(flood, at: 10) == .drop(.floodLimited))
    }

    @Test func valuesOutsideTheRangesAreMovedToTheirEnds() {
        let limit = FloodLimit(framesPerSecond: 0, burstFrames: 0)
        #expect(limit.framesPerSecond == 1)
        #expect(limit.burstFrames == 1)
        #expect(FloodLimit(framesPerSecond: .max, burstFrames: .max).framesPerSecond == 1_000_000_000)
    }
}
