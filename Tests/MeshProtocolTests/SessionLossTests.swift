import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire
import Testing

@Suite struct SessionLossTests {
    private static func lossCount(_ world: World, _ node: Int = 0) -> Int {
        world.events[node].count { if case .sessionLost = $0 { true } else { false } }
    }

    private static func hellos(_ world: World) -> [Packet] { world.messages(.hello, from: 0).filter { $0.to == 1 } }

    private static func world() throws -> (World, ManualPeer) {
        let world = World.byRelay(nodeCount: 1, identityCount: 3)
        var peer = ManualPeer(1, target: 0)
        try peer.establish(in: world)
        world.inject(try peer.record(1, [0]), from: 1)
        _ = world.take(to: 1)
        return (world, peer)
    }

    @Test func noSessionIsObeyedOnceAndRemovesNothing() throws {
        let (world, peer) = try Self.world()
        let message = NoSession(sessionIndex: peer.localIndex).bytes
        for _ in 0..<5 { world.inject(message, from: 1) }
        #expect(Self.lossCount(world) == 1 && Self.hellos(world).isEmpty)
        world.run(milliseconds: 1_000)
        #expect(Self.hellos(world).count == 1)
        #expect(world.isReachable(0, 1), "the session stays until the handshake completes")
        world.run(milliseconds: 30_000)
        world.inject(message, from: 1)
        #expect(Self.lossCount(world) == 1, "once per session")
    }

    @Test func noSessionIsNotObeyedWhenAValidRecordFollows() throws {
        var (world, peer) = try Self.world()
        world.inject(NoSession(sessionIndex: peer.localIndex).bytes, from: 1)
        world.run(milliseconds: 900)
        world.inject(try peer.record(1, [1]), from: 1)
        world.run(milliseconds: 5_000)
        #expect(Self.hellos(world).isEmpty)
    }

    @Test func noSessionForAnotherPeersSessionOrAnUnknownIndexIsIgnored() throws {
        let (world, peer) = try Self.world()
        world.inject(NoSession(sessionIndex: peer.localIndex).bytes, from: 2)
        world.inject(NoSession(sessionIndex: peer.localIndex ^ 1).bytes, from: 1)
        world.run(milliseconds: 1_500)
        #expect(Self.lossCount(world) == 0)
    }

    @Test func noSessionCountsOnlyWhereARelayVouchesForTheSender() throws {
        let world = World()
        world.openDirect(1, from: 0, to: 1)
        world.deliverAll()
        let index = try #require(world.nodes[0].session(of: 0)?.remoteIndex)
        world.deliver(
            Packet(from: 1, to: 0, carrier: .direct(1), bytes: NoSession(sessionIndex: index).bytes))
        #expect(Self.lossCount(world) == 0 && world.nodes[0].messageRefusals[.malformedMessage] == 1)
    }

    @Test func resetNeedsTheTokenOfItsIndex() throws {
        let (world, peer) = try Self.world()
        let right = peer.identity.resetToken(for: peer.localIndex)
        var wrong = right
        wrong[15] ^= 1
        let foreign = World.identities[2].resetToken(for: peer.localIndex)
        for token in [wrong, foreign, [UInt8](repeating: 0, count: 16)] {
            world.inject(SessionReset(sessionIndex: peer.localIndex, token: token).bytes, from: 1)
        }
        #expect(Self.lossCount(world) == 0)
        world.inject(SessionReset(sessionIndex: peer.localIndex, token: right).bytes, from: 1)
        #expect(Self.lossCount(world) == 1)
        world.run(milliseconds: 1_000)
        #expect(Self.hellos(world).count == 1 && world.isReachable(0, 1))
    }

    @Test func answersToUnknownRecordsAreSmallerThanTheirTriggerAndLimited() throws {
        for isDirect in [false, true] {
            let world = isDirect ? World() : World.byRelay(nodeCount: 1)
            if isDirect {
                world.openDirect(1, from: 0, to: 1)
                world.deliverAll()
            }
            let carrier: CarrierID = isDirect ? .direct(1) : .relay(0, channel: 2)
            world.sent = []
            let smallest =
                [MessageKind.record.rawValue, 0, 0, 0, 1, 2, 3, 4] + [UInt8](repeating: 0, count: 25)
            for _ in 0..<100 { world.deliver(Packet(from: 1, to: 0, carrier: carrier, bytes: smallest)) }
            let answers = world.messages(isDirect ? .reset : .noSession, from: 0)
            #expect(answers.count == 5, "five at once")
            #expect(answers.allSatisfy { $0.bytes.count < smallest.count })
            world.now = world.now.advanced(milliseconds: 1_000)
            for _ in 0..<100 { world.deliver(Packet(from: 1, to: 0, carrier: carrier, bytes: smallest)) }
            #expect(world.messages(isDirect ? .reset : .noSession, from: 0).count == 6, "and one a second")
        }
    }

    @Test func aReplacedSessionThatThePeerForgotStartsNoHandshake() throws {
        let (world, old) = try Self.world()
        var new = ManualPeer(1, target: 0, seed: 2)
        try new.establish(in: world)
        world.inject(try new.record(1, [1]), from: 1)
        world.inject(NoSession(sessionIndex: old.localIndex).bytes, from: 1)
        world.run(milliseconds: 3_000)
        #expect(Self.hellos(world).isEmpty && Self.lossCount(world) == 0)
    }
}
