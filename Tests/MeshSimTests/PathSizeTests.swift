import MeshBase
import MeshCrypto
import MeshProtocol
import MeshSim
import MeshTestSupport
import Testing

/// Paths that carry less than the largest frame needs: in virtual time.
@Suite struct PathSizeTests {
    private static let seeds = SeedRange(defaultCount: 10, share: 30)
    /// A frame that fills the TAP's MTU of 1,400, with a tag of 802.1Q.
    private static let largeByteCount = 1_418

    /// Two nodes, a relay 40 ms from each, a direct path of 15 ms on which longer datagrams vanish.
    private static func world(seed: UInt64 = 1, datagramByteCountMax: Int) throws -> Simulation {
        var world = try Simulation(
            seed: seed, nodeCount: 2, relayCount: 1, identities: MeshSimTests.identities, isDirect: true)
        world.faults.delayMilliseconds = 40
        world.direct?.datagramByteCountMax = datagramByteCountMax
        return world
    }

    /// Runs with a large frame and a small one every 5 ms both ways.
    private static func runWithTraffic(
        _ world: inout Simulation, milliseconds: UInt64, until condition: (Simulation) -> Bool = { _ in false }
    ) -> Bool {
        world.runWithTraffic(
            milliseconds: milliseconds, every: 5, byteCounts: [largeByteCount, Simulation.frameByteCount],
            until: condition)
    }

    private static func lostCount(_ world: Simulation, since first: UInt64 = 0) -> Int {
        world.sentFrames.keys.count { $0 >= first && !world.deliveredFrames.contains($0) }
    }

    @Test func anOrdinaryPathIsDirectAtOnceAndCarriesWholeFramesOneRoundTripLater() throws {
        var world = try Self.world(datagramByteCountMax: 1_472)
        let isDirect = world.run(until: { $0.isDirect(0, 1) }, withinMilliseconds: 5_000, stepMilliseconds: 1)
        try #require(isDirect)
        let establishedAt = try #require(world.establishedAt.first)
        #expect(world.now.milliseconds(since: establishedAt) <= 3 * 160 + 200)
        world.run(milliseconds: 31)
        #expect(world.recordByteCountMax(from: 0, to: 1) == 1_452)
        #expect(world.recordByteCountMax(from: 1, to: 0) == 1_452)
        _ = Self.runWithTraffic(&world, milliseconds: 1_000)
        world.run(milliseconds: 500)
        #expect(world.slicedFrameCount == 0 && Self.lostCount(world) == 0)
    }

    @Test(arguments: [1_200, 1_232, 1_252, 1_372]) func aSmallPathIsUsedAndCarriesLargeFramesInSlices(limit: Int) throws
    {
        var world = try Self.world(datagramByteCountMax: limit)
        let isMeshed = world.run(until: \.isMeshed, withinMilliseconds: 3_000, stepMilliseconds: 1)
        try #require(isMeshed)
        let isDirect = Self.runWithTraffic(&world, milliseconds: 1_000) { $0.isDirect(0, 1) }
        #expect(isDirect)
        _ = Self.runWithTraffic(&world, milliseconds: 25_000)
        let proven = try #require(world.recordByteCountMax(from: 0, to: 1))
        #expect(proven <= limit && limit - proven < 16)
        #expect(world.isDirect(0, 1))
        world.run(milliseconds: 1_000)
        #expect(world.slicedFrameCount > 8_000)
        #expect(Self.lostCount(world) == 0 && world.reorderedCount == 0)
        #expect(world.violations.isEmpty)
        // The path is not given up, and not larger by itself.
        #expect(!world.pathEvents.contains { if case .pathDead = $0.event { true } else { false } })
        world.direct?.datagramByteCountMax = 1_472
        world.run(milliseconds: 601_000)
        #expect(world.recordByteCountMax(from: 0, to: 1) == 1_452, "looked for again after ten minutes")
    }

    @Test func fiftyMigrationsOfSlicedFramesLoseReorderAndRepeatNothing() throws {
        var world = try Self.world(datagramByteCountMax: 1_252)
        try world.migrateFiftyTimes { Self.runWithTraffic(&$0, milliseconds: $1, until: $2) }
        #expect(Self.lostCount(world) == 0 && world.reorderedCount == 0)
        #expect(world.slicedFrameCount > 0)
        #expect(world.violations.isEmpty)
    }

    @Test(arguments: [false, true]) func aPathWhoseSizeShrinksGoesOnWithSlices(isTold: Bool) throws {
        var world = try Self.world(datagramByteCountMax: 1_472)
        let isDirect = world.run(until: { $0.isDirect(0, 1) }, withinMilliseconds: 5_000)
        try #require(isDirect)
        world.run(milliseconds: 100)
        _ = Self.runWithTraffic(&world, milliseconds: 2_000)
        #expect(world.slicedFrameCount == 0)
        if isTold { world.direct?.interfaceByteCountMax = 1_252 } else { world.direct?.datagramByteCountMax = 1_252 }
        let first = try #require(world.sentFrames.keys.max()) + 1
        _ = Self.runWithTraffic(&world, milliseconds: 500)
        let firstAfter = try #require(world.sentFrames.keys.max()) + 1
        _ = Self.runWithTraffic(&world, milliseconds: 30_000)
        #expect(world.isDirect(0, 1))
        #expect((1_237...1_252).contains(try #require(world.recordByteCountMax(from: 0, to: 1))))
        world.run(milliseconds: 1_000)
        #expect(Self.lostCount(world, since: firstAfter) == 0, "half a second later nothing is lost any more")
        print("size shrinks, told \(isTold): \(Self.lostCount(world, since: first)) frames lost")
        if isTold { #expect(Self.lostCount(world, since: first) <= 2) }
        let isDead = world.pathEvents.contains { if case .pathDead = $0.event { true } else { false } }
        #expect(!isDead && world.violations.isEmpty)
    }

    @Test func aPathThatShrinksUnderLargeFramesAloneIsNotGivenUp() throws {
        var world = try Self.world(datagramByteCountMax: 1_472)
        let isDirect = world.run(until: { $0.isDirect(0, 1) }, withinMilliseconds: 5_000)
        try #require(isDirect)
        world.run(milliseconds: 12_000)
        world.direct?.datagramByteCountMax = 1_252
        for _ in 0..<3_000 {
            _ = world.sendFrame(from: 0, to: 1, byteCount: Self.largeByteCount)
            world.run(milliseconds: 1)
        }
        let isDead = world.pathEvents.contains { if case .pathDead = $0.event { true } else { false } }
        #expect(world.isDirect(0, 1) && !isDead)
        world.run(milliseconds: 1_000)
        let lost = Self.lostCount(world)
        print("size shrinks under 1,000 large frames a second: \(lost) lost")
        #expect(lost <= 400)
    }

    @Test func aPathThatCarriesChallengesOfEverySizeAndNoFramesIsLeft() throws {
        var world = try Self.world(datagramByteCountMax: 1_472)
        let isDirect = world.run(until: { $0.isDirect(0, 1) }, withinMilliseconds: 5_000)
        try #require(isDirect)
        _ = Self.runWithTraffic(&world, milliseconds: 12_000)
        world.direct?.dropsFrames = true
        let isRelayed = Self.runWithTraffic(&world, milliseconds: 3_000) { $0.isRelayed(0, 1) }
        #expect(isRelayed)
    }

    /// Any size at any time, with losses and disorder: what arrives is right, and at the end everything does.
    @Test func whateverBecomesOfThePathFramesArriveWholeOrNotAtAll() throws {
        for seed in Self.seeds.seeds {
            var entropy = EntropySource.seeded(seed)
            var world = try Self.world(seed: seed, datagramByteCountMax: 1_200 + Int(entropy.number(below: 300)))
            world.direct?.faults.jitterMilliseconds = entropy.number(below: 5)
            world.direct?.faults.lossPerMille = entropy.number(below: 30)
            world.direct?.faults.duplicationPerMille = entropy.number(below: 30)
            world.direct?.faults.corruptionPerMille = entropy.number(below: 10)
            let isMeshed = world.run(until: \.isMeshed, withinMilliseconds: 10_000)
            try #require(isMeshed, "seed \(seed)")
            for _ in 0..<6 {
                _ = Self.runWithTraffic(&world, milliseconds: 200 + entropy.number(below: 3_000))
                world.direct?.datagramByteCountMax = 1_200 + Int(entropy.number(below: 300))
            }
            world.direct?.faults = Faults()
            _ = Self.runWithTraffic(&world, milliseconds: 3_000)
            let first = try #require(world.sentFrames.keys.max()) + 1
            _ = Self.runWithTraffic(&world, milliseconds: 500)
            world.run(milliseconds: 3_000)
            #expect(Self.lostCount(world, since: first) == 0, "seed \(seed)")
            #expect(world.violations.isEmpty, "seed \(seed): \(world.violations)")
        }
    }
}
