import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire
import Testing

@Suite struct ReplacementTests {
    /// Puts a second session between the nodes, begun by node 0 over a direct connection.
    private static func replace(_ world: World, connection: UInt64 = 3) { world.openDirect(connection, from: 0, to: 1) }

    @Test func framesOnBothSessionsAreAcceptedAndTheOldOneGoesTenSecondsLater() {
        let world = World.established()
        world.run(milliseconds: 12_000)
        for number in 0..<5 as Range<UInt8> { world.sendFrame(from: 1, to: 0, number: number) }
        let late = world.wire
        world.wire.removeAll()
        Self.replace(world)
        world.deliverAll()
        #expect(world.nodes.allSatisfy { $0.tableCounts.sessions == 2 })
        for packet in late { world.deliver(packet) }
        #expect(world.frames[0].count == 5, "what was under way in the old session, idle for 12 s before, arrives")
        #expect(world.framesPass())
        world.run(milliseconds: 9_000)
        #expect(world.nodes.allSatisfy { $0.tableCounts.sessions == 2 })
        world.run(milliseconds: 2_000)
        #expect(world.nodes.allSatisfy { $0.tableCounts.sessions == 1 && $0.tableCounts.sessionIndices == 1 })
        #expect(world.framesPass())
    }

    @Test func aCloseEndsTheOlderSessionsOfThePairToo() {
        let world = World.established()
        Self.replace(world)
        world.deliverAll()
        #expect(world.nodes.allSatisfy { $0.tableCounts.sessions == 2 })
        world.drive(1) { $0.shutDown(at: world.now, actions: &$1) }
        world.deliverAll()
        #expect(world.nodes[0].tableCounts.sessions == 0)
        #expect(!world.isReachable(0, 1))
    }

    @Test func aReplacedSessionIsNotKeptByItsOwnHeartbeats() {
        let world = World(heartbeatSeconds: 3)
        for connection in 1...2 as ClosedRange<UInt64> {
            world.openDirect(connection, from: 0, to: 1)
            world.run(milliseconds: 5_000)
        }
        #expect(world.nodes.allSatisfy { $0.tableCounts.sessions == 2 })
        world.run(milliseconds: 10_000)
        #expect(world.nodes.allSatisfy { $0.tableCounts.sessions == 1 })
        #expect(world.framesPass())
    }

    @Test func noFrameIsLostAtAnyMomentOfAReplacement() {
        for seed in 1...60 as ClosedRange<UInt64> {
            let world = World.established()
            var random = EntropySource.seeded(seed)
            world.run(milliseconds: random.number(below: 14_000))
            world.holdsWork = true
            Self.replace(world)
            var count = 0
            for number in 0..<120 {
                if world.sendFrame(from: 0, to: 1, number: UInt8(number)) { count += 1 }
                if world.sendFrame(from: 1, to: 0, number: UInt8(number)) { count += 1 }
                for _ in 0..<random.number(below: 6) {
                    // Each direction of each carrier keeps its order.
                    let heads = world.wire.indices.filter { place in
                        !world.wire[..<place].contains {
                            $0.to == world.wire[place].to && $0.carrier == world.wire[place].carrier
                        }
                    }
                    if random.number(below: 8) == 0, !world.works.isEmpty {
                        world.runWork(at: 0)
                    } else if !heads.isEmpty {
                        let place = heads[Int(random.number(below: UInt64(heads.count)))]
                        world.deliver(world.wire.remove(at: place))
                    }
                }
            }
            world.holdsWork = false
            while !world.works.isEmpty { world.runWork(at: 0) }
            world.deliverAll()
            #expect(count == 240 && world.frames[0].count + world.frames[1].count == count, "seed \(seed)")
            #expect(world.establishedCount(0) == 2)
        }
    }

    @Test func sessionsThatAreNeverConfirmedDoNotPushOutTheOneInUse() throws {
        let world = World.byRelay(nodeCount: 1)
        var first = ManualPeer(1, target: 0, seed: 1)
        try first.establish(in: world)
        world.inject(try first.record(ContentKind.ping.rawValue, Probe(identifier: 1).bytes), from: 1)
        #expect(world.isReachable(0, 1))
        for seed in 2...6 as ClosedRange<UInt64> {
            world.now = world.now.advanced(milliseconds: 1_000)
            var next = ManualPeer(1, target: 0, seed: seed)
            try next.establish(in: world)
        }
        #expect(world.nodes[0].tableCounts.sessions == 3 && world.nodes[0].tableCounts.sessionIndices == 3)
        #expect(world.isReachable(0, 1))
        #expect(world.nodes[0].session(of: 0)?.identifier == first.sessionIdentifier)
    }
}
