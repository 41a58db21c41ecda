import MeshBase
import MeshEthernet
import MeshTestSupport
import Testing

@Suite struct LoopGuardTests {
    private let host: UInt64 = 0x0200_0000_00AA
    private let remote: UInt64 = 0x0200_0000_00BB

    private func broadcast(from source: UInt64, _ mark: UInt8) -> [UInt8] {
        Frames.ethernet(to: Frames.broadcast, from: source, payload: [UInt8](repeating: mark, count: 46))
    }

    /// Indices of the nodes, the one that is to forward first.
    private func order(_ simulation: LanSimulation, _ members: [Int]) -> [Int] {
        members.sorted { simulation.nodes[$0].loopNumber < simulation.nodes[$1].loopNumber }
    }

    @Test(arguments: seeds(1...10)) func twoNodesOnOneLANStopTheStormWithinOneInterval(seed: UInt64) {
        var simulation = LanSimulation(lans: [0, 0], seeds: [seed, seed + 100])
        simulation.send(broadcast(from: host, 1), on: 0)
        simulation.run(seconds: 2.1)
        let first = simulation.deliveredCount
        simulation.send(broadcast(from: host, 2), on: 0)
        simulation.run(seconds: 20)
        #expect(simulation.deliveredCount - first <= 4, "seed \(seed)")
        #expect(simulation.nodes.filter(\.isLocalPortBlocked).count == 1)
        let forwarding = order(simulation, [0, 1])[0]
        #expect(!simulation.nodes[forwarding].isLocalPortBlocked)
        #expect(simulation.events[forwarding].contains(.loopFound(through: port(1 - forwarding), isForwarding: true)))
        #expect(simulation.events[1 - forwarding].contains(.localPortBlocked(because: port(forwarding))))
    }

    @Test func aLoopThatIsMadeLaterIsFoundWithinOneInterval() {
        var simulation = LanSimulation(lans: [0, 2, 1], seeds: [1, 2, 3])
        simulation.run(seconds: 30)
        // All have just begun a round, so that the next one is a second after the loop is made.
        simulation.send(broadcast(from: host, 2), on: 0)
        simulation.run(seconds: 1)
        #expect(simulation.nodes.allSatisfy { !$0.isLocalPortBlocked })
        simulation.lans = [0, 0, 1]
        simulation.fillLocalTables(on: 0)
        simulation.send(broadcast(from: remote, 1), on: 1)
        simulation.run(seconds: 1.1)
        #expect(simulation.nodes.filter(\.isLocalPortBlocked).count == 1)
        let count = simulation.deliveredCount
        #expect(count > 100, "it was a storm")
        simulation.run(seconds: 30)
        #expect(simulation.deliveredCount == count)
    }

    @Test func aStormOfLocalFramesDiesAsBothNodesKnowTheirSource() {
        var simulation = LanSimulation(lans: [0, 1], seeds: [1, 2])
        simulation.run(seconds: 30)
        simulation.send(broadcast(from: remote, 2), on: 0)
        simulation.run(seconds: 1)
        let count = simulation.deliveredCount
        simulation.lans = [0, 0]
        simulation.send(broadcast(from: host, 1), on: 0)
        simulation.run(seconds: 0.5)
        #expect(simulation.nodes.allSatisfy { !$0.isLocalPortBlocked }, "the next round is 1 s away")
        #expect(simulation.deliveredCount == count)
        #expect(simulation.events[0] == [.localAddressClaimed(.init(value: host), by: port(1))])
    }

    @Test func floodLimitsHoldAStormDownUntilItIsFound() {
        let limit = FloodLimit(framesPerSecond: 100, burstFrames: 100)
        var simulation = LanSimulation(lans: [0, 2, 3, 1], seeds: [1, 2, 3, 4], floodLimit: limit)
        simulation.run(seconds: 4)
        // All begin a round, so that the next one is 1.9 s after the loop is made.
        simulation.send(broadcast(from: remote + 100, 100), on: 1)
        simulation.run(seconds: 0.1)
        simulation.lans = [0, 0, 0, 1]
        simulation.fillLocalTables(on: 0)
        for mark in 0..<50 as Range<UInt8> { simulation.send(broadcast(from: remote + UInt64(mark), mark), on: 1) }
        simulation.run(seconds: 2.1)
        let count = simulation.deliveredCount
        // Each of four nodes sends to three peers: a burst, and two seconds' worth.
        #expect(count > 1_000 && count <= 4 * 3 * (100 + 2 * 100), "it was a storm, and held down")
        #expect(simulation.nodes.filter(\.isLocalPortBlocked).count == 2)
        simulation.run(seconds: 30)
        #expect(simulation.deliveredCount == count)
    }

    @Test(arguments: seeds(1...10)) func ofManyNodesOnOneLANExactlyOneForwardsAndRemoteHostsAreReachedOnce(seed: UInt64)
    {
        var simulation = LanSimulation(lans: [0, 0, 0, 0, 1], seeds: (0..<5).map { seed * 10 + $0 })
        simulation.send(broadcast(from: host, 1), on: 0)
        simulation.send(broadcast(from: remote, 2), on: 1)
        simulation.run(seconds: 8)
        #expect(simulation.nodes.filter(\.isLocalPortBlocked).count == 3, "seed \(seed)")
        #expect(!simulation.nodes[4].isLocalPortBlocked)
        simulation.forgetWhatWasSeen()
        simulation.send(broadcast(from: host, 3), on: 0)
        simulation.send(broadcast(from: remote, 4), on: 1)
        simulation.run(seconds: 1)
        #expect(simulation.seen[1]?[broadcast(from: host, 3)] == 1)
        #expect(simulation.seen[0]?[broadcast(from: host, 3)] == 1)
        #expect(simulation.seen[0]?[broadcast(from: remote, 4)] == 1)
        let there = Frames.ethernet(to: remote, from: host)
        let back = Frames.ethernet(to: host, from: remote)
        simulation.send(there, on: 0)
        simulation.send(back, on: 1)
        simulation.run(seconds: 1)
        #expect(simulation.seen[1]?[there] == 1, "what was learned in the storm is forgotten")
        #expect(simulation.seen[0]?[back] == 1)
    }

    @Test func theBlockedTAPOpensWhenTheLoopIsGone() {
        var simulation = LanSimulation(lans: [0, 0], seeds: [1, 2])
        simulation.run(seconds: 5)
        let blocked = order(simulation, [0, 1])[1]
        #expect(simulation.nodes[blocked].isLocalPortBlocked)
        simulation.run(seconds: 60)
        #expect(simulation.nodes[blocked].isLocalPortBlocked)
        simulation.lans[blocked] = 1
        simulation.run(seconds: 9)
        #expect(simulation.nodes[blocked].isLocalPortBlocked)
        simulation.run(seconds: 4)
        #expect(!simulation.nodes[blocked].isLocalPortBlocked)
        #expect(simulation.events[blocked].last == .localPortUnblocked)
        #expect(simulation.events[1 - blocked].last == .peerPortBlocked(port(blocked), false))
    }

    @Test func theBlockedNodeTakesOverWhenTheForwardingOneDies() {
        var simulation = LanSimulation(lans: [0, 0, 1], seeds: [1, 2, 3])
        simulation.run(seconds: 5)
        let forwarding = order(simulation, [0, 1])[0]
        simulation.kill(forwarding)
        simulation.run(seconds: 13)
        let frame = broadcast(from: host, 9)
        simulation.send(frame, on: 0)
        simulation.run(seconds: 1)
        #expect(simulation.seen[1]?[frame] == 1)
    }

    @Test func aSessionThatIsRenewedDoesNotOpenTheLoop() {
        var simulation = LanSimulation(lans: [0, 0], seeds: [1, 2])
        simulation.run(seconds: 5)
        let blocked = order(simulation, [0, 1])[1]
        simulation.nodes[blocked].removePort(port(1 - blocked))
        #expect(simulation.nodes[blocked].isLocalPortBlocked)
        simulation.run(seconds: 1)
        simulation.nodes[blocked].addPort(port(1 - blocked))
        simulation.run(seconds: 30)
        #expect(simulation.nodes[blocked].isLocalPortBlocked)
        #expect(!simulation.events[blocked].contains(.localPortUnblocked))
        #expect(simulation.nodes.filter(\.isLocalPortBlocked).count == 1)
    }

    @Test func aLANThatCarriesProbesOneWayOnlyIsCutByTheOneWhoKnows() {
        var simulation = LanSimulation(lans: [0, 0], seeds: [1, 2])
        let forwarding = order(simulation, [0, 1])[0]
        simulation.losesProbe = { from, _ in from == forwarding }
        simulation.run(seconds: 5)
        #expect(simulation.nodes.allSatisfy { !$0.isLocalPortBlocked })
        simulation.run(seconds: 5)
        #expect(simulation.nodes[forwarding].isLocalPortBlocked)
        simulation.losesProbe = { _, _ in false }
        simulation.run(seconds: 5)
        #expect(!simulation.nodes[forwarding].isLocalPortBlocked)
        #expect(simulation.nodes[1 - forwarding].isLocalPortBlocked)
    }

    @Test func fourLostProbesInARowDoNotOpenTheLoop() {
        var simulation = LanSimulation(lans: [0, 0], seeds: [1, 2])
        simulation.run(seconds: 5)
        simulation.losesProbe = { _, _ in true }
        simulation.run(seconds: 7.9)
        simulation.losesProbe = { _, _ in false }
        simulation.run(seconds: 10)
        #expect(simulation.events.allSatisfy { !$0.contains(.localPortUnblocked) })
    }

    @Test func nodesOnOneLANThatAreNoPeersAreReported() {
        var simulation = LanSimulation(lans: [0, 0, 1], seeds: [1, 2, 3], strangers: [[0, 1]])
        simulation.run(seconds: 30)
        #expect(simulation.nodes.allSatisfy { !$0.isLocalPortBlocked })
        #expect(simulation.events[0] == [.foreignProbe(peer: port(2))])
        #expect(simulation.events[1] == [.foreignProbe(peer: port(2))])
    }

    @Test func withoutALoopNobodyIsBlockedOrBothered() {
        var simulation = LanSimulation(lans: [0, 1, 2], seeds: [1, 2, 3])
        for mark in 0..<120 as Range<UInt8> {
            simulation.send(broadcast(from: host, mark), on: 0)
            simulation.run(seconds: 1)
        }
        #expect(simulation.events == [[], [], []])
        #expect(simulation.nodes.allSatisfy { $0.counters.probesSent == 2 * 60 })
    }

    @Test func whereNoFramesAreSentThereAreNoProbesExceptTheFirst() {
        var simulation = LanSimulation(lans: [0, 1, 2], seeds: [1, 2, 3])
        simulation.run(seconds: 120)
        #expect(simulation.nodes.allSatisfy { $0.counters.probesSent == 2 })
        simulation.send(broadcast(from: host, 1), on: 0)
        simulation.run(seconds: 120)
        #expect(simulation.nodes.allSatisfy { $0.counters.probesSent == 4 }, "each saw one frame")
    }

    @Test(arguments: seeds(1...10)) func theFirstFrameThatCirclesInAnIdleMeshFindsTheLoop(seed: UInt64) {
        var simulation = LanSimulation(lans: [0, 2, 1], seeds: (0..<3).map { seed * 10 + $0 })
        simulation.run(seconds: 60)
        simulation.lans = [0, 0, 1]
        simulation.fillLocalTables(on: 0)
        simulation.run(seconds: 10)
        #expect(simulation.nodes.filter(\.isLocalPortBlocked).count == 1, "seed \(seed): frames of the LAN alone do it")
        simulation.lans = [0, 2, 1]
        simulation.run(seconds: 60)
        #expect(simulation.nodes.allSatisfy { !$0.isLocalPortBlocked })
        simulation.lans = [0, 0, 1]
        simulation.send(broadcast(from: remote, 1), on: 1)
        simulation.run(seconds: 0.1)
        #expect(simulation.nodes.filter(\.isLocalPortBlocked).count == 1, "seed \(seed)")
    }

    @Test func afterALoopIsGoneAnIdleMeshIsQuietAgain() {
        var simulation = LanSimulation(lans: [0, 0], seeds: [1, 2])
        simulation.run(seconds: 20)
        #expect(simulation.nodes.filter(\.isLocalPortBlocked).count == 1)
        simulation.lans = [0, 1]
        simulation.run(seconds: 30)
        let counts = simulation.nodes.map(\.counters.probesSent)
        simulation.run(seconds: 120)
        #expect(simulation.nodes.allSatisfy { !$0.isLocalPortBlocked })
        #expect(simulation.nodes.map(\.counters.probesSent) == counts)
    }
}
