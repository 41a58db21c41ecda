import MeshBase
import MeshProtocol
import MeshSim
import Testing

/// What comes and goes of relays, in virtual time.
@Suite struct RelayChangeTests {
    /// Two nodes and their relays, 40 ms from each; with `isDirect` also a direct path of 15 ms.
    private static func world(
        relayCount: Int = 2, isDirect: Bool, afterDirect: Node.AfterDirect = .standby
    ) throws -> Simulation {
        var world = try Simulation(
            seed: 1, nodeCount: 2, relayCount: relayCount, identities: MeshSimTests.identities, isDirect: isDirect,
            afterDirect: afterDirect)
        world.faults.delayMilliseconds = 40
        return world
    }

    /// A world with one relay whose nodes have been direct for a while.
    private static func directWorld(_ afterDirect: Node.AfterDirect) throws -> Simulation {
        var world = try Self.world(relayCount: 1, isDirect: true, afterDirect: afterDirect)
        let isDirect = world.run(until: { $0.isDirect(0, 1) }, withinMilliseconds: 5_000)
        try #require(isDirect)
        runWithTraffic(&world, milliseconds: 12_000, bothWays: true, everyMilliseconds: 10)
        #expect(world.isConnected(0, toRelay: 0) == (afterDirect != .disconnect))
        #expect(world.isConnected(1, toRelay: 0) == (afterDirect != .disconnect))
        return world
    }

    /// Runs with frames from node 0 to node 1 and, if told so, back. Returns when each was sent.
    @discardableResult
    private static func runWithTraffic(
        _ world: inout Simulation, milliseconds: UInt64, bothWays: Bool, everyMilliseconds gap: UInt64 = 1
    ) -> [UInt64: Instant] {
        var sentAt: [UInt64: Instant] = [:]
        for _ in 0..<milliseconds / gap {
            for from in 0..<(bothWays ? 2 : 1) {
                if let number = world.sendFrame(from: from, to: 1 - from) { sentAt[number] = world.now }
            }
            world.run(milliseconds: gap)
        }
        return sentAt
    }

    /// Frames that were sent after their sender told people that the path is in doubt, and are lost.
    private static func lostInDoubt(_ world: Simulation, _ sentAt: [UInt64: Instant], since start: Instant) -> Int {
        (0...1).reduce(0) { sum, node in
            let suspectAt = world.pathEvents.first { event in
                if case .pathSuspect = event.event { event.node == node && event.at >= start } else { false }
            }?.at
            guard let suspectAt else { return sum }
            return sum
                + sentAt.count { number, at in
                    at > suspectAt && world.sentFrames[number]?.from == node
                        && !world.deliveredFrames.contains(number)
                }
        }
    }

    @Test(arguments: [false, true], [false, true])
    func aDrainingRelayLosesReordersAndRepeatsNothing(bothWays: Bool, isDirect: Bool) throws {
        var world = try Self.world(isDirect: isDirect)
        let isMeshed = world.run(until: \.isMeshed, withinMilliseconds: 3_000, stepMilliseconds: 10)
        try #require(isMeshed)
        world.setDirectAllowed(false, 0, 1)
        world.run(milliseconds: 2_000)
        Self.runWithTraffic(&world, milliseconds: 300, bothWays: bothWays)
        guard case .relay(let relay, _) = world.carrier(from: 0, to: 1) else {
            Issue.record("not by relay")
            return
        }
        world.drainRelay(relay)
        // What the relay waits before it closes.
        Self.runWithTraffic(&world, milliseconds: 500, bothWays: bothWays)
        world.stopRelay(relay)
        Self.runWithTraffic(&world, milliseconds: 300, bothWays: bothWays)
        world.run(milliseconds: 1_000)
        #expect(world.sentFrames.count == (bothWays ? 2_200 : 1_100))
        #expect(world.deliveredFrames.count == world.sentFrames.count)
        #expect(world.reorderedCount == 0)
        #expect(world.violations.isEmpty)
    }

    @Test(arguments: [Node.AfterDirect.standby, .disconnect], [false, true])
    func onlyFramesSentBeforeADeadPathWasInDoubtAreLost(afterDirect: Node.AfterDirect, bothWays: Bool) throws {
        var world = try Self.directWorld(afterDirect)
        world.direct?.cut = [.init(0, 1), .init(1, 0)]
        let cutAt = world.now
        let before = world.deliveredFrames.count
        let sentAt = Self.runWithTraffic(&world, milliseconds: 4_000, bothWays: bothWays)
        world.run(milliseconds: 1_000)
        #expect(world.isRelayed(0, 1))
        #expect(Self.lostInDoubt(world, sentAt, since: cutAt) == 0)
        let lost = sentAt.count + before - world.deliveredFrames.count
        print("\(afterDirect), both ways \(bothWays): \(lost) of \(sentAt.count) frames lost")
        #expect(lost < (bothWays ? 800 : 400))
        #expect(world.violations.isEmpty)
        #expect(world.establishedCount == 2)
    }

    @Test func aPathThatIsBackBeforeTheRelayGetsWhatItMissed() throws {
        var world = try Self.directWorld(.disconnect)
        world.direct?.cut = [.init(0, 1), .init(1, 0)]
        let cutAt = world.now
        var sentAt = Self.runWithTraffic(&world, milliseconds: 450, bothWays: true)
        world.direct?.cut = []
        sentAt.merge(Self.runWithTraffic(&world, milliseconds: 1_000, bothWays: true)) { first, _ in first }
        world.run(milliseconds: 1_000)
        let isSuspect = world.pathEvents.contains { if case .pathSuspect = $0.event { $0.at >= cutAt } else { false } }
        #expect(isSuspect)
        #expect(world.isDirect(0, 1))
        #expect(Self.lostInDoubt(world, sentAt, since: cutAt) == 0)
        #expect(world.violations.isEmpty)
    }

    @Test func aNodeWhosePeerLosesFramesOneWayComesBackToTheRelayToo() throws {
        var world = try Self.directWorld(.disconnect)
        world.direct?.dropsFrames = true
        // Node 1 sends nothing, so nothing but its peer's word tells it that the path is bad.
        Self.runWithTraffic(&world, milliseconds: 5_000, bothWays: false)
        #expect(world.carrier(from: 0, to: 1)?.isRelay == true)
        #expect(world.establishedCount == 2)
    }

    @Test(arguments: [Node.AfterDirect.standby, .disconnect, .auto])
    func sessionsOnDirectPathsNeverNoticeARelayThatIsGoneForAMinute(afterDirect: Node.AfterDirect) throws {
        var world = try Self.directWorld(afterDirect)
        // What becomes of the relay and its channel is told; nothing else may happen.
        func pathEventCount() -> Int {
            world.pathEvents.count {
                switch $0.event {
                case .relay, .carrierOpened, .carrierClosed: false
                default: true
                }
            }
        }
        let eventCount = pathEventCount()
        world.stopRelay(0)
        Self.runWithTraffic(&world, milliseconds: 60_000, bothWays: true, everyMilliseconds: 20)
        try world.startRelay(0)
        Self.runWithTraffic(&world, milliseconds: 40_000, bothWays: true, everyMilliseconds: 20)
        world.run(milliseconds: 3_000)
        #expect(world.deliveredFrames.count == world.sentFrames.count)
        #expect(world.reorderedCount == 0 && world.violations.isEmpty)
        #expect(pathEventCount() == eventCount && world.establishedCount == 2)
        #expect(world.isDirect(0, 1) && world.pairCount(atRelay: 0) == 0)
    }

    @Test(arguments: [Node.AfterDirect.standby, .disconnect])
    func aPathThatDiesWhileTheRelayIsGoneEndsNoSession(afterDirect: Node.AfterDirect) throws {
        var world = try Self.directWorld(afterDirect)
        world.stopRelay(0)
        world.direct?.cut = [.init(0, 1), .init(1, 0)]
        Self.runWithTraffic(&world, milliseconds: 60_000, bothWays: true, everyMilliseconds: 20)
        try world.startRelay(0)
        let isRelayed = world.run(until: { $0.isRelayed(0, 1) }, withinMilliseconds: 35_000)
        #expect(isRelayed)
        let sentAt = Self.runWithTraffic(&world, milliseconds: 1_000, bothWays: true)
        world.run(milliseconds: 200)
        #expect(sentAt.keys.allSatisfy { world.deliveredFrames.contains($0) })
        world.direct?.cut = []
        let isDirect = world.run(until: { $0.isDirect(0, 1) }, withinMilliseconds: 130_000)
        #expect(isDirect)
        #expect(world.establishedCount == 2 && world.violations.isEmpty)
    }

    @Test func aPathThatHealsWhileTheRelayIsGoneGoesOn() throws {
        var world = try Self.directWorld(.disconnect)
        world.stopRelay(0)
        world.direct?.cut = [.init(0, 1), .init(1, 0)]
        Self.runWithTraffic(&world, milliseconds: 30_000, bothWays: true, everyMilliseconds: 20)
        world.direct?.cut = []
        world.run(milliseconds: 1_000)
        let sentAt = Self.runWithTraffic(&world, milliseconds: 1_000, bothWays: true)
        world.run(milliseconds: 200)
        #expect(sentAt.keys.allSatisfy { world.deliveredFrames.contains($0) })
        #expect(world.establishedCount == 2 && world.violations.isEmpty)
    }

    @Test(arguments: [false, true]) func sessionsOnARelayThatIsGoneForAMinuteResume(isBusy: Bool) throws {
        var world = try Self.world(relayCount: 1, isDirect: false)
        let isMeshed = world.run(until: \.isMeshed, withinMilliseconds: 3_000)
        try #require(isMeshed)
        world.run(milliseconds: 15_000)
        world.stopRelay(0)
        if isBusy {
            Self.runWithTraffic(&world, milliseconds: 60_000, bothWays: true, everyMilliseconds: 20)
        } else {
            world.run(milliseconds: 60_000)
        }
        try world.startRelay(0)
        let isBack = world.run(until: \.isMeshed, withinMilliseconds: 35_000)
        #expect(isBack)
        let sentAt = Self.runWithTraffic(&world, milliseconds: 1_000, bothWays: true)
        world.run(milliseconds: 2_000)
        #expect(sentAt.keys.allSatisfy { world.deliveredFrames.contains($0) })
        #expect(world.establishedCount == 2, "no handshake was needed")
    }

    @Test func aRelayIsReplacedByAnotherOfTheListAndComesBack() throws {
        var world = try Self.world(isDirect: false)
        let isMeshed = world.run(until: \.isMeshed, withinMilliseconds: 3_000)
        try #require(isMeshed)
        world.run(milliseconds: 2_000)
        world.stopRelay(0)
        Self.runWithTraffic(&world, milliseconds: 1_000, bothWays: true)
        world.run(milliseconds: 200)
        #expect(world.deliveredFrames.count == world.sentFrames.count, "what is sent after the loss goes by the other")
        try world.startRelay(0)
        Self.runWithTraffic(&world, milliseconds: 35_000, bothWays: true, everyMilliseconds: 10)
        world.run(milliseconds: 200)
        for from in 0...1 {
            guard case .relay(0, _) = world.carrier(from: from, to: 1 - from) else {
                Issue.record("not back at the first relay")
                continue
            }
        }
        #expect(world.deliveredFrames.count == world.sentFrames.count)
        #expect(world.reorderedCount == 0 && world.violations.isEmpty && world.establishedCount == 2)
    }

    @Test func autoClosesRelayConnectionsAfterAMinuteAndMakesThemAgainWhenAddressesChange() throws {
        var world = try Self.directWorld(.auto)
        world.run(milliseconds: 40_000)
        #expect(world.isConnected(0, toRelay: 0) && world.isConnected(1, toRelay: 0))
        world.run(milliseconds: 25_000)
        #expect(!world.isConnected(0, toRelay: 0) && !world.isConnected(1, toRelay: 0))
        world.setCandidates([DirectNetwork.endpoint(of: 0)], of: 0)
        world.run(milliseconds: 1_000)
        #expect(world.isConnected(0, toRelay: 0))
        world.run(milliseconds: 62_000)
        #expect(!world.isConnected(0, toRelay: 0))
        #expect(world.isDirect(0, 1) && world.establishedCount == 2)
    }
}
