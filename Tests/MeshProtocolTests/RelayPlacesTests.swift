import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire
import Testing

@Suite struct RelayPlacesTests {
    /// The relays that node 0 has begun to connect to, in order.
    private static func tried(_ world: World) -> [Int] {
        world.events[0].compactMap { if case .relay(let relay, .connecting) = $0 { relay } else { nil } }
    }

    private static func lose(_ world: World, _ relay: Int) {
        world.drive(0) { $0.relayLost(relay, reason: "refused", at: world.now, actions: &$1) }
    }

    @Test func threeRelaysOfALongListAreConnectedAndTheOthersAreSpare() {
        let world = World(nodeCount: 1, identityCount: 2, relayCount: 5)
        world.run(milliseconds: 1)
        #expect(Self.tried(world) == [0, 1, 2])
        #expect((0..<5).map { world.nodes[0].isSpare(relay: $0) } == [false, false, false, true, true])
        #expect((0..<5).allSatisfy { world.nodes[0].observedEndpoint($0) == nil })
    }

    @Test func aRelayThatFailedTwiceGivesItsPlaceToTheNextAndGetsItBack() {
        let world = World(nodeCount: 1, identityCount: 2, relayCount: 5)
        for relay in [1, 2] { world.connectRelay(0, relay: relay) }
        world.openChannel(0, to: 1, relay: 1)
        for _ in 0..<12 {
            for relay in 0..<5 where relay != 1 && relay != 2 { Self.lose(world, relay) }
            world.run(milliseconds: 2_000)
        }
        let order = Self.tried(world).filter { $0 != 1 && $0 != 2 }
        #expect(Array(order.prefix(7)) == [0, 0, 3, 3, 4, 4, 0], "\(order)")
        #expect((0..<5).count { !world.nodes[0].isSpare(relay: $0) } == 3)
        #expect(world.nodes[0].observedEndpoint(1) != nil && world.nodes[0].observedEndpoint(2) != nil)
    }

    @Test func aPeerThatIsAtNoneOfThreeRelaysIsLookedForAtTheRest() {
        let world = World(nodeCount: 1, identityCount: 3, relayCount: 4)
        for relay in 0..<3 { world.connectRelay(0, relay: relay) }
        world.openChannel(0, to: 1, relay: 2)
        world.run(milliseconds: 59_900)
        #expect(Self.tried(world) == [0, 1, 2])
        world.run(milliseconds: 200)
        #expect(Self.tried(world) == [0, 1, 2, 3], "the place of relay 1, where nobody is")
        #expect(world.nodes[0].isSpare(relay: 1) && world.relayCloses == 1)
        world.connectRelay(0, relay: 3)
        world.openChannel(0, to: 2, relay: 3)
        world.run(milliseconds: 300_000)
        #expect(Self.tried(world).count == 4 && world.nodes[0].observedEndpoint(3) != nil, "all are found")
    }

    @Test func relaysThatAreHomesKeepTheirPlaces() {
        let world = World(nodeCount: 1, identityCount: 3, relayCount: 4, keepsRelays: true)
        for relay in 0..<3 { world.connectRelay(0, relay: relay) }
        world.run(milliseconds: 300_000)
        #expect(Self.tried(world) == [0, 1, 2] && world.nodes[0].isSpare(relay: 3))
    }

    @Test func aRelayThatBecomesKnownTakesAFreePlaceOrThatOfOneThatIsNotConnected() {
        let world = World(nodeCount: 1, identityCount: 2, relayCount: 2, keepsRelays: true)
        func add(isUrgent: Bool) {
            world.drive(0) { node, _ in node.addRelay(World.relayIdentity.id, isUrgent: isUrgent, at: world.now) }
            world.run(milliseconds: 1)
        }
        world.run(milliseconds: 1)
        add(isUrgent: false)
        #expect(Self.tried(world) == [0, 1, 2], "the third place was free")
        for relay in [0, 2] { world.connectRelay(0, relay: relay) }
        add(isUrgent: false)
        #expect(world.nodes[0].isSpare(relay: 3))
        Self.lose(world, 1)
        add(isUrgent: true)
        #expect(world.nodes[0].isSpare(relay: 1) && !world.nodes[0].isSpare(relay: 4))
        #expect(Self.tried(world) == [0, 1, 2, 4])
        world.connectRelay(0, relay: 4)
        add(isUrgent: true)
        #expect(world.nodes[0].isSpare(relay: 5), "those connected keep their places")
    }

    @Test func peersThatARelayDoesNotConnectAreTold() {
        let world = World(nodeCount: 1, identityCount: 4, relayCount: 1)
        world.connectRelay(0)
        func told() -> [Range<PeerIndex>] {
            world.events[0].compactMap { if case .peersNotNamed(let range, relay: 0) = $0 { range } else { nil } }
        }
        #expect(told().isEmpty)
        world.drive(0) { $0.relayLost(0, reason: "closed", at: world.now, actions: &$1) }
        world.run(milliseconds: 1_000)
        world.connectRelay(0, peersMax: 2)
        #expect(told() == [2..<3])
    }

    @Test func aClockThatIsSetBackOrForwardHarmsNoSession() {
        let world = World.established(rotationSeconds: 30)
        for change in [-400, 400, 0] as [Int64] {
            world.clockChangeSeconds = change * 86_400
            let rotations = world.nodes[0].session(of: 0)?.rotationCount ?? 0
            world.run(milliseconds: 100_000)
            #expect(world.framesPass() && world.establishedCount(0) == 1, "after \(change) days")
            #expect((world.nodes[0].session(of: 0)?.rotationCount ?? 0) >= rotations + 2)
        }
    }
}
