import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire
import Testing

@Suite struct CrossingTests {
    /// Both nodes begin at the same time; work and messages happen in the order that `seed` says.
    ///
    /// Messages of one direction keep their order, as on every carrier of handshakes.
    private static func crossed(seed: UInt64) -> World {
        let world = World.byRelay()
        world.holdsWork = true
        world.run(milliseconds: 300, delivers: false)
        var random = EntropySource.seeded(seed)
        for _ in 0..<200 {
            let firsts = Set(world.wire.map(\.to)).sorted()
            let choices = firsts.count + world.works.count
            guard choices > 0 else { break }
            let choice = Int(random.number(below: UInt64(choices)))
            if choice < firsts.count {
                let place = world.wire.firstIndex { $0.to == firsts[choice] } ?? 0
                world.deliver(world.wire.remove(at: place))
            } else {
                world.runWork(at: choice - firsts.count)
            }
        }
        world.holdsWork = false
        return world
    }

    @Test func everyInterleavingEndsInOneSessionThatBothSidesUse() {
        var crossedCount = 0
        for seed in 1...400 as ClosedRange<UInt64> {
            let world = Self.crossed(seed: seed)
            crossedCount += world.messages(.hello, from: 1).isEmpty ? 0 : 1
            #expect(world.nodes[0].tableCounts.sessions >= 1 && world.framesPass(), "seed \(seed)")
            let identifiers = (0..<2).map { world.nodes[$0].session(of: 0)?.identifier }
            #expect(identifiers[0] == identifiers[1] && identifiers[0] != nil, "seed \(seed)")
            world.run(milliseconds: 30_000)
            #expect(world.nodes.allSatisfy { $0.tableCounts.sessions == 1 && $0.tableCounts.handshakes == 0 })
            #expect(world.nodes.allSatisfy { $0.tableCounts.sessionIndices == 1 }, "seed \(seed)")
            #expect(world.framesPass(), "seed \(seed)")
        }
        #expect(crossedCount > 350, "both sent HELLO in nearly all of them")
    }

    @Test func whenTheLowerIDsHelloNeverArrivesTheHigherOnesHandshakeCompletes() {
        let world = World.byRelay()
        world.onSend = { $0.kind == .hello && $0.from == 0 ? [] : [$0] }
        world.run(milliseconds: 1_000)
        #expect(world.framesPass())
        #expect(world.establishedCount(0) == 1 && world.establishedCount(1) == 1)
    }

    @Test func aLowerIDThatHasSentItsResponseRefusesTheOtherOnesUntilItsOwnHandshakeEnds() throws {
        // Node 0 has the lower ID; identity 1 is played here, runs both handshakes and never sends ESTABLISHED.
        let world = World.byRelay(nodeCount: 1)
        world.run(milliseconds: 1)
        var responder = ManualPeer(1, target: 0, seed: 1)
        var initiator = ManualPeer(1, target: 0, seed: 2)
        let hello = try #require(world.take(to: 1).first { $0.kind == .hello })
        world.run(milliseconds: 5_000, delivers: false)
        world.inject(try initiator.makeHello(), from: 1)
        let challenge = try #require(world.take(to: 1).first { $0.kind == .challenge })
        let response = try initiator.answer(challenge: challenge.bytes)
        world.inject(try responder.makeChallenge(for: hello.bytes), from: 1)
        world.inject(response, from: 1)
        #expect(world.nodes[0].messageRefusals[.crossedHandshake] == 1 && world.establishedCount(0) == 0)
        world.run(milliseconds: 5_200, delivers: false)
        world.inject(response, from: 1)
        #expect(world.establishedCount(0) == 1, "its own attempt is over, so the other one is taken")
    }
}
