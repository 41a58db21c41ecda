import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire
import Testing

@Suite struct LivenessTests {
    private static func count(_ world: World, _ node: Int, _ isWanted: (NodeEvent) -> Bool) -> Int {
        world.events[node].count(where: isWanted)
    }

    private static func unresponsiveCount(_ world: World) -> Int {
        count(world, 0) { if case .unresponsive = $0 { true } else { false } }
    }

    @Test func twoIdleNodesSendAtMostOneRecordEachWayInAHeartbeatInterval() {
        let world = World.established()
        world.run(milliseconds: 20_000)
        world.sent = []
        world.run(milliseconds: 600_000)
        for node in 0..<2 {
            let count = world.messages(.record, from: node).count
            #expect((30...41).contains(count), "\(count) records from node \(node) in 40 intervals")
        }
        #expect(Self.unresponsiveCount(world) == 0)
    }

    @Test func aStreamInOneDirectionCostsOnePingEveryTwoSeconds() {
        let world = World.established()
        for number in 0..<200 {
            world.sendFrame(from: 0, to: 1, number: UInt8(number))
            world.run(milliseconds: 100)
        }
        let answers = world.messages(.record, from: 1).count
        #expect((8...14).contains(answers), "\(answers) answers in 20 s")
    }

    @Test func aSilentPeerIsAskedAgainAndCalledUnresponsiveAfterOneSecond() {
        let world = World.established()
        world.run(milliseconds: 3_000)
        let start = world.now
        world.onSend = { _ in [] }
        world.sent = []
        world.sendFrame(from: 0, to: 1)
        var noticed: UInt64?
        while noticed == nil, world.now.milliseconds(since: start) < 10_000 {
            world.run(milliseconds: 10)
            if Self.unresponsiveCount(world) == 1 { noticed = world.now.milliseconds(since: start) }
        }
        #expect((2_900...3_100).contains(noticed ?? 0), "2 s without an answer, 1 s of asking: \(noticed ?? 0) ms")
        let pings = world.messages(.record, from: 0).count - 1
        #expect((3...6).contains(pings), "asked again while waiting: \(pings)")
    }

    @Test func anUnresponsiveSessionRecoversWithAnyValidRecord() {
        let world = World.established()
        world.onSend = { _ in [] }
        world.sendFrame(from: 0, to: 1)
        world.run(milliseconds: 3_500)
        #expect(Self.unresponsiveCount(world) == 1)
        world.onSend = { $0.kind == .record ? [$0] : [] }
        world.sendFrame(from: 1, to: 0)
        world.deliverAll()
        #expect(world.framesPass() && world.nodes[0].session(of: 0)?.isUnresponsive == false)
    }

    @Test func anUnresponsiveDirectPathIsLeftForTheRelayAtOnce() {
        let world = World.byRelay()
        world.run(milliseconds: 100)
        world.openDirect(7, from: 0, to: 1)
        world.deliverAll()
        #expect(world.nodes[0].carrier(of: 0) == .direct(7))
        world.onSend = { $0.carrier == .direct(7) ? [] : [$0] }
        world.sendFrame(from: 0, to: 1)
        world.run(milliseconds: 4_000)
        #expect(world.nodes[0].carrier(of: 0)?.isRelay == true && world.closedDirects.contains(7))
        world.closeDirect(7, at: 0)
        world.closeDirect(7, at: 1)
        #expect(world.framesPass())
    }

    @Test func nodesThatFallSilentForADayWakeUpWithoutATrap() {
        let world = World.established(rotationSeconds: 60)
        world.sendFrame(from: 0, to: 1)
        world.wire.removeAll()
        world.now = world.now.advanced(milliseconds: 86_400_000)
        world.run(milliseconds: 30_000)
        #expect(world.framesPass())
    }

    @Test func theLatestInstantOfAllIsNoTrap() {
        let world = World.established(rotationSeconds: 60)
        world.sendFrame(from: 0, to: 1)
        world.now = Instant(nanoseconds: .max - 5)
        for index in 0..<2 {
            world.drive(index) { $0.handleTimeout(nowSeconds: 2_000_000_000, at: world.now, actions: &$1) }
        }
        world.deliverAll()
    }

    @Test func nothingIsLeftInTheTablesAfterDaysOfTrouble() {
        for seed in 1...12 as ClosedRange<UInt64> {
            var random = EntropySource.seeded(seed)
            let world = World(nodeCount: 2, identityCount: 2, relayCount: 2, rotationSeconds: 5)
            for node in 0..<2 { for relay in 0..<2 { world.connectRelay(node, relay: relay) } }
            var connection: UInt64 = 100
            var open: [UInt64] = []
            world.onSend = { packet in
                switch random.number(below: 12) {
                case 0: return []
                case 1: return [packet, packet]
                case 2:
                    var altered = packet
                    altered.bytes[Int(random.number(below: UInt64(packet.bytes.count)))] ^= 4
                    return [altered]
                default: return [packet]
                }
            }
            for _ in 0..<150 {
                let relay = Int(random.number(below: 2))
                switch random.number(below: 8) {
                case 0: for node in 0..<2 { world.openChannel(node, to: 1 - node, relay: relay) }
                case 1: for node in 0..<2 { world.closeChannel(node, to: 1 - node, relay: relay) }
                case 2 where open.count < 3:
                    connection += 1
                    open.append(connection)
                    let from = Int(random.number(below: 2))
                    world.openDirect(connection, from: from, to: 1 - from)
                case 3 where !open.isEmpty:
                    let closed = open.removeFirst()
                    for node in 0..<2 { world.closeDirect(closed, at: node) }
                case 4:
                    world.holdsWork.toggle()
                    while !world.holdsWork, !world.works.isEmpty { world.runWork(at: 0) }
                default:
                    let from = Int(random.number(below: 2))
                    world.sendFrame(from: from, to: 1 - from)
                }
                world.run(milliseconds: random.number(below: 3_000))
            }
            world.holdsWork = false
            while !world.works.isEmpty { world.runWork(at: 0) }
            for closed in open { for node in 0..<2 { world.closeDirect(closed, at: node) } }
            world.onSend = nil
            world.run(milliseconds: 200_000)
            for node in 0..<2 {
                let counts = world.nodes[node].tableCounts
                #expect(counts.tickets == 0 && counts.directConnections == 0, "seed \(seed)")
                #expect(counts.sessions <= 3, "seed \(seed)")
                #expect(counts.sessionIndices <= counts.sessions + 1, "seed \(seed): \(counts)")
            }
        }
    }
}
