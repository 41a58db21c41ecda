import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire
import Testing

/// Records that are sealed and opened without their node, between two of its turns.
@Suite struct RecordPhaseTests {
    private static let carrier = CarrierID.relay(0, channel: 1)

    /// The record of a frame, all of it but the sealing done.
    private static func prepared(_ node: inout Node, number: UInt8, at now: Instant) -> (PreparedRecord, [UInt8])? {
        var record = [UInt8](repeating: 0, count: Session.frameOverheadByteCount + 64)
        record[Session.contentOffset] = number
        var bytes = record.mutableSpan
        var span = bytes.mutableRawBytes
        guard let prepared = node.prepareFrame(to: 0, byteCount: 64, in: &span, at: now) else { return nil }
        return (prepared, record)
    }

    private static func sealed(_ prepared: PreparedRecord, _ record: [UInt8]) -> [UInt8] {
        var record = record
        var bytes = record.mutableSpan
        var span = bytes.mutableRawBytes
        prepared.job.seal(&span)
        return record
    }

    /// Opens with what the node's key gave outside of it; the frame.
    private static func commit(
        _ node: inout Node, _ record: inout [UInt8], _ opening: RecordOpening?, at now: Instant
    ) throws(RecordRefusal) -> [UInt8]? {
        try node.frame(of: &record, opening, by: carrier, at: now)
    }

    /// Why the node refuses what was opened outside of it.
    private static func refusal(
        _ node: inout Node, _ record: inout [UInt8], _ opening: RecordOpening?, at now: Instant
    ) -> RecordRefusal? {
        do throws(RecordRefusal) { _ = try commit(&node, &record, opening, at: now) } catch { return error }
        return nil
    }

    // MARK: - Sealing

    @Test func recordsThatAreSealedLaterAreThoseThatAreSealedAtOnce() throws {
        let world = World.established()
        var node = world.nodes[0]
        var waiting: [(PreparedRecord, [UInt8])] = []
        for number in 0..<40 as Range<UInt8> {
            world.sendFrame(from: 0, to: 1, number: number)
            waiting.append(try #require(Self.prepared(&node, number: number, at: world.now)))
        }
        #expect(waiting.allSatisfy { $0.0.mayWait && $0.0.byteCount == $0.1.count })
        // In any order: each has its own counter.
        let later = waiting.reversed().map { Self.sealed($0.0, $0.1) }
        #expect(world.wire.map(\.bytes) == Array(later.reversed()))
    }

    @Test func aRecordIsSealedWithTheKeyOfItsTimeWhateverBecomesOfTheSession() throws {
        let world = World.established()
        let (prepared, record) = try #require(Self.prepared(&world.nodes[0], number: 7, at: world.now))
        var receiver = world.nodes[1]
        world.drive(0) { $0.shutDown(at: world.now, actions: &$1) }
        world.drive(1) { $0.shutDown(at: world.now, actions: &$1) }
        world.deliverAll()
        #expect(world.nodes.allSatisfy { $0.tableCounts.sessions == 0 })
        var bytes = Self.sealed(prepared, record)
        let frame = try Self.commit(&receiver, &bytes, nil, at: world.now)
        #expect(frame?.first == 7)
    }

    @Test func withoutASessionNothingIsPrepared() {
        let world = World.byRelay(opensChannels: false)
        let prepared = Self.prepared(&world.nodes[0], number: 1, at: world.now)
        #expect(prepared == nil)
    }

    // MARK: - Opening

    private static func hasKey(_ node: inout Node, _ record: [UInt8]) -> Bool {
        node.openingKey(of: record.span.rawBytes) != nil
    }

    private static func records(_ world: World, _ count: UInt8) -> [[UInt8]] {
        for number in 0..<count { world.sendFrame(from: 0, to: 1, number: number) }
        defer { world.wire.removeAll() }
        return world.wire.map(\.bytes)
    }

    @Test func whatIsOpenedOutsideIsWhatTheNodeOpens() throws {
        let world = World.established()
        for record in Self.records(world, 20) {
            var (inside, outside) = (record, record)
            var copy = world.nodes[1]
            let opening = world.nodes[1].openedOutside(&outside)
            #expect(opening != nil)
            let frame = try Self.commit(&world.nodes[1], &outside, opening, at: world.now)
            let expected = try Self.commit(&copy, &inside, nil, at: world.now)
            #expect(frame?.count == 64 && frame == expected && inside == outside)
        }
    }

    @Test func aRecordThatComesTwiceIsDeliveredOnceThoughBothWereOpenedBefore() throws {
        let world = World.established()
        var first = Self.records(world, 1)[0]
        var second = first
        let openings = (world.nodes[1].openedOutside(&first), world.nodes[1].openedOutside(&second))
        let frame = try Self.commit(&world.nodes[1], &second, openings.1, at: world.now)
        #expect(frame?.count == 64)
        let refusal = Self.refusal(&world.nodes[1], &first, openings.0, at: world.now)
        #expect(refusal == .replayed)
        #expect(world.nodes[1].recordRefusals[.replayed] == 1)
    }

    @Test func anAlteredRecordIsRefusedAndNotSpent() throws {
        let world = World.established()
        let record = Self.records(world, 1)[0]
        var altered = record
        altered[record.count - 1] ^= 1
        let opening = world.nodes[1].openedOutside(&altered)
        let refusal = Self.refusal(&world.nodes[1], &altered, opening, at: world.now)
        #expect(refusal == .badTag)
        var sound = record
        let next = world.nodes[1].openedOutside(&sound)
        let frame = try Self.commit(&world.nodes[1], &sound, next, at: world.now)
        #expect(frame?.count == 64)
    }

    @Test func aRecordWhoseSessionEndsMeanwhileIsDroppedAndCounted() throws {
        let world = World.established()
        var record = Self.records(world, 1)[0]
        let opening = world.nodes[1].openedOutside(&record)
        #expect(opening != nil)
        world.drive(0) { $0.shutDown(at: world.now, actions: &$1) }
        world.deliverAll()
        #expect(world.nodes[1].tableCounts.sessions == 0)
        let refusal = Self.refusal(&world.nodes[1], &record, opening, at: world.now)
        #expect(refusal == .unknownSession && world.nodes[1].recordRefusals[.unknownSession] == 1)
        let hasKey = Self.hasKey(&world.nodes[1], record)
        #expect(!hasKey)
    }

    @Test func aRecordWhoseEpochEndsMeanwhileIsTakenAndDroppedTenSecondsLater() throws {
        let world = World.established(rotationSeconds: 60)
        let records = Self.records(world, 2)
        var (early, late) = (records[0], records[1])
        let openings = (world.nodes[1].openedOutside(&early), world.nodes[1].openedOutside(&late))
        world.run(milliseconds: 61_000)
        #expect(world.framesPass())
        let frame = try Self.commit(&world.nodes[1], &early, openings.0, at: world.now)
        #expect(frame?.count == 64)
        world.run(milliseconds: 11_000)
        let refusal = Self.refusal(&world.nodes[1], &late, openings.1, at: world.now)
        #expect(refusal == .unknownEpoch)
    }

    @Test func whatIsNoRecordOfASessionIsLeftToTheNode() {
        let world = World.established()
        var record = Self.records(world, 1)[0]
        for count in 0..<RecordHeader.recordByteCountMin {
            let hasKey = Self.hasKey(&world.nodes[1], Array(record.prefix(count)))
            #expect(!hasKey)
        }
        // Another index, epoch and lane.
        for place in [4, 1, 3] {
            record[place] ^= 0x55
            let hasKey = Self.hasKey(&world.nodes[1], record)
            #expect(!hasKey)
            record[place] ^= 0x55
        }
        let hasKey = Self.hasKey(&world.nodes[1], record)
        #expect(hasKey)
    }
}
