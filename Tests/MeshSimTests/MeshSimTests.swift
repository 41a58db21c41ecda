import Foundation
import MeshBase
import MeshSim
import MeshTestSupport
import Testing

@Suite struct MeshSimTests {
    static let identities = try! Simulation.Identities(count: 6, seed: 7)
    private static let seeds = SeedRange(defaultCount: 2_000, share: 10)

    @Test func twoNodesThatKnowOnlyEachOthersIDMeetAtARelay() throws {
        var world = try Simulation(seed: 1, nodeCount: 2, relayCount: 1, identities: Self.identities)
        let isMeshed = world.run(until: \.isMeshed, withinMilliseconds: 2_000, stepMilliseconds: 10)
        #expect(isMeshed)
        let numbers = [world.sendFrame(from: 0, to: 1), world.sendFrame(from: 1, to: 0)].compactMap(\.self)
        world.run(milliseconds: 100)
        #expect(numbers.count == 2 && world.deliveredFrames == Set(numbers))
        #expect(world.violations.isEmpty)
        #expect(world.establishedCount == 2, "one handshake, no crossing")
    }

    @Test func tenRotationsOfKeysLoseNoFrame() throws {
        var world = try Simulation(
            seed: 2, nodeCount: 2, relayCount: 1, identities: Self.identities, rotationIntervalSeconds: 2)
        let isMeshed = world.run(until: \.isMeshed, withinMilliseconds: 2_000, stepMilliseconds: 10)
        #expect(isMeshed)
        while world.rotatedCount < 20, world.now.nanoseconds < 60_000_000_000 {
            let numbers = [world.sendFrame(from: 0, to: 1), world.sendFrame(from: 1, to: 0)]
            #expect(!numbers.contains(nil))
            world.run(milliseconds: 3)
        }
        world.run(milliseconds: 200)
        #expect(world.rotatedCount >= 20, "both sides ten times")
        #expect(world.deliveredFrames.count == world.sentFrames.count)
        #expect(world.violations.isEmpty)
    }

    @Test(arguments: [0, 1]) func aRestartedNodeIsBackWithinThreeSeconds(node: Int) throws {
        var world = try Simulation(seed: 3, nodeCount: 2, relayCount: 1, identities: Self.identities)
        let isMeshed = world.run(until: \.isMeshed, withinMilliseconds: 2_000)
        #expect(isMeshed)
        world.restartNode(node)
        let restartedAt = world.now
        var back: UInt64?
        while back == nil, world.now.milliseconds(since: restartedAt) < 10_000 {
            let sent = [world.sendFrame(from: 0, to: 1), world.sendFrame(from: 1, to: 0)].compactMap(\.self)
            world.run(milliseconds: 100)
            if sent.count == 2, sent.allSatisfy(world.deliveredFrames.contains) {
                back = world.now.milliseconds(since: restartedAt)
            }
        }
        #expect(try #require(back) <= 3_000)
        #expect(world.violations.isEmpty)
    }

    @Test func fiveNodesFormAFullMesh() throws {
        var world = try Simulation(seed: 4, nodeCount: 5, relayCount: 1, identities: Self.identities)
        let isMeshed = world.run(until: \.isMeshed, withinMilliseconds: 3_000)
        #expect(isMeshed)
        for from in 0..<5 { for to in 0..<5 where to != from { _ = world.sendFrame(from: from, to: to) } }
        world.run(milliseconds: 200)
        #expect(world.deliveredFrames.count == 20)
    }

    @Test func everyFrameThatIsDeliveredWasSentOnceAndAHealedNetworkMeshes() async throws {
        let failed = await Self.seeds.faults(of: "relays", Self.fault(of:))
        for (seed, fault) in failed {
            Issue.record("seed \(seed): \(fault); replay with make simulate SEEDS=1 FIRST=\(seed)")
        }
    }

    /// One world from a seed: trouble for 8 to 20 s, then a sound network.
    private static func fault(of seed: UInt64) -> String? {
        var random = SeededGenerator(seed: seed)
        do {
            let nodeCount = random.below(4) == 0 ? 3 : 2
            var world = try Simulation(
                seed: seed, nodeCount: nodeCount, relayCount: Int(1 + random.below(2)), identities: identities,
                rotationIntervalSeconds: UInt32(2 + random.below(20)))
            world.faults.lossPerMille = random.below(300)
            world.faults.duplicationPerMille = random.below(100)
            world.faults.corruptionPerMille = random.below(50)
            world.faults.truncationPerMille = random.below(20)
            world.faults.delayMilliseconds = 1 + random.below(100)
            world.faults.jitterMilliseconds = random.below(100)
            for _ in 0..<(80 + random.below(120)) {
                trouble(&world, nodeCount, &random)
                world.run(milliseconds: 100)
            }
            world.faults = Faults()
            // Back-off of a handshake (75 s with jitter), one attempt (10 s), back-off of a relay (30 s).
            guard world.run(until: \.isMeshed, withinMilliseconds: 115_000) else { return "no mesh after healing" }
            // A node may still believe in a session that its peer has lost: that shows within seconds.
            var complete = false
            for _ in 0..<150 where !complete {
                complete = allFramesArrive(&world, nodeCount)
            }
            guard complete else { return "frames are lost on a healed network" }
            return world.violations.first.map { "\($0)" }
        } catch { return "\(error)" }
    }

    private static func trouble(_ world: inout Simulation, _ nodeCount: Int, _ random: inout SeededGenerator) {
        let from = Int(random.below(UInt64(nodeCount)))
        let to = (from + 1 + Int(random.below(UInt64(nodeCount - 1)))) % nodeCount
        for _ in 0..<random.below(4) { _ = world.sendFrame(from: from, to: to) }
        switch random.below(200) {
        case 0: world.restartNode(from)
        case 1, 2: world.breakConnection(node: from, relay: 0)
        default: break
        }
    }

    private static func allFramesArrive(_ world: inout Simulation, _ nodeCount: Int) -> Bool {
        var numbers: [UInt64?] = []
        for from in 0..<nodeCount {
            for to in 0..<nodeCount where to != from { numbers.append(world.sendFrame(from: from, to: to)) }
        }
        world.run(milliseconds: 200)
        return numbers.allSatisfy { $0.map(world.deliveredFrames.contains) ?? false }
    }
}
