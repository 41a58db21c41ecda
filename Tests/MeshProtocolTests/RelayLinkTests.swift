import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire
import Testing

@Suite struct RelayLinkTests {
    /// A node whose connection to its relay is up and that waits for the relay's challenge.
    private static func connected() -> World {
        let world = World(nodeCount: 1, identityCount: 2, relayCount: 1)
        reconnect(world)
        return world
    }

    private static func reconnect(_ world: World) {
        world.drive(0) { $0.handleTimeout(nowSeconds: world.nowSeconds, at: world.now, actions: &$1) }
        world.drive(0) { $0.relayConnected(0, keyHash: World.keyHash, nowSeconds: world.nowSeconds, actions: &$1) }
    }

    private static func events(_ world: World) -> [RelayLinkEvent] {
        world.events[0].compactMap { if case .relay(_, let event) = $0 { event } else { nil } }
    }

    private static func untrusted(_ change: (inout RelayChallenge) throws -> Void) throws -> RelayLinkEvent? {
        let world = connected()
        var challenge = World.relayChallenge()
        try change(&challenge)
        world.fromRelay(0, .challenge(challenge))
        #expect(world.relayMessages.isEmpty, "nothing is proven to a relay that is not trusted")
        #expect(world.relayCloses == 1)
        return events(world).last
    }

    @Test func aRelayWithAnotherIdentityIsNotTrusted() throws {
        let event = try Self.untrusted { challenge in
            let other = try RelayKeyStatement(
                identity: World.identities[3], keyHash: World.keyHash, nowSeconds: World.epochSeconds)
            challenge.relayIdentity = other.relayIdentity
            challenge.signature = other.signature
        }
        #expect(event == .untrusted(.wrongIdentity))
    }

    @Test func aRelayBehindAnotherTLSKeyIsNotTrusted() throws {
        let event = try Self.untrusted { challenge in
            let other = try RelayKeyStatement(
                identity: World.relayIdentity, keyHash: [UInt8](repeating: 8, count: 32),
                nowSeconds: World.epochSeconds)
            challenge.keyHash = other.keyHash
            challenge.signature = other.signature
        }
        #expect(event == .untrusted(.wrongRelayKey))
    }

    @Test func aStatementThatHasExpiredOrRunsLongerThanThirtyDaysAndADayIsRefused() throws {
        let day: UInt64 = 86_400
        let cases: [(signedAt: UInt64, isTrusted: Bool)] = [
            (World.epochSeconds - 31 * day, false), (World.epochSeconds - 30 * day, false),
            (World.epochSeconds - 29 * day, true), (World.epochSeconds + day / 2, true),
            (World.epochSeconds + 2 * day, false),
        ]
        for (signedAt, isTrusted) in cases {
            let world = Self.connected()
            let statement = try RelayKeyStatement(
                identity: World.relayIdentity, keyHash: World.keyHash, nowSeconds: signedAt)
            var challenge = World.relayChallenge()
            challenge.notAfterSeconds = statement.notAfterSeconds
            challenge.signature = statement.signature
            world.fromRelay(0, .challenge(challenge))
            #expect(world.relayMessages.count == (isTrusted ? 1 : 0))
            #expect(Self.events(world).contains(.untrusted(.relayKeyExpired)) != isTrusted)
        }
    }

    @Test(arguments: [ManualPeer.Flaw.mldsa, .ed25519]) func aStatementNeedsBothSignatures(
        flaw: ManualPeer.Flaw
    ) throws {
        let event = try Self.untrusted { $0.signature = ManualPeer.spoil($0.signature, flaw) }
        #expect(event == .untrusted(.refused(.badSignature, step: .relay)))
    }

    @Test func reconnectingWaitsHalfASecondDoublingToThirtyWithJitter() {
        let world = World(nodeCount: 1, identityCount: 2, relayCount: 1)
        var waits: [UInt64] = []
        for _ in 0..<9 {
            world.drive(0) { $0.handleTimeout(nowSeconds: world.nowSeconds, at: world.now, actions: &$1) }
            world.drive(0) { $0.relayLost(0, reason: "refused", at: world.now, actions: &$1) }
            let due = world.nodes[0].deadline ?? .zero
            waits.append(due.milliseconds(since: world.now))
            world.now = due
        }
        for (wait, base) in zip(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000] as [UInt64]) {
            #expect((base / 2...base).contains(wait), "\(waits)")
        }
    }

    @Test func aRelayThatGoesSilentWhileConnectingIsGivenUpAfterFifteenSeconds() {
        let world = Self.connected()
        world.now = world.now.advanced(milliseconds: 15_000)
        world.drive(0) { $0.handleTimeout(nowSeconds: world.nowSeconds, at: world.now, actions: &$1) }
        #expect(world.relayCloses == 1)
        #expect((world.nodes[0].deadline ?? .zero) > world.now)
    }

    private static func proof(_ world: World) throws -> RelayProof {
        for message in world.relayMessages { if case .proof(let proof) = message { return proof } }
        throw WireError.invalidField(.parameter)
    }

    private static func wait(_ world: World) -> UInt64 {
        (world.nodes[0].deadline ?? .zero).milliseconds(since: world.now)
    }

    @Test func aHostThatWasReplacedByACloneWaitsAMinuteWhateverElseComes() throws {
        let world = World.byRelay(nodeCount: 1)
        world.fromRelay(0, .replaced(instance: [UInt8](repeating: 1, count: 16)))
        #expect(Self.events(world).last == .identityInUseElsewhere && Self.wait(world) == 60_000)
        world.fromRelay(0, .channelClosed(channel: 2))
        world.fromRelay(0, .refused(RelayRefusal(reason: .full)))
        world.fromRelay(0, .draining)
        world.drive(0) { $0.relayLost(0, reason: "closed", at: world.now, actions: &$1) }
        #expect(Self.wait(world) == 60_000, "messages behind it do not shorten the wait")
        #expect(!world.isReachable(0, 1) && world.nodes[0].carrier(of: 0) == nil)
    }

    @Test func aHostThatReplacedItselfDoesNotWait() throws {
        let world = World.byRelay(nodeCount: 1)
        world.fromRelay(0, .replaced(instance: try Self.proof(world).instance))
        #expect(world.nodes[0].observedEndpoint(0) != nil && world.relayCloses == 0)
    }

    @Test func aProofThatWasMadeForALostConnectionIsNotSentOnTheNext() {
        let world = Self.connected()
        world.holdsWork = true
        world.fromRelay(0, .challenge(World.relayChallenge()))
        world.drive(0) { $0.relayLost(0, reason: "reset", at: world.now, actions: &$1) }
        world.now = world.nodes[0].deadline ?? world.now
        Self.reconnect(world)
        var second = World.relayChallenge()
        second.challenge = [UInt8](repeating: 4, count: 32)
        world.fromRelay(0, .challenge(second))
        #expect(world.works.count == 2)
        world.runWork(at: 0)
        #expect(world.relayMessages.isEmpty)
        world.runWork(at: 0)
        #expect(world.relayMessages.count == 1)
    }

    @Test func aMessageOutOfPlaceClosesTheConnection() {
        let messages: [RelayMessage] = [
            .draining, .channelOpened(channel: 1, peer: World.identities[1].id), .namePeers([World.identities[1].id]),
        ]
        for message in messages {
            let world = Self.connected()
            world.fromRelay(0, message)
            #expect(world.relayCloses == 1)
        }
        let world = World.byRelay(nodeCount: 1)
        world.fromRelay(0, .channelOpened(channel: 0, peer: World.identities[1].id))
        #expect(world.relayCloses == 1, "channel 0 is the relay's own")
    }
}
