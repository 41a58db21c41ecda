import MeshBase
import MeshProtocol
import MeshSim
import MeshTestSupport
import Testing

/// Direct WebSockets where UDP is dropped: in virtual time.
@Suite struct ConnectionTests {
    private static let seeds = SeedRange(defaultCount: 30, share: 10)

    /// Two nodes, a relay 40 ms from each, a direct path of 15 ms that carries no UDP.
    private static func world(seed: UInt64 = 1, afterDirect: Node.AfterDirect = .standby) throws -> Simulation {
        var world = try Simulation(
            seed: seed, nodeCount: 2, relayCount: 1, identities: MeshSimTests.identities, isDirect: true,
            opensConnections: true, afterDirect: afterDirect)
        world.faults.delayMilliseconds = 40
        world.direct?.cut = [.init(0, 1), .init(1, 0)]
        return world
    }

    private static func expect(
        _ world: inout Simulation, within milliseconds: UInt64, location: SourceLocation = #_sourceLocation,
        _ condition: (Simulation) -> Bool
    ) {
        let isTrue = world.run(until: condition, withinMilliseconds: milliseconds, stepMilliseconds: 10)
        #expect(isTrue, sourceLocation: location)
    }

    private static func expectWithTraffic(
        _ world: inout Simulation, within milliseconds: UInt64, location: SourceLocation = #_sourceLocation,
        _ condition: (Simulation) -> Bool
    ) {
        let isTrue = world.runWithTraffic(milliseconds: milliseconds, until: condition)
        #expect(isTrue, sourceLocation: location)
    }

    private static func expectNothingLost(_ world: inout Simulation) {
        world.run(milliseconds: 2_000)
        #expect(world.deliveredFrames.count == world.sentFrames.count)
        #expect(world.reorderedCount == 0)
        #expect(world.violations.isEmpty)
    }

    @Test func withoutUDPASessionMovesToAConnectionThatBothOpenAndLosesNothing() throws {
        var world = try Self.world()
        Self.expect(&world, within: 3_000) { $0.isMeshed }
        Self.expectWithTraffic(&world, within: 3_000) { $0.isOnConnection(0, 1) }
        _ = world.runWithTraffic(milliseconds: 3_000)
        #expect(world.pairCount(atRelay: 0) == 0, "nothing goes by the relay any more")
        #expect(world.establishedCount == 2, "no new handshake")
        #expect(world.connections?.openedCount == 1)
        Self.expectNothingLost(&world)
    }

    @Test func whenUDPBecomesPossibleTheSessionMovesToItAndTheConnectionIsClosed() throws {
        var world = try Self.world()
        Self.expect(&world, within: 5_000) { $0.isOnConnection(0, 1) }
        world.direct?.cut = []
        // UDP is tried again after 60 s.
        world.run(milliseconds: 50_000)
        Self.expectWithTraffic(&world, within: 30_000) { $0.isDirect(0, 1) }
        _ = world.runWithTraffic(milliseconds: 3_000)
        #expect(world.connections?.open.isEmpty == true)
        Self.expectNothingLost(&world)
    }

    @Test func whereUDPAnswersNoConnectionIsOpened() throws {
        var world = try Self.world()
        world.direct?.cut = []
        Self.expect(&world, within: 3_000) { $0.isDirect(0, 1) }
        world.run(milliseconds: 10_000)
        #expect(world.connections?.openedCount == 0)
    }

    @Test func aSilentConnectionIsSuspectThenDeadAndTheRelayCarriesOn() throws {
        var world = try Self.world()
        Self.expect(&world, within: 5_000) { $0.isOnConnection(0, 1) }
        _ = world.runWithTraffic(milliseconds: 3_000)
        world.connections?.isSilent = true
        world.connections?.refusesConnections = true
        let cutAt = world.now
        Self.expectWithTraffic(&world, within: 5_000) { $0.isRelayed(0, 1) }
        let isSuspectInTime = world.pathEvents.contains {
            if case .pathSuspect = $0.event { $0.at >= cutAt && $0.at.milliseconds(since: cutAt) <= 700 } else { false }
        }
        #expect(isSuspectInTime)
        #expect(world.now.milliseconds(since: cutAt) <= 2_000)
        world.run(milliseconds: 1_000)
        #expect(world.violations.isEmpty)
        #expect(world.establishedCount == 2, "no new handshake")
    }

    @Test func aConnectionThatIsResetIsDeadAtOnce() throws {
        var world = try Self.world()
        Self.expect(&world, within: 5_000) { $0.isOnConnection(0, 1) }
        world.run(milliseconds: 500)
        world.connections?.refusesConnections = true
        world.resetConnections()
        let isRelayed = world.run(until: { $0.isRelayed(0, 1) }, withinMilliseconds: 500, stepMilliseconds: 10)
        #expect(isRelayed)
        world.connections?.refusesConnections = false
        Self.expect(&world, within: 90_000) { $0.isOnConnection(0, 1) }
    }

    @Test func withAllRelaysAtRestAResetConnectionFindsTheRelayAgain() throws {
        var world = try Self.world(afterDirect: .disconnect)
        Self.expect(&world, within: 5_000) { $0.isOnConnection(0, 1) }
        let isAtRest = world.run(
            until: { !$0.isConnected(0, toRelay: 0) && !$0.isConnected(1, toRelay: 0) }, withinMilliseconds: 40_000)
        #expect(isAtRest)
        world.connections?.refusesConnections = true
        world.resetConnections()
        Self.expect(&world, within: 1_500) { $0.isRelayed(0, 1) }
        #expect(world.establishedCount == 2, "no new handshake")
    }

    @Test func statusTellsWhatBecameOfThePeersAddressesForConnections() throws {
        var world = try Self.world()
        world.connections?.refusesConnections = true
        Self.expect(&world, within: 3_000) { $0.isMeshed }
        // The interface's, and what the relay saw, where nobody is met.
        #expect(world.connectionStates(from: 0, to: 1) == [.untried, .untried])
        #expect(world.lastAttemptFailures(from: 0, to: 1).isEmpty)
        Self.expect(&world, within: 2_000) { $0.connectionStates(from: 0, to: 1) == [.probing, .probing] }
        Self.expect(&world, within: 6_000) { $0.connectionStates(from: 0, to: 1) == [.unanswered, .unanswered] }
        #expect(world.lastAttemptFailures(from: 0, to: 1).contains(.noConnection))
        world.connections?.refusesConnections = false
        Self.expect(&world, within: 90_000) { $0.isOnConnection(0, 1) }
        #expect(world.connectionStates(from: 0, to: 1) == [.untried, .inUse])
        #expect(!world.lastAttemptFailures(from: 0, to: 1).contains(.noConnection))
    }

    @Test func attemptsThatFailAreRepeatedEvery60SecondsAndThenLessOften() throws {
        var world = try Self.world()
        world.connections?.refusesConnections = true
        world.run(milliseconds: 1_000_000)
        let failures = world.pathEvents.count {
            if case .attemptFailed(_, .noConnection) = $0.event { $0.node == 0 } else { false }
        }
        #expect((6...14).contains(failures), "\(failures) attempts")
        #expect(world.isRelayed(0, 1))
    }

    @Test func whateverTheNetworkDoesEachFrameComesOnceAndTheNodesAgreeInTheEnd() throws {
        for seed in Self.seeds.seeds {
            var world = try Self.world(seed: seed, afterDirect: seed % 2 == 0 ? .standby : .disconnect)
            var random = SeededGenerator(seed: seed)
            for _ in 0..<12 {
                switch random.below(5) {
                case 0: world.resetConnections()
                case 1: world.connections?.isSilent.toggle()
                case 2:
                    let isCut = world.direct?.cut.isEmpty == false
                    world.direct?.cut = isCut ? [] : [.init(0, 1), .init(1, 0)]
                case 3: world.connections?.refusesConnections.toggle()
                default: world.setDirectAllowed(random.below(3) != 0, 0, 1)
                }
                for _ in 0..<(random.below(300)) {
                    _ = world.sendFrame(from: 0, to: 1)
                    _ = world.sendFrame(from: 1, to: 0)
                    world.run(milliseconds: 10)
                }
            }
            #expect(world.violations.isEmpty, "seed \(seed)")
            world.connections?.isSilent = false
            world.connections?.refusesConnections = false
            world.direct?.cut = [.init(0, 1), .init(1, 0)]
            world.setDirectAllowed(true, 0, 1)
            let agree = world.run(until: { $0.isOnConnection(0, 1) }, withinMilliseconds: 700_000)
            #expect(agree, "seed \(seed)")
        }
    }
}
