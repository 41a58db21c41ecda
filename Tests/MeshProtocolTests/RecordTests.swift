import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire
import Testing

@Suite struct RecordTests {
    private static let frame = [UInt8](repeating: 9, count: 64)

    private static func world() throws -> (World, ManualPeer) {
        let world = World.byRelay(nodeCount: 1, identityCount: 3)
        var peer = ManualPeer(1, target: 0)
        try peer.establish(in: world)
        return (world, peer)
    }

    private static func refusal(_ world: World, _ body: () throws -> Void) rethrows -> RecordRefusal? {
        let before = world.nodes[0].recordRefusals
        try body()
        return RecordRefusal.allCases.first { world.nodes[0].recordRefusals[$0] != before[$0] }
    }

    @Test func recordsWithAWrongHeaderFieldAreRefusedByReason() throws {
        var (world, peer) = try Self.world()
        #expect(try Self.refusal(world) { world.inject(try peer.record(1, Self.frame), from: 1) } == nil)
        #expect(
            try Self.refusal(world) { world.inject(try peer.record(1, Self.frame, lane: 1), from: 1) } == .unknownLane)
        for epoch in [1, 2, 255] as [UInt8] {
            let refusal = try Self.refusal(world) {
                world.inject(try peer.record(1, Self.frame, epoch: epoch), from: 1)
            }
            #expect(refusal == .unknownEpoch)
        }
        #expect(
            try Self.refusal(world) {
                world.inject(try peer.record(1, Self.frame, index: peer.remoteIndex ^ 1), from: 1)
            } == .unknownSession)
        #expect(
            try Self.refusal(world) { world.inject(try peer.record(1, Self.frame, counter: 0), from: 1) } == .replayed)
        #expect(try Self.refusal(world) { world.inject(try peer.record(0x7F, [1]), from: 1) } == .unknownContent)
        #expect(world.frames[0].count == 1)
    }

    @Test func aRecordByAnotherPeersCarrierIsRefused() throws {
        var (world, peer) = try Self.world()
        let record = try peer.record(1, Self.frame)
        #expect(Self.refusal(world) { world.inject(record, from: 2) } == .wrongCarrier)
        #expect(Self.refusal(world) { world.inject(record, from: 1) } == nil, "and it is not spent by that")
    }

    @Test func aRecordThatIsTooShortIsRefused() throws {
        let (world, _) = try Self.world()
        for count in 1..<RecordHeader.recordByteCountMin {
            let bytes = [MessageKind.record.rawValue] + [UInt8](repeating: 0, count: count - 1)
            #expect(Self.refusal(world) { world.inject(bytes, from: 1) } == .malformed)
        }
    }

    @Test func recordsWithAWrongTagDoNotTouchTheReplayWindow() throws {
        var (world, peer) = try Self.world()
        for counter in [5, 1_000_000, .max - 1, .max] as [UInt64] {
            var record = try peer.record(1, Self.frame, counter: counter)
            record[record.count - 1] ^= 1
            #expect(Self.refusal(world) { world.inject(record, from: 1) } == .badTag)
        }
        for counter in [0, 5] as [UInt64] {
            let record = try peer.record(1, Self.frame, counter: counter)
            #expect(Self.refusal(world) { world.inject(record, from: 1) } == nil)
            #expect(Self.refusal(world) { world.inject(record, from: 1) } == .replayed)
        }
    }

    @Test func everyAlteredByteOfARecordIsNoticed() throws {
        var (world, peer) = try Self.world()
        let record = try peer.record(1, Self.frame)
        for place in record.indices {
            var altered = record
            altered[place] ^= 0x20
            if place == 0 { altered[0] = 0x48 }
            world.inject(altered, from: 1)
        }
        #expect(world.frames[0].isEmpty)
        // Byte 2 is the path generation: authenticated, without meaning yet.
        world.inject(record, from: 1)
        #expect(world.frames[0].count == 1)
    }

    @Test func countersOfANodeNeverRepeatThoughEpochsChange() {
        let world = World.established(rotationSeconds: 2)
        for number in 0..<40 {
            world.sendFrame(from: 0, to: 1, number: UInt8(number))
            world.sendFrame(from: 1, to: 0, number: UInt8(number))
            world.run(milliseconds: 500)
        }
        for node in 0..<2 {
            let headers = world.messages(.record, from: node).compactMap {
                try? RecordHeader(parsing: $0.bytes.span.rawBytes)
            }
            #expect(Set(headers.map(\.counter)).count == headers.count)
            #expect(Set(headers.map(\.epoch)).count >= 8)
        }
    }

    @Test func malformedControlContentIsCountedAndAnswersNothing() throws {
        var (world, peer) = try Self.world()
        _ = world.take(to: 1)
        let contents: [(UInt8, [UInt8])] = [
            (ContentKind.ping.rawValue, []), (ContentKind.ping.rawValue, [UInt8](repeating: 0, count: 9)),
            (ContentKind.pong.rawValue, [1]), (ContentKind.streamAcknowledgement.rawValue, [1, 2]),
            (ContentKind.streamSegment.rawValue, [UInt8](repeating: 0, count: 12)),
            (ContentKind.streamSegment.rawValue, [UInt8](repeating: 0, count: 1_013)),
        ]
        for (kind, content) in contents {
            #expect(
                try Self.refusal(world) { world.inject(try peer.record(kind, content), from: 1) } == .malformedContent)
        }
        #expect(world.take(to: 1).isEmpty && world.nodes[0].tableCounts.sessions == 1)
    }

    @Test func aPongThatWasNotAskedForIsIgnored() throws {
        var (world, peer) = try Self.world()
        for identifier in 0..<100 as Range<UInt64> {
            let content = Probe(identifier: identifier).bytes
            world.inject(try peer.record(ContentKind.pong.rawValue, content), from: 1)
        }
        let pongs = world.events[0].count { if case .pong = $0 { true } else { false } }
        #expect(pongs == 0)
    }
}
