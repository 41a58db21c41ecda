import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire
import Testing

@Suite struct HandshakeForgeryTests {
    @Test(arguments: ManualPeer.Flaw.allCases) func helloNeedsBothSignatures(flaw: ManualPeer.Flaw) throws {
        let world = World.byRelay(nodeCount: 1)
        var peer = ManualPeer(1, target: 0)
        world.inject(try peer.makeHello(flaw), from: 1)
        #expect(world.messages(.challenge, from: 0).count == (flaw == .none ? 1 : 0))
        if flaw != .none { #expect(world.failures(0) == [.refused(.badSignature, step: .hello)]) }
    }

    @Test(arguments: ManualPeer.Flaw.allCases) func challengeNeedsBothSignatures(flaw: ManualPeer.Flaw) throws {
        let world = World.byRelay(nodeCount: 1)
        world.run(milliseconds: 1)
        var peer = ManualPeer(1, target: 0)
        let hello = try #require(world.take(to: 1).first { $0.kind == .hello })
        world.inject(try peer.makeChallenge(for: hello.bytes, flaw), from: 1)
        #expect(world.messages(.response, from: 0).count == (flaw == .none ? 1 : 0))
        if flaw != .none { #expect(world.failures(0) == [.refused(.badSignature, step: .challenge)]) }
    }

    @Test(arguments: ManualPeer.Flaw.allCases) func responseNeedsBothSignatures(flaw: ManualPeer.Flaw) throws {
        let world = World.byRelay(nodeCount: 1)
        var peer = ManualPeer(1, target: 0)
        world.inject(try peer.makeHello(), from: 1)
        let challenge = try #require(world.take(to: 1).first { $0.kind == .challenge })
        world.inject(try peer.answer(challenge: challenge.bytes, flaw), from: 1)
        #expect(world.messages(.established, from: 0).count == (flaw == .none ? 1 : 0))
        #expect(world.nodes[0].tableCounts.sessions == (flaw == .none ? 1 : 0))
        if flaw != .none {
            #expect(world.failures(0) == [.refused(.badSignature, step: .response)])
            #expect(world.nodes[0].tableCounts.sessionIndices == 0, "a refused RESPONSE keeps no index")
        }
    }

    @Test func aRefusedChallengeDoesNotStopTheGenuineOne() throws {
        let world = World.byRelay(nodeCount: 1)
        world.run(milliseconds: 1)
        var forger = ManualPeer(1, target: 0, seed: 2)
        var peer = ManualPeer(1, target: 0)
        let hello = try #require(world.take(to: 1).first { $0.kind == .hello })
        world.inject(try forger.makeChallenge(for: hello.bytes, as: World.identities[2]), from: 1)
        #expect(world.failures(0) == [.wrongIdentity], "refused before any signature is verified")
        world.inject(try peer.makeChallenge(for: hello.bytes), from: 1)
        let response = try #require(world.take(to: 1).first { $0.kind == .response })
        world.inject(try peer.makeEstablished(for: response.bytes), from: 1)
        #expect(world.establishedCount(0) == 1 && world.isReachable(0, 1))
    }

    @Test func forgedChallengesCostAtMostFourVerifications() throws {
        let world = World.byRelay(nodeCount: 1)
        world.run(milliseconds: 1)
        var peer = ManualPeer(1, target: 0)
        let hello = try #require(world.take(to: 1).first { $0.kind == .hello })
        let before = world.workCounts[0]
        let forged = try peer.makeChallenge(for: hello.bytes, .ed25519)
        for _ in 0..<20 { world.inject(forged, from: 1) }
        #expect(world.workCounts[0] - before == 4)
    }

    @Test func forgedResponsesCostAtMostFourDecapsulationsAndKeepNoIndex() throws {
        let world = World.byRelay(nodeCount: 1)
        var peer = ManualPeer(1, target: 0)
        world.inject(try peer.makeHello(), from: 1)
        let challenge = try #require(world.take(to: 1).first { $0.kind == .challenge })
        let response = try peer.answer(challenge: challenge.bytes)
        let before = world.workCounts[0]
        for place in 0..<20 {
            var forged = response
            forged[2_000 + place] ^= 1
            world.inject(forged, from: 1)
        }
        #expect(world.workCounts[0] - before == 4)
        #expect(world.nodes[0].tableCounts.sessionIndices == 0)
    }

    @Test func helloForAnotherNodeIsRefused() throws {
        let world = World.byRelay(nodeCount: 1)
        var peer = ManualPeer(1, target: 0)
        let before = world.workCounts[0]
        world.inject(try peer.makeHello(responder: World.identities[2].id), from: 1)
        #expect(world.nodes[0].messageRefusals[.notForUs] == 1 && world.workCounts[0] == before)
    }

    @Test func helloWithTheNodesOwnIdentityIsRefused() throws {
        let world = World.byRelay(nodeCount: 1)
        var mirror = ManualPeer(0, target: 0)
        let before = world.workCounts[0]
        world.inject(try mirror.makeHello(), from: 1)
        #expect(world.nodes[0].messageRefusals[.ownIdentity] == 1 && world.workCounts[0] == before)
    }

    @Test func helloThatTheRelayStampedWithAnotherSourceIsRefused() throws {
        let world = World.byRelay(nodeCount: 1, identityCount: 3)
        var peer = ManualPeer(2, target: 0)
        let before = world.workCounts[0]
        world.inject(try peer.makeHello(), from: 1)
        #expect(world.nodes[0].messageRefusals[.wrongSource] == 1 && world.workCounts[0] == before)
    }

    @Test func aDirectConnectionBelongsToOnePeerOnly() throws {
        let world = World(nodeCount: 1, identityCount: 3)
        world.openDirect(1, from: 1, to: 0)
        var first = ManualPeer(1, target: 0)
        var second = ManualPeer(2, target: 0)
        world.deliver(Packet(from: 1, to: 0, carrier: .direct(1), bytes: try first.makeHello()))
        world.deliver(Packet(from: 1, to: 0, carrier: .direct(1), bytes: try second.makeHello()))
        #expect(world.nodes[0].messageRefusals[.wrongSource] == 1)
    }

    @Test func unknownNodesAreCountedWithoutVerifyingAndTheLastSixteenAreKept() throws {
        let world = World(nodeCount: 1, identityCount: 2)
        world.openDirect(1, from: 1, to: 0)
        var hello = Hello(
            initiatorIdentity: [UInt8](repeating: 0, count: SuiteSizes.publicIdentityByteCount),
            responder: World.identities[0].id, nonce: [UInt8](repeating: 0, count: 32), timestampMilliseconds: 0,
            share: [UInt8](repeating: 0, count: 32),
            signature: [UInt8](repeating: 0, count: SuiteSizes.hybridSignatureByteCount))
        for number in 0..<40 {
            hello.initiatorIdentity[0] = UInt8(number)
            for _ in 0..<2 {
                world.deliver(Packet(from: 1, to: 0, carrier: .direct(1), bytes: hello.bytes))
            }
        }
        #expect(world.workCounts[0] == 0)
        #expect(world.nodes[0].messageRefusals[.unknownPeer] == 80)
        #expect(world.nodes[0].pendingPeers.count == 16 && world.nodes[0].pendingPeers.allSatisfy { $0.count == 2 })
        hello.initiatorIdentity[0] = 39
        #expect(world.nodes[0].pendingPeers.last?.id == PublicIdentity.id(of: hello.initiatorIdentity))
    }

    @Test func aFloodOfHellosIsLimitedBeforeAnyVerification() throws {
        let world = World.byRelay(nodeCount: 1)
        var peer = ManualPeer(1, target: 0)
        let before = world.workCounts[0]
        world.holdsWork = true
        for _ in 0..<50 { world.inject(try peer.makeHello(.mldsa), from: 1) }
        #expect(world.works.count <= 4 && world.workCounts[0] - before <= 4, "half-open handshakes are bounded")
        while !world.works.isEmpty { world.runWork(at: 0) }
        world.holdsWork = false
        world.now = world.now.advanced(milliseconds: 50)
        for _ in 0..<20 { world.inject(try peer.makeHello(.mldsa), from: 1) }
        #expect(world.workCounts[0] - before <= 5, "five at once")
        #expect((world.nodes[0].messageRefusals[.helloRateLimited] ?? 0) >= 60)
        world.now = world.now.advanced(milliseconds: 1_000)
        for _ in 0..<20 { world.inject(try peer.makeHello(.mldsa), from: 1) }
        #expect(world.workCounts[0] - before <= 6, "and one a second")
    }

    @Test func oneRelaysReplaysDoNotUseUpWhatAnotherRelayHas() throws {
        let world = World(nodeCount: 1, identityCount: 2, relayCount: 2)
        for relay in 0..<2 {
            world.connectRelay(0, relay: relay)
            world.openChannel(0, to: 1, relay: relay)
        }
        var peer = ManualPeer(1, target: 0)
        for _ in 0..<30 { world.inject(try peer.makeHello(), from: 1) }
        _ = world.take(to: 1)
        world.inject(try peer.makeHello(), from: 1, relay: 1)
        #expect(world.take(to: 1).contains { $0.kind == .challenge && $0.carrier == .relay(1, channel: 1) })
    }
}
