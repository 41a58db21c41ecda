import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire
import Testing

@Suite struct RotationTests {
    private static func rotations(_ world: World, _ node: Int) -> Int {
        world.events[node].count { if case .rotated = $0 { true } else { false } }
    }

    private static func ends(_ world: World) -> [SessionEnd] {
        world.events[0].compactMap { if case .sessionEnded(_, let end) = $0 { end } else { nil } }
    }

    @Test func threeHundredRotationsWrapTheEpochAndLoseNoFrame() {
        let world = World.established(rotationSeconds: 1)
        var count = 0
        while Self.rotations(world, 0) < 300, count < 4_000 {
            world.sendFrame(from: 0, to: 1, number: UInt8(truncatingIfNeeded: count))
            world.sendFrame(from: 1, to: 0, number: UInt8(truncatingIfNeeded: count))
            count += 1
            world.run(milliseconds: 200)
        }
        #expect(Self.rotations(world, 0) >= 300 && Self.rotations(world, 1) >= 300)
        #expect(world.frames[0].count == count && world.frames[1].count == count)
        #expect(world.establishedCount(0) == 1, "one session all the time")
        #expect(world.nodes[0].session(of: 0)?.epoch == world.nodes[1].session(of: 0)?.epoch)
    }

    @Test func theSmallerIntervalOfBothCounts() throws {
        let world = World.byRelay(nodeCount: 1)
        var peer = ManualPeer(1, target: 0)
        peer.rotationSeconds = 30
        world.run(milliseconds: 1)
        let hello = try #require(world.take(to: 1).first { $0.kind == .hello })
        world.inject(try peer.makeChallenge(for: hello.bytes), from: 1)
        let response = try #require(world.take(to: 1).first { $0.kind == .response })
        world.inject(try peer.makeEstablished(for: response.bytes), from: 1)
        let before = world.workCounts[0]
        for _ in 0..<29 {
            world.inject(try peer.record(1, [0]), from: 1)
            world.run(milliseconds: 1_000)
        }
        #expect(world.workCounts[0] == before)
        world.run(milliseconds: 1_100)
        #expect(world.workCounts[0] == before + 1)
    }

    @Test(arguments: 0..<24) func theLossOfAnyMessageOfARotationIsMadeGood(lost: Int) {
        let world = World.established(rotationSeconds: 2)
        world.run(milliseconds: 1_950)
        var number = 0
        world.onSend = { packet in
            defer { number += 1 }
            return number == lost ? [] : [packet]
        }
        world.run(milliseconds: 6_000)
        #expect(Self.rotations(world, 0) >= 1 && Self.rotations(world, 1) >= 1)
        #expect(world.framesPass() && world.establishedCount(0) == 1)
    }

    @Test func rotationsUnderLossLoseNoFrameThatTheNetworkDoesNotLose() {
        for seed in 1...10 as ClosedRange<UInt64> {
            let world = World.established(rotationSeconds: 1)
            var random = EntropySource.seeded(seed)
            var kept = 0
            let frameRecordByteCount = Session.frameOverheadByteCount + 64
            world.onSend = { packet in
                if random.number(below: 10) < 3 { return [] }
                if packet.bytes.count == frameRecordByteCount { kept += 1 }
                return [packet]
            }
            for number in 0..<600 {
                world.sendFrame(from: 0, to: 1, number: UInt8(truncatingIfNeeded: number))
                world.sendFrame(from: 1, to: 0, number: UInt8(truncatingIfNeeded: number))
                world.run(milliseconds: 50)
            }
            #expect(world.frames[0].count + world.frames[1].count == kept, "seed \(seed)")
            #expect(Self.rotations(world, 0) >= 1 && world.establishedCount(0) == 1, "seed \(seed)")
        }
    }

    @Test func aRequestFromTheSessionsResponderIsRefused() throws {
        let world = World.byRelay(nodeCount: 1)
        world.run(milliseconds: 1)
        var peer = ManualPeer(1, target: 0)
        let hello = try #require(world.take(to: 1).first { $0.kind == .hello })
        world.inject(try peer.makeChallenge(for: hello.bytes), from: 1)
        let response = try #require(world.take(to: 1).first { $0.kind == .response })
        world.inject(try peer.makeEstablished(for: response.bytes), from: 1)
        #expect(world.isReachable(0, 1))
        let before = world.workCounts[0]
        for record in try peer.stream(StreamMessage.rekeyRequest(try peer.rekeyRequest()).bytes) {
            world.inject(record, from: 1)
        }
        #expect(Self.ends(world) == [.controlStreamBroken] && world.workCounts[0] == before)
    }

    @Test(arguments: [0, 2, 255] as [UInt8]) func aRequestForAnotherEpochIsRefused(epoch: UInt8) throws {
        let world = World.byRelay(nodeCount: 1)
        var peer = ManualPeer(1, target: 0)
        try peer.establish(in: world)
        let before = world.workCounts[0]
        for record in try peer.stream(StreamMessage.rekeyRequest(try peer.rekeyRequest(epoch: epoch)).bytes) {
            world.inject(record, from: 1)
        }
        #expect(Self.ends(world) == [.controlStreamBroken] && world.workCounts[0] == before)
    }

    @Test(arguments: [ManualPeer.Flaw.mldsa, .ed25519])
    func aRequestWithOneBadSignatureEndsTheSession(flaw: ManualPeer.Flaw) throws {
        let world = World.byRelay(nodeCount: 1)
        var peer = ManualPeer(1, target: 0)
        try peer.establish(in: world)
        for record in try peer.stream(StreamMessage.rekeyRequest(try peer.rekeyRequest(flaw)).bytes) {
            world.inject(record, from: 1)
        }
        #expect(Self.ends(world) == [.rotationRefused(.refused(.badSignature, step: .rekey))])
        #expect(world.nodes[0].tableCounts.sessions == 0 && world.nodes[0].tableCounts.sessionIndices == 0)
    }

    /// A session whose initiator is played by the test, after one rotation. Returns the peer before and after it.
    private static func rotated() throws -> (World, old: ManualPeer, new: ManualPeer) {
        let world = World.byRelay(nodeCount: 1)
        var peer = ManualPeer(1, target: 0)
        try peer.establish(in: world)
        for record in try peer.stream(StreamMessage.rekeyRequest(try peer.rekeyRequest()).bytes) {
            world.inject(record, from: 1)
        }
        var stream: [UInt8] = []
        for packet in world.take(to: 1) {
            guard let (_, kind, content) = try peer.open(packet.bytes), kind == ContentKind.streamSegment.rawValue
            else { continue }
            stream += try StreamSegment(parsing: content.span.rawBytes).data
        }
        let body = Array(stream.dropFirst(StreamMessage.headerByteCount))
        let message = try StreamMessage(type: stream.first ?? 0, body: body.span.rawBytes)
        guard case .rekeyReply(let reply) = message else { throw WireError.invalidField(.streamMessage) }
        let old = peer
        try peer.finishRekey(reply)
        return (world, old, peer)
    }

    @Test func theOldEpochIsAcceptedForTenSecondsAndThenNoMore() throws {
        var (world, old, new) = try Self.rotated()
        #expect(world.nodes[0].session(of: 0)?.epoch == 0, "the responder waits for a record in the new epoch")
        world.inject(try new.record(1, [1]), from: 1)
        #expect(world.nodes[0].session(of: 0)?.epoch == 1 && world.frames[0].count == 1)
        world.run(milliseconds: 9_990)
        world.inject(try old.record(1, [2], counter: 500), from: 1)
        #expect(world.frames[0].count == 2)
        world.run(milliseconds: 20)
        world.inject(try old.record(1, [3], counter: 501), from: 1)
        #expect(world.frames[0].count == 2 && world.nodes[0].recordRefusals[.unknownEpoch] == 1)
        world.inject(try new.record(1, [4], counter: 502), from: 1)
        #expect(world.frames[0].count == 3)
    }

    @Test func theReplayWindowReachesOverEpochs() throws {
        var (world, old, new) = try Self.rotated()
        world.inject(try old.record(1, [1], counter: 900), from: 1)
        world.inject(try new.record(1, [1], counter: 900), from: 1)
        #expect(world.nodes[0].recordRefusals[.replayed] == 1 && world.frames[0].count == 1)
        #expect(world.nodes[0].session(of: 0)?.epoch == 0, "a replayed counter does not change the epoch either")
    }

    @Test func aSecondRequestBeforeTheFirstIsUsedEndsTheSession() throws {
        var (world, old, _) = try Self.rotated()
        for record in try old.stream(StreamMessage.rekeyRequest(try old.rekeyRequest()).bytes) {
            world.inject(record, from: 1)
        }
        #expect(Self.ends(world) == [.controlStreamBroken])
    }

    @Test func manyCloseMessagesInOneSegmentEndTheSessionOnce() throws {
        let world = World.byRelay(nodeCount: 1)
        var peer = ManualPeer(1, target: 0)
        try peer.establish(in: world)
        let closes = (0..<150).flatMap { _ in StreamMessage.close(.shutdown).bytes }
        for record in try peer.stream(closes) { world.inject(record, from: 1) }
        #expect(Self.ends(world) == [.closedByPeer])
    }
}
