import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire
import Testing

@Suite struct HandshakeReplayTests {
    @Test func nothingOfAnEarlierHandshakeMakesOrEndsASession() {
        let world = World.established()
        let recorded = world.sent
        world.run(milliseconds: 20_000)
        let before = world.nodes.map(\.tableCounts)
        for _ in 0..<3 {
            for packet in recorded { world.deliver(packet) }
            world.deliverAll()
        }
        #expect(world.establishedCount(0) == 1 && world.establishedCount(1) == 1)
        #expect(world.framesPass(), "the live session is untouched")
        world.run(milliseconds: 12_000)
        #expect(world.nodes.map(\.tableCounts) == before, "what the replays opened is forgotten")
    }

    @Test func replaysDoNotCancelAHandshakeThatIsUnderWay() {
        let world = World.established()
        let recorded = world.sent
        for node in 0..<2 { world.closeChannel(node, to: 1 - node) }
        world.run(milliseconds: 30_000)
        for node in 0..<2 { world.openChannel(node, to: 1 - node) }
        world.wire.removeAll()
        // The sessions are unresponsive by now, so a handshake begins; replays come before each of its messages.
        world.onSend = { packet in recorded.filter { $0.to == packet.to && $0.kind != .record } + [packet] }
        world.run(milliseconds: 15_000)
        #expect(world.framesPass())
        #expect(world.establishedCount(0) <= 2 && world.establishedCount(1) <= 2)
    }

    @Test func theSameHelloGetsTheStoredChallenge() throws {
        let world = World.byRelay(nodeCount: 1)
        var peer = ManualPeer(1, target: 0)
        let hello = try peer.makeHello()
        let before = world.workCounts[0]
        for _ in 0..<10 { world.inject(hello, from: 1) }
        let answers = world.messages(.challenge, from: 0)
        #expect(answers.count == 10 && Set(answers.map(\.bytes)).count == 1)
        #expect(world.workCounts[0] - before == 1)
    }

    @Test func theSameResponseGetsTheStoredEstablishedAndAnotherOneNothing() throws {
        let world = World.byRelay(nodeCount: 1)
        var peer = ManualPeer(1, target: 0)
        world.inject(try peer.makeHello(), from: 1)
        let challenge = try #require(world.take(to: 1).first { $0.kind == .challenge })
        let response = try peer.answer(challenge: challenge.bytes)
        let other = try peer.answer(challenge: challenge.bytes)
        let before = world.workCounts[0]
        for _ in 0..<3 { world.inject(response, from: 1) }
        world.inject(other, from: 1)
        let answers = world.messages(.established, from: 0)
        #expect(answers.count == 3 && Set(answers.map(\.bytes)).count == 1)
        #expect(world.workCounts[0] - before == 1 && world.nodes[0].tableCounts.sessions == 1)
    }

    @Test func aResponseByAnotherCarrierIsRefused() throws {
        let world = World(nodeCount: 1, identityCount: 2, relayCount: 2)
        for relay in 0..<2 {
            world.connectRelay(0, relay: relay)
            world.openChannel(0, to: 1, relay: relay)
        }
        var peer = ManualPeer(1, target: 0)
        world.inject(try peer.makeHello(), from: 1)
        let challenge = try #require(world.take(to: 1).first { $0.kind == .challenge })
        world.inject(try peer.answer(challenge: challenge.bytes), from: 1, relay: 1)
        #expect(world.nodes[0].messageRefusals[.unexpectedMessage] == 1)
        #expect(world.nodes[0].tableCounts.sessions == 0)
    }

    @Test func resultsThatArriveAfterTheirHandshakeIsGoneChangeNothing() {
        for stopAt in 0..<6 {
            let world = World.byRelay()
            world.holdsWork = true
            world.run(milliseconds: 1)
            for _ in 0..<stopAt where !world.works.isEmpty {
                world.runWork(at: 0)
                world.deliverAll()
            }
            for node in 0..<2 { world.closeChannel(node, to: 1 - node) }
            world.run(milliseconds: 30_000, delivers: false)
            while !world.works.isEmpty { world.runWork(at: 0) }
            for node in 0..<2 {
                let counts = world.nodes[node].tableCounts
                #expect(counts.tickets == 0 && counts.handshakes == 0, "stopped after \(stopAt)")
                #expect(counts.sessionIndices == counts.sessions, "stopped after \(stopAt)")
            }
        }
    }

    @Test func aRelayThatOpensAndClosesChannelsDoesNotMakeTheNodeSignWithoutLimit() {
        let world = World.byRelay(nodeCount: 1, opensChannels: false)
        let before = world.workCounts[0]
        for _ in 0..<500 {
            world.openChannel(0, to: 1)
            world.run(milliseconds: 10, delivers: false)
            world.closeChannel(0, to: 1)
        }
        #expect(world.workCounts[0] - before <= 5 + 6, "five at once and one a second")
        #expect(world.nodes[0].tableCounts.sessionIndices == 0 && world.nodes[0].tableCounts.handshakes == 0)
    }

    @Test func aRelayCannotFillTheChannelTable() {
        let world = World.byRelay(nodeCount: 1, opensChannels: false)
        for channel in 1...2_000 as ClosedRange<UInt32> {
            world.fromRelay(0, .channelOpened(channel: channel, peer: World.identities[1].id))
        }
        #expect(world.nodes[0].tableCounts.relayChannels == 1)
        var entropy = EntropySource.seeded(5)
        for channel in 3_000...6_000 as ClosedRange<UInt32> {
            guard let id = PeerID(bytes: entropy.bytes(count: 32)) else { continue }
            world.fromRelay(0, .channelOpened(channel: channel, peer: id))
        }
        #expect(world.nodes[0].tableCounts.relayChannels <= 256)
    }
}
