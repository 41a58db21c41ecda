import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire
import Testing

/// Connections that others open, before anything is proven on them.
@Suite struct StrangerTests {
    private static func remote(_ text: String, port: UInt16 = 1) throws -> Endpoint {
        Endpoint(address: try #require(IPAddress(text: text)), port: port)
    }

    private static func hello(_ world: World, _ peer: inout ManualPeer, by connection: UInt64) throws {
        world.deliver(Packet(from: 1, to: 0, carrier: .direct(connection), bytes: try peer.makeHello()))
    }

    @Test func aConnectionOnWhichNothingIsProvenIsClosedAfterFifteenSeconds() throws {
        let world = World(nodeCount: 1)
        world.openDirect(1, from: 1, to: 0)
        world.openDirect(2, from: 1, to: 0)
        var peer = ManualPeer(1, target: 0)
        try Self.hello(world, &peer, by: 2)
        #expect(world.messages(.challenge, from: 0).count == 1)
        world.run(milliseconds: 14_900)
        #expect(world.closedDirects.isEmpty && world.trustedDirects.isEmpty)
        world.run(milliseconds: 200)
        #expect(world.closedDirects == [1, 2], "a HELLO proves nothing; it may be a recorded one")
        #expect(world.nodes[0].messageRefusals[.unproven] == 2)
    }

    @Test func oneNetworkHasSixteenPlacesAndAllHaveSixtyFour() throws {
        let world = World(nodeCount: 1)
        world.openDirect(1, from: 1, to: 0, remote: try Self.remote("2001:db8::1"))
        for number in 2...40 {
            let remote = try Self.remote("192.0.2.1", port: UInt16(number))
            world.openDirect(UInt64(number), from: 1, to: 0, remote: remote)
        }
        #expect(world.closedDirects == Array(2...24), "the oldest of that address make room")
        for number in 41...120 {
            world.openDirect(UInt64(number), from: 1, to: 0, remote: try Self.remote("198.51.100.\(number)"))
        }
        #expect(world.nodes[0].tableCounts.directConnections == 64)
        world.run(milliseconds: 20_000)
        #expect(world.nodes[0].tableCounts.directConnections == 0)
    }

    @Test func addressesOfOneVersionSixNetworkShareTheirHellos() throws {
        let world = World(nodeCount: 1)
        var peer = ManualPeer(1, target: 0)
        for number in 1...10 {
            let remote = try Self.remote("2001:db8::\(number)")
            world.openDirect(UInt64(number), from: 1, to: 0, remote: remote)
            try Self.hello(world, &peer, by: UInt64(number))
        }
        #expect(world.nodes[0].messageRefusals[.helloRateLimited] == 5)
    }

    @Test func aSessionMakesTheConnectionTrusted() {
        let world = World()
        world.openDirect(1, from: 0, to: 1)
        world.deliverAll()
        #expect(world.framesPass() && world.trustedDirects.contains(1))
        world.run(milliseconds: 20_000)
        #expect(world.closedDirects.isEmpty)
    }

    @Test func recordedHellosDoNotKeepThePeerItselfOut() throws {
        let world = World(nodeCount: 1)
        var peer = ManualPeer(1, target: 0)
        let recorded = try peer.makeHello()
        for connection in 1...4 as ClosedRange<UInt64> {
            world.openDirect(connection, from: 1, to: 0)
            world.deliver(Packet(from: 1, to: 0, carrier: .direct(connection), bytes: recorded))
        }
        world.openDirect(5, from: 1, to: 0)
        try Self.hello(world, &peer, by: 5)
        #expect(world.messages(.challenge, from: 0).count { $0.carrier == .direct(5) } == 1)
        #expect(world.nodes[0].messageRefusals[.tooManyHandshakes] == nil)
    }

    @Test func aStrangersBadMessagesAreCountedAndNotHeldAgainstThePeer() throws {
        let world = World(nodeCount: 1)
        world.openDirect(1, from: 1, to: 0)
        var peer = ManualPeer(1, target: 0)
        world.deliver(Packet(from: 1, to: 0, carrier: .direct(1), bytes: try peer.makeHello(.mldsa)))
        #expect(world.failures(0).isEmpty && world.nodes[0].lastFailure(0) == nil)
        #expect(world.nodes[0].messageRefusals[.refusedMessage] == 1)
    }

    @Test func aStrangersRecordsTakeNothingOfWhatThePeerIsAnswered() throws {
        let world = World.byRelay(nodeCount: 1)
        var peer = ManualPeer(1, target: 0)
        try peer.establish(in: world)
        let record = try peer.record(1, [0])
        var unknown = record
        unknown[4] ^= 0xFF
        world.openDirect(1, from: 1, to: 0)
        try Self.hello(world, &peer, by: 1)
        for _ in 0..<20 { world.deliver(Packet(from: 1, to: 0, carrier: .direct(1), bytes: unknown)) }
        #expect(world.messages(.reset, from: 0).count <= 5)
        let before = world.messages(.noSession, from: 0).count
        world.inject(unknown, from: 1)
        #expect(world.messages(.noSession, from: 0).count == before + 1)
    }
}
