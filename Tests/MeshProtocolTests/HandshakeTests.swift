import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire
import Testing

@Suite struct HandshakeTests {
    @Test func byRelayOneHandshakeGivesOneSessionAndFramesPassBothWays() {
        let world = World.established()
        #expect(world.establishedCount(0) == 1 && world.establishedCount(1) == 1)
        #expect(world.messages(.hello, from: 0).count == 1 && world.messages(.hello, from: 1).isEmpty)
        #expect(world.framesPass())
        #expect(world.nodes[0].tableCounts.tickets == 0 && world.nodes[0].tableCounts.sessionIndices == 1)
    }

    @Test func byADirectCarrierTheOneWhoDialsBegins() {
        let world = World()
        world.openDirect(5, from: 1, to: 0)
        world.deliverAll()
        #expect(world.establishedCount(0) == 1 && world.establishedCount(1) == 1)
        #expect(world.messages(.hello, from: 1).count == 1)
        #expect(world.framesPass())
    }

    @Test func helloIsSentAgainAsStoredBytesAfterHalfOneTwoAndFourSecondsAndGivenUpAtTen() {
        let world = World.byRelay(nodeCount: 1)
        let start = world.now
        var times: [UInt64] = []
        world.onSend = {
            if $0.kind == .hello { times.append(world.now.milliseconds(since: start)) }
            return [$0]
        }
        world.run(milliseconds: 10_100)
        let hellos = world.messages(.hello, from: 0)
        #expect(hellos.count == 5 && Set(hellos.map(\.bytes)).count == 1)
        var expected: UInt64 = 0
        for (time, gap) in zip(times, [0, 500, 1_000, 2_000, 4_000] as [UInt64]) {
            #expect((expected + gap...expected + gap * 11 / 10).contains(time), "\(times)")
            expected = time
        }
        #expect(world.failures(0) == [.timedOut(.challenge)])
        #expect(world.nodes[0].tableCounts.sessionIndices == 0, "the index of the failed attempt is released")
    }

    @Test func responseIsSentAgainAsStoredBytes() {
        let world = World.byRelay()
        world.onSend = { $0.kind == .established ? [] : [$0] }
        world.run(milliseconds: 4_500)
        let responses = world.messages(.response, from: 0)
        #expect(responses.count == 4 && Set(responses.map(\.bytes)).count == 1)
        let answers = world.messages(.established, from: 1)
        #expect(answers.count == 4 && Set(answers.map(\.bytes)).count == 1, "the stored answer for the same RESPONSE")
        #expect(world.workCounts[1] == 3, "one relay proof, HELLO once, RESPONSE once")
    }

    @Test func attemptsThatFailAreRepeatedAfterFiveSecondsDoublingToAMinute() {
        let world = World.byRelay(nodeCount: 1)
        var starts: [UInt64] = []
        var seen: Set<[UInt8]> = []
        world.onSend = {
            if $0.kind == .hello, seen.insert($0.bytes).inserted { starts.append(world.now.nanoseconds / 1_000_000) }
            return []
        }
        world.run(milliseconds: 400_000)
        let gaps = zip(starts.dropFirst(), starts).map { $0 - $1 }
        for (gap, wait) in zip(gaps, [5_000, 10_000, 20_000, 40_000, 60_000, 60_000] as [UInt64]) {
            #expect((10_000 + wait...10_000 + wait * 5 / 4).contains(gap), "\(gaps)")
        }
        #expect(world.nodes[0].tableCounts.sessionIndices <= 1)
    }

    @Test(arguments: [MessageKind.hello, .challenge, .response, .established])
    func aLostMessageIsMadeGoodByTheResend(kind: MessageKind) {
        let world = World.byRelay()
        var lost = false
        world.onSend = {
            if $0.kind == kind, !lost {
                lost = true
                return []
            }
            return [$0]
        }
        world.run(milliseconds: 1_500)
        #expect(lost && world.framesPass())
        #expect(world.establishedCount(0) == 1 && world.establishedCount(1) == 1)
    }

    @Test(arguments: [MessageKind.hello, .challenge, .response, .established])
    func noAlteredCutOrExtendedMessageMakesASession(kind: MessageKind) {
        for change in 0..<40 {
            let world = World.byRelay()
            var original: [UInt8] = []
            world.onSend = { packet in
                guard packet.kind == kind else { return [packet] }
                original = packet.bytes
                var packet = packet
                switch change {
                case 0: packet.bytes.removeLast()
                case 1: packet.bytes.append(0)
                case 2: packet.bytes = Array(packet.bytes.prefix(5))
                case 3: packet.bytes = [packet.bytes[0]]
                default: packet.bytes[packet.bytes.count * (change - 4) / 36] ^= 0x10
                }
                return [packet]
            }
            world.run(milliseconds: 400)
            #expect(!original.isEmpty)
            // HELLO's timestamp is signed like everything else, so there is no byte that may change.
            #expect(!world.isReachable(0, 1) && !world.isReachable(1, 0), "\(kind) change \(change)")
            let confirmed = world.events[1].contains { if case .confirmed = $0 { true } else { false } }
            #expect(!confirmed)
        }
    }

    @Test func theResponderSendsNoFrameBeforeTheInitiatorsFirstRecord() {
        let world = World.byRelay()
        world.onSend = { $0.kind == .record ? [] : [$0] }
        world.run(milliseconds: 100)
        #expect(world.establishedCount(1) == 1 && world.isReachable(0, 1))
        #expect(!world.isReachable(1, 0) && !world.sendFrame(from: 1, to: 0))
        world.onSend = nil
        world.sendFrame(from: 0, to: 1)
        world.deliverAll()
        #expect(world.isReachable(1, 0) && world.framesPass())
    }

    @Test func aHandshakeWhoseCarrierIsLostGoesOnByAnotherOne() {
        let world = World(nodeCount: 2, identityCount: 2, relayCount: 2)
        for node in 0..<2 { for relay in 0..<2 { world.connectRelay(node, relay: relay) } }
        for relay in 0..<2 {
            world.openChannel(0, to: 1, relay: relay)
            world.openChannel(1, to: 0, relay: relay)
        }
        world.onSend = { $0.carrier == .relay(0, channel: 1) || $0.carrier == .relay(0, channel: 2) ? [] : [$0] }
        world.run(milliseconds: 600)
        #expect(world.nodes[0].isHandshaking(0) && !world.isReachable(0, 1))
        world.closeChannel(0, to: 1)
        world.closeChannel(1, to: 0)
        world.run(milliseconds: 1_000)
        #expect(world.isReachable(0, 1) && world.framesPass())
        #expect(world.nodes[0].tableCounts.sessionIndices == world.nodes[0].tableCounts.sessions)
    }

    @Test func aDirectConnectionThatOpensDuringAHandshakeByRelayGetsItsTurn() {
        let world = World.byRelay()
        world.holdsWork = true
        world.run(milliseconds: 10)
        #expect(world.nodes[0].isHandshaking(0))
        world.openDirect(9, from: 0, to: 1)
        world.holdsWork = false
        while !world.works.isEmpty { world.runWork(at: 0) }
        world.run(milliseconds: 100)
        #expect(world.nodes[0].carrier(of: 0) == .direct(9) && world.nodes[1].carrier(of: 0) == .direct(9))
        #expect(world.framesPass())
    }

    @Test func aDirectConnectionWithoutAnswerIsClosedAndDialledAgain() {
        let world = World(nodeCount: 1, identityCount: 2, dialled: true)
        world.run(milliseconds: 1)
        #expect(world.dials == [0])
        world.openDirect(4, from: 0, to: 1)
        world.run(milliseconds: 10_100)
        #expect(world.closedDirects == [4])
        world.closeDirect(4, at: 0)
        world.run(milliseconds: 1_000)
        #expect(world.dials == [0, 0])
        #expect(world.nodes[0].tableCounts.sessionIndices == 0 && world.nodes[0].tableCounts.directConnections == 0)
    }
}
